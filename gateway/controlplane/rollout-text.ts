// A rollout's figures in words, for events and status. Knows nothing of how they are come by.
import { errorRate, quantileMs, type ArmFigures, type Arms } from '../domain/arm-figures.js'
import type { Excess, Rollout } from '../domain/rollout.js'

/** A share of 1 as a percentage with at most two decimals: `12.5%`. */
export function shareText(share: number): string {
  return `${Number((share * 100).toFixed(2))}%`
}

/** By what a candidate is too bad: `error rate 12% against 0.4%, tolerated 5% more`. */
export function excessText(excess: Excess): string {
  const { candidate, stable, limit } = excess
  if (excess.of === 'errorRate') {
    return `error rate ${shareText(candidate)} against ${shareText(excess.stable)}, tolerated ${shareText(limit)} more`
  }
  return `p95 ${durationText(candidate)} against ${durationText(stable)}, tolerated ${durationText(limit)}`
}

/** Both arms' figures in a sentence. */
export function armsText({ candidate, stable }: Rollout, arms: Arms): string {
  return `"${candidate}": ${figuresText(arms.candidate)}; "${stable}": ${figuresText(arms.stable)}`
}

/** One arm's: `12 births, 150 requests, 18 failed (12%), p95 84 ms`. */
function figuresText(figures: ArmFigures): string {
  const { births, requests, failed } = figures
  const failures = `${failed} failed (${shareText(errorRate(figures))})`
  return `${births} births, ${requests} requests, ${failures}, p95 ${durationText(quantileMs(figures, 0.95))}`
}

function durationText(ms: number | null): string {
  if (ms === null) return 'unknown'
  return ms === Infinity ? 'above 30 s' : `${Math.round(ms)} ms`
}
