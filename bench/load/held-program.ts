// An application, a process of its own, that answers `/held` only when so many wait for it together: each of them then
// had a connection of its own. Usage: held-program.js PORT COUNT. Says how many connections it has when it is asked.
import { createServer, type ServerResponse } from 'node:http'

const [port = '', count = ''] = process.argv.slice(2)
const body = Buffer.alloc(2048, 'm')
let waiting: ServerResponse[] = []

const server = createServer((request, answer) => {
  answer.setHeader('X-Release', 'r1')
  if (request.url === '/held') waiting.push(answer)
  else answer.end(body)
  if (waiting.length < Number(count)) return
  for (const held of waiting) held.end(body)
  waiting = []
})
server.keepAliveTimeout = 3_600_000
server.listen(Number(port), '127.0.0.1', 4096)
process.on('message', () => server.getConnections((_error, open) => process.send?.(open)))
