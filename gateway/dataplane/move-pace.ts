// How fast this worker may move the sessions of a recalled release: so many a second, and never more than one second's
// worth at once. Knows nothing of why they move.
import type { ReleaseIndex } from '../domain/ids.js'
import type { ReleaseRoute } from '../domain/routing-table.js'

interface Allowance {
  /** Moves that may be made now; less than one: none. */
  moves: number
  countedAt: number
}

export class MovePace {
  readonly #allowances = new Map<ReleaseIndex, Allowance>()

  /** Whether one more session may leave the release at this monotonic instant; counts it if so. */
  admits(from: ReleaseRoute, now: number): boolean {
    const perSecond = from.move?.perSecond ?? Infinity
    if (perSecond === Infinity) return true
    const allowance = this.#allowanceOf(from.index, now)
    const earned = ((now - allowance.countedAt) / 1000) * perSecond
    allowance.moves = Math.min(Math.max(1, perSecond), allowance.moves + earned)
    allowance.countedAt = now
    if (allowance.moves < 1) return false
    allowance.moves--
    return true
  }

  #allowanceOf(index: ReleaseIndex, now: number): Allowance {
    const known = this.#allowances.get(index)
    if (known !== undefined) return known
    const fresh = { moves: 1, countedAt: now }
    this.#allowances.set(index, fresh)
    return fresh
  }
}
