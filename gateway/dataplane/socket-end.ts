// One end of an open WebSocket, whichever side and whatever library it is made of: what both fronts and the upstream
// client implement and all that the tunnel knows of them.

/** Longest message that is carried, in either direction: both ends put a message together before it goes on. */
export const maxMessageBytes = 16 * 1024 * 1024

/** An end that has more than this waiting to be sent asks for a pause. */
export const pauseBytes = 256 * 1024

/** A close without a status code (RFC 6455 section 7.4.1); never on the wire. */
export const noStatus = 1005
/** The connection was lost, or failed; never on the wire. */
export const abnormal = 1006

/** What an end tells its user. Nothing is told after `onClose`, nor after `close` or `terminate` was called. */
export interface SocketEvents {
  /** A whole message, the receiver's own to keep. */
  onMessage(message: Buffer, isBinary: boolean): void
  onPing(payload: Buffer): void
  onPong(payload: Buffer): void
  /** After `send`, `ping` or `pong` returned false. */
  onDrained(): void
  /** The end is gone: the peer's code and reason, 1005 when it gave none, 1006 when it was lost. */
  onClose(code: number, reason: Buffer): void
}

/** Every method is harmless after the end is gone. The bytes given must stay unchanged until they are sent. */
export interface SocketEnd {
  /** Whether `pause` stops what arrives; an end that cannot is cut when the other one falls too far behind. */
  readonly canPause: boolean
  /** Bytes given and not yet taken by the system. */
  readonly waitingBytes: number
  /** Who hears of it; once, in the same turn in which the end was given out. */
  listen(events: SocketEvents): void
  /** False: the peer is slow, wait for `onDrained`. */
  send(message: Buffer, isBinary: boolean): boolean
  ping(payload: Buffer): boolean
  pong(payload: Buffer): boolean
  pause(): void
  resume(): void
  /** Says goodbye; with 1005 without a code. Codes that may not be sent (RFC 6455 section 7.4) cut the connection. */
  close(code: number, reason: Buffer): void
  /** Cuts the connection without a word. */
  terminate(): void
}

/** Whether a close frame may carry the code: the registered ones, and those of libraries and applications. */
export function isSendableCode(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== noStatus && code !== abnormal
}
