// Accepts and never reads: an application busy with something else while an upload comes in.
import { type FaultyUpstream, startRawServer } from './raw-server.js'

/** An upstream that can be made to read at last. */
export interface NotReadingUpstream {
  readonly server: FaultyUpstream
  /** Reads everything from now on; `onBytes` gets the count of each piece. */
  readonly read: (onBytes: (bytes: number) => void) => void
}

export async function notReading(): Promise<NotReadingUpstream> {
  const server = await startRawServer((socket) => socket.pause())
  return {
    server,
    read(onBytes) {
      for (const socket of server.sockets) {
        socket.on('data', (bytes: Buffer) => onBytes(bytes.length))
        socket.resume()
      }
    },
  }
}
