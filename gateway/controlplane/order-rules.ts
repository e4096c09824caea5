// When an order of an operator is refused: the rules, each with a name and what stands against it. Pure: reads
// releases, changes nothing.
import type { Release } from '../domain/release.js'
import { compareVersions } from '../domain/version-order.js'
import { RuleRefusal } from './rule-refusal.js'
import { activeRelease, type Site } from './site-register.js'

export interface ActivationOrder {
  /** Every target answers its probes. */
  readonly isHealthy: boolean
  readonly force: boolean
}

/** Why the release may not be activated now; null when it may. */
export function refusedActivation(site: Site, release: Release, order: ActivationOrder): RuleRefusal | null {
  const { version } = release.registration
  if (release.withdrawn) {
    return new RuleRefusal(
      'activate-needs-registration',
      `the file of "${version}" is gone: drop it again first`,
    )
  }
  if (!['staged', 'draining', 'retirable', 'active'].includes(release.state.name)) {
    const remedy = 'it must have passed its checks: see the last probes in `amarre status`'
    return new RuleRefusal('activate-needs-checked', `"${version}" is ${release.state.name}: ${remedy}`)
  }
  if (!order.isHealthy && !order.force) {
    return new RuleRefusal('activate-needs-health', `a target of "${version}" does not answer its probes`)
  }
  return order.force ? null : refusedByData(site, release)
}

/** `rollbackTo`: the oldest version that can run on the data which the active release writes. */
function refusedByData(site: Site, release: Release): RuleRefusal | null {
  const active = activeRelease(site)
  const floor = active?.registration.rollbackTo ?? null
  if (active === null || floor === null) return null
  const { version } = release.registration
  if (compareVersions(version, active.registration.version) >= 0 || compareVersions(version, floor) >= 0)
    return null
  const risk = `data that "${active.registration.version}" has written needs "${floor}" or later`
  return new RuleRefusal('rollback-below-floor', `"${version}" may not follow: ${risk}`)
}
