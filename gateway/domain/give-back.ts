// When a release that accepts births has failed for so long that they go back to an earlier one, and when that must not
// be: pure, over the health of all releases of a site that serve.
import type { HealthPolicy } from './site-policy.js'
import type { TargetHealth } from './target-health.js'

/** How long all targets fail before births are given back, but no longer than `deadAfter`: a restart in place fits in. */
const patienceMs = 10_000

/** Whether every target is unhealthy by its thresholds and has failed for long enough to give births back. */
export function hasFailed(
  targets: readonly (TargetHealth | null)[],
  policy: HealthPolicy,
  now: number,
): boolean {
  const boundMs = Math.min(patienceMs, policy.deadAfterMs)
  return (
    targets.length > 0 &&
    targets.every(
      (health) =>
        health !== null &&
        health.state === 'unhealthy' &&
        health.failingSince !== null &&
        now - health.failingSince >= boundMs,
    )
  )
}

/** More than half of a site's serving releases fail together: then it is the gateway's own network that is ill. */
export function isNetworkIll(failed: number, serving: number): boolean {
  return serving > 1 && failed * 2 > serving
}
