// May this release be retired? The verdict over what is known, what was promised and what may have been lost. When in
// doubt it says `unknown`: a wrong "you may retire it" is the worst that this gateway could say.
import type { RetentionPolicy } from './site-policy.js'
import type { Blocker, Doubt, Verdict } from './verdict.js'

/** What the control plane knows of one release, as of the oldest report of any worker. Instants in ms. */
export interface Evidence {
  readonly asOf: number
  readonly acceptsBirths: boolean
  /** It is registered, checked or staged: not on its way out. */
  readonly isStandingBy: boolean
  /** Until when visitors from before the gateway may board it; 0: never. */
  readonly adoptionUntil: number
  /** Latest promise made at a birth, spans added; 0 for none. */
  readonly birthsUntil: number
  /** Confirmed sessions, and the latest instant until which one of them counts. */
  readonly sessions: { readonly count: number; readonly until: number }
  readonly exchangesOpen: number
  readonly socketsOpen: number
  /** Until when each loss of knowledge counts as a session. */
  readonly phantoms: readonly number[]
  readonly doubts: readonly Doubt[]
  /** Since when reports have shown it empty without a break; null when the last did not. */
  readonly emptySince: number | null
}

/** Whether nobody is left, by these reports: no births, every promise passed, every session over, nothing open. */
export function isEmpty(evidence: Omit<Evidence, 'emptySince' | 'doubts'>): boolean {
  return certainBlockers(evidence).length === 0 && openPhantoms(evidence).length === 0
}

export function verdict(evidence: Evidence, quietPeriodMs: number, now: number): Verdict {
  const { asOf } = evidence
  const certain = certainBlockers(evidence)
  const possible = phantomBlocker(evidence)
  if (certain.length > 0) return blocked([...certain, ...possible], asOf)
  const why = evidence.doubts.filter((doubt) => doubt.until === null || doubt.until > now)
  if (why.length > 0) return { kind: 'unknown', why, until: latestDoubt(why), asOf }
  if (possible.length > 0) return blocked(possible, asOf)
  const quietUntil = (evidence.emptySince ?? asOf) + quietPeriodMs
  if (evidence.emptySince === null || quietUntil > asOf) {
    return blocked([{ by: 'quiet-period', until: quietUntil }], asOf)
  }
  return { kind: 'retirable', emptySince: evidence.emptySince, asOf }
}

/** What is known to be there, whatever else is unknown. */
function certainBlockers(evidence: Omit<Evidence, 'emptySince' | 'doubts'>): Blocker[] {
  const { asOf, sessions } = evidence
  const blockers: Blocker[] = []
  if (evidence.acceptsBirths) blockers.push({ by: 'accepts-births' })
  if (evidence.isStandingBy) blockers.push({ by: 'standing-by' })
  if (evidence.adoptionUntil > asOf) blockers.push({ by: 'adoption', until: evidence.adoptionUntil })
  if (sessions.count > 0 && sessions.until > asOf) {
    blockers.push({ by: 'sessions', count: sessions.count, until: sessions.until })
  }
  if (evidence.socketsOpen > 0) blockers.push({ by: 'sockets', count: evidence.socketsOpen })
  if (evidence.exchangesOpen > 0) blockers.push({ by: 'exchanges', count: evidence.exchangesOpen })
  if (evidence.birthsUntil > asOf) blockers.push({ by: 'births', until: evidence.birthsUntil })
  return blockers
}

function openPhantoms(evidence: { readonly phantoms: readonly number[]; readonly asOf: number }): number[] {
  return evidence.phantoms.filter((until) => until > evidence.asOf)
}

function phantomBlocker(evidence: {
  readonly phantoms: readonly number[]
  readonly asOf: number
}): Blocker[] {
  const open = openPhantoms(evidence)
  return open.length === 0 ? [] : [{ by: 'phantoms', count: open.length, until: Math.max(...open) }]
}

function blocked(by: readonly Blocker[], asOf: number): Verdict {
  return { kind: 'blocked', by, emptyBy: emptyBy(by), asOf }
}

/** The latest of the bounds; null where one blocker has none (births go on, something is open). */
function emptyBy(by: readonly Blocker[]): number | null {
  let latest = 0
  for (const blocker of by) {
    if (!('until' in blocker)) return null
    if (blocker.by !== 'quiet-period') latest = Math.max(latest, blocker.until)
  }
  return latest === 0 ? null : latest
}

function latestDoubt(doubts: readonly Doubt[]): number | null {
  const ends = doubts.map((doubt) => doubt.until)
  return ends.includes(null) ? null : Math.max(...ends.map((end) => end ?? 0))
}

/** A former release, as the limits of retention see it. */
export interface Retained {
  /** Somebody is left on it, or nobody knows. */
  readonly holdsSessions: boolean
  readonly activatedAt: number | null
  readonly drainingSince: number
}

/** Which of the former releases are too many, or have drained for too long: the oldest beyond `previous`, by `maxDrain`. */
export function beyondRetention<F extends Retained>(
  former: readonly F[],
  { previous, maxDrainMs }: RetentionPolicy,
  now: number,
): F[] {
  const newestFirst = former
    .filter((each) => each.holdsSessions)
    .sort((a, b) => (b.activatedAt ?? 0) - (a.activatedAt ?? 0))
  return newestFirst.filter((each, rank) => rank >= previous || now - each.drainingSince >= maxDrainMs)
}

/** One former release, as automatic retirement sees it. */
export interface Candidate {
  readonly isRetirable: boolean
  /** Order of activation; the latest is the newest. */
  readonly activatedAt: number | null
}

/** Which of the former releases are retired by `retire.when: auto` now: all retirable ones but the newest `warm`. */
export function dueForRetirement<C extends Candidate>(former: readonly C[], warm: number): C[] {
  const newestFirst = [...former].sort((a, b) => (b.activatedAt ?? 0) - (a.activatedAt ?? 0))
  return newestFirst.slice(warm).filter((candidate) => candidate.isRetirable)
}
