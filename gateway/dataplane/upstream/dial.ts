// Opens sockets to one address: TCP, TLS with the server's certificate verified, or a Unix socket. Knows nothing of
// what is said on them.
import { connect, isIP, Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { TargetUrl } from '../../domain/ids.js'

/** Where a target listens. */
export type Address =
  | { readonly kind: 'unix'; readonly path: string }
  | { readonly kind: 'http' | 'https'; readonly host: string; readonly port: number }

/** Takes what was read; the bytes are only valid during the call. */
export interface Reader {
  receive(bytes: Buffer, length: number): void
  /** The peer takes nothing any more; what it said before that may still be unread, and the socket is still open. */
  cannotSend(cause: Error): void
}

const readBytes = 64 * 1024
const writeBufferBytes = 64 * 1024

// Every plain socket reads into this one buffer, since nobody keeps what he is given: no allocation for a read, and it
// stays in the processor's cache. (TLS decrypts into buffers of its own.)
const readBuffer = Buffer.allocUnsafeSlow(readBytes)

/** The parts of a target's URL. */
export function addressOf(url: TargetUrl): Address {
  if (url.startsWith('unix:')) return { kind: 'unix', path: url.slice('unix:'.length) }
  const { protocol, hostname, port } = new URL(url)
  const isTls = protocol === 'https:'
  return {
    kind: isTls ? 'https' : 'http',
    host: hostname.startsWith('[') ? hostname.slice(1, -1) : hostname,
    port: port === '' ? (isTls ? 443 : 80) : Number(port),
  }
}

/** The event after which a socket of `dial` may be written to: for TLS, when the certificate has been verified. */
export function readyEvent(address: Address): 'connect' | 'secureConnect' {
  return address.kind === 'https' ? 'secureConnect' : 'connect'
}

/** Begins to connect; `reader` gets every byte that arrives. */
export function dial(address: Address, reader: Reader): Socket {
  const socket = open(address, reader)
  // Node would close at a write that fails, with what has arrived unread: the answer of an application that refuses a
  // body and closes while that is on its way.
  socket.destroy = (error?: Error): Socket => {
    if (!isFailedWrite(error)) return Socket.prototype.destroy.call(socket, error)
    reader.cannotSend(error)
    return socket
  }
  return socket
}

function isFailedWrite(error?: NodeJS.ErrnoException): error is NodeJS.ErrnoException {
  return error?.syscall === 'write'
}

function open(address: Address, reader: Reader): Socket {
  if (address.kind === 'https') return dialTls(address.host, address.port, reader)
  const onread = {
    buffer: readBuffer,
    callback(length: number): boolean {
      reader.receive(readBuffer, length)
      return true
    },
  }
  const sizes = { writableHighWaterMark: writeBufferBytes }
  if (address.kind === 'unix') return connect({ path: address.path, onread, ...sizes })
  return connect({ host: address.host, port: address.port, noDelay: true, onread, ...sizes })
}

/** Begins to connect; the socket is read as a stream, by whoever owns it. */
export function dialStream(address: Address): Socket {
  if (address.kind === 'https') return openTls(address.host, address.port)
  if (address.kind === 'unix') return connect({ path: address.path })
  return connect({ host: address.host, port: address.port, noDelay: true })
}

function dialTls(host: string, port: number, reader: Reader): Socket {
  const socket = openTls(host, port)
  socket.on('data', (chunk: Buffer) => reader.receive(chunk, chunk.length))
  return socket
}

/** Trusts what Node trusts, the certificates in NODE_EXTRA_CA_CERTS included. An address has no name to indicate. */
function openTls(host: string, port: number): Socket {
  const name = isIP(host) === 0 ? { servername: host } : {}
  const sizes = { writableHighWaterMark: writeBufferBytes }
  const socket = connectTls({
    host,
    port,
    ...name,
    ...sizes,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true,
  })
  socket.setNoDelay(true)
  return socket
}

/**
 * Whether a connection that seems to have ended in good order was reset. libuv reports an end where a reset arrives
 * together with the last bytes (POLLHUP after a partial read in uv__stream_io); the system then no longer knows a peer,
 * while after a proper end it does. Must be asked in the `end` event, before our own side is closed.
 */
export function wasReset(address: Address, socket: Socket): boolean {
  return address.kind !== 'unix' && socket.remoteAddress === undefined
}
