// One request under way, as its sender holds it: first waiting, then carried by a connection, then over. Knows nothing
// of how the pool chooses.
import { GatewayError } from '../../domain/errors.js'
import type { CarriedCall, UpstreamConnection } from './connection.js'
import type { UpstreamCall, UpstreamHandler, UpstreamRequest } from './upstream.js'
import type { Waiting } from './waiting-line.js'

/** Who keeps the line in which a call waits. */
export interface LineOwner {
  /** The call no longer wants a connection. */
  abandon(call: PooledCall): void
}

/** What the sender did before a connection carried the call. */
interface Early {
  readonly pieces: Buffer[]
  isEnded: boolean
  isPaused: boolean
}

export class PooledCall implements UpstreamCall, CarriedCall, Waiting<PooledCall> {
  isWritten = false
  isWaiting = false
  connection: UpstreamConnection | null = null
  /** For the end of waiting; 0 until a tick sets it. */
  deadline = 0
  previous: PooledCall | null = null
  next: PooledCall | null = null
  readonly request: UpstreamRequest
  readonly handler: UpstreamHandler
  private early: Early | null = null
  /** By its sender, or by the line. */
  private isGivenUp = false
  private readonly line: LineOwner

  constructor(line: LineOwner, request: UpstreamRequest, handler: UpstreamHandler) {
    this.line = line
    this.request = request
    this.handler = handler
  }

  /** Leaves the line; what its sender did meanwhile takes effect now. */
  startOn(connection: UpstreamConnection): void {
    connection.start(this)
    const { early } = this
    if (early === null) return
    this.early = null
    if (early.isPaused) connection.pause()
    let mayFlow = true
    for (const piece of early.pieces) mayFlow = connection.write(piece)
    if (early.isEnded) connection.end()
    else if (mayFlow && early.pieces.length > 0) this.handler.onDrain()
  }

  /** In the line a piece is copied and kept, and the sender is asked to wait. */
  write(chunk: Buffer): boolean {
    if (this.connection !== null) return this.connection.write(chunk)
    if (!this.isWaiting) return true
    this.beEarly().pieces.push(Buffer.from(chunk))
    return false
  }

  end(): void {
    if (this.isWaiting) this.beEarly().isEnded = true
    else this.connection?.end()
  }

  pause(): void {
    if (this.isWaiting) this.beEarly().isPaused = true
    else this.connection?.pause()
  }

  resume(): void {
    if (this.isWaiting) this.beEarly().isPaused = false
    else this.connection?.resume()
  }

  cancel(): void {
    if (this.isGivenUp) return
    this.isGivenUp = true
    this.early = null
    if (this.isWaiting) this.line.abandon(this)
    else this.connection?.cancel()
  }

  /** It never got a connection. */
  refuse(code: 'queue_full' | 'queue_timeout'): void {
    if (this.isGivenUp) return
    this.isGivenUp = true
    this.early = null
    this.handler.onError(new GatewayError(code, 'other-target'))
  }

  private beEarly(): Early {
    this.early ??= { pieces: [], isEnded: false, isPaused: false }
    return this.early
  }
}
