// One request of the uWebSockets.js front and the way to answer it. Each rule about that library stands beside its
// reason; the measurements are in docs/conformance.md.
import type { HttpResponse } from 'uWebSockets.js'
import type {
  BeginExchange,
  Downstream,
  DownstreamEvents,
  FieldBlock,
  ResponseStart,
} from '../dataplane/downstream.js'
import { headerOf, type RequestHead } from '../dataplane/request-head.js'
import { UwsBody, type BodyOwner } from './uws-body.js'
import { fieldBytes, writeFields, writeHead } from './uws-fields.js'
import type { SlowClients, WaitingAnswer } from './uws-slow-clients.js'

/**
 * More than 16 KiB within one cork corrupts a chunked answer when its flush meets a slow client, so each cork carries
 * at most this much, head included.
 */
const corkBytes = 15_000
const leastRoom = 1_000

/** The library takes any `Connection` of this length for `close`. */
export const closeLength = 5

export class UwsDownstream implements Downstream, WaitingAnswer, BodyOwner {
  #head: RequestHead | null = null
  readonly #res: HttpResponse
  readonly #slowClients: SlowClients
  #events: DownstreamEvents | null = null
  #response: ResponseStart | null = null
  #isHeadSent = false
  /** Pieces not yet given to the library; once a client is slow they are copies. */
  #chunks: Buffer[] = []
  /** Body bytes given to `tryEnd` and accepted, for framing `length`. */
  #accepted = 0
  #hasEnded = false
  #isOver = false
  isSlow = false
  #isWatching = false
  progressAt = 0
  #isInHandler = true
  #body: UwsBody | null = null
  /** The request has, or may have, a body; its connection has to be closed after the answer. */
  #hasBody = false
  #mustClose = false

  constructor(res: HttpResponse, slowClients: SlowClients) {
    this.#res = res
    this.#slowClients = slowClients
  }

  get head(): RequestHead {
    if (this.#head === null) throw new Error('the request has not been read yet')
    return this.#head
  }

  begin(head: RequestHead, begin: BeginExchange): void {
    this.#head = head
    this.#readTraits(head)
    // Attached in the handler or never: later the body would be lost and the request hang.
    if (this.#hasBody) this.#expectBody()
    this.#events = begin(this)
    this.#isInHandler = false
  }

  /** One pass over the names (bench/micro/request.ts). */
  #readTraits({ names, values }: RequestHead): void {
    for (let i = 0; i < names.length; i++) {
      switch (names[i] as string) {
        case 'content-length':
          this.#hasBody = true
          break
        case 'transfer-encoding':
          this.#hasBody = true
          // The library swallows bytes after a chunked request's trailers.
          this.#mustClose = true
          break
        case 'connection':
          // The library tells `close` by its length alone.
          if (values[i]?.toLowerCase().includes('close') === true) this.#mustClose = true
          break
      }
    }
  }

  #expectBody(): void {
    const body = new UwsBody(this.#res, this, this.#slowClients.bodies)
    this.#body = body
    this.#res.onData((chunk, isLast) => {
      // Goes on after the answer has ended. The bytes are the library's and gone when this returns.
      if (this.#isOver) return
      body.came(chunk.byteLength, isLast)
      this.#events?.onBody(Buffer.from(chunk), isLast)
    })
  }

