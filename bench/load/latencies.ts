// Latencies of very many requests in little room: buckets of 2 % from a microsecond to a minute. Knows no clock.
import { median } from '../statistics.js'

const growth = 1.02
const logGrowth = Math.log(growth)
const buckets = 1000
const windowMs = 100

/** Percentiles in µs. */
export interface LatencySummary {
  readonly p50Us: number
  readonly p99Us: number
  readonly p999Us: number
  readonly worstUs: number
}

/** A machine that stops for some milliseconds now and then decides the percentiles of a whole run, but of few windows. */
export interface SteadySummary {
  /** Medians over windows of a tenth of a second, µs. */
  readonly steadyP50Us: number
  readonly steadyP99Us: number
}

export class Latencies {
  readonly #counts = new Uint32Array(buckets)
  count = 0
  #worstMs = 0

  add(ms: number): void {
    const bucket = Math.log(Math.max(ms * 1000, 1)) / logGrowth
    const at = Math.min(buckets - 1, Math.floor(bucket))
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.count++
    if (ms > this.#worstMs) this.#worstMs = ms
  }

  /** The value that this share of all stays below, µs; 0 of none. */
  percentileUs(share: number): number {
    let left = this.count * share
    for (const [bucket, count] of this.#counts.entries()) {
      left -= count
      if (left <= 0 && count > 0) return growth ** (bucket + 0.5)
    }
    return 0
  }

  clear(): void {
    this.#counts.fill(0)
    this.count = 0
    this.#worstMs = 0
  }

  summaryUs(): LatencySummary {
    return {
      p50Us: this.percentileUs(0.5),
      p99Us: this.percentileUs(0.99),
      p999Us: this.percentileUs(0.999),
      worstUs: this.#worstMs * 1000,
    }
  }
}

/** The same by windows of time. */
export class SteadyLatencies {
  readonly #window = new Latencies()
  readonly #p50s: number[] = []
  readonly #p99s: number[] = []
  #until = 0

  /** What ended at `now`, ms. */
  add(ms: number, now: number): void {
    if (now >= this.#until) {
      if (this.#window.count > 0) this.#close()
      this.#until = now + windowMs
    }
    this.#window.add(ms)
  }

  summaryUs(): SteadySummary {
    return { steadyP50Us: median(this.#p50s), steadyP99Us: median(this.#p99s) }
  }

  #close(): void {
    this.#p50s.push(this.#window.percentileUs(0.5))
    this.#p99s.push(this.#window.percentileUs(0.99))
    this.#window.clear()
  }
}
