// Sessions that ended by signal a moment ago, so that an answer in flight cannot revive them. Small and short-lived:
// the only thing that routing knows beside token and table.
import type { SessionId } from '../domain/ids.js'

/** Until when each ended session stays ended, by id; entries are dropped once they have passed. */
export class Tombstones {
  readonly #until = new Map<SessionId, number>()

  add(id: SessionId, until: number): void {
    this.#until.set(id, until)
  }

  has(id: SessionId, now: number): boolean {
    // Usually empty: the common request pays one comparison.
    if (this.#until.size === 0) return false
    const until = this.#until.get(id)
    return until !== undefined && now < until
  }

  /** Drops what has passed; called with every report. */
  sweep(now: number): void {
    for (const [id, until] of this.#until) {
      if (until <= now) this.#until.delete(id)
    }
  }
}
