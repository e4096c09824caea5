// The http-proxy contender's process: node:http in front, http-proxy behind, a kept-alive agent, forwarded headers.
import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'

interface ProxyOptions {
  readonly target: string
  readonly agent: Agent
  readonly xfwd: boolean
}
interface HttpProxy {
  web(request: IncomingMessage, answer: ServerResponse, options: ProxyOptions): void
  on(event: 'error', listener: (error: Error, request: IncomingMessage, answer: ServerResponse) => void): void
}

const [folder = '', port = '', first = '', second = ''] = process.argv.slice(2)
const { createProxyServer } = createRequire(import.meta.url)(folder) as { createProxyServer(): HttpProxy }
const agent = new Agent({ keepAlive: true, maxSockets: 1024, maxFreeSockets: 1024 })
const proxy = createProxyServer()
proxy.on('error', (_error, _request, answer) => answer.destroy())

const server = createServer((request, answer) => {
  const isFirst = request.headers.cookie?.includes('release=r1') === true
  proxy.web(request, answer, { target: `http://127.0.0.1:${isFirst ? first : second}`, agent, xfwd: true })
})
server.keepAliveTimeout = 3_600_000
server.listen(Number(port), '127.0.0.1', 4096)
