// Takes the request and never answers: a deadlock, an exhausted thread pool, a database that does not come back.
import { type FaultyUpstream, startRawServer } from './raw-server.js'

export function hangingBeforeHead(): Promise<FaultyUpstream> {
  return startRawServer((socket) => socket.resume())
}
