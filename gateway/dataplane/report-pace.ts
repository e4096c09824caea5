// How often the ledger hears of a session that goes on, and for how long a worker remembers one that has ended.
import { grainMs, promiseSpanMs } from '../domain/session.js'
import type { SessionPolicy } from '../domain/site-policy.js'

/** A session's promise has this many units; the ledger hears of a busy session once a unit, from its second request on. */
const unitsPerPromise = 64

/** A tombstone lasts a grain; without an idle time, or with a very long one, it lasts this. */
const longestTombstoneMs = 3_600_000

export function tombstoneMs(policy: SessionPolicy): number {
  return Math.min(grainMs(policy), longestTombstoneMs)
}

/** Never longer than a tombstone, so that a session which outlives its end is heard of after it. */
export function unitMs(policy: SessionPolicy): number {
  return Math.min(promiseSpanMs(policy) / unitsPerPromise, longestTombstoneMs)
}

/** What is further ahead than it was set is of a clock that was set back since. */
export function isTooSoon(nextAt: number, everyMs: number, now: number): boolean {
  return now < nextAt && nextAt <= now + everyMs
}
