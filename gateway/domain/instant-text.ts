// Instants and spans of time in words for people. All in UTC, as the reader may sit in another zone.

const minuteMs = 60_000

/** A span of time to the nearest, in its one or two largest units: `40s`, `12m`, `1h 5m`, `3d 4h`. */
export function spanText(spanMs: number): string {
  if (!Number.isFinite(spanMs)) return 'without end'
  const seconds = Math.max(0, Math.round(spanMs / 1000))
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 60) return `${minutes}m`
  if (minutes < 24 * 60) return pair(Math.floor(minutes / 60), 'h', minutes % 60, 'm')
  const hours = Math.round(minutes / 60)
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit} ${small}${smallUnit}`
}

/**
 * The minute of an instant, `14:32 UTC`, with its date unless that is today's. What is ahead is rounded up, so that
 * `by 14:32` holds; what is past is rounded down.
 */
export function minuteText(at: number, now: number): string {
  const minute = at > now ? Math.ceil(at / minuteMs) : Math.floor(at / minuteMs)
  const [date = '', time = ''] = isoText(minute * minuteMs).split('T')
  const today = isoText(now).slice(0, 10)
  const clock = `${time.slice(0, 5)} UTC`
  return date === today ? clock : `${date} ${clock}`
}

/** An instant as ISO 8601 in UTC. */
export function isoText(at: number): string {
  return new Date(at).toISOString()
}
