// The certificates of a listener in use: which one is shown for which name, and how TLS is spoken. Knows nothing of the
// files from which they come.
import { X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls'
import type { TlsMaterial } from '../plane-protocol.js'

/** TLS 1.2 with forward secrecy and authenticated encryption only; the suites of TLS 1.3 are all of that kind. */
const ciphers = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/** A session resumed under another certificate's name would be refused if this differed between contexts. */
const sessionIdContext = 'amarre'

const base: SecureContextOptions = { minVersion: 'TLSv1.2', ciphers, sessionIdContext }

/** The certificates of one listener; `use` replaces them for connections to come. */
export class Certificates {
  #first: SecureContextOptions = base
  #byName = new Map<string, SecureContext>()

  constructor(material: TlsMaterial) {
    this.use(material)
  }

  /** The first certificate is shown where no other fits. Throws, changing nothing, when one cannot be used. */
  use({ certificates }: TlsMaterial): void {
    const byName = new Map<string, SecureContext>()
    for (const { cert, key } of certificates) {
      const context = createSecureContext({ ...base, cert, key })
      for (const name of namesOf(cert)) if (!byName.has(name)) byName.set(name, context)
    }
    this.#first = { ...base, ...certificates[0] }
    this.#byName = byName
  }

  /** What `setSecureContext` takes. */
  get first(): SecureContextOptions {
    return this.#first
  }

  /** What a TLS server needs; ticket keys are shared, so that any worker resumes a session of any other. */
  serverOptions(ticketKeys: Uint8Array): TlsOptions {
    return {
      ...this.#first,
      ticketKeys: Buffer.from(ticketKeys),
      ALPNProtocols: ['h2', 'http/1.1'],
      SNICallback: (name, callback) => callback(null, this.#contextOf(name.toLowerCase())),
    }
  }

  /** Undefined: the first. */
  #contextOf(name: string): SecureContext | undefined {
    return this.#byName.get(name) ?? this.#byName.get(`*${name.slice(name.indexOf('.'))}`)
  }
}

/** DNS names of the certificate, in lower case; a wildcard stands for one label (RFC 9525 section 6.3). */
function namesOf(cert: string): string[] {
  const { subjectAltName = '' } = new X509Certificate(cert)
  return Array.from(subjectAltName.matchAll(/(?:^|, )DNS:([^,]+)/g), ([, name = '']) => name.toLowerCase())
}
