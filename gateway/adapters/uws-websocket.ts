// A client's WebSocket on uWebSockets.js, as one end of a tunnel. Each rule about that library stands beside its reason;
// the measurements are in docs/conformance.md.
import uWS from 'uWebSockets.js'
import { abnormal, isSendableCode, maxMessageBytes, noStatus, pauseBytes } from '../dataplane/socket-end.js'
import type { FieldBlock } from '../dataplane/downstream.js'
import type { DownstreamUpgrade } from '../dataplane/downstream-socket.js'
import type { SocketEnd, SocketEvents } from '../dataplane/socket-end.js'
import type { UwsConnections } from './uws-connections.js'
import { UwsDownstream } from './uws-downstream.js'
import type { SlowClients } from './uws-slow-clients.js'
import type { Elsewhere } from './uws-elsewhere.js'

/** What the library keeps for each socket. It copies the members at the upgrade, so what changes lies one deeper. */
export interface UwsSeat {
  readonly taken: { by: UwsSocketEnd | null }
}

/** Silence after which a client is asked for a sign of life, and cut when none comes, in seconds. */
const idleTimeoutS = 120

/** How sockets of this front behave; `upgrade` decides which requests become one. */
export function socketBehavior(
  connections: UwsConnections,
  upgrade: NonNullable<uWS.WebSocketBehavior<UwsSeat>['upgrade']>,
): uWS.WebSocketBehavior<UwsSeat> {
  return {
    compression: uWS.DISABLED,
    maxPayloadLength: maxMessageBytes,
    // A message beyond this would be lost without a word, so it lies far above what is ever let in: reading stops at
    // `pauseBytes`, and one message and one read of the upstream socket may still follow.
    maxBackpressure: 4 * maxMessageBytes,
    closeOnBackpressureLimit: true,
    idleTimeout: idleTimeoutS,
    sendPingsAutomatically: true,
    upgrade,
    open: (ws) => {
      ws.getUserData().taken.by = new UwsSocketEnd(ws)
    },
    // The bytes are the library's and gone when the handler returns.
    message: (ws, message, isBinary) => ws.getUserData().taken.by?.received(copyOf(message), isBinary),
    ping: (ws, payload) => ws.getUserData().taken.by?.pinged(copyOf(payload)),
    pong: (ws, payload) => ws.getUserData().taken.by?.ponged(copyOf(payload)),
    drain: (ws) => ws.getUserData().taken.by?.drained(),
    close: (ws, code, reason) => {
      connections.closed()
      ws.getUserData().taken.by?.closed(code, copyOf(reason))
    },
  }
}

function copyOf(bytes: ArrayBuffer): Buffer {
  return Buffer.from(Buffer.from(bytes))
}

/** What the library says of frames that it refuses; it cuts such a connection itself, without a close frame. */
const refusals: ReadonlyMap<string, number> = new Map([
  ['Received too big message', 1009],
  ['Received invalid UTF-8', 1007],
  // It takes the codes from 1012 to 3999 for invalid as well, but answers such a goodbye before it cuts.
  ['Received invalid close payload', noStatus],
  ['Received invalid WebSocket frame', 1002],
])

/** What the library needs again at the upgrade; its request is gone by then. */
export interface UwsHandshake {
  readonly key: string
  readonly context: uWS.us_socket_context_t
  readonly elsewhere: Elsewhere
}

/** A request of this front that asks for a socket. */
export class UwsUpgrade extends UwsDownstream implements DownstreamUpgrade {
  readonly #res: uWS.HttpResponse
  readonly #handshake: UwsHandshake

  constructor(res: uWS.HttpResponse, slowClients: SlowClients, handshake: UwsHandshake) {
    super(res, slowClients)
    this.#res = res
    this.#handshake = handshake
  }

  accept(fields: FieldBlock, protocol: string): SocketEnd | null {
    const seat: UwsSeat = { taken: { by: null } }
    if (!this.switchProtocols(fields)) return null
    const { key, context, elsewhere } = this.#handshake
    // The library would take the first of the client's offers; it gets the application's choice, and no extensions.
    const upgrade = (): void => this.#res.upgrade(seat, key, protocol, '', context)
    elsewhere.during(() => this.#res.cork(upgrade))
    return seat.taken.by
  }
}

class UwsSocketEnd implements SocketEnd {
  /** The library reads on whatever waits. */
  readonly canPause = false
  readonly #ws: uWS.WebSocket<UwsSeat>
  #events: SocketEvents | null = null
  #isSlow = false
  /** Any call to the library after its close handler has begun throws. */
  #isOver = false

  constructor(ws: uWS.WebSocket<UwsSeat>) {
    this.#ws = ws
  }

  listen(events: SocketEvents): void {
    this.#events = events
    if (this.#isOver) events.onClose(abnormal, Buffer.alloc(0))
  }

  get waitingBytes(): number {
    return this.#isOver ? 0 : this.#ws.getBufferedAmount()
  }

  send(message: Buffer, isBinary: boolean): boolean {
    if (this.#isOver) return true
    this.#ws.send(message, isBinary)
    return this.#isKeepingUp()
  }

  ping(payload: Buffer): boolean {
    if (this.#isOver) return true
    this.#ws.ping(payload)
    return this.#isKeepingUp()
  }

  /** The library has answered the client's ping itself, and cannot send any other pong. */
  pong(): boolean {
    return true
  }

  /** Once slow it stays so until it has drained: whoever paused for it waits for that word. */
  #isKeepingUp(): boolean {
    if (this.waitingBytes >= pauseBytes) this.#isSlow = true
    return !this.#isSlow
  }

  pause(): void {}

  resume(): void {}

  close(code: number, reason: Buffer): void {
    if (this.#isOver) return
    this.#isOver = true
    if (code === noStatus) this.#ws.end()
    else if (isSendableCode(code)) this.#ws.end(code, reason)
    else this.#ws.close()
  }

  terminate(): void {
    this.close(abnormal, Buffer.alloc(0))
  }

  // -- told by the library ------------------------------------------------------------------------------------------------

  received(message: Buffer, isBinary: boolean): void {
    if (!this.#isOver) this.#events?.onMessage(message, isBinary)
  }

  pinged(payload: Buffer): void {
    if (!this.#isOver) this.#events?.onPing(payload)
  }

  ponged(payload: Buffer): void {
    if (!this.#isOver) this.#events?.onPong(payload)
  }

  drained(): void {
    if (this.#isOver || !this.#isSlow || this.waitingBytes >= pauseBytes / 2) return
    this.#isSlow = false
    this.#events?.onDrained()
  }

  closed(code: number, reason: Buffer): void {
    if (this.#isOver) return
    this.#isOver = true
    if (code !== abnormal) this.#events?.onClose(code, reason)
    // A lost connection comes with a text as well.
    else this.#events?.onClose(refusals.get(reason.toString()) ?? abnormal, Buffer.alloc(0))
  }
}
