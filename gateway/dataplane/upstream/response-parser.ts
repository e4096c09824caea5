// Turns the bytes of one connection into the events of its responses: heads, pieces of body, the end. Any split of the
// bytes gives the same events. Knows nothing of sockets, requests or pools.
import { broken, ChunkedDecoder } from './chunked-decoder.js'
import { incomplete, type ParsedHead } from './response-head.js'

/** What a response consists of, in order; after `onComplete` or `onMalformed` nothing comes until the next `begin`. */
export interface ResponseSink {
  onInterim(head: ParsedHead): void
  onHead(head: ParsedHead): void
  /** A piece of the body, unframed; the bytes are the reader's. */
  onData(chunk: Buffer): void
  /** The response ended as its framing says; `hasExtra` when bytes were left over. */
  onComplete(hasExtra: boolean): void
  onMalformed(fault: string): void
}

type Phase = 'idle' | 'head' | 'length' | 'chunked' | 'close'

const firstPartialBytes = 2048
/** Longest heads that interim responses may fill together: they go on to the client whether he takes them or not. */
const mostInterimHeads = 16

/** Parses one response after the other; `begin` says that the next one is due. */
export class ResponseParser {
  private phase: Phase = 'idle'
  private answersHead = false
  private remaining = 0
  /** A head that did not come in one read, put together; empty otherwise. */
  private partial: Buffer | null = null
  private partialLength = 0
  /** Of the interim responses so far. */
  private interimBytes = 0
  private readonly head: ParsedHead
  private readonly maxHeadBytes: number
  private readonly sink: ResponseSink
  private readonly chunks: ChunkedDecoder

  /** `head` may serve many parsers: it is only valid while `onHead` or `onInterim` runs. */
  constructor(head: ParsedHead, maxHeadBytes: number, sink: ResponseSink) {
    this.head = head
    this.maxHeadBytes = maxHeadBytes
    this.sink = sink
    this.chunks = new ChunkedDecoder(sink, maxHeadBytes)
  }

  /** A response is due; to a HEAD request it has no body. */
  begin(answersHead: boolean): void {
    this.phase = 'head'
    this.answersHead = answersHead
    this.interimBytes = 0
  }

  /** Nothing is delivered any more; may be called from within an event. */
  stop(): void {
    this.phase = 'idle'
    this.partial = null
    this.partialLength = 0
    this.chunks.stop()
  }

  /** Takes `bytes[0, length)`, which may be overwritten afterwards. */
  feed(bytes: Buffer, length: number): void {
    let at = 0
    while (this.phase === 'head' && at < length) at = this.readHead(bytes, at, length)
    if (at < length) this.readBody(bytes, at, length)
  }

  /** The connection was closed in good order: true when that completes the response. */
  finish(): boolean {
    if (this.phase !== 'close') return false
    this.complete(false)
    return true
  }

  /** The offset after a head, `length` when it is incomplete or refused. */
  private readHead(bytes: Buffer, at: number, length: number): number {
    if (this.partial !== null) return this.continueHead(bytes, at, length)
    const end = Math.min(length, at + this.maxHeadBytes)
    const next = this.head.parse(bytes, at, end, this.answersHead)
    if (next >= 0) return this.deliverHead(next, length, next - at)
    if (next !== incomplete) return this.refuse(this.head.fault, length)
    if (end - at >= this.maxHeadBytes) return this.refuse('head too large', length)
    this.keepPartial(bytes, at, end)
    return length
  }

  private continueHead(bytes: Buffer, at: number, length: number): number {
    const before = this.partialLength
    const end = Math.min(length, at + this.maxHeadBytes - before)
    const partial = this.keepPartial(bytes, at, end)
    // without the end of a line nothing new can be known: a head that drips in stays linear
    const lineEnd = bytes.indexOf(10, at)
    if (lineEnd !== -1 && lineEnd < end) {
      const next = this.head.parse(partial, 0, this.partialLength, this.answersHead)
      if (next >= 0) return this.deliverHead(at + next - before, length, next)
      if (next !== incomplete) return this.refuse(this.head.fault, length)
    }
    return this.partialLength >= this.maxHeadBytes ? this.refuse('head too large', length) : length
  }

  private keepPartial(bytes: Buffer, at: number, end: number): Buffer {
    const needed = this.partialLength + end - at
    if (this.partial === null || this.partial.length < needed) {
      const larger = Buffer.allocUnsafe(Math.max(firstPartialBytes, needed * 2))
      this.partial?.copy(larger, 0, 0, this.partialLength)
      this.partial = larger
    }
    bytes.copy(this.partial, this.partialLength, at, end)
    this.partialLength = needed
    return this.partial
  }

  /** `next`: where the body starts in the bytes now being read. */
  private deliverHead(next: number, length: number, headBytes: number): number {
    const { head } = this
    this.partial = null
    this.partialLength = 0
    if (head.status === 101) return this.refuse('101 without an upgrade', length)
    if (head.status < 200) {
      this.interimBytes += headBytes
      if (this.interimBytes > mostInterimHeads * this.maxHeadBytes) {
        return this.refuse('too many interim responses', length)
      }
      this.sink.onInterim(head)
      return next
    }
    const { framing, contentLength } = head
    const isEmpty = framing === 'none' || (framing === 'length' && contentLength === 0)
    this.phase = framing === 'none' ? 'length' : framing
    this.remaining = isEmpty ? 0 : contentLength
    if (framing === 'chunked') this.chunks.begin()
    this.sink.onHead(head)
    if (!isEmpty || this.phase !== 'length') return next
    this.complete(next < length)
    return length
  }

  private readBody(bytes: Buffer, at: number, length: number): void {
    switch (this.phase) {
      case 'length':
        return this.readLength(bytes, at, length)
      case 'chunked':
        return this.readChunks(bytes, at, length)
      case 'close':
        return this.sink.onData(bytes.subarray(at, length))
      case 'head':
      case 'idle':
        return
      default:
        return this.phase satisfies never
    }
  }

  private readLength(bytes: Buffer, at: number, length: number): void {
    const end = Math.min(length, at + this.remaining)
    this.remaining -= end - at
    this.sink.onData(bytes.subarray(at, end))
    if (this.remaining === 0 && this.phase === 'length') this.complete(end < length)
  }

  private readChunks(bytes: Buffer, at: number, length: number): void {
    const next = this.chunks.decode(bytes, at, length)
    if (next === broken) this.refuse(this.chunks.fault, length)
    else if (next >= 0) this.complete(next < length)
  }

  private complete(hasExtra: boolean): void {
    this.phase = 'idle'
    this.sink.onComplete(hasExtra)
  }

  private refuse(fault: string, length: number): number {
    this.stop()
    this.sink.onMalformed(fault)
    return length
  }
}
