// Ends the connection in good order in the middle of the body: a process that exits while it streams.
import { type FaultyUpstream, onRequestHead, startRawServer } from './raw-server.js'

const bodies = {
  length: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfirst half',
  chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nfirst half\r\n',
  lastChunk: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nfirst half\r\n0\r\n',
}

/** `length`: short of its length; `chunked`: no last chunk; `lastChunk`: all but the empty line at the very end. */
export function cutBody(framing: keyof typeof bodies): Promise<FaultyUpstream> {
  return startRawServer((socket) => onRequestHead(socket, () => socket.end(bodies[framing], 'latin1')))
}
