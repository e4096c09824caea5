// Announces more than it sends and keeps the connection open: a length taken before compression, or from a file that
// has since become shorter.
import { type FaultyUpstream, onRequestHead, startRawServer } from './raw-server.js'

export function lyingLength(): Promise<FaultyUpstream> {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this'
  return startRawServer((socket) => onRequestHead(socket, () => socket.write(answer, 'latin1')))
}
