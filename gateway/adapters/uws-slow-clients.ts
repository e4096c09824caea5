// The clients of a uWebSockets.js front that are slow to take their answers, or to send their requests. The library cuts
// the former after ten seconds unless what waits is tried again before. Knows nothing of answers.
import type { SlowBodies } from './slow-bodies.js'

/** An answer that waits for its client. */
export interface WaitingAnswer {
  /** Monotonic ms at which the client last took something. */
  readonly progressAt: number
  /** Tries again to send what waits. */
  retry(): void
  /** Asks whether there is room, at the cost of a byte; false: there is no need to ask. */
  ask(): boolean
  /** The client has taken nothing for too long: it would hold its release for ever. */
  giveUp(): void
}

const retryMs = 4_000
/** While a paused upload keeps the library from telling that there is room. */
const askMs = 20

/** The answers that wait, each tried again every four seconds by one timer. */
export class SlowClients {
  /** The requests whose bodies are coming. */
  readonly bodies: SlowBodies
  readonly #waiting = new Set<WaitingAnswer>()
  #timer: NodeJS.Timeout | null = null
  readonly #asking = new Set<WaitingAnswer>()
  #askTimer: NodeJS.Timeout | null = null

  constructor(bodies: SlowBodies) {
    this.bodies = bodies
  }

  add(answer: WaitingAnswer): void {
    this.#waiting.add(answer)
    if (this.#timer !== null) return
    const everyMs = Math.min(retryMs, this.bodies.gate.limits.stalledClientMs / 2)
    this.#timer = setInterval(() => this.#look(), everyMs).unref()
  }

  /** The library will not tell when there is room for it. */
  askOften(answer: WaitingAnswer): void {
    this.#asking.add(answer)
    this.#askTimer ??= setInterval(() => this.#ask(), askMs).unref()
  }

  #ask(): void {
    for (const answer of this.#asking) if (!answer.ask()) this.#asking.delete(answer)
    if (this.#asking.size === 0) this.#stopAsking()
  }

  #stopAsking(): void {
    if (this.#askTimer !== null) clearInterval(this.#askTimer)
    this.#askTimer = null
  }

  has(answer: WaitingAnswer): boolean {
    return this.#waiting.has(answer)
  }

  remove(answer: WaitingAnswer): void {
    this.#waiting.delete(answer)
    if (this.#waiting.size === 0) this.#stopLooking()
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
    this.#stopLooking()
    this.#stopAsking()
  }

  #stopLooking(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }
}
