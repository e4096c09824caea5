// A client's WebSocket on the Node front, made of `ws`: its request, and the socket that comes of it as one end of a
// tunnel. Knows nothing of the application's end.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { WebSocketServer } from 'ws'
import type { FieldBlock, ResponseStart } from '../dataplane/downstream.js'
import type { BeginUpgrade, DownstreamUpgrade } from '../dataplane/downstream-socket.js'
import type { Gate } from '../dataplane/gate.js'
import { maxMessageBytes, type SocketEnd } from '../dataplane/socket-end.js'
import { fieldPairs } from './field-pairs.js'
import { NodeDownstream } from './node-downstream.js'
import type { SlowBodies } from './slow-bodies.js'
import { clientFaults, WsEnd, type WsFooting } from './ws-end.js'

/** A peer that has vanished without a word is noticed by the system after about this time and ten seconds. */
const keepAliveMs = 30_000

const server = new WebSocketServer({
  noServer: true,
  clientTracking: false,
  // Each hop frames its own messages; a second deflate would only cost.
  perMessageDeflate: false,
  // The application's own pong is the answer, not ours.
  autoPong: false,
  maxPayload: maxMessageBytes,
  // The application has chosen; its choice is among the lines.
  handleProtocols: () => false,
})

/** Lines for the 101 that is being written, by its request. */
const linesOf = new WeakMap<IncomingMessage, readonly string[]>()
server.on('headers', (headers, request) => headers.push(...(linesOf.get(request) ?? [])))

export interface UpgradeParts {
  readonly request: IncomingMessage
  /** Not yet given its socket. */
  readonly response: ServerResponse
  /** What was read behind the request. */
  readonly head: Buffer
  readonly slowBodies: SlowBodies
}

/** A request of this front that asks for a socket. */
export class NodeUpgrade extends NodeDownstream implements DownstreamUpgrade {
  readonly #waiting: WaitingClient
  readonly #socket: Socket
  readonly #gate: Gate
  readonly #onDrain = (): void => this.drained()

  constructor({ request, response, head, slowBodies }: UpgradeParts) {
    super(request, response, slowBodies)
    this.#socket = request.socket
    this.#gate = slowBodies.gate
    this.#waiting = new WaitingClient(this.#socket, head)
    // Node has let go of the connection: the answer's own events are for us to tell.
    response.assignSocket(this.#socket)
    this.#socket.on('drain', this.#onDrain)
    response.on('finish', () => this.#socket.destroySoon())
  }

  /** Node has given the connection away: an answer that is no 101 ends it, and says so. */
  override start(response: ResponseStart): void {
    super.start({ ...response, closes: true })
  }

  beginUpgrade(begin: BeginUpgrade): void {
    this.begin(
      () => begin(this),
      () => {},
    )
  }

  accept(fields: FieldBlock, protocol: string): SocketEnd | null {
    if (this.isOver) return null
    this.isOver = true
    this.response.detachSocket(this.#socket)
    this.#socket.off('drain', this.#onDrain)
    this.#socket.setKeepAlive(true, keepAliveMs)
    linesOf.set(this.request, linesOfAnswer(fields, protocol))
    let end: SocketEnd | null = null
    const early = this.#waiting.take()
    server.handleUpgrade(this.request, this.#socket, early, (ws) => (end = new WsEnd(ws, this.#footing())))
    this.#socket.resume()
    return end
  }

  #footing(): WsFooting {
    const gate = this.#gate
    return {
      socket: this.#socket,
      faults: clientFaults,
      stallMs: gate.limits.stalledClientMs,
      onStalled: () => gate.refused('slow-reader'),
    }
  }
}

/** What a client may say before its handshake is answered; one that says more is not read on. */
const mostEarlyBytes = 64 * 1024

/** A client that waits for the answer to its handshake: read, since only then is it seen to go away. */
class WaitingClient {
  readonly #socket: Socket
  readonly #early: Buffer[]
  #bytes = 0
  readonly #onData = (chunk: Buffer): void => {
    this.#early.push(chunk)
    this.#bytes += chunk.length
    if (this.#bytes > mostEarlyBytes) this.#socket.pause()
  }
  // Nobody who has closed its half waits for a socket.
  readonly #onEnd = (): void => {
    this.#socket.destroy()
  }

  constructor(socket: Socket, head: Buffer) {
    this.#socket = socket
    this.#early = [head]
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
  }

  /** What it has said; from here on it is somebody else's to read, once it is resumed. */
  take(): Buffer {
    this.#socket.off('data', this.#onData)
    this.#socket.off('end', this.#onEnd)
    this.#socket.pause()
    return Buffer.concat(this.#early)
  }
}

function linesOfAnswer(fields: FieldBlock, protocol: string): string[] {
  const pairs = fieldPairs(fields)
  const lines = pairs.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${pairs[i + 1] ?? ''}`] : []))
  return protocol === '' ? lines : [...lines, `Sec-WebSocket-Protocol: ${protocol}`]
}
