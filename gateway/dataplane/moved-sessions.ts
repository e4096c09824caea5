// Sessions that moved to another release a moment ago, so that a late answer of the former one hands out no token that
// would take them back. Like tombstones small and short-lived; every worker hears of a move.
import type { ReleaseVersion, SessionId } from '../domain/ids.js'
import type { MovedSession } from '../plane-protocol.js'

export class MovedSessions {
  readonly #moved = new Map<SessionId, MovedSession>()

  /** False when that was known: the same move, told by another answer. */
  add(moved: MovedSession): boolean {
    const isKnown = this.#moved.get(moved.id)?.to === moved.to
    this.#moved.set(moved.id, moved)
    return !isKnown
  }

  /** Whether the session has just moved to another release than this one. */
  hasLeft(id: SessionId, release: ReleaseVersion, now: number): boolean {
    // Usually empty: the common answer pays one comparison.
    if (this.#moved.size === 0) return false
    const moved = this.#moved.get(id)
    return moved !== undefined && now < moved.until && moved.to !== release
  }

  /** Drops what has passed; called with every report. */
  sweep(now: number): void {
    for (const [id, { until }] of this.#moved) {
      if (until <= now) this.#moved.delete(id)
    }
  }
}
