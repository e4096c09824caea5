// When a checked release may board births: activation plans, windows in their own time zones, and a freeze. Pure; time
// zones come from the language's own tables.
import type { ActivationPlan } from './registration.js'
import type { ActivationWindow, Weekday } from './site-policy.js'

/** What a plan says at one moment. */
export type Boarding =
  | { readonly kind: 'board' }
  /** `until`: when it may go on by itself; null when that takes an operator or another file. */
  | { readonly kind: 'wait'; readonly because: WaitCause; readonly until: number | null }

/** Why a checked release does not board: an operator's word is needed, or a time has to come. */
export type WaitCause = 'manual' | 'frozen' | 'closed-window' | 'not-yet' | 'missed'

export interface BoardingRules {
  readonly isFrozen: boolean
  /** None: always open. */
  readonly windows: readonly ActivationWindow[]
}

/** A release that boards within this time of its instant is on time. */
const punctualMs = 60_000

/** Whether a release with this plan boards at `now`. */
export function boarding(plan: ActivationPlan, rules: BoardingRules, now: number): Boarding {
  if (plan.kind === 'manual') return { kind: 'wait', because: 'manual', until: null }
  if (plan.kind === 'at' && now < plan.at) return { kind: 'wait', because: 'not-yet', until: plan.at }
  if (rules.isFrozen) return { kind: 'wait', because: 'frozen', until: null }
  const isMissed = plan.kind === 'at' && now > plan.at + punctualMs
  if (isMissed && plan.ifMissed === 'skip') return { kind: 'wait', because: 'missed', until: null }
  if (isMissed && plan.ifMissed === 'immediately') return { kind: 'board' }
  if (isOpen(rules.windows, now)) return { kind: 'board' }
  return { kind: 'wait', because: 'closed-window', until: nextOpening(rules.windows, now) }
}

/** Whether activations are allowed at an instant; always where there are no windows. */
export function isOpen(windows: readonly ActivationWindow[], at: number): boolean {
  return windows.length === 0 || windows.some((window) => isInside(window, at))
}

/** The first instant after `at` at which a window opens; null without windows. */
export function nextOpening(windows: readonly ActivationWindow[], at: number): number | null {
  const openings = windows.flatMap((window) => openingsAfter(window, at))
  return openings.length === 0 ? null : Math.min(...openings)
}

const weekdays: readonly Weekday[] = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const dayMs = 86_400_000

/** What the clock on the wall of a zone shows, as if it were UTC. */
function localTime(at: number, zone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone: zone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(at)
  const value = (type: string): number => Number(parts.find((part) => part.type === type)?.value ?? 0)
  return Date.UTC(
    value('year'),
    value('month') - 1,
    value('day'),
    value('hour'),
    value('minute'),
    value('second'),
  )
}

/** The instant at which a zone's clock shows that; of an hour that is skipped the instant after it. */
function instantOf(local: number, zone: string): number {
  const guess = local - (localTime(local, zone) - local)
  return guess - (localTime(guess, zone) - local)
}

function minutesOf(text: string): number {
  const [hours = '0', minutes = '0'] = text.split(':')
  return Number(hours) * 60 + Number(minutes)
}

/** A window that crosses midnight belongs to the day on which it opens; one that ends when it begins lasts a day. */
function isInside(window: ActivationWindow, at: number): boolean {
  const local = localTime(at, window.zone)
  const minute = (((local % dayMs) + dayMs) % dayMs) / 60_000
  const [from, to] = [minutesOf(window.from), minutesOf(window.to)]
  const opensToday = window.days.includes(weekdayOf(local))
  if (from < to) return opensToday && minute >= from && minute < to
  const openedYesterday = window.days.includes(weekdayOf(local - dayMs))
  return (opensToday && minute >= from) || (openedYesterday && minute < to)
}

function weekdayOf(local: number): Weekday {
  return weekdays[new Date(local).getUTCDay()] ?? 'sun'
}

/** Openings within the week after `at`. */
function openingsAfter(window: ActivationWindow, at: number): number[] {
  const local = localTime(at, window.zone)
  const midnight = local - (((local % dayMs) + dayMs) % dayMs)
  return Array.from({ length: 9 }, (_, day) => midnight + day * dayMs)
    .filter((date) => window.days.includes(weekdayOf(date)))
    .map((date) => instantOf(date + minutesOf(window.from) * 60_000, window.zone))
    .filter((opening) => opening > at)
}
