// Answers as soon as it has the head, while the body is still on its way: a 401 or 413, or a proxy that streams back.
import { type FaultyUpstream, startRawServer } from './raw-server.js'

/** `closes`: ends the connection after the answer, as most servers do that will not read the rest. */
export function answeringEarly(closes: boolean): Promise<FaultyUpstream> {
  const answer = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!'
  return startRawServer((socket) => {
    socket.once('data', () => {
      if (closes) socket.end(answer, 'latin1')
      else socket.write(answer, 'latin1')
    })
  })
}
