// The http-proxy contender's process: node:http in front, http-proxy behind, a kept-alive agent, forwarded headers.
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import type { Duplex } from 'node:stream'

interface ProxyOptions {
  readonly target: string
  readonly agent: Agent
  readonly xfwd: boolean
}
interface HttpProxy {
  web(request: IncomingMessage, answer: ServerResponse, options: ProxyOptions): void
  ws(request: IncomingMessage, socket: Duplex, head: Buffer, options: ProxyOptions): void
  on(event: 'error', listener: (error: Error, request: IncomingMessage, answer: Duplex) => void): void
}

const [folder = '', port = '', first = '', second = ''] = process.argv.slice(2)
const { createProxyServer } = createRequire(import.meta.url)(folder) as { createProxyServer(): HttpProxy }
const agent = new Agent({ keepAlive: true, maxSockets: 1024, maxFreeSockets: 1024 })
const proxy = createProxyServer()
proxy.on('error', (_error, _request, answer) => answer.destroy())

function optionsFor({ headers }: IncomingMessage): ProxyOptions {
  const isFirst = headers.cookie?.includes('release=r1') === true
  return { target: `http://127.0.0.1:${isFirst ? first : second}`, agent, xfwd: true }
}

const server = createServer((request, answer) => proxy.web(request, answer, optionsFor(request)))
server.on('upgrade', (request, socket, head) => proxy.ws(request, socket, head, optionsFor(request)))
server.keepAliveTimeout = 3_600_000
server.listen(Number(port), '127.0.0.1', 4096)
