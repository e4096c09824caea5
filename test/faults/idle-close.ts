// Closes kept-alive connections at the worst moment: every server closes idle ones some time, and sooner or later it
// does so just as the next request is on its way.
import { type FaultyUpstream, onRequestHead, startRawServer } from './raw-server.js'

const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nproper'

/** Answers the first request of each connection; closes when the second one arrives, without a byte of answer. */
export function closingOnReuse(): Promise<FaultyUpstream> {
  return startRawServer((socket) => {
    let requests = 0
    onRequestHead(socket, () => {
      requests++
      if (requests === 1) socket.write(answer, 'latin1')
      else socket.end()
    })
  })
}

/** Answers as if the connection were kept, and closes it right after. */
export function closingAfterAnswer(): Promise<FaultyUpstream> {
  return startRawServer((socket) => onRequestHead(socket, () => socket.end(answer, 'latin1')))
}
