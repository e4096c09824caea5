// Which target of a release serves a request: the session's own, or the less busy of two taken at random.
import type { ReleaseRoute, TargetRoute } from './routing-table.js'
import type { Token } from './session.js'

export interface BalancingInput {
  /** Requests under way to a target. */
  readonly loadOf: (target: TargetRoute) => number
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number
}

/** For requests without a session of their own yet. */
export function freeTarget(release: ReleaseRoute, input: BalancingInput): TargetRoute | null {
  return lessBusyOfTwo(release.usableTargets, input)
}

/**
 * For a session's request: its own target with `affinity: target`. When that one is no longer registered or is
 * unhealthy, `onTargetGone` decides; an unhealthy one is tried all the same where there is no better, or where the
 * session may not leave it. Null: the session may not leave its target, and that one is no longer registered.
 */
export function sessionTarget(
  release: ReleaseRoute,
  token: Token,
  input: BalancingInput,
): TargetRoute | null {
  const policy = release.site.session
  if (policy.affinity === 'release' || token.targetTag === 0) return freeTarget(release, input)
  const own = release.targetByTag(token.targetTag)
  if (own !== null && (own.isHealthy || !release.isHealthy)) return own
  return policy.onTargetGone === 'refuse' ? own : freeTarget(release, input)
}

/** "The power of two choices" (Mitzenmacher 2001): close to the least busy, without a herd. */
function lessBusyOfTwo(targets: readonly TargetRoute[], input: BalancingInput): TargetRoute | null {
  const first = targets[Math.floor(input.random() * targets.length)]
  if (targets.length < 2) return first ?? null
  const second = targets[Math.floor(input.random() * targets.length)]
  if (first === undefined || second === undefined) return first ?? second ?? null
  return input.loadOf(second) < input.loadOf(first) ? second : first
}
