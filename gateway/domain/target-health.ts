// When a target counts as healthy: thresholds over the answers of its probes.
import type { HealthPolicy } from './site-policy.js'

/** One probe's answer. */
export interface ProbeOutcome {
  readonly at: number
  readonly ok: boolean
  /** `200 OK`, `connect ECONNREFUSED`, `no answer within 1000 ms` … */
  readonly detail: string
  readonly durationMs: number
}

export interface TargetHealth {
  /** `assumed`: it served before a restart and is used until a probe says otherwise; `unproven`: not used yet. */
  readonly state: 'assumed' | 'unproven' | 'healthy' | 'unhealthy'
  /** Answers of the same kind in a row. */
  readonly streak: number
  /** Since when every probe has failed; null when the last one did not. */
  readonly failingSince: number | null
  readonly last: ProbeOutcome | null
}

export function newHealth(state: 'assumed' | 'unproven'): TargetHealth {
  return { state, streak: 0, failingSince: null, last: null }
}

/** Whether births and free choice may use the target. */
export function isUsable(health: TargetHealth): boolean {
  return health.state === 'healthy' || health.state === 'assumed'
}

export function observe(health: TargetHealth, outcome: ProbeOutcome, policy: HealthPolicy): TargetHealth {
  const isSameKind = health.last !== null && health.last.ok === outcome.ok
  const streak = isSameKind ? health.streak + 1 : 1
  const failingSince = outcome.ok ? null : (health.failingSince ?? outcome.at)
  const threshold = outcome.ok ? policy.healthyAfter : policy.unhealthyAfter
  const state = streak >= threshold ? (outcome.ok ? 'healthy' : 'unhealthy') : health.state
  return { state, streak, failingSince, last: outcome }
}

/** Whether a release is dead: all its targets have failed for `deadAfter`. */
export function isDead(targets: readonly TargetHealth[], policy: HealthPolicy, now: number): boolean {
  return (
    targets.length > 0 &&
    targets.every((health) => health.failingSince !== null && now - health.failingSince >= policy.deadAfterMs)
  )
}
