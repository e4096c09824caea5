// The clock rule: elapsed time is measured monotonically; a jump of the wall clock is noticed and followed, like a
// stop during which nobody idled. Keeps the spans and tolerances by which workers judge tokens.
import type { TimeSpan } from '../domain/session.js'
import type { PublishedTime } from './publisher.js'
import { endedBy, widened } from './recovery.js'
import type { ExtraTolerance } from './saved-state.js'

/** A clock whose epoch follows the wall clock when that jumps. */
export interface AdjustableClock {
  epochMs: number
  now(): number
  monotonic(): number
  /** What the epoch would be by the wall clock of this moment. */
  wallEpochMs(): number
}

/** The wall clock may part from the monotonic one by so much before it counts as a jump. */
const jumpMs = 5_000
/** Tokens born further ahead than this are hostile, unless the clock was set back. */
const futureToleranceMs = 5 * 60_000

/** A jump that was followed. */
export interface ClockJump {
  /** Negative: the clock was set back. */
  readonly byMs: number
  /** The later of the instants before and after it. */
  readonly at: number
  /** What does not count as idling; null when the clock was set back. */
  readonly span: TimeSpan | null
}

export class TimeKeeper {
  readonly #clock: AdjustableClock
  /** How long the longest token can live: so long a span may matter. */
  readonly #longestTokenMs: () => number
  #spans: readonly TimeSpan[]
  #tolerance: ExtraTolerance | null

  constructor(
    clock: AdjustableClock,
    known: { readonly spans: readonly TimeSpan[]; readonly tolerance: ExtraTolerance | null },
    longestTokenMs: () => number,
  ) {
    this.#clock = clock
    this.#longestTokenMs = longestTokenMs
    this.#spans = known.spans
    this.#tolerance = known.tolerance
  }

  get spans(): readonly TimeSpan[] {
    return this.#spans
  }

  get tolerance(): ExtraTolerance | null {
    return this.#tolerance
  }

  addSpan(span: TimeSpan): void {
    // The new one is behind already, and made every token older by itself.
    const spannedMs = this.spannedMs + span.lengthMs
    const keptSince = this.#clock.now() - this.#longestTokenMs() - spannedMs
    const kept = this.#spans.filter(({ from, lengthMs }) => from + lengthMs > keptSince)
    this.#spans = [...kept, span]
  }

  /** Follows the wall clock if it has jumped; null when it has not. */
  followJump(): ClockJump | null {
    const byMs = this.#clock.wallEpochMs() - this.#clock.epochMs
    if (Math.abs(byMs) < jumpMs) return null
    const before = this.#clock.now()
    this.#clock.epochMs += byMs
    const now = this.#clock.now()
    if (byMs < 0) {
      this.#tolerance = widened(this.#tolerance, -byMs, now)
      this.#spans = endedBy(this.#spans, now)
    }
    const span = byMs > 0 ? { from: before, lengthMs: byMs } : null
    if (span !== null) this.addSpan(span)
    return { byMs, at: Math.max(before, now), span }
  }

  /** What workers judge time by. */
  get published(): PublishedTime {
    const isWidened = this.#tolerance !== null && this.#tolerance.until > this.#clock.now()
    const extraMs = isWidened ? (this.#tolerance?.ms ?? 0) : 0
    return {
      epochMs: this.#clock.epochMs,
      spans: this.#spans,
      futureToleranceMs: futureToleranceMs + extraMs,
    }
  }

  /** All spans together. */
  get spannedMs(): number {
    return this.#spans.reduce((sum, span) => sum + span.lengthMs, 0)
  }
}
