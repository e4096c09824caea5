// Reads the head of a response in place, strictly by RFC 9112: no string is made, nothing is copied. Knows nothing of
// where the bytes come from; who calls it keeps them together when a head is split over several reads.
import type { Framing, ResponseHead } from './upstream.js'
import type { FieldNames, FieldRole } from './field-names.js'
import { endOfValue, tokenBytes } from './field-names.js'
import { decimal, isChunkedAlone, keepAliveTimeoutMs, listsClose } from './framing-fields.js'

const tab = 9
const lf = 10
const cr = 13
const space = 32
const colon = 58
const digitZero = 48
const digitOne = 49
const maxFields = 256
const shortestStatusLine = 'HTTP/1.1 200\r\n'.length
const versionStart = Buffer.from('HTTP/1.', 'latin1')

/** What `parse` returns when the head's last line is not there yet. */
export const incomplete = -1
/** What `parse` returns when the head breaks the rules; `fault` says how. */
export const malformed = -2

/**
 * The head last parsed. Whatever is wrong is only reported once its line is complete, so that the same bytes give the
 * same answer however they are split.
 */
export class ParsedHead implements ResponseHead {
  status = 0
  bytes: Buffer = Buffer.alloc(0)
  reasonStart = 0
  reasonEnd = 0
  fields = 0
  readonly fieldKind = new Uint8Array(maxFields)
  kinds = 0
  readonly lineStart = new Int32Array(maxFields)
  readonly nameEnd = new Int32Array(maxFields)
  readonly valueStart = new Int32Array(maxFields)
  readonly valueEnd = new Int32Array(maxFields)
  readonly lineEnd = new Int32Array(maxFields)
  framing: Framing = 'none'
  contentLength = -1
  /** Another request may follow on the connection, as far as the head tells. */
  isPersistent = false
  /** How long the upstream says that it keeps an idle connection; -1 when it does not say. */
  keepAliveMs = -1
  /** Why the head was refused. */
  fault = ''

  private isVersion11 = false
  private isChunked = false
  private readonly names: FieldNames

  constructor(names: FieldNames) {
    this.names = names
  }

  /** Parses `bytes[start, end)`: the offset after the head, `incomplete` or `malformed`. */
  parse(bytes: Buffer, start: number, end: number, answersHead: boolean): number {
    this.reset(bytes)
    let at = this.readStatusLine(bytes, start, end)
    while (at > 0) {
      if (at === end) return incomplete
      if (bytes[at] === cr) return this.finish(this.expectLineEnd(bytes, at, end), answersHead)
      at = this.readField(bytes, at, end)
    }
    return at
  }

  private reset(bytes: Buffer): void {
    this.bytes = bytes
    this.fields = 0
    this.kinds = 0
    this.framing = 'none'
    this.contentLength = -1
    this.isPersistent = true
    this.keepAliveMs = -1
    this.isChunked = false
  }

  /** `HTTP/1.1 NNN[ reason]`: the space before an empty reason is often forgotten, and nothing hangs on it. */
  private readStatusLine(bytes: Buffer, start: number, end: number): number {
    if (end - start < shortestStatusLine || !startsWithVersion(bytes, start)) {
      return this.refuse('status line', start, end)
    }
    this.isVersion11 = bytes[start + 7] === digitOne
    this.status = decimal(bytes, start + 9, start + 12)
    if (this.status < 100) return this.refuse('status line', start, end)
    let at = start + 12
    if (bytes[at] === space) at++
    else if (bytes[at] !== cr) return this.refuse('status line', start, end)
    this.reasonStart = at
    at = endOfValue(bytes, at, end)
    this.reasonEnd = at
    return this.expectLineEnd(bytes, at, end)
  }

