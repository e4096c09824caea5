// Sends its answer one byte at a time, as slowly as it likes: an overloaded host, or one that means to hold connections.
import type { Socket } from 'node:net'
import { type FaultyUpstream, onRequestHead, startRawServer } from './raw-server.js'

/** An upstream whose answer comes when the test says so. */
export interface DrippingUpstream {
  readonly server: FaultyUpstream
  /** Sends the next byte of the answer; resolves when the system has taken it. */
  readonly drip: () => Promise<void>
}

/** `answer`: the whole answer; nothing of it is sent before `drip`. */
export async function dripping(answer: string): Promise<DrippingUpstream> {
  let at = 0
  let asking: Socket | null = null
  let onAsked = (): void => {}
  const asked = new Promise<void>((resolve) => (onAsked = resolve))
  const server = await startRawServer((socket) =>
    onRequestHead(socket, () => {
      asking = socket
      onAsked()
    }),
  )
  return {
    server,
    async drip() {
      await asked
      await new Promise<void>((resolve) => asking?.write(answer.slice(at, ++at), 'latin1', () => resolve()))
    },
  }
}
