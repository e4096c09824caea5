// Which connections of a Node server are let in, before a byte is read and before a handshake. Knows nothing of what
// becomes of them.
import type { Server, Socket } from 'node:net'
import type { Gate } from '../dataplane/gate.js'
import { addressText } from './connection-facts.js'

/** Puts the gate before everything that the server does with a connection; `sockets` holds those that are open. */
export function admitThrough(gate: Gate, server: Server, sockets: Set<Socket>): void {
  const take = server.listeners('connection') as ((socket: Socket) => void)[]
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    const address = addressText(socket.remoteAddress ?? '')
    if (!gate.opened(address)) {
      gate.closed('')
      return void socket.destroy()
    }
    sockets.add(socket)
    socket.on('close', () => {
      sockets.delete(socket)
      gate.closed(address)
    })
    for (const each of take) each.call(server, socket)
  })
}
