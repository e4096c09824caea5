// Says something on a resting connection: an application server that announces its own idle timeout with a 408.
import { type FaultyUpstream, onRequestHead, startRawServer } from './raw-server.js'

/** An upstream that answers properly and can be made to speak. */
export interface SpeakingUpstream {
  readonly server: FaultyUpstream
  /** Sends a 408 on every open connection. */
  readonly speak: () => void
}

export async function speakingUnasked(): Promise<SpeakingUpstream> {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nproper'
  const server = await startRawServer((socket) => onRequestHead(socket, () => socket.write(answer, 'latin1')))
  return {
    server,
    speak() {
      for (const socket of server.sockets)
        socket.write('HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n')
    },
  }
}
