// When an order of an operator is refused: the rules, each with a name and what stands against it. Pure: reads
// releases, changes nothing.
import type { Release } from '../domain/release.js'
import { isOpen } from '../domain/schedule.js'
import { RuleRefusal } from './rule-refusal.js'
import {
  activeReleases,
  compareReleases,
  isFrozen,
  steeredTo,
  versionOrder,
  type Site,
} from './site-register.js'

/** What stands against an activation whatever the operator says; null for nothing. */
export function impossibleActivation(release: Release): RuleRefusal | null {
  const { version } = release.registration
  if (release.withdrawn) {
    const remedy = 'drop it again first'
    return new RuleRefusal('activate-needs-registration', `the file of "${version}" is gone: ${remedy}`)
  }
  if (release.state.name === 'rejected') {
    return new RuleRefusal('activate-needs-registration', `"${version}" is rejected: ${release.state.why}`)
  }
  if (release.state.name === 'registered' || release.state.name === 'checking') {
    const remedy = 'see the last probes in `amarre status`'
    return new RuleRefusal('activate-needs-checked', `"${version}" is ${release.state.name}: ${remedy}`)
  }
  return null
}

/** What stands against activating a release now, unless it is forced. */
export function refusedActivation(site: Site, release: Release, now: number): RuleRefusal | null {
  return refusedByTime(site, now) ?? refusedBySteering(site, release) ?? refusedByData(site, release)
}

/** Everything that stands against activating a release now, for who asks beforehand. */
export function obstaclesOf(site: Site, release: Release, now: number): readonly RuleRefusal[] {
  const all = [
    impossibleActivation(release),
    refusedByTime(site, now),
    refusedBySteering(site, release),
    refusedByData(site, release),
  ]
  return all.filter((refusal) => refusal !== null)
}

/** What stands against going back, unless it is forced: a freeze or a closed window does not. */
export function refusedRollback(site: Site, release: Release): RuleRefusal | null {
  return refusedBySteering(site, release) ?? refusedByData(site, release)
}

function refusedByTime(site: Site, now: number): RuleRefusal | null {
  if (isFrozen(site)) {
    const by = site.frozenBy ?? 'its file'
    return new RuleRefusal('site-frozen', `"${site.policy.site}" is frozen by ${by}`)
  }
  if (isOpen(site.policy.windows, now)) return null
  return new RuleRefusal('closed-window', `no activation window of "${site.policy.site}" is open`)
}

function refusedBySteering(site: Site, release: Release): RuleRefusal | null {
  const steered = steeredTo(site)
  if (steered === null || steered === release.registration.version) return null
  return new RuleRefusal('steered-by-file', `steered by site.yaml: "active" says "${steered}"`)
}

/** `rollbackTo`: the oldest version that can run on the data which the active releases write. */
export function refusedByData(site: Site, release: Release): RuleRefusal | null {
  for (const active of activeReleases(site)) {
    const refusal = refusedGoingBack(site, active, release)
    if (refusal !== null) return refusal
  }
  return null
}

/** Whether the data that one release writes forbids another to follow it. */
export function refusedGoingBack(site: Site, from: Release, to: Release): RuleRefusal | null {
  const floor = from.registration.rollbackTo
  // A floor that the site's order does not know bounds nothing safely: `versionOrder` gives NaN.
  const isAllowed = floor === null || versionOrder(site)(to.registration.version, floor) >= 0
  if (isAllowed || compareReleases(site, to, from) >= 0) return null
  const risk = `data that "${from.registration.version}" has written needs "${floor}" or later`
  return new RuleRefusal('rollback-below-floor', `"${to.registration.version}" may not follow: ${risk}`)
}
