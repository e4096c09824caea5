// The public addresses as the main process holds them for its workers: claimed, bound where workers share a socket, and
// with the certificates that a secure one shows. Knows nothing of requests.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { GatewaySettings, HttpsListen, PublicListen } from '../controlplane/config/gateway-settings.js'
import type { PublicListener } from '../controlplane/worker-handle.js'
import type { Log } from '../domain/ports.js'
import type { ListenerSpec, TlsMaterial } from '../plane-protocol.js'
import { CertificateCopies } from './certificate-copies.js'
import { CertificateWatch, readCertificates, type CertificateContents } from './certificate-files.js'
import { claimPort } from './port-check.js'
import { bindShared, type SharedSocket } from './shared-socket.js'

/** Shows other certificates to connections to come, where workers take them in place. */
export interface CertificateFollower {
  useCertificates(tls: TlsMaterial): void
}

/** Replaces workers that do not. */
export interface WorkerRenewal {
  afterChange(): void
}

export interface PublicListeners {
  readonly listeners: readonly PublicListener[]
  readonly urls: { readonly http: string; readonly https: string | null }
  /** Tells of certificates that changed, also of other files after `useFiles`. */
  watch(log: Log, follower: CertificateFollower, renewal: WorkerRenewal): void
  /** Null changes nothing: a secure listener ends with the gateway. */
  useFiles(https: HttpsListen | null): void
  /** Gives the addresses up; workers that listen go on. */
  close(): void
}

type Claimed = Pick<ListenerSpec, 'name' | 'tls' | 'redirectPort'>

/** Rejects when an address is taken or a certificate cannot be used. Copies of certificates stand below the directory. */
export async function claimListeners(
  { http, https }: GatewaySettings['listen'],
  stateDirectory: string,
): Promise<PublicListeners> {
  const sockets: SharedSocket[] = []
  const claim = async (at: PublicListen, { name, tls, redirectPort }: Claimed): Promise<PublicListener> => {
    const { address, engine } = at
    const { host } = address
    const port = await claimPort(host, address.port)
    const shared = engine === 'node' ? bindShared(host, port) : null
    if (shared !== null) sockets.push(shared)
    const isProxied = at.proxyProtocol === 'v2'
    const spec = { name, engine, host, port, tls, isProxied, redirectPort }
    return { spec, socket: shared?.handle ?? null }
  }
  const secure = https === null ? null : await SecureListener.read(https, join(stateDirectory, 'tls'))
  const listeners = [await claim(http, { name: 'http', tls: null, redirectPort: http.redirectToHttps })]
  if (https !== null && secure !== null) {
    listeners.push(await claim(https, { name: 'https', tls: secure.tls, redirectPort: null }))
  }
  return {
    listeners,
    urls: { http: urlOf(listeners, 'http') ?? '', https: urlOf(listeners, 'https') },
    watch: (log, follower, renewal) => secure?.watch(log, follower, renewal),
    useFiles: (changed) => secure?.useFiles(changed),
    close() {
      secure?.close()
      for (const socket of sockets) socket.close()
    },
  }
}

/** What the secure listener shows, kept up to date. */
class SecureListener {
  tls: TlsMaterial
  readonly #https: HttpsListen
  readonly #known: CertificateContents
  /** Null: the engine takes what it is told. */
  readonly #copies: CertificateCopies | null
  #watch: CertificateWatch | null = null

  private constructor(https: HttpsListen, known: CertificateContents, copies: CertificateCopies | null) {
    this.#https = https
    this.#known = known
    this.#copies = copies
    this.tls = { ...known, files: null, ticketKeys: newTicketKeys() }
  }

  static async read(https: HttpsListen, directory: string): Promise<SecureListener> {
    const copies = https.engine === 'uws' ? new CertificateCopies(directory) : null
    const listener = new SecureListener(https, await readCertificates(https), copies)
    listener.tls = { ...listener.tls, files: await listener.#files(listener.tls) }
    return listener
  }

  #files({ certificates }: CertificateContents): Promise<TlsMaterial['files']> | null {
    return this.#copies?.write(certificates) ?? null
  }

  watch(log: Log, follower: CertificateFollower, renewal: WorkerRenewal): void {
    const failed = (reason: string): void =>
      log.error('certificates cannot be used, the former ones stay', { reason })
    this.#watch = new CertificateWatch(this.#https, this.#known, {
      onChange: (contents) => {
        log.info('certificates changed', { count: contents.certificates.length })
        this.#follow(contents, follower, renewal).catch((error: unknown) => failed(String(error)))
      },
      onFault: failed,
    })
  }

  async #follow(
    contents: CertificateContents,
    follower: CertificateFollower,
    renewal: WorkerRenewal,
  ): Promise<void> {
    const files = await this.#files(contents)
    const hasSameClients = JSON.stringify(contents.clients) === JSON.stringify(this.tls.clients)
    // A session that was resumed would go on by what the former authorities had signed.
    const ticketKeys = hasSameClients ? this.tls.ticketKeys : newTicketKeys()
    this.tls = { ...contents, files, ticketKeys }
    follower.useCertificates(this.tls)
    if (files !== null) renewal.afterChange()
  }

  useFiles(https: HttpsListen | null): void {
    if (https === null) return
    const { certificates, clientCertificates } = https
    // Whether clients are asked, and whether they must, is settled at the start, as the address is.
    const atStart = this.#https.clientCertificates
    const ca = clientCertificates?.ca ?? atStart?.ca ?? ''
    this.#watch?.follow({ certificates, clientCertificates: atStart === null ? null : { ...atStart, ca } })
  }

  close(): void {
    this.#watch?.close()
  }
}

function newTicketKeys(): Uint8Array {
  return new Uint8Array(randomBytes(48))
}

function urlOf(listeners: readonly PublicListener[], name: 'http' | 'https'): string | null {
  const spec = listeners.find((each) => each.spec.name === name)?.spec
  if (spec === undefined) return null
  return `${name}://${spec.host.includes(':') ? `[${spec.host}]` : spec.host}:${spec.port}`
}
