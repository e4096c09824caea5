// Keeps the library from corking a response while that becomes a WebSocket. The end of a cork reads the request's memory,
// which the upgrade has freed by then; what happens to stand there closed one socket in some thousands (measured), and
// closing it writes to freed memory. One socket corks at a time in a process, so while another one does, the library
// writes at once and leaves that memory alone. This is the other one: a connection of the process with itself.
import { connect, type Socket } from 'node:net'
import uWS from 'uWebSockets.js'

const handshake = [
  'GET / HTTP/1.1',
  'Host: elsewhere',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
].join('\r\n')

/** A socket that corks so that no other one does. */
export interface Elsewhere {
  /** Runs `act` while nothing of what it touches is corked. */
  during(act: () => void): void
  close(): void
}

/** Opens it; rejects when the loopback cannot be used. */
export async function openElsewhere(): Promise<Elsewhere> {
  const app = uWS.App()
  let client: Socket | null = null
  let isOpen = true
  const ws = await new Promise<uWS.WebSocket<unknown>>((resolve, reject) => {
    app.ws('/', { idleTimeout: 0, open: resolve, close: () => void (isOpen = false) })
    app.listen('127.0.0.1', 0, (listening) => {
      if (listening === false) return reject(new Error('cannot listen on the loopback'))
      client = connect(uWS.us_socket_local_port(listening), '127.0.0.1')
      // It keeps no process alive, and nothing is ever said on it.
      client.unref().resume().on('error', reject).write(`${handshake}\r\n\r\n`)
      client.once('data', () => uWS.us_listen_socket_close(listening))
    })
  })
  return {
    during(act) {
      // Without it the library complains of each piece that it writes, and does no harm.
      if (isOpen) ws.cork(act)
      else act()
    },
    close() {
      client?.destroy()
      app.close()
    },
  }
}
