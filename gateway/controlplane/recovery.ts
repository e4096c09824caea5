// What a start makes of the saved state: what is still known, what may have been lost, and which time does not count
// as idling. Pure: it says what to assume, others act on it.
import type { TimeSpan } from '../domain/session.js'
import type { ReleaseIndex } from '../domain/ids.js'
import { serves } from '../domain/release.js'
import type { SavedDoubts } from './doubts.js'
import type { ExtraTolerance, SavedCheckpoint, SavedLifecycle } from './saved-state.js'
import { longestPromiseMs, type Site } from './site-register.js'

export interface Recovery {
  readonly issuer: string
  readonly doubts: SavedDoubts
  /** Spans known before; `gap` comes on top of them. */
  readonly spans: readonly TimeSpan[]
  /** The time between the last knowledge and this start; null when there was none, or the clock stands before it. */
  readonly gap: TimeSpan | null
  readonly tolerance: ExtraTolerance | null
  /** What may have been touched after the last save; null when the stop was clean. */
  readonly loss: Loss | null
  /** No token was handed out later by the clock as it was: by that it is honoured, though the clock was set back. */
  readonly handedOutUntil: number
}

export interface RecoveryInput {
  readonly lifecycle: SavedLifecycle | null
  readonly checkpoint: SavedCheckpoint | null
  readonly freshIssuer: string
  readonly now: number
}

/**
 * A clock that stands less than this before the last save has not been set back: boots differ by that much. Also longer
 * than it usually is from a save to the next.
 */
const slewMs = 5_000

export function recover(input: RecoveryInput): Recovery {
  const { lifecycle, checkpoint, now } = input
  if (lifecycle === null || checkpoint === null) return fromNothing(input)
  const time = timeSince(checkpoint, now)
  const handedOutUntil = lastTokenAt(checkpoint)
  const { doubts: known } = checkpoint
  const clockJumpedAt = Math.max(handedOutUntil, known.clockJumpedAt ?? 0)
  const doubts = isSetBack(checkpoint, now) ? { ...known, clockJumpedAt } : known
  const loss = checkpoint.isClean ? null : lossAfter(checkpoint, now)
  return { issuer: lifecycle.issuer, doubts, ...time, loss, handedOutUntil }
}

/** The state was lost: nothing is known of what was promised, so no verdict for one whole promise. */
function fromNothing({ lifecycle, checkpoint, freshIssuer, now }: RecoveryInput): Recovery {
  const handedOutUntil = checkpoint === null ? now : lastTokenAt(checkpoint)
  const doubts = { stateLostAt: Math.max(now, handedOutUntil), clockJumpedAt: null, foreignSeenAt: [] }
  const issuer = lifecycle?.issuer ?? freshIssuer
  const time = checkpoint === null ? { spans: [], gap: null, tolerance: null } : timeSince(checkpoint, now)
  return { issuer, doubts, ...time, loss: null, handedOutUntil }
}

/**
 * The time between the last save and this start. The spans are those of the save: a start that died before it could
 * save anything has left none behind, so that no time is counted twice.
 */
function timeSince(checkpoint: SavedCheckpoint, now: number): Pick<Recovery, 'spans' | 'gap' | 'tolerance'> {
  const { asOf, writtenAt, tolerance } = checkpoint
  const gap = now > asOf ? { from: asOf, lengthMs: now - asOf } : null
  // Also of a clock that stands a little behind: what is handed out now must not count as older than a span.
  const spans = endedBy(checkpoint.spans, now)
  return {
    spans,
    gap,
    tolerance: isSetBack(checkpoint, now) ? widened(tolerance, writtenAt - now, now) : tolerance,
  }
}

function isSetBack({ writtenAt }: SavedCheckpoint, now: number): boolean {
  return now - writtenAt < -slewMs
}

function lastTokenAt({ writtenAt, isClean }: SavedCheckpoint): number {
  return isClean ? writtenAt : writtenAt + slewMs
}

/** Spans after the clock was set back to `now`: none may lie ahead, or tokens handed out until then would count as older. */
export function endedBy(spans: readonly TimeSpan[], now: number): TimeSpan[] {
  return spans
    .filter(({ from }) => from < now)
    .map(({ from, lengthMs }) => ({ from, lengthMs: Math.min(lengthMs, now - from) }))
}

/** How long tokens from ahead of a clock that was set back are accepted: as long as any of them can live. */
const toleranceLifeMs = 400 * 86_400_000

export function widened(known: ExtraTolerance | null, byMs: number, now: number): ExtraTolerance {
  const before = known !== null && known.until > now ? known.ms : 0
  return { ms: before + byMs, until: now + byMs + toleranceLifeMs }
}

/** A stretch of time of which nothing is known: tokens handed out in it are honoured for a promise and the slack. */
export interface Loss {
  readonly since: number
  readonly end: number
  readonly slackMs: number
}

/** What an unclean stop lost: everything after the checkpoint, by a clock that may have been set back meanwhile. */
function lossAfter(checkpoint: SavedCheckpoint, now: number): Loss {
  const { asOf } = checkpoint
  return { since: asOf, end: Math.max(lastTokenAt(checkpoint), now), slackMs: Math.max(0, now - asOf) }
}

/** Releases that may have been touched in a loss, each with the instant until which that counts as a session. */
export function phantomsOf(
  sites: readonly Site[],
  loss: Loss,
): { readonly index: ReleaseIndex; readonly until: number }[] {
  return sites.flatMap((site) =>
    [...site.releases.values()]
      .filter(serves)
      .map(({ index }) => ({ index, until: loss.end + longestPromiseMs(site, loss.since) + loss.slackMs })),
  )
}
