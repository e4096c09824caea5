// Medians and spread of a few rounds, and the quiet end of many windows.

/** The middle value; the mean of the two middle ones of an even number. NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? Number.NaN
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2
}

/** Half the distance from least to greatest, as a share of the median. */
export function spread(values: readonly number[]): number {
  return (Math.max(...values) - Math.min(...values)) / 2 / median(values)
}

/** Fewer say nothing of their quiet end: the least of a handful is chance. */
const fewestWindows = 10

/** The value that a tenth of them do not exceed: what something costs while nothing else disturbs it. NaN of too few. */
export function quiet(values: readonly number[]): number {
  if (values.length < fewestWindows) return Number.NaN
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.ceil(sorted.length / 10) - 1] ?? Number.NaN
}
