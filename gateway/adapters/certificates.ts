// The certificates of a listener in use: which one is shown for which name, and how TLS is spoken. Knows nothing of the
// files from which they come.
import { createSecureContext, type SecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls'
import type { TlsMaterial } from '../plane-protocol.js'
import { ciphersOfTls12, namesOf } from './tls-policy.js'

const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  ...ciphersOfTls12,
].join(':')

/** A session resumed under another certificate's name would be refused if this differed between contexts. */
const sessionIdContext = 'amarre'

const base: SecureContextOptions = { minVersion: 'TLSv1.2', ciphers, sessionIdContext }

/** A certificate that is shown, and the names that it is good for, in lower case. */
interface Shown {
  readonly names: readonly string[]
  readonly context: SecureContext
}

/** What was shown on one connection. */
export interface ShownCertificate {
  readonly names: readonly string[]
  /** None fitted the name asked for. */
  readonly isFallback: boolean
}

/** The certificates of one listener; `use` replaces them for connections to come. */
export class Certificates {
  #first: SecureContextOptions = base
  #firstNames: readonly string[] = []
  #byName = new Map<string, Shown>()

  constructor(material: TlsMaterial) {
    this.use(material)
  }

  /** The first certificate is shown where no other fits. Throws, changing nothing, when one cannot be used. */
  use({ certificates, clients }: TlsMaterial): void {
    const ca = clients === null ? {} : { ca: clients.ca }
    const byName = new Map<string, Shown>()
    for (const { cert, key } of certificates) {
      const shown = { names: namesOf(cert), context: createSecureContext({ ...base, ...ca, cert, key }) }
      for (const name of shown.names) if (!byName.has(name)) byName.set(name, shown)
    }
    this.#first = { ...base, ...ca, ...certificates[0] }
    this.#firstNames = namesOf(certificates[0]?.cert ?? '')
    this.#byName = byName
  }

  /** What `setSecureContext` takes. */
  get first(): SecureContextOptions {
    return this.#first
  }

  /** What a TLS server needs; ticket keys are shared, so that any worker resumes a session of any other. */
  serverOptions({ ticketKeys, clients }: TlsMaterial): TlsOptions {
    return {
      ...this.#first,
      ticketKeys: Buffer.from(ticketKeys),
      ALPNProtocols: ['h2', 'http/1.1'],
      SNICallback: (name, callback) => callback(null, this.#find(name.toLowerCase())?.context),
      requestCert: clients !== null,
      rejectUnauthorized: clients?.isRequired === true,
    }
  }

  /** What is shown to a client that asks for this name; false: for none. */
  shownFor(name: string | false | null): ShownCertificate {
    const found = typeof name === 'string' ? this.#find(name.toLowerCase()) : undefined
    return { names: found?.names ?? this.#firstNames, isFallback: found === undefined }
  }

  /**
   * Whether a connection may carry requests for a host (RFC 9113 section 9.1.2): what was shown on it is good for that
   * name, or a connection of its own would be shown the same.
   */
  maySpeakFor(host: string, { names, isFallback }: ShownCertificate): boolean {
    if (names.includes(host) || names.includes(wildcardOf(host))) return true
    return isFallback && this.#find(host) === undefined
  }

  /** Undefined: the first. */
  #find(name: string): Shown | undefined {
    return this.#byName.get(name) ?? this.#byName.get(wildcardOf(name))
  }
}

/** A wildcard stands for one label (RFC 9525 section 6.3). */
function wildcardOf(name: string): string {
  return `*${name.slice(name.indexOf('.'))}`
}
