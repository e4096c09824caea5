// What one release of a rollout has answered, counted: absolute figures, and what lies between two of them. Also the
// stretch of time over which two arms are compared. Knows nothing of limits or steps.
import { latencyBoundsMs } from './latency-buckets.js'

/** Counts of one release since some beginning; counters of a running gateway begin anew when it starts. */
export interface ArmFigures {
  readonly births: number
  readonly requests: number
  /** Answered with 500 or above, by the release or by the gateway for it. */
  readonly failed: number
  /** By bucket of latency-buckets.ts. */
  readonly durations: readonly number[]
}

/** Both releases of a rollout over the same time. */
export interface Arms {
  readonly candidate: ArmFigures
  readonly stable: ArmFigures
}

/** Both arms' absolute figures at an instant. */
export interface ArmSample extends Arms {
  readonly at: number
}

/** What came between two samples of one life of the gateway. */
export function armsBetween(before: Arms, after: Arms): Arms {
  return {
    candidate: between(before.candidate, after.candidate),
    stable: between(before.stable, after.stable),
  }
}

function between(before: ArmFigures, after: ArmFigures): ArmFigures {
  return {
    births: after.births - before.births,
    requests: after.requests - before.requests,
    failed: after.failed - before.failed,
    durations: after.durations.map((count, bucket) => count - (before.durations[bucket] ?? 0)),
  }
}

/** Share of the requests that failed; 0 of none. */
export function errorRate({ failed, requests }: ArmFigures): number {
  return requests === 0 ? 0 : failed / requests
}

/**
 * The duration below which that share of the requests stayed, ms: straight between the bounds of its bucket, as
 * Prometheus' `histogram_quantile` has it. Null of none; Infinity above the last bound.
 */
export function quantileMs({ durations }: ArmFigures, share: number): number | null {
  const total = durations.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  const rank = share * total
  let below = 0
  for (const [bucket, count] of durations.entries()) {
    if (count > 0 && below + count >= rank) {
      const from = bucket === 0 ? 0 : (latencyBoundsMs[bucket - 1] ?? Infinity)
      const to = latencyBoundsMs[bucket] ?? Infinity
      return to === Infinity ? Infinity : from + ((to - from) * (rank - below)) / count
    }
    below += count
  }
  return Infinity
}

/** Samples are this part of the window apart, and never closer than a second. */
const samplesPerWindow = 30
const closestMs = 1_000
/** Beyond so many every second one of the older half goes. */
const mostSamples = 400

/** The samples with one more, where enough time has passed since the last. In order of time, the first is kept. */
export function withSample(
  samples: readonly ArmSample[],
  sample: ArmSample,
  windowMs: number,
): readonly ArmSample[] {
  const last = samples.at(-1)
  const gapMs = Math.max(closestMs, windowMs / samplesPerWindow)
  if (last !== undefined && sample.at - last.at < gapMs) return samples
  const all = [...samples, sample]
  if (all.length <= mostSamples) return all
  return all.filter((_, place) => place >= mostSamples / 2 || place % 2 === 0)
}

/**
 * What both arms answered in the last `windowMs`, or in as much more time as the candidate needed for `minRequests`:
 * on a quiet site a short window would never hold enough.
 */
export function recentArms(
  samples: readonly ArmSample[],
  now: ArmSample,
  { windowMs, minRequests }: { readonly windowMs: number; readonly minRequests: number },
): Arms {
  const base = samples.findLast(
    ({ at, candidate }) =>
      at <= now.at - windowMs && now.candidate.requests - candidate.requests >= minRequests,
  )
  return armsBetween(base ?? samples[0] ?? now, now)
}
