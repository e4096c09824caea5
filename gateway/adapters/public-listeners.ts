// The public addresses as the main process holds them for its workers: claimed, bound where workers share a socket, and
// with the certificates that a secure one shows. Knows nothing of requests.
import { randomBytes } from 'node:crypto'
import type { Certificate, GatewaySettings, HttpListen } from '../controlplane/config/gateway-settings.js'
import type { PublicListener } from '../controlplane/worker-handle.js'
import type { Log } from '../domain/ports.js'
import type { TlsMaterial } from '../plane-protocol.js'
import { CertificateWatch, readCertificates } from './certificate-files.js'
import { claimPort } from './port-check.js'
import { bindShared, type SharedSocket } from './shared-socket.js'

export interface PublicListeners {
  readonly listeners: readonly PublicListener[]
  readonly urls: { readonly http: string; readonly https: string | null }
  /** Tells of certificates that changed, also of other files after `useFiles`. */
  watch(log: Log, onChange: (tls: TlsMaterial) => void): void
  useFiles(files: readonly Certificate[]): void
  /** Gives the addresses up; workers that listen go on. */
  close(): void
}

/** Rejects when an address is taken or a certificate cannot be used. */
export async function claimListeners(listen: GatewaySettings['listen']): Promise<PublicListeners> {
  const { https } = listen
  const sockets: SharedSocket[] = []
  const claim = async (name: 'http' | 'https', at: HttpListen, tls: TlsMaterial | null) => {
    const { host } = at.address
    const port = await claimPort(host, at.address.port)
    // Certificates change in place on Node's servers only.
    const engine = tls === null ? at.engine : 'node'
    const shared = engine === 'node' ? bindShared(host, port) : null
    if (shared !== null) sockets.push(shared)
    return { spec: { name, engine, host, port, tls }, socket: shared?.handle ?? null }
  }
  const certificates = https === null ? [] : await readCertificates(https.certificates)
  const ticketKeys = new Uint8Array(randomBytes(48))
  const listeners: PublicListener[] = [await claim('http', listen.http, null)]
  if (https !== null) listeners.push(await claim('https', https, { certificates, ticketKeys }))
  let certificateWatch: CertificateWatch | null = null
  return {
    listeners,
    urls: { http: urlOf(listeners, 'http') ?? '', https: urlOf(listeners, 'https') },
    watch(log, onChange) {
      if (https === null) return
      certificateWatch = new CertificateWatch(https.certificates, certificates, {
        onChange: (changed) => {
          log.info('certificates changed', { count: changed.length })
          onChange({ certificates: changed, ticketKeys })
        },
        onFault: (reason) => log.error('certificates cannot be used, the former ones stay', { reason }),
      })
    },
    useFiles: (files) => certificateWatch?.follow(files),
    close() {
      certificateWatch?.close()
      for (const socket of sockets) socket.close()
    },
  }
}

function urlOf(listeners: readonly PublicListener[], name: 'http' | 'https'): string | null {
  const spec = listeners.find((each) => each.spec.name === name)?.spec
  if (spec === undefined) return null
  return `${name}://${spec.host.includes(':') ? `[${spec.host}]` : spec.host}:${spec.port}`
}
