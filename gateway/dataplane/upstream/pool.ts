// All connections to one target: which of them carries the next request, and who has to wait for one. Knows nothing of
// HTTP, nor of releases and sessions.
import type { TargetUrl } from '../../domain/ids.js'
import { type ConnectionOwner, UpstreamConnection } from './connection.js'
import { type Address, addressOf } from './dial.js'
import { FieldNames } from './field-names.js'
import { type LineOwner, PooledCall } from './pooled-call.js'
import { ParsedHead } from './response-head.js'
import { sharedTick, type Tick, type Ticked } from './tick.js'
import { WaitingLine } from './waiting-line.js'
import type {
  UpstreamCall,
  UpstreamHandler,
  UpstreamLimits,
  UpstreamPool,
  UpstreamRequest,
} from './upstream.js'

/** What makes a pool. */
export interface PoolOptions {
  readonly url: TargetUrl
  readonly limits: UpstreamLimits
  /** Lower-case names that heads are classified by: the number of a field is its place here plus one. */
  readonly knownFields: readonly string[]
  /** The clock of all timeouts; the program's shared one unless a test brings its own. */
  readonly tick?: Tick
}

// One for all pools that know the same names, as it is only valid while it is delivered: with one for each of 200 pools
// its tables were out of the processor's cache at every response, which took 4 µs of 41 (docs/performance.md).
const heads = new WeakMap<readonly string[], ParsedHead>()

function headFor(knownFields: readonly string[]): ParsedHead {
  let head = heads.get(knownFields)
  if (head === undefined) heads.set(knownFields, (head = new ParsedHead(new FieldNames(knownFields))))
  return head
}

/** Opens no connection before the first request. */
export function createUpstreamPool(options: PoolOptions): UpstreamPool {
  return new Pool(options)
}

/**
 * A request that cannot be sent twice only follows another one within this time: what the upstream closes as idle
 * is closed after seconds, so the race that would lose the request is all but excluded.
 */
const justUsedMs = 1000

/**
 * Some servers close each connection after its answer and say nothing of it: there the one just used is the likeliest to
 * be closed. For so long after that was seen such a request goes on a fresh one.
 */
const cautionMs = 60_000

class Pool implements UpstreamPool, ConnectionOwner, LineOwner, Ticked {
  readonly address: Address
  readonly limits: UpstreamLimits
  readonly tick: Tick
  readonly head: ParsedHead
  private readonly open = new Set<UpstreamConnection>()
  /** Last in, first out: the busy ones stay busy, the others age and are closed. */
  private readonly idle: UpstreamConnection[] = []
  private readonly waiting = new WaitingLine<PooledCall>()
  private isClosing = false
  private isTicking = false
  /** Until then a connection that was just used is not trusted with what cannot be sent twice. */
  private cautiousUntil = -Infinity

  constructor(options: PoolOptions) {
    this.address = addressOf(options.url)
    this.limits = options.limits
    this.tick = options.tick ?? sharedTick
    this.head = headFor(options.knownFields)
  }

  get load(): number {
    return this.waiting.length + this.open.size - this.idle.length
  }

  get connections(): number {
    return this.open.size
  }

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    const call = new PooledCall(this, request, handler)
    call.isWaiting = true
    this.waiting.join(call)
    if (!this.isTicking) this.startTicking()
    this.pump()
    if (call.isWaiting && this.waiting.length > this.limits.maxQueue) {
      this.remove(call)
      // not before `send` has returned: the sender has nothing to identify the failed call by
      process.nextTick(refuseFull, call)
    }
    return call
  }

  close(): void {
    this.isClosing = true
    while (this.idle.length > 0) this.idle[0]!.close()
    this.pump()
  }

  /** Every event that may let a request start calls this, and nothing else starts one. */
  pump(): void {
    for (let call = this.waiting.first; call !== null; call = this.waiting.first) {
      const connection = this.connectionFor(call.request)
      if (connection === null) break
      this.remove(call)
      call.startOn(connection)
    }
    if (this.isTicking && this.open.size === 0 && this.waiting.length === 0) this.stopTicking()
  }

  private startTicking(): void {
    this.isTicking = true
    this.tick.add(this)
  }

  private stopTicking(): void {
    this.isTicking = false
    this.tick.remove(this)
  }

  rest(connection: UpstreamConnection): void {
    if (this.isClosing) connection.close()
    else this.idle.push(connection)
  }

  lostAtRest(connection: UpstreamConnection): void {
    if (this.isJustUsed(connection)) this.cautiousUntil = this.tick.now + cautionMs
  }

  forget(connection: UpstreamConnection): void {
    this.open.delete(connection)
    const index = this.idle.lastIndexOf(connection)
    if (index !== -1) this.idle.splice(index, 1)
  }

  /** The call gives up its place in the line. */
  abandon(call: PooledCall): void {
    this.remove(call)
    this.pump()
  }

  onTick(now: number): void {
    for (const connection of this.open) connection.onTick(now)
    for (let call = this.waiting.first; call !== null;) {
      const { next } = call
      this.compareDeadline(call, now)
      call = next
    }
    this.pump()
  }

  private connectionFor(request: UpstreamRequest): UpstreamConnection | null {
    const last = this.idle.at(-1)
    if (last !== undefined && !request.fresh && (mayRepeat(request) || this.isTrusted(last))) {
      this.idle.pop()
      return last
    }
    // none that rests may be used: the one that has rested longest makes room
    if (this.open.size >= this.limits.maxConnections) this.idle[0]?.close()
    if (this.open.size >= this.limits.maxConnections) return null
    const connection = new UpstreamConnection(this)
    this.open.add(connection)
    return connection
  }

  /** With what cannot be sent twice. */
  private isTrusted(connection: UpstreamConnection): boolean {
    return this.tick.now >= this.cautiousUntil && this.isJustUsed(connection)
  }

  private isJustUsed(connection: UpstreamConnection): boolean {
    return this.tick.now - connection.idleSince + this.tick.everyMs <= justUsedMs
  }

  private remove(call: PooledCall): void {
    this.waiting.leave(call)
    call.isWaiting = false
  }

  private compareDeadline(call: PooledCall, now: number): void {
    if (call.deadline === 0) {
      call.deadline = now + this.limits.upstreamTimeoutMs
    } else if (now >= call.deadline && call.isWaiting) {
      this.remove(call)
      call.refuse('queue_timeout')
    }
  }
}

/** On another connection, where this one turns out to be closed: of a body the beginning is gone. */
function mayRepeat({ isIdempotent, bodyFraming }: UpstreamRequest): boolean {
  return isIdempotent && bodyFraming === 'none'
}

function refuseFull(call: PooledCall): void {
  call.refuse('queue_full')
}
