// An answer that is not passed on yet: its head copied, what came with it kept, the rest held back at its source.
import type { GatewayError } from '../domain/errors.js'
import type { ResponseHead, UpstreamHandler } from './upstream/upstream.js'

export class KeptAnswer {
  readonly head: ResponseHead
  readonly #chunks: Buffer[] = []
  #end: 'open' | 'complete' | GatewayError = 'open'

  constructor(head: ResponseHead) {
    this.head = copyOf(head)
  }

  add(chunk: Buffer): void {
    this.#chunks.push(Buffer.from(chunk))
  }

  complete(): void {
    this.#end = 'complete'
  }

  fail(error: GatewayError): void {
    this.#end = error
  }

  /** Gives everything that was kept behind the head, as if it came now. */
  replayBody(handler: UpstreamHandler): void {
    for (const chunk of this.#chunks) handler.onData(chunk)
    if (this.#end === 'open') handler.onReadEnd()
    else if (this.#end === 'complete') handler.onEnd()
    else handler.onError(this.#end)
  }
}

/** The parser's own head is good for one event only. */
function copyOf(head: ResponseHead): ResponseHead {
  const { fields } = head
  const end = fields === 0 ? head.reasonEnd : (head.valueEnd[fields - 1] ?? 0)
  return {
    status: head.status,
    bytes: Buffer.from(head.bytes.subarray(0, end)),
    reasonStart: head.reasonStart,
    reasonEnd: head.reasonEnd,
    fields,
    fieldKind: head.fieldKind.slice(0, fields),
    kinds: head.kinds,
    lineStart: head.lineStart.slice(0, fields),
    nameEnd: head.nameEnd.slice(0, fields),
    valueStart: head.valueStart.slice(0, fields),
    valueEnd: head.valueEnd.slice(0, fields),
    framing: head.framing,
    contentLength: head.contentLength,
  }
}
