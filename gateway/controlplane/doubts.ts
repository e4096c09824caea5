// Reasons to say `unknown`: what they are, when they came, and when they have passed: one whole promise after their
// cause, because by then every token that they concern has expired.
import type { SiteName } from '../domain/ids.js'
import { extendPromise, type TimeSpan } from '../domain/session.js'
import type { Doubt } from '../domain/verdict.js'

/** Doubts as saved: instants of their causes. */
export interface SavedDoubts {
  readonly stateLostAt: number | null
  readonly clockJumpedAt: number | null
  readonly foreignSeenAt: readonly (readonly [site: string, at: number])[]
}

/** By what a doubt's end is found. */
export interface DoubtContext {
  /** The longest promise in force since an instant. */
  readonly promiseMs: (since: number) => number
  /** They lengthen the promises that a doubt is about. */
  readonly spans: readonly TimeSpan[]
  /** The oldest report; null before the first. */
  readonly asOf: number | null
  readonly now: number
}

/** A worker that has not reported for so long makes every verdict unknown. */
const silentMs = 3_000

export class Doubts {
  #stateLostAt: number | null
  #clockJumpedAt: number | null
  readonly #foreignSeenAt: Map<string, number>

  constructor(saved: SavedDoubts) {
    this.#stateLostAt = saved.stateLostAt
    this.#clockJumpedAt = saved.clockJumpedAt
    this.#foreignSeenAt = new Map(saved.foreignSeenAt)
  }

  stateLost(at: number): void {
    this.#stateLostAt = Math.max(this.#stateLostAt ?? 0, at)
  }

  clockJumped(at: number): void {
    this.#clockJumpedAt = Math.max(this.#clockJumpedAt ?? 0, at)
  }

  /**
   * A token of another gateway came to a site: part of the traffic goes elsewhere. True when that begins: none came
   * for `promiseMs`, the site's longest promise.
   */
  foreignSeen(site: string, at: number, promiseMs: number): boolean {
    const last = this.#foreignSeenAt.get(site)
    this.#foreignSeenAt.set(site, Math.max(last ?? 0, at))
    return last === undefined || at > last + promiseMs
  }

  /** Every doubt about a site's releases. */
  about(site: SiteName, context: DoubtContext): Doubt[] {
    const { promiseMs, spans, asOf, now } = context
    const doubts: Doubt[] = []
    const add = (because: Doubt['because'], at: number | null | undefined): void => {
      if (at === null || at === undefined) return
      const until = extendPromise(at + promiseMs(at), spans)
      if (until > now) doubts.push({ because, until: until === Infinity ? null : until })
    }
    add('state-lost', this.#stateLostAt)
    add('clock-jump', this.#clockJumpedAt)
    add('foreign-tokens', this.#foreignSeenAt.get(site))
    if (asOf === null) doubts.push({ because: 'starting', until: null })
    else if (now - asOf > silentMs) doubts.push({ because: 'worker-silent', until: null })
    return doubts
  }

  save(): SavedDoubts {
    return {
      stateLostAt: this.#stateLostAt,
      clockJumpedAt: this.#clockJumpedAt,
      foreignSeenAt: [...this.#foreignSeenAt],
    }
  }
}
