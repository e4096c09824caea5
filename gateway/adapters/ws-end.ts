// An open WebSocket made of `ws`, as one end of a tunnel; the application's, or a client's on the Node front.
import type { Socket } from 'node:net'
import type { WebSocket } from 'ws'
import {
  abnormal,
  isSendableCode,
  noStatus,
  pauseBytes,
  type SocketEnd,
  type SocketEvents,
} from '../dataplane/socket-end.js'

/** Close codes that the other end hears, by the error that `ws` gives; the connection is cut for any other. */
export type Faults = ReadonlyMap<string, number>

/** Beside the errors of `ws`: the peer took nothing of what waits for it. */
const stalled = 'stalled'
const tooLong = ['WS_ERR_UNSUPPORTED_MESSAGE_LENGTH', 1009] as const

/** What an application did wrong is not told to the client, but for its size, and that it may take more later. */
export const applicationFaults: Faults = new Map([tooLong, [stalled, 1013]])
export const clientFaults: Faults = new Map([tooLong, ['WS_ERR_INVALID_UTF8', 1007]])

/** What an open WebSocket stands on, and how long its peer may take nothing while much waits for it. */
export interface WsFooting {
  readonly socket: Socket
  readonly faults: Faults
  /** Infinity: for ever. */
  readonly stallMs: number
  readonly onStalled: () => void
}

/** Given by whoever opened the socket, in the turn in which it opened. */
export class WsEnd implements SocketEnd {
  readonly canPause = true
  readonly #ws: WebSocket
  readonly #footing: WsFooting
  #events: SocketEvents | null = null
  #isSlow = false
  #isOver = false
  /** What the peer did wrong, as the client is to hear it. */
  #fault = abnormal

  constructor(ws: WebSocket, footing: WsFooting) {
    this.#ws = ws
    this.#footing = footing
    ws.on('error', (error) => this.#blame(error))
    footing.socket.on('timeout', () => this.#stalled())
  }

  listen(events: SocketEvents): void {
    this.#events = events
    const ws = this.#ws
    ws.on('message', (message, isBinary) => {
      if (!this.#isOver) events.onMessage(message as Buffer, isBinary)
    })
    ws.on('ping', (payload) => {
      if (!this.#isOver) events.onPing(payload)
    })
    ws.on('pong', (payload) => {
      if (!this.#isOver) events.onPong(payload)
    })
    ws.on('close', (code, reason) => this.#closed(code, reason))
  }

  /** `ws` tells the peer itself what it did wrong. */
  #blame(error: Error): void {
    this.#fault = ('code' in error && this.#footing.faults.get(String(error.code))) || abnormal
  }

  /** Its other end is paused meanwhile, and would never be seen to go away. */
  #stalled(): void {
    if (!this.#isSlow || this.#isOver) return
    this.#fault = this.#footing.faults.get(stalled) ?? abnormal
    this.#footing.onStalled()
    this.#ws.terminate()
  }

  #closed(code: number, reason: Buffer): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#events?.onClose(code === abnormal ? this.#fault : code, reason)
  }

  get waitingBytes(): number {
    return this.#ws.bufferedAmount
  }

  readonly #sent = (): void => {
    if (!this.#isSlow || this.#isOver || this.waitingBytes >= pauseBytes / 2) return
    this.#isSlow = false
    this.#footing.socket.setTimeout(0)
    this.#events?.onDrained()
  }

  send(message: Buffer, isBinary: boolean): boolean {
    if (this.#isOver) return true
    this.#ws.send(message, { binary: isBinary }, this.#sent)
    return this.#isKeepingUp()
  }

  ping(payload: Buffer): boolean {
    if (this.#isOver) return true
    this.#ws.ping(payload, undefined, this.#sent)
    return this.#isKeepingUp()
  }

  pong(payload: Buffer): boolean {
    if (this.#isOver) return true
    this.#ws.pong(payload, undefined, this.#sent)
    return this.#isKeepingUp()
  }

  /** Once slow it stays so until it has drained: whoever paused for it waits for that word. */
  #isKeepingUp(): boolean {
    if (!this.#isSlow && this.waitingBytes >= pauseBytes) this.#becomeSlow()
    return !this.#isSlow
  }

  /** Node looks whether anything of what waits has gone out meanwhile. */
  #becomeSlow(): void {
    this.#isSlow = true
    const { socket, stallMs } = this.#footing
    if (stallMs !== Infinity) socket.setTimeout(stallMs)
  }

  pause(): void {
    if (!this.#isOver) this.#ws.pause()
  }

  resume(): void {
    if (!this.#isOver) this.#ws.resume()
  }

  close(code: number, reason: Buffer): void {
    if (this.#isOver) return
    this.#isOver = true
    // Paused, the peer's own goodbye would never be read.
    this.#ws.resume()
    if (code === noStatus) this.#ws.close()
    else if (isSendableCode(code)) this.#ws.close(code, reason)
    else this.#ws.terminate()
  }

  terminate(): void {
    this.close(abnormal, Buffer.alloc(0))
  }
}
