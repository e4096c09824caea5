// Sends more than it announced: a length counted in characters where the body has more bytes, or a second answer that
// nobody asked for and that the next request must never be given.
import { type FaultyUpstream, onRequestHead, startRawServer } from './raw-server.js'

const forged = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged'

/** The answer in one piece with what follows it. */
export function extraBytes(): Promise<FaultyUpstream> {
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nproper${forged}`
  return startRawServer((socket) => onRequestHead(socket, () => socket.write(answer, 'latin1')))
}
