// Ends the connection in the middle of the head: a process killed while it was writing.
import { type FaultyUpstream, onRequestHead, startRawServer } from './raw-server.js'

export function halfAHead(): Promise<FaultyUpstream> {
  return startRawServer((socket) => onRequestHead(socket, () => socket.end('HTTP/1.1 200 OK\r\nContent-Le')))
}
