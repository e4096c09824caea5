// One HTTP/1 request of the Node front and the way to answer it. Node frames the answer and keeps the connection;
// what is said here is when to read, when to wait, and when to let go.
import type { IncomingMessage, ServerResponse } from 'node:http'
import { TLSSocket } from 'node:tls'
import type {
  BeginExchange,
  BodyFailure,
  Downstream,
  DownstreamEvents,
  FieldBlock,
  ResponseStart,
} from '../dataplane/downstream.js'
import type { RequestHead } from '../dataplane/request-head.js'
import { fieldPairs } from './field-pairs.js'
import { linkHints } from './link-hints.js'
import { isVersion10, readNodeHead } from './node-request.js'
import type { ComingBody, SlowBodies } from './slow-bodies.js'

/** How long the rest of a refused request is read and thrown away, so that the client gets to read the answer. */
const lingerMs = 2_000

const nothing = Buffer.alloc(0)

export class NodeDownstream implements Downstream, ComingBody {
  readonly head: RequestHead
  heardAt = Infinity
  received = 0
  protected readonly request: IncomingMessage
  protected readonly response: ServerResponse
  /** The exchange is over, or was never begun. */
  protected isOver = false
  readonly #slowBodies: SlowBodies
  #events: DownstreamEvents | null = null
  #start: ResponseStart | null = null
  #isHeadSent = false
  #chunks: Buffer[] = []
  #hasEnded = false
  #awaitsContinue: boolean
  #isWatched = false

  constructor(request: IncomingMessage, response: ServerResponse, slowBodies: SlowBodies) {
    this.head = readNodeHead(request)
    this.request = request
    this.response = response
    this.#slowBodies = slowBodies
    this.#awaitsContinue = this.head.names.includes('expect') && !isVersion10(request)
  }

  /** The request's body has been received whole. */
  get isReceived(): boolean {
    return this.request.complete
  }

