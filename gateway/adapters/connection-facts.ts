// What is known of the other end of a connection of the Node front: whose it is, and by which certificate. Knows nothing
// of requests.
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'

export interface ConnectionFacts {
  /** The client's address as text, without port; empty on a unix socket. */
  readonly address: string
  /** The verified certificate of the client, as RFC 9440 section 2.1 writes it; empty for none. */
  readonly clientCertificate: string
}

const noted = new WeakMap<Socket, ConnectionFacts>()
/** Of connections that a balancer passed on and TLS is spoken on: the TLS socket is another one. */
const notedByEnds = new Map<string, ConnectionFacts>()

/** What is known of the connection from now on. */
export function noteFacts(socket: Socket, facts: ConnectionFacts): void {
  noted.set(socket, facts)
  const ends = endsOf(socket)
  notedByEnds.set(ends, facts)
  socket.once('close', () => notedByEnds.delete(ends))
}

/** Notes what the handshake told, beside what was known before it. */
export function noteHandshake(socket: TLSSocket): void {
  const address = notedByEnds.get(endsOf(socket))?.address ?? addressText(socket.remoteAddress ?? '')
  noted.set(socket, { address, clientCertificate: certificateText(socket) })
}

export function factsOf(socket: Socket): ConnectionFacts {
  return noted.get(socket) ?? { address: addressText(socket.remoteAddress ?? ''), clientCertificate: '' }
}

/** Both ends: no two connections that are open share them. */
function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  return [localAddress, localPort, remoteAddress, remotePort].join(' ')
}

/** A resumed session counts as authorized although none was shown: there must be one as well. */
function certificateText(socket: TLSSocket): string {
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined
  return certificate === undefined ? '' : `:${certificate.raw.toString('base64')}:`
}

/** IPv4 comes as IPv4-mapped IPv6 where the listener is bound to `::`. */
export function addressText(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}
