// Turns the samples of a run into the table on the terminal. Knows nothing of how they were taken.
import type { Sample } from './rounds.js'
import { median, quiet, spread } from './statistics.js'

/** One contender under one load. */
export interface Row {
  readonly case: string
  readonly contender: string
  /** Median of the rounds. */
  readonly workerUs: number
  /** In the quietest windows; NaN of too few. */
  readonly quietUs: number
  readonly userUs: number
  readonly spread: number
  readonly mainUs: number
  readonly requestsPerSecond: number
  readonly failures: number
  readonly p50Us: number
  readonly p99Us: number
}

export function rowsOf(samples: readonly Sample[]): Row[] {
  const groups = new Map<string, Sample[]>()
  for (const sample of samples) {
    const key = `${sample.case}\n${sample.contender}`
    groups.set(key, [...(groups.get(key) ?? []), sample])
  }
  return [...groups.values()].map((group) => {
    const of = (value: (sample: Sample) => number): number => median(group.map(value))
    return {
      case: group[0]?.case ?? '',
      contender: group[0]?.contender ?? '',
      workerUs: of((sample) => sample.workerUs),
      quietUs: quiet(group.flatMap((sample) => sample.windowsUs)),
      userUs: of((sample) => sample.userUs),
      spread: spread(group.map((sample) => sample.workerUs)),
      mainUs: of((sample) => sample.mainUs),
      requestsPerSecond: of((sample) => sample.requests / sample.seconds),
      failures: group.reduce((sum, sample) => sum + sample.failures, 0),
      p50Us: of((sample) => sample.p50Us),
      p99Us: of((sample) => sample.p99Us),
    }
  })
}

/** The CPU time of a request as a multiple of another contender's; null where one of them is missing. */
export function ratio(
  rows: readonly Row[],
  row: Row,
  reference: string,
  by: 'workerUs' | 'quietUs' = 'workerUs',
): number | null {
  const other = rows.find((each) => each.case === row.case && each.contender === reference)
  const found = other === undefined ? Number.NaN : row[by] / other[by]
  return found > 0 ? found : null
}

const columns = [
  'load',
  'contender',
  'µs CPU',
  '± %',
  'quiet µs',
  'user µs',
  'main µs',
  '/ haproxy',
  'quiet / haproxy',
  '/ nginx',
  'quiet / nginx',
  'req/s',
  'p50 µs',
  'p99 µs',
  'failed',
]

/** The whole table as text. */
export function tableText(rows: readonly Row[]): string {
  const lines = rows.map((row) => [
    row.case,
    row.contender,
    row.workerUs.toFixed(2),
    Number.isNaN(row.spread) ? '-' : (row.spread * 100).toFixed(0),
    quietText(row.quietUs),
    row.userUs.toFixed(2),
    row.mainUs.toFixed(2),
    ratioText(ratio(rows, row, 'haproxy')),
    ratioText(ratio(rows, row, 'haproxy', 'quietUs')),
    ratioText(ratio(rows, row, 'nginx')),
    ratioText(ratio(rows, row, 'nginx', 'quietUs')),
    row.requestsPerSecond.toFixed(0),
    row.p50Us.toFixed(0),
    row.p99Us.toFixed(0),
    String(row.failures),
  ])
  return aligned([columns, ...lines])
}

function quietText(value: number): string {
  return Number.isNaN(value) ? '-' : value.toFixed(2)
}

function ratioText(value: number | null): string {
  return value === null ? '-' : value.toFixed(2)
}

function aligned(lines: readonly (readonly string[])[]): string {
  const widths = columns.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)))
  const cell = (text: string, i: number): string =>
    i < 2 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0)
  return lines.map((line) => line.map(cell).join('  ').trimEnd()).join('\n')
}
