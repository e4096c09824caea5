// How many sessions were born a moment ago and have not come back: a gauge only, nothing is decided by it. Births are
// sampled once a second; those confirmed meanwhile are the ledger's to tell.
import type { ReleaseIndex } from '../domain/ids.js'

interface Sample {
  readonly at: number
  readonly births: number
}

export class ProvisionalWindow {
  readonly #samples = new Map<ReleaseIndex, Sample[]>()

  /** The births of a release so far, at `now`. */
  sample(release: ReleaseIndex, births: number, now: number): void {
    const samples = this.#samples.get(release) ?? []
    samples.push({ at: now, births })
    this.#samples.set(release, samples)
  }

  /** Births within the last `windowMs`, forgetting what is older. */
  bornWithin(release: ReleaseIndex, births: number, now: number, windowMs: number): number {
    const samples = this.#samples.get(release) ?? []
    // The newest sample from before the window is the base line; one such is kept.
    while (samples.length > 1 && (samples[1]?.at ?? Infinity) <= now - windowMs) samples.shift()
    const first = samples[0]
    if (first === undefined) return births
    return first.at <= now - windowMs ? births - first.births : births
  }

  forget(release: ReleaseIndex): void {
    this.#samples.delete(release)
  }
}
