// Connections that come by way of a load balancer which says whose they are (PROXY protocol, version 2): the header is
// taken off each before anything else sees its bytes. Knows nothing of HTTP and TLS.
import type { Socket } from 'node:net'
import { addressText, noteFacts } from './connection-facts.js'
import { headerBytes, prefixBytes, readProxyHeader } from './proxy-header.js'

export interface ProxiedOptions {
  /** How long the header may take. */
  readonly timeoutMs: number
  /** Whether the peer may speak for others. */
  readonly isTrusted: (address: string) => boolean
  /** The connection has been closed: its peer may not speak, or what it said was no header. */
  readonly onRefused: (reason: string) => void
}

/** Reads the header of a new connection and hands it on with what follows unread, or closes it. */
export function takeProxyHeader(socket: Socket, options: ProxiedOptions, goOn: () => void): void {
  const peer = addressText(socket.remoteAddress ?? '')
  const header = new ComingHeader(socket)
  const leave = (): void => {
    clearTimeout(timer)
    socket.off('readable', read)
    socket.off('error', leave)
    socket.off('close', leave)
  }
  const refuse = (reason: string): void => {
    leave()
    socket.destroy()
    options.onRefused(reason)
  }
  const read = (): void => {
    try {
      const bytes = header.read()
      if (bytes === null) return
      leave()
      noteFacts(socket, { address: readProxyHeader(bytes) ?? peer, clientCertificate: '' })
    } catch (error) {
      return refuse(error instanceof Error ? error.message : String(error))
    }
    goOn()
  }
  const timer = setTimeout(() => refuse('no header in time'), options.timeoutMs).unref()
  if (!options.isTrusted(peer)) return refuse(`"${peer}" is not in trustedProxies`)
  socket.on('error', leave)
  socket.on('close', leave)
  socket.on('readable', read)
}

/** The header as it comes, byte by byte if need be; what follows it stays in the socket. */
class ComingHeader {
  readonly #socket: Socket
  #prefix: Buffer | null = null

  constructor(socket: Socket) {
    this.#socket = socket
  }

  /** Null while more is to come. Throws where it is no header. */
  read(): Buffer | null {
    this.#prefix ??= this.#take(prefixBytes)
    if (this.#prefix === null) return null
    const restBytes = headerBytes(this.#prefix) - prefixBytes
    if (restBytes === 0) return this.#prefix
    const rest = this.#take(restBytes)
    return rest === null ? null : Buffer.concat([this.#prefix, rest])
  }

  #take(bytes: number): Buffer | null {
    const taken = this.#socket.read(bytes) as Buffer | null
    // At the end of the stream Node gives what there is.
    if (taken !== null && taken.length < bytes) throw new Error('the header is cut short')
    return taken
  }
}
