// Durations, sizes and shares as people write them, both ways. Knows nothing of files or schemas.

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

const unitBytes: Readonly<Record<string, number>> = {
  B: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  GiB: 1024 ** 3,
  TiB: 1024 ** 4,
}

/** How a finite duration is written: a number and a unit. */
export const durationPattern = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)$/
/** How a size is written: a number and a binary unit. */
export const sizePattern = /^(\d+(?:\.\d+)?)(B|KiB|MiB|GiB|TiB)$/

/** `30m`, `250ms`, `never` (Infinity) or `immediately` (0) in ms; NaN for anything else. */
export function durationMs(text: string): number {
  if (text === 'never') return Infinity
  if (text === 'immediately') return 0
  const match = durationPattern.exec(text)
  return match === null ? NaN : Math.round(Number(match[1]) * (unitMs[match[2] ?? ''] ?? NaN))
}

/** A duration of ms in the largest unit that divides it: `30m`, `90s`, `never`. */
export function durationInWords(ms: number): string {
  if (ms === Infinity) return 'never'
  const unit =
    (['d', 'h', 'm', 's'] as const).find((name) => ms > 0 && ms % (unitMs[name] ?? 1) === 0) ?? 'ms'
  return `${ms / (unitMs[unit] ?? 1)}${unit}`
}

/** `16KiB` in bytes; NaN for anything else and for a part of a byte. */
export function sizeBytes(text: string): number {
  const match = sizePattern.exec(text)
  const bytes = match === null ? NaN : Number(match[1]) * (unitBytes[match[2] ?? ''] ?? NaN)
  return Number.isInteger(bytes) ? bytes : NaN
}

/** Bytes in the largest unit that divides them: `16KiB`. */
export function sizeInWords(bytes: number): string {
  const unit =
    (['TiB', 'GiB', 'MiB', 'KiB'] as const).find(
      (name) => bytes > 0 && bytes % (unitBytes[name] ?? 1) === 0,
    ) ?? 'B'
  return `${bytes / (unitBytes[unit] ?? 1)}${unit}`
}

/** A share of 1 as a percentage: `5%`. */
export function shareInWords(share: number): string {
  return `${Number((share * 100).toFixed(6))}%`
}
