// Which sessions may change their release, and where they go: one function a cause, in order of precedence. Pure; knows
// neither requests nor how it is carried out. docs/architecture.md, "moves".
import type { ReleaseVersion } from './ids.js'
import type { TakeOver } from './registration.js'
import type { OnOverflow, OnReleaseGone } from './site-policy.js'
import { canServe, type Compatibility, type VersionOrder } from './version-order.js'

/**
 * Why a session moves: its release is active no more and the new one takes over, an operator recalls it, its release is
 * gone or dead, there are too many former releases, or its rollout was aborted.
 */
export type MoveCause = 'takeover' | 'recall' | 'gone' | 'overflow' | 'abort'

/** Every cause, for labels that are always shown. */
export const moveCauses = ['takeover', 'recall', 'gone', 'overflow', 'abort'] as const satisfies MoveCause[]

/** At which request a session may move: at a document navigation, or at any safe one. */
export type MoveMoment = 'document' | 'safe'

/** Where the sessions of a release move, and when. */
export interface Move {
  readonly to: ReleaseVersion
  readonly because: MoveCause
  readonly at: MoveMoment
  /** How many sessions a second, over all workers; Infinity: as they come. */
  readonly perSecond: number
}

/** What lets sessions leave a release, as published: nothing of it for nearly every release at nearly every time. */
export interface Departure {
  /** `perSecond` is one worker's part. */
  readonly move?: Move | null
  /** All its targets have failed for long. */
  readonly isDead?: boolean
  /** And for that sessions start over elsewhere (`onReleaseGone`). */
  readonly startsOver?: boolean
  /** When its sessions end, as announced. */
  readonly endsAt?: number | null
  /** Nobody is left on it and it is about to be taken out of service: no request revives a session there. */
  readonly isClosing?: boolean
}

/** The field line that announces an end; a date as HTTP has them (RFC 9110 section 5.6.7), like `Sunset` of RFC 8594. */
export function announcement(endsAt: number | null): string {
  return endsAt === null ? '' : `Amarre-Release-Ends: ${new Date(endsAt).toUTCString()}`
}

/** An order to move everybody from one release to another. */
export interface MoveOrder {
  readonly to: ReleaseVersion
  readonly because: Extract<MoveCause, 'recall' | 'abort'>
  /** Null: as they come. */
  readonly perSecond: number | null
  /** At any safe request. */
  readonly isForced: boolean
  readonly by: string
  readonly since: number
}

/** A release of the site, as the rules of moving see it. */
export interface MovingRelease {
  readonly compatibility: Compatibility
  /** The one that births go to; of two that share them the one that had them before. */
  readonly isActive: boolean
  /** On its way out: it serves and accepts no births. */
  readonly isFormer: boolean
  readonly isDead: boolean
  /** Beyond what the site retains. */
  readonly isOverflowing: boolean
  readonly takeOver: TakeOver
  readonly order: MoveOrder | null
  /** Every worker serves it, it is well and is going to stay. */
  readonly mayTake: boolean
  /** Of the last activation; null: never. */
  readonly activatedAt: number | null
}

/** What the site says of moves. */
export interface MoveRules {
  readonly order: VersionOrder
  readonly onReleaseGone: OnReleaseGone
  readonly onOverflow: OnOverflow
}

/** Where sessions of `from` move now; null: they stay. */
export function moveOf(from: MovingRelease, all: readonly MovingRelease[], rules: MoveRules): Move | null {
  return (
    ordered(from, all, rules) ??
    offDead(from, all, rules) ??
    takenOver(from, all, rules) ??
    overflowing(from, all, rules)
  )
}

/** By an operator's recall, or since a rollout was aborted. */
function ordered(from: MovingRelease, all: readonly MovingRelease[], { order }: MoveRules): Move | null {
  const wanted = from.order
  if (wanted === null) return null
  const to = all.find((each) => each.compatibility.version === wanted.to)
  if (to === undefined || !to.mayTake || !canServe(from.compatibility, to.compatibility, order)) return null
  return {
    to: wanted.to,
    because: wanted.because,
    at: wanted.isForced ? 'safe' : 'document',
    perSecond: wanted.perSecond ?? Infinity,
  }
}

/** A dead release's sessions go to the next best that can take them. */
function offDead(from: MovingRelease, all: readonly MovingRelease[], rules: MoveRules): Move | null {
  if (!from.isDead || rules.onReleaseGone !== 'move') return null
  return moveTo(heirOf(from.compatibility, all, rules.order), 'gone')
}

/** Forwards only: going back leaves everybody where he is; `recall` is the order that does not. */
function takenOver(from: MovingRelease, all: readonly MovingRelease[], { order }: MoveRules): Move | null {
  const active = all.find((each) => each.isActive)
  if (!from.isFormer || active === undefined || active.takeOver === 'never' || !active.mayTake) return null
  const isForwards = order(from.compatibility.version, active.compatibility.version) < 0
  if (!isForwards || !canServe(from.compatibility, active.compatibility, order)) return null
  return moveTo(active, 'takeover', active.takeOver === 'immediately' ? 'safe' : 'document')
}

/** To the active release only: another former one has its own end to come to. */
function overflowing(from: MovingRelease, all: readonly MovingRelease[], rules: MoveRules): Move | null {
  if (!from.isOverflowing || rules.onOverflow !== 'move') return null
  const active = all.filter((each) => each.isActive)
  return moveTo(heirOf(from.compatibility, active, rules.order), 'overflow')
}

function moveTo(to: MovingRelease | null, because: MoveCause, at: MoveMoment = 'document'): Move | null {
  return to === null ? null : { to: to.compatibility.version, because, at, perSecond: Infinity }
}

/** Releases that may take sessions of others, the active one first, then the one activated last. */
export function takers(all: readonly MovingRelease[]): MovingRelease[] {
  return all
    .filter((each) => each.mayTake)
    .sort((a, b) => Number(b.isActive) - Number(a.isActive) || (b.activatedAt ?? 0) - (a.activatedAt ?? 0))
}

/** The first of them that can take the sessions of a release that is dead or gone; null when none can. */
export function heirOf(
  gone: Compatibility,
  all: readonly MovingRelease[],
  order: VersionOrder,
): MovingRelease | null {
  const others = takers(all).filter((each) => each.compatibility.version !== gone.version)
  return others.find((each) => canServe(gone, each.compatibility, order)) ?? null
}
