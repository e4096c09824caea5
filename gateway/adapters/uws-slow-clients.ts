// The clients of a uWebSockets.js front that are slow to take their answers, or to send their requests. The library cuts
// the former after ten seconds unless what waits is tried again before. Knows nothing of answers.
import type { SlowBodies } from './slow-bodies.js'

/** An answer that waits for its client. */
export interface WaitingAnswer {
  /** Monotonic ms at which the client last took something. */
  readonly progressAt: number
  /** Tries again to send what waits. */
  retry(): void
  /** The client has taken nothing for too long: it would hold its release for ever. */
  giveUp(): void
}

const retryMs = 4_000

/** The answers that wait, each tried again every four seconds by one timer. */
export class SlowClients {
  /** The requests whose bodies are coming. */
  readonly bodies: SlowBodies
  readonly #waiting = new Set<WaitingAnswer>()
  #timer: NodeJS.Timeout | null = null

  constructor(bodies: SlowBodies) {
    this.bodies = bodies
  }

  add(answer: WaitingAnswer): void {
    this.#waiting.add(answer)
    if (this.#timer !== null) return
    const everyMs = Math.min(retryMs, this.bodies.gate.limits.stalledClientMs / 2)
    this.#timer = setInterval(() => this.#look(), everyMs).unref()
  }

  has(answer: WaitingAnswer): boolean {
    return this.#waiting.has(answer)
  }

  remove(answer: WaitingAnswer): void {
    this.#waiting.delete(answer)
    if (this.#waiting.size === 0) this.stop()
  }

  #look(): void {
    const { gate } = this.bodies
    const limit = performance.now() - gate.limits.stalledClientMs
    for (const answer of this.#waiting) {
      if (answer.progressAt > limit) {
        answer.retry()
      } else {
        gate.refused('slow-reader')
        answer.giveUp()
      }
    }
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }
}
