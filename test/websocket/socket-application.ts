// A small real application with WebSockets: echoes what it hears, refuses where it is asked to, and keeps its sockets
// and what they said for the test to see.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createPlain, type IncomingMessage, type Server } from 'node:http'
import { createServer as createSecure } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import type { Owner } from '../fixtures/owner.js'
import { Peer } from './peer.js'

export interface SocketApplicationOptions {
  /** The subprotocol chosen of those offered; false: none, though some are. */
  readonly choose?: (offered: ReadonlySet<string>) => string | false
  readonly tls?: { readonly key: string; readonly cert: string }
  /** A socket's path instead of a port on the loopback. */
  readonly path?: string
  /** Fields of each 101. */
  readonly fields?: readonly string[]
}

/** Starts one; it ends with the test. `/echo` echoes, `/silent` only listens. */
export async function startSocketApplication(
  t: Owner,
  options: SocketApplicationOptions = {},
): Promise<SocketApplication> {
  const server = options.tls === undefined ? createPlain() : createSecure(options.tls)
  const application = new SocketApplication(server, options)
  if (options.path === undefined) server.listen(0, '127.0.0.1')
  else server.listen(options.path)
  await once(server, 'listening')
  t.teardown(() => application.stop())
  return application
}

export class SocketApplication {
  /** Upgrade requests, in order. */
  readonly requests: IncomingMessage[] = []
  /** Sockets, in order. */
  readonly peers: Peer[] = []
  readonly #server: Server
  readonly #options: SocketApplicationOptions
  readonly #connections = new Set<Socket>()

  constructor(server: Server, options: SocketApplicationOptions) {
    this.#server = server
    this.#options = options
    const sockets = new WebSocketServer({
      noServer: true,
      autoPong: false,
      perMessageDeflate: true,
      ...(options.choose !== undefined && { handleProtocols: options.choose }),
    })
    sockets.on('headers', (lines) => lines.push(...(options.fields ?? [])))
    server.on('connection', (socket) => {
      this.#connections.add(socket)
      socket.on('close', () => this.#connections.delete(socket))
    })
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
      this.requests.push(request)
      if (request.url?.startsWith('/refuse') === true) return refuse(request, socket)
      if (request.url?.startsWith('/mute') === true) return void socket.resume().on('end', () => socket.end())
      if (request.url?.startsWith('/lie') === true) return void socket.end(lieOf(request))
      sockets.handleUpgrade(request, socket, head, (ws) => {
        const peer = new Peer(ws)
        this.peers.push(peer)
        if (request.url?.startsWith('/echo') === true)
          ws.on('message', (data, binary) => ws.send(data, { binary }))
        if (request.url?.startsWith('/greet') === true) ws.send('hello')
      })
    })
    server.on('request', (request: IncomingMessage, response) => {
      this.requests.push(request)
      response.setHeader('X-Release', request.headers['amarre-release'] ?? '')
      if (request.url !== '/events') return void response.end('plain')
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write('data: 1\n\n')
    })
  }

  get url(): string {
    if (this.#options.path !== undefined) return `unix:${this.#options.path}`
    const { port } = this.#server.address() as AddressInfo
    return this.#options.tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
  }

  /** The socket that came last. */
  get peer(): Peer {
    const peer = this.peers.at(-1)
    if (peer === undefined) throw new Error('nobody has come yet')
    return peer
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      for (const socket of this.#connections) socket.destroy()
    })
  }
}

/** `/lie`: a 101 that does not fit its key; `/lie?bare`: one that fits it, and says of no protocol that it switches. */
function lieOf({ url, headers }: IncomingMessage): string {
  const start = 'HTTP/1.1 101 Switching Protocols\r\n'
  if (url !== '/lie?bare')
    return `${start}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n`
  const hash = createHash('sha1').update(
    `${headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`,
  )
  return `${start}Sec-WebSocket-Accept: ${hash.digest('base64')}\r\n\r\n`
}

/** `/refuse?status`: with a body of 100 KB in chunks where the status is 404. */
function refuse(request: IncomingMessage, socket: Socket): void {
  const status = request.url?.split('?')[1] ?? '401'
  const fields = `HTTP/1.1 ${status} Refused\r\nX-Name: caf\xe9\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n`
  if (status === '302') return void socket.end(`${fields}Location: /login\r\nContent-Length: 0\r\n\r\n`)
  if (status === '404') {
    const chunk = `2710\r\n${'x'.repeat(10_000)}\r\n`.repeat(10)
    return void socket.end(`${fields}Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`)
  }
  if (status === '500') return void socket.end(`${fields}Content-Length: 10\r\n\r\ncut`)
  socket.end(Buffer.from(`${fields}Content-Length: 5\r\n\r\nno no`, 'latin1'))
}
