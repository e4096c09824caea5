// The undici contender's process: node:http in front, undici's Pool behind, forwarded headers. By `stream`: `dispatch`, with
// parsed or with raw fields, cost no less.
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { createRequire } from 'node:module'
import type { Readable, Writable } from 'node:stream'

interface Answer {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
}
interface RequestOptions {
  readonly path: string
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly body: Readable | null
}
interface UndiciPool {
  stream(options: RequestOptions, open: (answer: Answer) => Writable): Promise<unknown>
}

const [folder = '', port = '', first = '', second = ''] = process.argv.slice(2)
const { Pool } = createRequire(import.meta.url)(folder) as {
  Pool: new (url: string, options: object) => UndiciPool
}
const options = { connections: 1024, pipelining: 1 }
const pools = {
  r1: new Pool(`http://127.0.0.1:${first}`, options),
  r2: new Pool(`http://127.0.0.1:${second}`, options),
}

const server = createServer((request, answer) => {
  const { connection: _connection, ...headers } = request.headers
  headers['x-forwarded-for'] = request.socket.remoteAddress ?? ''
  headers['x-forwarded-proto'] = 'http'
  headers['x-forwarded-host'] = headers.host ?? ''
  const pool = headers.cookie?.includes('release=r1') === true ? pools.r1 : pools.r2
  const method = request.method ?? 'GET'
  const body = method === 'GET' || method === 'HEAD' ? null : request
  pool
    .stream({ path: request.url ?? '/', method, headers, body }, (received) => {
      const { connection: _hop, 'keep-alive': _time, ...rest } = received.headers
      return answer.writeHead(received.statusCode, rest)
    })
    .catch(() => answer.destroy())
})
server.keepAliveTimeout = 3_600_000
server.listen(Number(port), '127.0.0.1', 4096)
