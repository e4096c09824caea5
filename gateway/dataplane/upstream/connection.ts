// One connection to the upstream for its whole life: connecting, one request after the other, resting in between. It
// says what happened to the request it carries; who uses it next is not its business.
import type { Socket } from 'node:net'
import { GatewayError } from '../../domain/errors.js'
import { type Address, dial, type Reader, readyEvent, wasReset } from './dial.js'
import { lossError, silenceError, type Stage } from './failures.js'
import type { ParsedHead } from './response-head.js'
import { RequestWriter } from './request-writer.js'
import { ResponseParser, type ResponseSink } from './response-parser.js'
import type { Tick } from './tick.js'
import type { UpstreamHandler, UpstreamLimits, UpstreamRequest } from './upstream.js'

/** A request that a connection carries; it is told when it is written and when it is let go. */
export interface CarriedCall {
  readonly request: UpstreamRequest
  readonly handler: UpstreamHandler
  isWritten: boolean
  connection: UpstreamConnection | null
}

/** What a connection asks of the pool that opened it. */
export interface ConnectionOwner {
  readonly address: Address
  readonly limits: UpstreamLimits
  readonly tick: Tick
  /** Shared by connections, of other pools as well: a head is only valid while it is delivered. */
  readonly head: ParsedHead
  /** The connection may carry another request. */
  rest(connection: UpstreamConnection): void
  /** The upstream has closed a connection that rested, or had just rested. */
  lostAtRest(connection: UpstreamConnection): void
  /** The connection is closed. */
  forget(connection: UpstreamConnection): void
  /** Something changed that may let a waiting request start. */
  pump(): void
}

/** Longest rest of a connection whose upstream does not say how long it keeps one. */
const idleLimitMs = 30_000
/** A connection is given up this long before the upstream would. */
const idleMarginMs = 1000

export class UpstreamConnection implements ResponseSink, Reader {
  /** As of the tick's clock. */
  idleSince = 0

  private call: CarriedCall | null = null
  private isReady = false
  private isClosed = false
  private isPaused = false
  private isPersistent = false
  private hasBytes = false
  private hasHead = false
  /** The upstream takes nothing any more. */
  private isCutOff = false
  /** Something moved since the last tick, which sets the deadline anew: no clock is read between ticks. */
  private hasMoved = true
  private deadline = 0
  private requests = 0
  private idleMs = idleLimitMs
  private readonly owner: ConnectionOwner
  private readonly parser: ResponseParser
  private readonly socket: Socket
  private readonly writer: RequestWriter

  constructor(owner: ConnectionOwner) {
    this.owner = owner
    this.parser = new ResponseParser(owner.head, owner.limits.maxHeadBytes, this)
    this.socket = dial(owner.address, this)
    this.writer = new RequestWriter(this.socket)
    this.socket.once(readyEvent(owner.address), () => this.onReady())
    this.socket.on('drain', () => this.onDrain())
    this.socket.on('end', () => this.onFinished())
    this.socket.on('error', (error) => this.lose(error))
    this.socket.on('close', () => this.lose(null))
  }

  /** Carries a request; the connection is new or resting. */
  start(call: CarriedCall): void {
    const { head, isHead, bodyFraming } = call.request
    this.call = call
    call.connection = this
    call.isWritten = this.isReady
    this.hasBytes = false
    this.hasHead = false
    this.hasMoved = true
    this.requests++
    this.parser.begin(isHead)
    this.writer.begin(head, bodyFraming)
  }

  write(chunk: Uint8Array): boolean {
    this.hasMoved ||= this.isReady
    return this.writer.write(chunk)
  }

  end(): void {
    this.hasMoved ||= this.isReady
    this.writer.end()
  }

  /** What has been read already is still delivered: at most one buffer full. */
  pause(): void {
    this.isPaused = true
    if (this.isReady) this.socket.pause()
  }

  resume(): void {
    if (!this.isPaused) return
    this.isPaused = false
    this.hasMoved ||= this.isReady
    if (this.isReady) this.socket.resume()
  }

  /** Lets its request go and closes. */
  cancel(): void {
    this.release()
    this.close()
    this.owner.pump()
  }

