// The buckets of the request duration histogram: one place for those who count and those who expose.

/** Upper bounds in ms; what is above the last falls into the bucket after it. */
export const latencyBoundsMs: readonly number[] = [
  1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000,
]

/** The bucket of a duration: the first whose bound is not below it. */
export function latencyBucket(durationMs: number): number {
  let bucket = 0
  while (bucket < latencyBoundsMs.length && durationMs > (latencyBoundsMs[bucket] ?? Infinity)) bucket++
  return bucket
}
