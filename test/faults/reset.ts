// Resets the connection: a process killed by force, a host that rebooted, a load balancer that gave up.
import { type FaultyUpstream, onRequestHead, startRawServer } from './raw-server.js'

const written = {
  'before the head': '',
  'in the body': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst half',
  'in a body without length': 'HTTP/1.1 200 OK\r\n\r\nfirst half',
}

/** `when`: what the upstream had sent by then. */
export function reset(when: keyof typeof written): Promise<FaultyUpstream> {
  return startRawServer((socket) =>
    onRequestHead(socket, () => {
      const bytes = written[when]
      if (bytes === '') socket.resetAndDestroy()
      else socket.write(bytes, 'latin1', () => socket.resetAndDestroy())
    }),
  )
}