  /** Closes at once. Only a connection that carries nothing is closed from outside. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    this.parser.stop()
    this.socket.destroy()
    this.owner.forget(this)
  }

  /** Compares deadlines; called at every tick. */
  onTick(now: number): void {
    if (this.call === null) {
      if (now - this.idleSince + this.owner.tick.everyMs > this.idleMs) this.close()
    } else if (this.hasMoved || this.isOurTurn()) {
      const { connectTimeoutMs, upstreamTimeoutMs } = this.owner.limits
      this.hasMoved = false
      this.deadline = now + (this.isReady ? upstreamTimeoutMs : connectTimeoutMs)
    } else if (now >= this.deadline) {
      this.fail(silenceError(this.stage))
    }
  }

  receive(bytes: Buffer, length: number): void {
    if (this.isClosed) return
    // bytes that nobody asked for: a late answer to an earlier request, or the upstream's farewell
    if (this.call === null || this.writer.isHeld) return this.lose(null)
    this.hasBytes = true
    this.hasMoved ||= this.hasHead
    this.parser.feed(bytes, length)
    if (this.hasHead) this.call?.handler.onReadEnd()
  }

  /** What has arrived by now is read within two turns: an answer may be among it. */
  cannotSend(cause: Error): void {
    if (this.call === null) return this.lose(cause)
    this.isCutOff = true
    setImmediate(() => setImmediate(() => this.lose(cause)))
  }

  onInterim(head: ParsedHead): void {
    this.call?.handler.onInterim(head)
  }

  onHead(head: ParsedHead): void {
    this.hasHead = true
    this.hasMoved = true
    this.isPersistent = head.isPersistent
    this.idleMs =
      head.keepAliveMs === -1 ? idleLimitMs : Math.min(idleLimitMs, head.keepAliveMs - idleMarginMs)
    this.call?.handler.onHead(head)
  }

  onData(chunk: Buffer): void {
    this.call?.handler.onData(chunk)
  }

  onComplete(hasExtra: boolean): void {
    const handler = this.release()
    if (this.isReusable && !hasExtra) this.rest()
    else this.close()
    handler?.onEnd()
    this.owner.pump()
  }

  private get isReusable(): boolean {
    return this.isPersistent && this.writer.isComplete && this.idleMs > 0 && !this.isCutOff
  }

  onMalformed(fault: string): void {
    this.fail(new GatewayError('bad_response', 'never', fault))
  }

  private rest(): void {
    this.resume()
    this.idleSince = this.owner.tick.now
    this.owner.rest(this)
  }

  private onReady(): void {
    if (this.isClosed) return
    this.isReady = true
    this.hasMoved = true
    if (this.call !== null) this.call.isWritten = true
    if (this.isPaused) this.socket.pause()
    this.writer.open()
  }

  private onDrain(): void {
    this.hasMoved = true
    if (this.writer.takeDrain()) this.call?.handler.onDrain()
  }

  /** The upstream has sent all it will: the end of a response without a length, an end too early for any other. */
  private onFinished(): void {
    if (this.isClosed) return
    const isProper = this.call !== null && !wasReset(this.owner.address, this.socket)
    if (!isProper || !this.parser.finish()) this.lose(null)
  }

  private lose(cause: Error | null): void {
    if (this.isClosed) return
    const { stage } = this
    if (this.call === null || stage === 'stale') this.owner.lostAtRest(this)
    this.fail(lossError(stage, cause))
  }

  private fail(error: GatewayError): void {
    const handler = this.release()
    this.close()
    handler?.onError(error)
    this.owner.pump()
  }

  /** From here on the request hears nothing any more. */
  private release(): UpstreamHandler | null {
    const { call } = this
    if (call === null) return null
    call.connection = null
    this.call = null
    return call.handler
  }

  /** The upstream is not to blame for a slow client, in either direction. */
  private isOurTurn(): boolean {
    return this.isReady && (this.isPaused || this.writer.isStarved)
  }

  private get stage(): Stage {
    if (!this.isReady) return 'connecting'
    if (this.hasHead) return 'body'
    return this.requests > 1 && !this.hasBytes ? 'stale' : 'head'
  }
}
