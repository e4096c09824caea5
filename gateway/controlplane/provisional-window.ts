// How many sessions were born a moment ago and have not come back: a gauge only, nothing is decided by it. Births are
// sampled once a second; those confirmed meanwhile are the ledger's to tell.
import type { ReleaseIndex } from '../domain/ids.js'

interface Sample {
  readonly at: number
  readonly births: number
}

export class ProvisionalWindow {
  readonly #samples = new Map<ReleaseIndex, Sample[]>()

  /** The births of a release so far, at `now`; what is older than the window is forgotten, asked for or not. */
  sample(release: ReleaseIndex, seen: { births: number; now: number; windowMs: number }): void {
    const samples = this.#samples.get(release) ?? []
    samples.push({ at: seen.now, births: seen.births })
    dropBefore(samples, seen.now - seen.windowMs)
    this.#samples.set(release, samples)
  }

  /** Births within the last `windowMs`. */
  bornWithin(release: ReleaseIndex, births: number, now: number, windowMs: number): number {
    const samples = this.#samples.get(release) ?? []
    dropBefore(samples, now - windowMs)
    const first = samples[0]
    if (first === undefined) return births
    return first.at <= now - windowMs ? births - first.births : births
  }

  forget(release: ReleaseIndex): void {
    this.#samples.delete(release)
  }
}

/** The newest sample from before the window is the base line; one such is kept. */
function dropBefore(samples: Sample[], windowStart: number): void {
  while (samples.length > 1 && (samples[1]?.at ?? Infinity) <= windowStart) samples.shift()
}
