// Boarding a few first: a rollout gives a candidate a growing share of the births, judges what it answers against the
// stable release over the same time, and says what comes next. Pure: figures and time are arguments.
import { errorRate, quantileMs, type Arms } from './arm-figures.js'
import type { ReleaseVersion } from './ids.js'
import type { AbortLimits, ActivationPlan } from './registration.js'
import { isOpen, nextOpening, type BoardingRules } from './schedule.js'
import { extendPromise, type TimeSpan } from './session.js'

/** A plan in steps. */
export type StepPlan = Extract<ActivationPlan, { readonly kind: 'steps' }>

/** A rollout under way. Its plan is what the file said when it began: an edit since changes nothing. */
export interface Rollout {
  /** Of all rollouts of the site this one. */
  readonly id: string
  readonly candidate: ReleaseVersion
  readonly stable: ReleaseVersion
  readonly plan: StepPlan
  readonly startedAt: number
  /** Place of the present step in the plan. */
  readonly step: number
  readonly stepSince: number
  /** A step came due while no window was open, and the plan says `ifMissed: skip`: an operator's turn. */
  readonly isParked: boolean
}

/** The first step of a plan. */
export function begunRollout(
  arms: { readonly candidate: ReleaseVersion; readonly stable: ReleaseVersion },
  plan: StepPlan,
  now: number,
): Rollout {
  const id = `${arms.candidate} ${now}`
  return { id, ...arms, plan, startedAt: now, step: 0, stepSince: now, isParked: false }
}

/** The candidate's share of the births; the stable release has the rest. */
export function candidateShare({ plan, step }: Rollout): number {
  return plan.steps[step]?.share ?? 1
}

/** What one release gets of the births: both arms' shares are the whole. */
export function shareIn(rollout: Rollout, version: ReleaseVersion): number {
  if (version === rollout.candidate) return candidateShare(rollout)
  return version === rollout.stable ? 1 - candidateShare(rollout) : 0
}

/** Until when the present step holds at least: time in which the gateway was down does not count. */
export function holdUntil({ plan, step, stepSince }: Rollout, spans: readonly TimeSpan[]): number {
  const later = spans.filter(({ from }) => from >= stepSince)
  return extendPromise(stepSince + (plan.steps[step]?.holdMs ?? 0), later)
}

/** By what a candidate is too bad. Rates are shares of 1, durations ms. */
export type Excess =
  | { readonly of: 'errorRate'; readonly candidate: number; readonly stable: number; readonly limit: number }
  | { readonly of: 'p95'; readonly candidate: number; readonly stable: number | null; readonly limit: number }

export type Judgement =
  | { readonly kind: 'too-few' }
  | { readonly kind: 'good' }
  | { readonly kind: 'bad'; readonly excesses: readonly Excess[] }

/**
 * Judges a candidate. Its error rate may be above the stable release's by the limit. Its 95th percentile may be above
 * the limit only where the stable release's is no better: then it is not the candidate that is slow.
 */
export function judge({ candidate, stable }: Arms, limits: AbortLimits): Judgement {
  if (candidate.requests < limits.minRequests) return { kind: 'too-few' }
  const excesses: Excess[] = []
  const rates = { candidate: errorRate(candidate), stable: errorRate(stable) }
  if (rates.candidate - rates.stable > limits.errorRate) {
    excesses.push({ of: 'errorRate', ...rates, limit: limits.errorRate })
  }
  const [slowest, usual] = [quantileMs(candidate, 0.95) ?? 0, quantileMs(stable, 0.95)]
  if (slowest > limits.p95Ms && slowest > (usual ?? 0)) {
    excesses.push({ of: 'p95', candidate: slowest, stable: usual, limit: limits.p95Ms })
  }
  return excesses.length === 0 ? { kind: 'good' } : { kind: 'bad', excesses }
}

/** What the candidate has answered: in the window that is judged, and births since the step began. */
export interface RolloutEvidence {
  readonly judged: Arms
  readonly birthsInStep: number
}

/** Why a rollout stays where it is. */
export type HoldCause = 'hold' | 'births' | 'frozen' | 'closed-window' | 'missed'

/** What comes next in a rollout. */
export type RolloutMove =
  /** `until`: when it may go on by itself; null when time alone does not bring it. */
  | { readonly kind: 'stay'; readonly because: HoldCause; readonly until: number | null }
  | { readonly kind: 'park' }
  | { readonly kind: 'advance' }
  | { readonly kind: 'finish' }
  | { readonly kind: 'abort'; readonly excesses: readonly Excess[] }

/** Rules of the site that hold a rollout where it is, and time that does not count. */
export interface RolloutRules extends BoardingRules {
  readonly spans: readonly TimeSpan[]
}

/** What comes next at `now`. An abort waits for nothing; a step waits for its hold, for births, and for the site. */
export function nextMove(
  rollout: Rollout,
  evidence: RolloutEvidence,
  rules: RolloutRules,
  now: number,
): RolloutMove {
  const { abortOn, steps } = rollout.plan
  if (abortOn !== null) {
    const judgement = judge(evidence.judged, abortOn)
    if (judgement.kind === 'bad') return { kind: 'abort', excesses: judgement.excesses }
  }
  const until = holdUntil(rollout, rules.spans)
  if (now < until) return { kind: 'stay', because: 'hold', until }
  if (abortOn !== null && evidence.birthsInStep < abortOn.minRequests) {
    return { kind: 'stay', because: 'births', until: null }
  }
  return heldBack(rollout, rules, now) ?? { kind: rollout.step + 1 < steps.length ? 'advance' : 'finish' }
}

/** A freeze holds every step; a closed window what the plan does not send through it. */
function heldBack(rollout: Rollout, rules: RolloutRules, now: number): RolloutMove | null {
  if (rules.isFrozen) return { kind: 'stay', because: 'frozen', until: null }
  if (rollout.isParked) return { kind: 'stay', because: 'missed', until: null }
  const { ifMissed } = rollout.plan
  if (ifMissed === 'immediately' || isOpen(rules.windows, now)) return null
  if (ifMissed === 'skip') return { kind: 'park' }
  return { kind: 'stay', because: 'closed-window', until: nextOpening(rules.windows, now) }
}

/** The rollout after a move that keeps it going. */
export function moved(rollout: Rollout, move: 'park' | 'advance', now: number): Rollout {
  if (move === 'park') return { ...rollout, isParked: true }
  return { ...rollout, step: rollout.step + 1, stepSince: now, isParked: false }
}

/** When the last step ends at the earliest, if nothing but holds keeps it. */
export function earliestEnd(rollout: Rollout, spans: readonly TimeSpan[]): number {
  const later = rollout.plan.steps.slice(rollout.step + 1)
  return later.reduce((end, { holdMs }) => end + holdMs, holdUntil(rollout, spans))
}
