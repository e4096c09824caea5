// The application of the WebSocket scenario, a process of its own: answers requests as the other one does, and every
// message with the same text. Two releases on two ports.
import { createServer } from 'node:http'
import { WebSocketServer } from 'ws'

const body = Buffer.alloc(2048, 'm')

function serve(release: string, port: number): void {
  const server = createServer((_request, answer) => {
    answer.writeHead(200, { 'content-length': body.length, 'x-release': release }).end(body)
  })
  const sockets = new WebSocketServer({ server, perMessageDeflate: false })
  sockets.on('connection', (socket) => {
    socket.on('message', (message, binary) => socket.send(message, { binary }))
  })
  server.listen(port, '127.0.0.1', 4096)
}

process.argv.slice(2).forEach((port, i) => serve(`r${i + 1}`, Number(port)))
