// Nobody listens: the application has crashed, or has not started yet.
import { type FaultyUpstream, startRawServer } from './raw-server.js'

/** A port that was free a moment ago and refuses connections. */
export async function refusing(): Promise<FaultyUpstream> {
  const server = await startRawServer((socket) => socket.destroy())
  await server.close()
  return { url: server.url, port: server.port, sockets: server.sockets, accepted: 0, close: async () => {} }
}