  aborted(): void {
    if (this.#isOver) return
    this.#over()
    this.#events?.onAborted()
  }

  /** The library has no way to send one. */
  interim(): void {}

  start(response: ResponseStart): void {
    this.#response = response
  }

  write(chunk: Buffer): void {
    if (!this.#isOver && chunk.length > 0) this.#chunks.push(chunk)
  }

  end(): void {
    this.#hasEnded = true
    // What is left of the request is nobody's: read, so that the connection can go on, and end.
    this.resumeBody()
  }

  /** Answers 101 with these fields and lets go of the request; false: it is gone. */
  switchProtocols(fields: FieldBlock): boolean {
    if (this.#isOver) return false
    this.#over()
    this.#res.cork(() => {
      this.#res.writeStatus('101 Switching Protocols')
      writeFields(this.#res, fields)
    })
    return true
  }

  flush(): boolean {
    if (this.#isOver || this.#response === null) return true
    if (this.#isInHandler) {
      // An answer within the handler loses the idle timeout and the close flag; one turn later it does not.
      setImmediate(() => this.#flushLater())
      return true
    }
    if (this.isSlow) this.#keepChunks()
    else this.#send()
    if (this.isSlow) this.#body?.stayPaused()
    return !this.isSlow
  }

  #flushLater(): void {
    if (!this.flush()) this.#keepChunks()
  }

  /** The bytes belong to whoever gave them and are valid until this flush only. */
  #keepChunks(): void {
    this.#chunks = this.#chunks.map((chunk) => Buffer.from(chunk))
  }

  // -- sending ----------------------------------------------------------------------------------------------------------

  #send(): void {
    const response = this.#response
    if (response === null) return
    if (this.head.method === 'HEAD' || response.framing === 'none') this.#sendWithoutBody(response)
    else if (response.framing === 'length') this.#sendSized(response)
    else this.#sendChunked(response)
  }

  #sendWithoutBody(response: ResponseStart): void {
    this.#res.cork(() => {
      this.#writeHead(response)
      if (this.head.method === 'HEAD' && response.contentLength >= 0) {
        // `endWithoutBody(length)` would never complete the response.
        this.#res.writeHeader('Content-Length', String(response.contentLength))
      }
      this.#res.endWithoutBody()
    })
    this.#over()
  }

  #sendSized(response: ResponseStart): void {
    if (this.#chunks.length === 0 && response.contentLength > 0 && this.#isHeadSent) return
    if (this.#canEndAndClose(response)) return this.#endAndClose(response)
    this.#res.cork(() => {
      if (!this.#isHeadSent) this.#writeHead(response)
      // With nothing of the body yet the head goes out at once; an empty body completes the response.
      if (this.#chunks.length === 0) this.#tryEnd(emptyChunk, response.contentLength)
      while (this.#chunks.length > 0 && !this.isSlow && !this.#isOver) {
        this.#tryEnd(this.#chunks[0] ?? emptyChunk, response.contentLength)
        if (!this.isSlow) this.#chunks.shift()
      }
    })
    if (this.isSlow) this.#keepChunks()
  }

  /** A whole small answer after which the connection is to be closed: only `end` closes it. */
  #canEndAndClose(response: ResponseStart): boolean {
    if (this.#isHeadSent || !this.#hasEnded || !(response.closes || this.#mustClose)) return false
    const bytes = this.#chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    return bytes === response.contentLength && bytes + headBytes(response) <= corkBytes
  }

  #endAndClose(response: ResponseStart): void {
    const body = Buffer.concat(this.#chunks)
    this.#res.cork(() => {
      // `end` says `Connection: close` itself, unless it knows that the client has.
      this.#writeHead(response, headerOf(this.head, 'connection').length === closeLength)
      this.#res.end(body, true)
    })
    this.#over()
  }

  #tryEnd(chunk: Buffer, total: number): void {
    // Anything beyond the declared length would be sent and the response never complete.
    const clamped = chunk.length > total - this.#accepted ? chunk.subarray(0, total - this.#accepted) : chunk
    const outcome = this.#res.tryEnd(clamped, total)
    if (outcome[1]) {
      this.#over()
    } else if (outcome[0]) {
      this.#accepted += clamped.length
    } else {
      const accepted = this.#res.getWriteOffset()
      if (accepted > this.#accepted) this.progressAt = performance.now()
      this.#chunks[0] = clamped.subarray(accepted - this.#accepted)
      this.#accepted = accepted
      this.#becomeSlow()
    }
  }

  #sendChunked(response: ResponseStart): void {
    let isFirst = !this.#isHeadSent
    let room = isFirst ? this.#roomBesideHead(response) : corkBytes
    while (!this.#isOver && !this.isSlow) {
      const piece = this.#nextPiece(room)
      const isLast = piece.length === 0 && this.#hasEnded
      if (piece.length === 0 && !isLast && !isFirst) return
      this.#res.cork(() => this.#sendPiece(response, piece, isLast))
      if (piece.length === 0) return
      isFirst = false
      room = corkBytes
    }
    this.#keepChunks()
  }

  /** How much of the body goes into one cork with the head; a head that leaves hardly any room goes ahead. */
  #roomBesideHead(response: ResponseStart): number {
    const room = corkBytes - headBytes(response)
    if (room >= leastRoom) return room
    this.#res.cork(() => this.#writeHead(response))
    return corkBytes
  }

  #sendPiece(response: ResponseStart, piece: Buffer, isLast: boolean): void {
    if (!this.#isHeadSent) this.#writeHead(response)
    if (isLast) {
      this.#res.end()
      this.#over()
    } else if (piece.length === 0) {
      // The head ends with the first piece of the body; an empty comment lets an event stream begin at once.
      if (response.isEventStream && !response.isCoded) this.#res.write(eventStreamComment)
    } else if (!this.#res.write(piece)) {
      // The library has kept the whole piece; only what follows has to wait.
      this.#becomeSlow()
    }
  }

  /** At most `room` bytes of what waits; empty when nothing does. */
  #nextPiece(room: number): Buffer {
    const first = this.#chunks[0]
    if (first === undefined) return emptyChunk
    if (first.length <= room) {
      this.#chunks.shift()
      return first
    }
    this.#chunks[0] = first.subarray(room)
    return first.subarray(0, room)
  }

  #writeHead(response: ResponseStart, saysClose = response.closes || this.#mustClose): void {
    this.#isHeadSent = true
    writeHead(this.#res, response.status, response.fields)
    if (saysClose) this.#res.writeHeader('Connection', 'close')
  }

  // -- slow clients -----------------------------------------------------------------------------------------------------

  #becomeSlow(): void {
    if (!this.isSlow && !this.#slowClients.has(this)) this.progressAt = performance.now()
    this.isSlow = true
    this.#slowClients.add(this)
    if (this.#body?.isPaused === true) this.askOften()
    if (this.#isWatching) return
    this.#isWatching = true
    this.#res.onWritable(() => this.pump())
  }

  /** The client can take more. */
  pump(): boolean {
    this.progressAt = performance.now()
    return this.#resend()
  }

  retry(): void {
    // While the request is paused it is asked anyway.
    if (this.#isOver || this.#body?.isPaused === true) return
    // With nothing but the library's own buffer to send, its emptiness is for the library to tell.
    if (this.#chunks.length === 0) this.#res.cork(noop)
    else this.#resend()
  }

  askOften(): void {
    this.#slowClients.askOften(this)
  }

  ask(): boolean {
    if (this.#isOver || !this.isSlow || this.#body?.isPaused !== true) return false
    if (this.#response?.framing === 'length') this.#resend()
    else this.#askByAByte()
    if (!this.#isOver && this.isSlow) this.#body.stayPaused()
    return true
  }

  /** Whether the library's buffer is empty only a write tells, which it keeps: so it is a small one. */
  #askByAByte(): void {
    this.#res.cork(noop)
    let hasRoom = false
    if (this.#chunks.length > 0) this.#res.cork(() => (hasRoom = this.#res.write(this.#nextPiece(1))))
    // With nothing to ask with, the application may say something.
    else this.#events?.onDrained()
    if (hasRoom) this.pump()
  }

  #resend(): boolean {
    if (this.#isOver) return true
    // The library does not drain its own buffer while a handler is set, unless something is corked.
    this.#res.cork(noop)
    this.isSlow = false
    this.#send()
    if (this.isSlow) return false
    this.#slowClients.remove(this)
    // Also when this was the last of it: the exchange waits for that.
    this.#events?.onDrained()
    return true
  }

  cut(): void {
    if (this.#isOver) return
    this.#over()
    this.#res.close()
  }

  /** Cuts for the front's own reasons: the exchange hears of it as of a client that went away. */
  giveUp(): void {
    if (this.#isOver) return
    this.aborted()
    this.#res.close()
  }

  #over(): void {
    this.#isOver = true
    this.#chunks = []
    this.#body?.over()
    if (this.isSlow || this.#isWatching) this.#slowClients.remove(this)
  }

  // -- the request's body -----------------------------------------------------------------------------------------------

  pauseBody(): void {
    if (!this.#isOver) this.#body?.pause()
  }

  resumeBody(): void {
    if (!this.#isOver) this.#body?.resume()
  }

  bodyOverran(): void {
    if (!this.#isOver) this.#events?.onBodyFailed('overloaded')
  }

  bodyStalled(): void {
    if (!this.#isOver) this.#events?.onBodyFailed('request_timeout')
  }
}

const emptyChunk = Buffer.alloc(0)
const eventStreamComment = ':\n\n'

function noop(): void {}

/** How much of a cork the head takes, with room for status line, Date and framing. */
function headBytes(response: ResponseStart): number {
  return fieldBytes(response.fields) + 256
}
