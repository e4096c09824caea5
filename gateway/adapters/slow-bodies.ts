// Request bodies that are on their way, looked at once a second by one timer: a client that falls silent in the middle
// of its body, or sends too little of it for too long, gives up its request. Knows nothing of sockets.
import type { Gate } from '../dataplane/gate.js'

/** A body that is coming. */
export interface ComingBody {
  /** Monotonic ms of the last piece; `Infinity` while the gateway itself does not read. */
  readonly heardAt: number
  /** Bytes so far. */
  readonly received: number
  /** It has been too slow. */
  stalled(): void
  /** Once in four seconds: keeps the front from a judgement of its own. */
  rearm?(): void
}

const lookMs = 1_000
const rearmMs = 4_000
const usualSilenceMs = 30_000

/** From when on a body is watched for its throughput. */
interface Watch {
  since: number
  bytes: number
  rearmedAt: number
}

/** The bodies of one listener. */
export class SlowBodies {
  readonly gate: Gate
  readonly #coming = new Map<ComingBody, Watch>()
  readonly #silenceMs: number
  #timer: NodeJS.Timeout | null = null

  /** `silenceMs`: the longest silence, and the time over which the throughput is judged. */
  constructor(gate: Gate, silenceMs = usualSilenceMs) {
    this.gate = gate
    this.#silenceMs = silenceMs
  }

  add(body: ComingBody): void {
    const now = performance.now()
    this.#coming.set(body, { since: now, bytes: body.received, rearmedAt: now })
    this.#timer ??= setInterval(() => this.#look(), Math.min(lookMs, this.#silenceMs)).unref()
  }

  remove(body: ComingBody): void {
    this.#coming.delete(body)
    if (this.#coming.size === 0) this.stop()
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  #look(): void {
    const now = performance.now()
    for (const [body, watch] of this.#coming) {
      if (now - watch.rearmedAt >= rearmMs) {
        watch.rearmedAt = now
        body.rearm?.()
      }
      if (now - body.heardAt >= this.#silenceMs || this.#isTooSlow(body, watch, now)) this.#giveUp(body)
    }
  }

  /** Time in which the gateway itself did not read is not the client's. */
  #isTooSlow(body: ComingBody, watch: Watch, now: number): boolean {
    const lastedMs = now - watch.since
    if (body.heardAt !== Infinity && lastedMs < this.#silenceMs) return false
    const wanted = (this.gate.limits.bodyBytesPerS * lastedMs) / 1_000
    const isEnough = body.heardAt === Infinity || body.received - watch.bytes >= wanted
    watch.since = now
    watch.bytes = body.received
    return !isEnough
  }

  #giveUp(body: ComingBody): void {
    this.remove(body)
    this.gate.refused('slow-body')
    body.stalled()
  }
}
