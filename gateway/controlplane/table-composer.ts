// The routing table that the present state of all releases asks for.
import type { ReleaseIndex, TargetUrl } from '../domain/ids.js'
import type { PagePin } from '../domain/page-pin.js'
import { isLive, serves, type Release } from '../domain/release.js'
import type { ReleaseSpec, SiteSpec } from '../domain/routing-table.js'
import type { PagePinPolicy, TransportSecurity } from '../domain/site-policy.js'
import { isUsable, type TargetHealth } from '../domain/target-health.js'
import { adoptionSpec } from './adoption.js'
import { activeRelease, birthShare, compareReleases, type Site } from './site-register.js'

export interface TableSources {
  healthOf(release: ReleaseIndex, url: TargetUrl): TargetHealth | null
  /** Releases that are being taken out of service: no worker is to serve them any more. */
  isLeaving(release: ReleaseIndex): boolean
  /** Every worker routes by a table in which the release serves. */
  isServedEverywhere(release: ReleaseIndex): boolean
  /** Wall-clock ms. */
  readonly now: number
}

/** One spec a site, each with every release that serves, newest first. */
export function composeSites(sites: readonly Site[], sources: TableSources): SiteSpec[] {
  // Of two sites with one host the first has it: a removed site, which still drains, gives way to its successor.
  const present = [...sites].sort((a, b) => Number(a.file === null) - Number(b.file === null))
  return present.map((site) => ({
    site: site.policy.site,
    hosts: site.policy.hosts,
    session: site.policy.session,
    stateless: site.policy.stateless,
    transportSecurity: transportSecurityLine(site.policy.hsts),
    assets: site.policy.assets.fallback === 'none' ? [] : site.policy.assets.paths,
    pagePin: pagePinOf(site.policy.pagePin),
    adoption: adoptionSpec(
      site,
      sources.now,
      (index) => !sources.isLeaving(index) && sources.isServedEverywhere(index),
    ),
    rolloutId: site.rollout?.id ?? activeRelease(site)?.registration.version ?? '',
    releases: [...site.releases.values()]
      .filter((release) => serves(release) && !sources.isLeaving(release.index))
      .sort((a, b) => compareReleases(site, b, a))
      .map((release) => specOf(site, release, sources)),
  }))
}

/** RFC 6797 section 6.1. A site that was kept from before there was such a policy has none. */
function transportSecurityLine(policy: TransportSecurity | null | undefined): string {
  if (policy === null || policy === undefined) return ''
  const subDomains = policy.includeSubDomains ? '; includeSubDomains' : ''
  const preload = policy.preload ? '; preload' : ''
  return `Strict-Transport-Security: max-age=${Math.floor(policy.maxAgeMs / 1000)}${subDomains}${preload}`
}

/** Off unless the releases share their sessions: a part from another release would know nobody. */
function pagePinOf({ header, query, sharedSessions }: PagePinPolicy): PagePin | null {
  return sharedSessions && (header !== null || query !== null) ? { header, query } : null
}

function specOf(site: Site, release: Release, sources: TableSources): ReleaseSpec {
  return {
    index: release.index,
    version: release.registration.version,
    share: birthShare(site, release),
    isLive: isLive(release),
    targets: [
      ...release.registration.targets.map((url) => ({
        url,
        isHealthy: isUsableTarget(sources.healthOf(release.index, url)),
      })),
      // They served until now; they go when one of the new targets has proved itself.
      ...release.formerTargets.map((url) => ({ url, isHealthy: true })),
    ],
  }
}

function isUsableTarget(health: TargetHealth | null): boolean {
  return health !== null && isUsable(health)
}
