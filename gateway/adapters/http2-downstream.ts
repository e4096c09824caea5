// One HTTP/2 stream of the Node front and the way to answer it: a request like any other, but that nothing of it closes
// the connection. Knows nothing of the other streams.
import { constants, type ServerHttp2Stream } from 'node:http2'
import type {
  BeginExchange,
  BodyFailure,
  Downstream,
  DownstreamEvents,
  FieldBlock,
  ResponseStart,
} from '../dataplane/downstream.js'
import type { RequestHead } from '../dataplane/request-head.js'
import { fieldMap } from './field-pairs.js'
import type { ComingBody, SlowBodies } from './slow-bodies.js'

const nothing = Buffer.alloc(0)

const resetContent = 205
/** Node sends no status beyond; a client takes one for an error of the server (RFC 9110 section 15). */
const highestStatus = 599
const errorStatus = 500

export class Http2Downstream implements Downstream, ComingBody {
  readonly head: RequestHead
  heardAt = Infinity
  received = 0
  readonly #stream: ServerHttp2Stream
  readonly #slowBodies: SlowBodies
  #events: DownstreamEvents | null = null
  #start: ResponseStart | null = null
  #isHeadSent = false
  #chunks: Buffer[] = []
  #hasEnded = false
  #isOver = false

  constructor(head: RequestHead, stream: ServerHttp2Stream, slowBodies: SlowBodies) {
    this.head = head
    this.#stream = stream
    this.#slowBodies = slowBodies
  }

  /** Hands the request to the exchange; `onTakenBack`: the client reset it before its answer was complete. */
  begin(begin: BeginExchange, onTakenBack: () => void): void {
    const stream = this.#stream
    stream.on('close', () => {
      if (!this.#isOver) onTakenBack()
      this.#closed()
    })
    stream.on('drain', () => {
      stream.setTimeout(0)
      if (!this.#isOver) this.#events?.onDrained()
    })
    this.#events = begin(this)
    if (this.#isOver || this.#start !== null || stream.endAfterHeaders) return
    if (this.head.names.includes('expect')) this.interim(100, { bytes: null, runs: [], lines: '' })
    this.#readBody()
  }

  #closed(): void {
    this.#slowBodies.remove(this)
    if (this.#isOver) return
    this.#isOver = true
    this.#events?.onAborted()
  }

  // -- the request's body -----------------------------------------------------------------------------------------------

  #readBody(): void {
    this.heardAt = performance.now()
    this.#slowBodies.add(this)
    this.#stream.on('data', (chunk: Buffer) => {
      this.heardAt = performance.now()
      this.received += chunk.length
      if (!this.#isOver) this.#events?.onBody(chunk, false)
    })
    this.#stream.on('end', () => {
      this.#slowBodies.remove(this)
      // A stream that was reset ends as well, and is no whole body.
      if (!this.#isOver && !this.#stream.aborted) this.#events?.onBody(nothing, true)
    })
  }

  pauseBody(): void {
    if (this.#isOver) return
    this.heardAt = Infinity
    this.#stream.pause()
  }

  resumeBody(): void {
    if (this.#isOver || !this.#stream.isPaused()) return
    this.heardAt = performance.now()
    this.#stream.resume()
  }

  stalled(): void {
    this.bodyFailed('request_timeout')
  }

  bodyFailed(code: BodyFailure): void {
    if (!this.#isOver) this.#events?.onBodyFailed(code)
  }

  // -- the answer -------------------------------------------------------------------------------------------------------

  interim(status: number, fields: FieldBlock): void {
    if (this.#isOver || this.#isHeadSent || this.#isClosed) return
    this.#stream.additionalHeaders({ ...fieldMap(fields), ':status': status })
  }

  /** The exchange has yet to hear of it; Node throws at whoever sends on such a stream. */
  get #isClosed(): boolean {
    return this.#stream.destroyed || this.#stream.closed
  }

  start(response: ResponseStart): void {
    // Node ends the stream with the head of this one, which is to have no body (RFC 9110 section 15.3.6).
    this.#start = response.status === resetContent ? { ...response, framing: 'none' } : response
  }

  write(chunk: Buffer): void {
    if (!this.#isOver && chunk.length > 0 && this.#start?.framing !== 'none') this.#chunks.push(chunk)
  }

  end(): void {
    this.#hasEnded = true
  }

  flush(): boolean {
    if (this.#isOver || this.#start === null) return true
    if (this.#isClosed) return true
    const isBare = this.#hasEnded && this.#chunks.length === 0
    if (!this.#isHeadSent) this.#sendHead(this.#start, isBare)
    // The bytes are the exchange's until now only, and Node keeps them until the client's window opens.
    for (const chunk of this.#chunks) this.#stream.write(Buffer.from(chunk))
    this.#chunks = []
    if (!this.#hasEnded) return this.#isKeepingUp()
    this.#finish()
    return this.#isTaken()
  }

  #isKeepingUp(): boolean {
    if (!this.#stream.writableNeedDrain) return true
    this.#watchReader()
    return false
  }

  #watchReader(): void {
    const { gate } = this.#slowBodies
    this.#stream.removeAllListeners('timeout')
    this.#stream.setTimeout(gate.limits.stalledClientMs, () => {
      gate.refused('slow-reader')
      this.#stream.close(constants.NGHTTP2_CANCEL)
      // Of a client that takes nothing of the whole connection no reset is ever sent, and the stream would never end.
      this.#stream.destroy()
    })
  }

  /** Whether the session has the whole answer; if not, `onDrained` says when, or when nobody waits any more. */
  #isTaken(): boolean {
    if (this.#stream.writableFinished || this.#stream.destroyed) return true
    this.#watchReader()
    const tell = (): void => this.#events?.onDrained()
    this.#stream.once('finish', tell)
    this.#stream.once('close', tell)
    return false
  }

  #sendHead(start: ResponseStart, isBare: boolean): void {
    this.#isHeadSent = true
    const fields = fieldMap(start.fields)
    fields[':status'] = String(start.status > highestStatus ? errorStatus : start.status)
    if (start.contentLength >= 0 && (start.framing === 'length' || this.head.method === 'HEAD')) {
      fields['content-length'] = String(start.contentLength)
    }
    this.#stream.respond(fields, { endStream: isBare || start.framing === 'none' })
  }

  /** RFC 9113 section 8.1: what is left of the request after a whole answer is not wanted. */
  #finish(): void {
    this.#isOver = true
    this.#slowBodies.remove(this)
    this.#stream.end()
    if (this.#stream.readableEnded) return
    const { writableFinished } = this.#stream
    if (writableFinished) this.#leaveRest()
    else this.#stream.once('finish', () => this.#leaveRest())
  }

  #leaveRest(): void {
    if (this.#stream.state.state === constants.NGHTTP2_STREAM_STATE_CLOSED) return
    if (this.#stream.readableEnded || this.#stream.endAfterHeaders) this.#stream.resume()
    else this.#stream.close(constants.NGHTTP2_NO_ERROR)
  }

  cut(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#slowBodies.remove(this)
    // `close` would end the stream in order before it resets it.
    this.#stream.destroy(new Error('the answer was cut short'))
  }
}
