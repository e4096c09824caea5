// Answers with bytes that are no proper response: a broken application, a server of another protocol, an attempt at
// response splitting.
import { type FaultyUpstream, onRequestHead, startRawServer } from './raw-server.js'

/** Sends exactly `answer` (latin-1) to every request and keeps the connection open. */
export function malformed(answer: string): Promise<FaultyUpstream> {
  return startRawServer((socket) => onRequestHead(socket, () => socket.write(answer, 'latin1')))
}
