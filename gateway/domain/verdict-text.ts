// A verdict as one sentence for people. Knows nothing of how it was reached.
import { minuteText, spanText } from './instant-text.js'
import type { Blocker, Doubt, Verdict } from './verdict.js'

const doubtTexts: Readonly<Record<Doubt['because'], string>> = {
  'state-lost': 'the state was lost',
  'clock-jump': 'the clock jumped',
  'foreign-tokens': 'tokens of another gateway arrived',
  'worker-silent': 'a worker does not report',
  starting: 'the gateway is starting',
}

/** `blocked by 3 sessions, 2 sockets; empty by 14:32 UTC (in 12m) if nobody returns`, without a full stop. */
export function verdictText(verdict: Verdict, now: number): string {
  switch (verdict.kind) {
    case 'retirable':
      return `retirable, empty since ${minuteText(verdict.emptySince, now)} (${spanText(now - verdict.emptySince)})`
    case 'blocked':
      return `blocked by ${verdict.by.map((blocker) => blockerText(blocker, now)).join(', ')}${boundText(verdict, now)}`
    case 'unknown':
      return `unknown: ${verdict.why.map((doubt) => doubtTexts[doubt.because]).join(', ')}${certaintyText(verdict.until, now)}`
    default:
      return verdict satisfies never
  }
}

function blockerText(blocker: Blocker, now: number): string {
  switch (blocker.by) {
    case 'standing-by':
      return 'not having been active yet'
    case 'accepts-births':
      return 'accepting births'
    case 'sessions':
      return counted(blocker.count, 'session')
    case 'exchanges':
      return counted(blocker.count, 'exchange')
    case 'sockets':
      return counted(blocker.count, 'socket')
    case 'phantoms':
      return counted(blocker.count, 'phantom')
    case 'births':
      return `births until ${instantText(blocker.until, now)}`
    case 'adoption':
      return `adoption until ${instantText(blocker.until, now)}`
    case 'quiet-period':
      return `the quiet period until ${aheadText(blocker.until, now)}`
    default:
      return blocker satisfies never
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

/** By when it must be empty; nothing where the only blocker says that itself, or where births go on anyway. */
function boundText(verdict: Extract<Verdict, { kind: 'blocked' }>, now: number): string {
  const kinds = verdict.by.map((blocker) => blocker.by)
  if (
    kinds.includes('accepts-births') ||
    kinds.includes('standing-by') ||
    kinds.every((kind) => kind === 'quiet-period')
  )
    return ''
  if (verdict.emptyBy === null) return '; no bound while something is open'
  return `; empty by ${aheadText(verdict.emptyBy, now)} if nobody returns`
}

function certaintyText(until: number | null, now: number): string {
  return until === null ? '; lasts until its cause ends' : `; certain again by ${aheadText(until, now)}`
}

function instantText(at: number, now: number): string {
  return Number.isFinite(at) ? minuteText(at, now) : 'further notice'
}

function aheadText(at: number, now: number): string {
  return Number.isFinite(at)
    ? `${minuteText(at, now)} (${at > now ? `in ${spanText(at - now)}` : 'now'})`
    : 'further notice'
}
