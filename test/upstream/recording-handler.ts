// Writes down what the sender of a request is told, and lets a test wait for it.
import type { GatewayError } from '../../gateway/domain/errors.js'
import type { ResponseHead, UpstreamHandler } from '../../gateway/dataplane/upstream/upstream.js'

/** How one request ended: `ended`, or the error's code and advice as `code/advice`. */
export type Outcome = string

export class RecordingHandler implements UpstreamHandler {
  status = 0
  reason = ''
  interim: number[] = []
  /** Each field as `kind name: value`, latin-1. */
  fields: string[] = []
  framing = ''
  contentLength = -1
  body = Buffer.alloc(0)
  bytes = 0
  drains = 0
  reads = 0
  error: GatewayError | null = null
  /** Calls after the end: there must be none. */
  late = 0
  /** Set to act in the middle of an event. */
  whenHead: (() => void) | null = null
  whenData: ((chunk: Buffer) => void) | null = null
  whenDrain: (() => void) | null = null
  readonly head: Promise<void>
  readonly outcome: Promise<Outcome>
  private isOver = false
  private onOutcome: (outcome: Outcome) => void = () => {}
  private onHeadSeen: () => void = () => {}

  constructor() {
    this.outcome = new Promise((resolve) => (this.onOutcome = resolve))
    this.head = new Promise((resolve) => (this.onHeadSeen = resolve))
  }

  get text(): string {
    return this.body.toString('latin1')
  }

  onInterim(head: ResponseHead): void {
    this.note()
    this.interim.push(head.status)
  }

  onHead(head: ResponseHead): void {
    this.note()
    this.status = head.status
    this.reason = head.bytes.toString('latin1', head.reasonStart, head.reasonEnd)
    this.framing = head.framing
    this.contentLength = head.contentLength
    this.fields = fieldsOf(head)
    this.onHeadSeen()
    this.whenHead?.()
  }

  onData(chunk: Buffer): void {
    this.note()
    this.bytes += chunk.length
    if (this.whenData === null) this.body = Buffer.concat([this.body, chunk])
    else this.whenData(chunk)
  }

  onReadEnd(): void {
    this.note()
    this.reads++
  }

  onEnd(): void {
    this.note()
    this.isOver = true
    this.onOutcome('ended')
  }

  onError(error: GatewayError): void {
    this.note()
    this.isOver = true
    this.error = error
    this.onOutcome(`${error.code}/${error.retry}`)
  }

  onDrain(): void {
    this.note()
    this.drains++
    this.whenDrain?.()
  }

  private note(): void {
    if (this.isOver) this.late++
  }
}

/** Each field of a head as `kind name: value`. */
export function fieldsOf(head: ResponseHead): string[] {
  return Array.from({ length: head.fields }, (_, i) => {
    const name = head.bytes.toString('latin1', head.lineStart[i], head.nameEnd[i])
    const value = head.bytes.toString('latin1', head.valueStart[i], head.valueEnd[i])
    return `${head.fieldKind[i]} ${name}: ${value}`
  })
}