  private readField(bytes: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && tokenBytes[bytes[at]!] === 1) at++
    if (at === end) return incomplete
    // a space here is a folded line or stands before the colon: both have served to smuggle requests
    if (bytes[at] !== colon || at === start) return this.refuse('field name', at, end)
    const nameEnd = at++
    while (at < end && (bytes[at] === space || bytes[at] === tab)) at++
    const valueStart = at
    at = endOfValue(bytes, at, end)
    const next = this.expectLineEnd(bytes, at, end)
    if (next < 0) return next
    let valueEnd = at
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === space || bytes[valueEnd - 1] === tab)) valueEnd--
    const field = this.fields
    if (field === maxFields) return this.fail(`more than ${maxFields} fields`)
    this.fields = field + 1
    this.lineStart[field] = start
    this.nameEnd[field] = nameEnd
    this.valueStart[field] = valueStart
    this.valueEnd[field] = valueEnd
    this.lineEnd[field] = at
    const known = this.names.find(bytes, start, nameEnd)
    const kind = known === null ? 0 : known.kind
    this.fieldKind[field] = kind
    if (kind < 32) this.kinds |= 1 << kind
    return known === null || known.role === 'none' ? next : this.obey(known.role, field, next)
  }

  /** The offset after the CRLF at `at`; a line ends by nothing else. */
  private expectLineEnd(bytes: Buffer, at: number, end: number): number {
    if (at + 1 < end && bytes[at] === cr && bytes[at + 1] === lf) return at + 2
    return this.refuse(bytes[at] === cr ? 'bare CR' : 'control character', at, end)
  }

  /** Malformed, unless the end of the line at `at` has yet to come. */
  private refuse(fault: string, at: number, end: number): number {
    const lineEnd = this.bytes.indexOf(lf, at)
    return lineEnd === -1 || lineEnd >= end ? incomplete : this.fail(fault)
  }

  private fail(fault: string): number {
    this.fault = fault
    return malformed
  }

  private obey(role: FieldRole, field: number, next: number): number {
    const start = this.valueStart[field]!
    const end = this.valueEnd[field]!
    switch (role) {
      case 'length':
        return this.readLength(start, end) ? next : malformed
      case 'coding':
        if (this.isChunked || !isChunkedAlone(this.bytes, start, end)) return this.fail('Transfer-Encoding')
        this.isChunked = true
        return next
      case 'connection':
        if (listsClose(this.bytes, start, end)) this.isPersistent = false
        return next
      case 'keep-alive':
        this.keepAliveMs = keepAliveTimeoutMs(this.bytes, start, end)
        return next
      case 'none':
        return next
      default:
        return role satisfies never
    }
  }

  /** A second length is refused even where it repeats the first, in a list too: no sane server sends it. */
  private readLength(start: number, end: number): boolean {
    const length = decimal(this.bytes, start, end)
    if (length === -1 || this.contentLength !== -1) {
      this.fault = 'Content-Length'
      return false
    }
    this.contentLength = length
    return true
  }

  /** The framing by RFC 9112 section 6.3; what it lets a recipient guess at is refused. */
  private finish(next: number, answersHead: boolean): number {
    if (next < 0) return next
    if (this.isChunked && this.contentLength !== -1)
      return this.fail('Content-Length beside Transfer-Encoding')
    if (this.isChunked && !this.isVersion11) return this.fail('Transfer-Encoding in HTTP/1.0')
    const { status } = this
    if (answersHead || status < 200 || status === 204 || status === 304) this.framing = 'none'
    else if (this.isChunked) this.framing = 'chunked'
    else this.framing = this.contentLength === -1 ? 'close' : 'length'
    // an HTTP/1.0 server that offers to keep the connection is not taken at its word: proxies echo the offer blindly
    if (!this.isVersion11 || this.framing === 'close') this.isPersistent = false
    // not allowed (RFC 9110 section 8.6, RFC 9112 section 6.1): who sends it may send that body as well, for the next to get
    if (status === 204 && (this.isChunked || this.contentLength > 0)) this.isPersistent = false
    return next
  }
}

function startsWithVersion(bytes: Uint8Array, start: number): boolean {
  for (let i = 0; i < versionStart.length; i++) if (bytes[start + i] !== versionStart[i]) return false
  const minor = bytes[start + 7]
  return (minor === digitOne || minor === digitZero) && bytes[start + 8] === space
}
