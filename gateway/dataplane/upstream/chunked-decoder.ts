// Takes the chunked coding off a body (RFC 9112 section 7.1), any split of the bytes. Extensions and trailers are
// checked, bounded and dropped. Knows nothing of heads or connections.
import { isValueByte, tokenBytes } from './field-names.js'

// What the next byte may be. A chunk: size, extension, sizeLf, then data, dataCr, dataLf; size 0: sizeLf, then the
// trailers line by line (lineStart, name, value, lineLf) up to an empty one (endLf).
const size = 0
const extensionSpace = 1
const extension = 2
const sizeLf = 3
const data = 4
const dataCr = 5
const dataLf = 6
const lineStart = 7
const name = 8
const value = 9
const lineLf = 10
const endLf = 11
const done = 12
const stopped = 13

const cr = 13
const lf = 10
const colon = 58
const semicolon = 59

/** 13 hexadecimal digits are 52 bits: the largest count that stays exact. */
const maxSizeDigits = 13
const maxExtensionBytes = 1024

/** Who gets the pieces of the body. */
export interface ChunkSink {
  onData(chunk: Buffer): void
}

/** What `decode` returns when the body goes on. */
export const needsMore = -1
/** What `decode` returns when the coding is broken; `fault` says how. */
export const broken = -2

export class ChunkedDecoder {
  fault = ''

  private state = size
  private remaining = 0
  private digits = 0
  /** Of the line under way: bytes of extension; of all trailers together. */
  private dropped = 0
  private readonly sink: ChunkSink
  private readonly maxTrailerBytes: number

  constructor(sink: ChunkSink, maxTrailerBytes: number) {
    this.sink = sink
    this.maxTrailerBytes = maxTrailerBytes
  }

  begin(): void {
    this.state = size
    this.remaining = 0
    this.digits = 0
    this.dropped = 0
  }

  /** No piece is delivered any more; may be called from within `onData`. */
  stop(): void {
    this.state = stopped
  }

  /** Decodes `bytes[start, end)`: the offset after the body, `needsMore` or `broken`. */
  decode(bytes: Buffer, start: number, end: number): number {
    let at = start
    while (at < end) {
      if (this.state === data) at = this.deliver(bytes, at, end)
      else if (!this.accept(bytes[at++]!)) return broken
      if (this.state === done) return at
      if (this.state === stopped) return needsMore
    }
    return needsMore
  }

  private deliver(bytes: Buffer, at: number, end: number): number {
    const next = Math.min(end, at + this.remaining)
    this.remaining -= next - at
    if (this.remaining === 0) this.state = dataCr
    this.sink.onData(bytes.subarray(at, next))
    return next
  }

  /** One byte of the coding itself; false when it may not stand there. */
  private accept(byte: number): boolean {
    switch (this.state) {
      case size:
        return this.acceptSize(byte)
      case extensionSpace:
      case extension:
        return this.acceptExtension(byte)
      case sizeLf:
        return this.expect(byte, lf, this.remaining > 0 ? data : lineStart)
      case dataCr:
        return this.expect(byte, cr, dataLf)
      case dataLf:
        this.digits = 0
        return this.expect(byte, lf, size)
      case endLf:
        return this.expect(byte, lf, done)
      default:
        return this.acceptTrailer(byte)
    }
  }

  private expect(byte: number, expected: number, next: number): boolean {
    if (byte !== expected) return this.fail('chunk')
    this.state = next
    return true
  }

  private acceptSize(byte: number): boolean {
    const digit = hexDigit(byte)
    if (digit >= 0) {
      this.remaining = this.remaining * 16 + digit
      return ++this.digits <= maxSizeDigits || this.fail('chunk size')
    }
    if (this.digits === 0) return this.fail('chunk size')
    this.dropped = 0
    if (byte === cr) this.state = sizeLf
    else if (byte === semicolon) this.state = extension
    else if (byte === 32 || byte === 9) this.state = extensionSpace
    else return this.fail('chunk size')
    return true
  }

  /** White space after the size is only allowed where an extension follows it. */
  private acceptExtension(byte: number): boolean {
    if (++this.dropped > maxExtensionBytes) return this.fail('chunk extension too long')
    if (this.state === extensionSpace) {
      if (byte === semicolon) this.state = extension
      return byte === semicolon || byte === 32 || byte === 9 || this.fail('chunk size')
    }
    if (byte === cr) this.state = sizeLf
    return byte === cr || isValueByte(byte) || this.fail('chunk extension')
  }

  private acceptTrailer(byte: number): boolean {
    if (this.state === lineStart && byte === cr) return this.expect(byte, cr, endLf)
    if (++this.dropped > this.maxTrailerBytes) return this.fail('trailers too long')
    if (this.state === lineLf) return this.expect(byte, lf, lineStart)
    if (this.state === value) {
      if (byte === cr) this.state = lineLf
      return byte === cr || isValueByte(byte) || this.fail('trailer')
    }
    if (byte === colon && this.state === name) this.state = value
    else if (tokenBytes[byte] === 1) this.state = name
    else return this.fail('trailer')
    return true
  }

  private fail(fault: string): boolean {
    this.fault = fault
    return false
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const lower = byte | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}