  /** Hands the request to the exchange, and calls back when its answer is out of the way. */
  begin(begin: BeginExchange, whenGone: () => void): void {
    this.response.on('close', () => {
      this.aborted()
      whenGone()
    })
    this.response.on('drain', () => this.drained())
    this.response.on('timeout', () => this.#readerStalled())
    this.#events = begin(this)
    if (this.isOver || this.#start !== null || !hasBody(this.head)) return
    if (this.#awaitsContinue) this.response.writeContinue()
    this.#awaitsContinue = false
    this.#readBody()
  }

  // -- the request's body -----------------------------------------------------------------------------------------------

  #readBody(): void {
    this.#watchBody()
    this.request.on('data', (chunk: Buffer) => {
      if (!this.isOver) this.#events?.onBody(chunk, false)
    })
    this.request.on('end', () => {
      if (!this.isOver) this.#events?.onBody(nothing, true)
    })
  }

  /** Until it is complete, whoever reads it. */
  #watchBody(): void {
    if (this.#isWatched) return
    this.#isWatched = true
    this.#slowBodies.add(this)
    const forget = (): void => this.#slowBodies.remove(this)
    this.heardAt = performance.now()
    this.request.on('data', (chunk: Buffer) => {
      this.heardAt = performance.now()
      this.received += chunk.length
    })
    this.request.on('end', forget)
    this.request.on('close', forget)
  }

  pauseBody(): void {
    if (this.isOver) return
    this.heardAt = Infinity
    this.request.pause()
  }

  resumeBody(): void {
    if (!this.request.isPaused()) return
    this.heardAt = performance.now()
    this.request.resume()
  }

  stalled(): void {
    // After the answer the rest of the body only keeps the connection.
    if (this.isOver) this.request.socket.destroy()
    else this.bodyFailed('request_timeout')
  }

  /** Nothing more of the body will come. */
  bodyFailed(code: BodyFailure): void {
    if (!this.isOver) this.#events?.onBodyFailed(code)
  }

  // -- the answer -------------------------------------------------------------------------------------------------------

  interim(status: number, fields: FieldBlock): void {
    if (this.isOver || this.#isHeadSent || isVersion10(this.request)) return
    if (status === 102) this.response.writeProcessing()
    const hints = status === 103 ? linkHints(fields) : []
    if (hints.length > 0) this.response.writeEarlyHints({ link: hints })
  }

  start(response: ResponseStart): void {
    this.#start = response
    if (response.isEventStream) this.#leaveWithClient()
  }

  /** A client that closes its half usually waits for the answer; nobody waits like that for a stream without an end. */
  #leaveWithClient(): void {
    const { socket } = this.request
    if (socket.readableEnded) return void socket.destroy()
    const leave = (): void => void socket.destroy()
    socket.once('end', leave)
    // Those that come after it on the connection are none.
    this.response.once('close', () => socket.off('end', leave))
  }

  write(chunk: Buffer): void {
    if (!this.isOver && chunk.length > 0) this.#chunks.push(chunk)
  }

  end(): void {
    this.#hasEnded = true
  }

  flush(): boolean {
    if (this.isOver || this.#start === null) return true
    if (!this.#isHeadSent) this.#sendHead(this.#start)
    // The bytes are the exchange's until now only, and Node keeps what the system does not take at once.
    for (const chunk of this.#chunks) this.response.write(Buffer.from(chunk))
    if (this.#chunks.length === 0 && !this.#hasEnded) this.response.flushHeaders()
    this.#chunks = []
    if (!this.#hasEnded) return this.#isKeepingUp()
    this.#finish(this.#start)
    return this.#isTaken()
  }

  #isKeepingUp(): boolean {
    if (!this.response.writableNeedDrain) return true
    this.#watchReader()
    return false
  }

  /** Node looks whether anything of what waits has gone out meanwhile. */
  #watchReader(): void {
    this.response.setTimeout(this.#slowBodies.gate.limits.stalledClientMs)
  }

  #readerStalled(): void {
    this.#slowBodies.gate.refused('slow-reader')
    this.request.socket.destroy()
  }

  /** Whether the system has the whole answer; if not, `onDrained` says when it does, or when nobody waits any more. */
  #isTaken(): boolean {
    if (this.response.writableFinished) return true
    this.#watchReader()
    const tell = (): void => this.#events?.onDrained()
    this.response.once('finish', tell)
    this.response.once('close', tell)
    return false
  }

  #sendHead(start: ResponseStart): void {
    this.#isHeadSent = true
    const pairs = fieldPairs(start.fields)
    if (start.contentLength >= 0 && (start.framing === 'length' || this.head.method === 'HEAD')) {
      pairs.push('Content-Length', String(start.contentLength))
    }
    if (start.closes) pairs.push('Connection', 'close')
    this.response.writeHead(start.status, pairs)
  }

  #finish(start: ResponseStart): void {
    this.isOver = true
    if (this.isReceived) return void this.response.end()
    if (start.closes && !this.#awaitsContinue) return this.#linger()
    this.response.end()
    this.#watchBody()
    this.request.resume()
  }

  /** Closed with bytes unread, the system would reset the connection and the client might never see the answer. */
  #linger(): void {
    const end = (): void => {
      clearTimeout(timer)
      this.response.end()
    }
    const timer = setTimeout(end, lingerMs).unref()
    this.request.once('close', end)
    this.request.once('end', end)
    this.request.resume()
  }

  cut(): void {
    if (this.isOver) return
    this.isOver = true
    const { socket } = this.request
    // Where the end of the connection is the end of the answer only a reset says that it is incomplete.
    if (isVersion10(this.request) && !(socket instanceof TLSSocket)) socket.resetAndDestroy()
    else socket.destroy()
  }

  // -- told by Node -------------------------------------------------------------------------------------------------------

  protected drained(): void {
    this.response.setTimeout(0)
    if (!this.isOver) this.#events?.onDrained()
  }

  protected aborted(): void {
    if (this.isOver) return
    this.isOver = true
    this.#events?.onAborted()
  }
}

function hasBody(head: RequestHead): boolean {
  if (head.names.includes('transfer-encoding')) return true
  const at = head.names.indexOf('content-length')
  return at >= 0 && head.values[at] !== '0'
}
