// Which target of a release serves a request: the session's own, or the less busy of two taken at random.
import { fnv1a32 } from './fnv.js'
import type { ReleaseRoute, TargetRoute } from './routing-table.js'
import type { PreviewPass } from './preview-pass.js'
import type { Token } from './session.js'

export interface BalancingInput {
  /** Requests under way to a target. */
  readonly loadOf: (target: TargetRoute) => number
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number
  /** The part of its share that a target gets, 0 to 1 (domain/ejection.ts); absent while each gets all of it. */
  readonly shareOf?: ((target: TargetRoute) => number) | undefined
}

/** For requests without a session of their own yet. */
export function freeTarget(release: ReleaseRoute, input: BalancingInput): TargetRoute | null {
  return lessBusyOfTwo(release.usableTargets, input)
}

/** For a session that moves: where its parallel requests agree, with `affinity: target`. */
export function newHomeTarget(
  release: ReleaseRoute,
  token: Token,
  input: BalancingInput,
): TargetRoute | null {
  return release.site.session.affinity === 'target'
    ? settledTarget(release, token)
    : freeTarget(release, input)
}

/** For another attempt; null when the release has no other target that may be used. */
export function anotherTarget(
  release: ReleaseRoute,
  failed: TargetRoute,
  input: BalancingInput,
): TargetRoute | null {
  const others = release.usableTargets.filter((target) => target !== failed)
  return lessBusyOfTwo(others, input)
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
  return policy.onTargetGone === 'refuse' ? own : settledTarget(release, token)
}

/** For a preview: with `affinity: target` always the same one, as the application may keep its session in one process. */
export function previewTarget(
  release: ReleaseRoute,
  pass: PreviewPass,
  input: BalancingInput,
): TargetRoute | null {
  return release.site.session.affinity === 'release'
    ? freeTarget(release, input)
    : settledTarget(release, pass)
}

/**
 * Where a session settles whose target is gone: by rendezvous hashing of its id, so that all its requests agree before
 * the visitor has a token that says so, and stay when other targets come and go.
 */
function settledTarget(release: ReleaseRoute, { id }: Pick<Token, 'id'>): TargetRoute | null {
  let best: TargetRoute | null = null
  let highest = -1
  for (const target of release.usableTargets) {
    const weight = fnv1a32(`${id} ${target.url}`)
    if (weight > highest) [best, highest] = [target, weight]
  }
  return best
}

/** "The power of two choices" (Mitzenmacher 2001): close to the least busy, without a herd. */
function lessBusyOfTwo(targets: readonly TargetRoute[], input: BalancingInput): TargetRoute | null {
  if (targets.length < 2) return targets[0] ?? null
  const first = pick(targets, input)
  const second = pick(targets, input)
  return input.loadOf(second) < input.loadOf(first) ? second : first
}

/** One at random, each as likely as its share; where nobody has any, each as likely as the others. */
function pick(targets: readonly TargetRoute[], { random, shareOf }: BalancingInput): TargetRoute {
  const point = random()
  const any = targets[Math.floor(point * targets.length)] as TargetRoute
  if (shareOf === undefined) return any
  const total = targets.reduce((sum, target) => sum + shareOf(target), 0)
  let passed = 0
  for (const target of targets) {
    passed += shareOf(target)
    if (point * total < passed) return target
  }
  return any
}
