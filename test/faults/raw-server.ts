// A server on loopback that says and does exactly what a fault needs, byte by byte. Knows nothing of HTTP.
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { parseTargetUrl, type TargetUrl } from '../../gateway/domain/ids.js'

/** A running upstream that misbehaves. */
export interface FaultyUpstream {
  readonly url: TargetUrl
  readonly port: number
  /** Connections open at the server's end. */
  readonly sockets: ReadonlySet<Socket>
  /** Connections accepted since the start. */
  readonly accepted: number
  close(): Promise<void>
}

class RawServer implements FaultyUpstream {
  readonly sockets = new Set<Socket>()
  accepted = 0
  readonly url: TargetUrl
  readonly port: number
  private readonly server: Server

  constructor(server: Server, onSocket: (socket: Socket) => void) {
    this.server = server
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening on a port')
    this.port = address.port
    this.url = targetUrl(`http://127.0.0.1:${this.port}`)
    server.on('connection', (socket: Socket) => {
      this.accepted++
      this.sockets.add(socket)
      socket.on('close', () => this.sockets.delete(socket))
      socket.on('error', () => socket.destroy())
      onSocket(socket)
    })
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
    await once(this.server, 'close')
  }
}

/** The target at an address that a test has made. */
export function targetUrl(text: string): TargetUrl {
  const url = parseTargetUrl(text)
  if (url === null) throw new Error(`"${text}" is no target`)
  return url
}

/** Listens on a free port of loopback. */
export async function startRawServer(onSocket: (socket: Socket) => void): Promise<FaultyUpstream> {
  const server = createServer({ noDelay: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return new RawServer(server, onSocket)
}

/** Calls back once for each request head that arrives; bodies must be empty. */
export function onRequestHead(socket: Socket, answer: (request: string) => void): void {
  let received = ''
  socket.on('data', (bytes: Buffer) => {
    received += bytes.toString('latin1')
    for (let end = received.indexOf('\r\n\r\n'); end !== -1; end = received.indexOf('\r\n\r\n')) {
      const head = received.slice(0, end + 4)
      received = received.slice(end + 4)
      answer(head)
    }
  })
}
