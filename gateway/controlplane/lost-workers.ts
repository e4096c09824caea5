// Tells of workers that were lost. One that cannot start is lost again every few seconds, and its events would push all
// others out of the log within a day: of those one an hour is kept, with how many there were. Knows nothing of what a loss costs.
import type { Clock, Log } from '../domain/ports.js'
import type { EventLog } from './event-log.js'

const everyMs = 3_600_000

export interface LostWorkersParts {
  readonly clock: Clock
  readonly log: Log
  readonly events: Pick<EventLog, 'add'>
}

export class LostWorkers {
  readonly #parts: LostWorkersParts
  /** Monotonic ms of the last event of a worker that had not reported. */
  #toldAt = -Infinity
  #untold = 0

  constructor(parts: LostWorkersParts) {
    this.#parts = parts
  }

  /** `how`: its exit code or signal, in words. `hasReported`: once at least since it began to listen. */
  add(how: string, hasReported: boolean): void {
    const { clock, log, events } = this.#parts
    if (hasReported) return events.add('worker-lost', `${how}; what it saw last may be lost`)
    const cause = `${how}; it had not reported yet`
    const now = clock.monotonic()
    if (now - this.#toldAt < everyMs) {
      this.#untold++
      return log.info('worker-lost', { cause })
    }
    const others = this.#untold === 0 ? '' : `, nor had ${this.#untold} others since that was last told`
    events.add('worker-lost', cause + others)
    this.#toldAt = now
    this.#untold = 0
  }
}
