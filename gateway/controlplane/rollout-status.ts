// A rollout as the JSON of the admin API. Knows nothing of who asks.
import { errorRate, quantileMs, type ArmFigures } from '../domain/arm-figures.js'
import { isoText } from '../domain/instant-text.js'
import { candidateShare, earliestEnd, shareIn, type Rollout, type RolloutMove } from '../domain/rollout.js'
import type { TimeSpan } from '../domain/session.js'
import type { RolloutArmStatus, RolloutStatus } from './admin-protocol.js'
import type { RolloutProgress } from './rollouts.js'
import { shareText } from './rollout-text.js'

/** How a rollout stands, for the API: step, shares, both arms' figures, what it waits for. */
export function rolloutStatus(
  { rollout, evidence, next }: RolloutProgress,
  spans: readonly TimeSpan[],
): RolloutStatus {
  const { plan, step, stepSince, startedAt } = rollout
  return {
    candidate: armStatus(rollout, rollout.candidate, evidence.judged.candidate),
    stable: armStatus(rollout, rollout.stable, evidence.judged.stable),
    startedAt: isoText(startedAt),
    step: step + 1,
    steps: plan.steps.map(({ share, holdMs }) => ({ share, holdMs })),
    stepSince: isoText(stepSince),
    until: next.kind === 'stay' && next.until !== null ? isoText(next.until) : null,
    birthsInStep: evidence.birthsInStep,
    birthsNeeded: plan.abortOn?.minRequests ?? 0,
    endsBy: isoText(earliestEnd(rollout, spans)),
    text: progressText(rollout, next, evidence.birthsInStep),
  }
}

function armStatus(rollout: Rollout, version: Rollout['stable'], figures: ArmFigures): RolloutArmStatus {
  const { births, requests, failed } = figures
  const p95 = quantileMs(figures, 0.95)
  return {
    version,
    share: shareIn(rollout, version),
    births,
    requests,
    failed,
    errorRate: errorRate(figures),
    p95Ms: p95 === Infinity ? null : p95,
  }
}

function progressText(rollout: Rollout, next: RolloutMove, birthsInStep: number): string {
  const { plan, step } = rollout
  const place = `step ${step + 1} of ${plan.steps.length}, ${shareText(candidateShare(rollout))} of the births`
  const then = plan.steps[step + 1]
  const after = `then ${then === undefined ? 'all' : shareText(then.share)}`
  if (next.kind !== 'stay') return `${place}, ${after}`
  const until = next.until === null ? '' : ` until ${isoText(next.until)}`
  switch (next.because) {
    case 'hold':
      return `${place}${until}, ${after}`
    case 'births':
      return `${place}, ${birthsInStep} of ${plan.abortOn?.minRequests ?? 0} births judged, ${after}`
    case 'frozen':
      return `${place}, held: the site is frozen`
    case 'closed-window':
      return `${place}, held: no window is open${until}`
    case 'missed':
      return `${place}, held: it came due while no window was open, and "ifMissed" says "skip"`
    default:
      return next.because satisfies never
  }
}
