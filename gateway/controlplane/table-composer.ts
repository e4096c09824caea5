// The routing table that the present state of all releases asks for.
import type { ReleaseIndex, TargetUrl } from '../domain/ids.js'
import type { Departure, Move } from '../domain/moves.js'
import type { PagePin } from '../domain/page-pin.js'
import { isLive, serves, type Release } from '../domain/release.js'
import type { ReleaseSpec, SiteSpec, TargetSpec } from '../domain/routing-table.js'
import type { PagePinPolicy, TransportSecurity } from '../domain/site-policy.js'
import { isUsable, type TargetHealth } from '../domain/target-health.js'
import { adoptionSpec } from './adoption.js'
import { movesOf } from './site-moves.js'
import { activeRelease, birthShare, compareReleases, type Site } from './site-register.js'

export interface TableSources {
  healthOf(release: ReleaseIndex, url: TargetUrl): TargetHealth | null
  /** Releases that are about to be taken out of service: whoever is not on it any more is not to come back. */
  isClosing(release: ReleaseIndex): boolean
  /** Releases that are being taken out of service: no worker is to serve them any more. */
  isLeaving(release: ReleaseIndex): boolean
  /** Every worker routes by a table in which the release serves. */
  isServedEverywhere(release: ReleaseIndex): boolean
  /** A worker that serves may route by a table in which the release does not. */
  isMissedSomewhere(release: ReleaseIndex): boolean
  /** The last publication gives births to it. */
  bears(release: ReleaseIndex): boolean
  isDead(release: ReleaseIndex): boolean
  /** Beyond what its site retains. */
  isOverflowing(site: Site, release: Release): boolean
  /** When its sessions end, as announced; null: it has no end. */
  endsAt(release: Release): number | null
  /** Among how many workers a rate is divided. */
  readonly workers: number
  /** Wall-clock ms. */
  readonly now: number
}

/** One spec a site, each with every release that serves, newest first. */
export function composeSites(sites: readonly Site[], sources: TableSources): SiteSpec[] {
  // Of two sites with one host the first has it: a removed site, which still drains, gives way to its successor.
  const present = [...sites].sort((a, b) => Number(a.file === null) - Number(b.file === null))
  return present.map((site) => siteSpec(site, sources))
}

function siteSpec(site: Site, sources: TableSources): SiteSpec {
  const isUsable = (release: Release): boolean =>
    targetsOf(release, sources).some(({ isHealthy }) => isHealthy)
  const { moves, gone } = movesOf(site, { ...sources, isUsable })
  const served = [...site.releases.values()].filter(
    (release) => serves(release) && !sources.isLeaving(release.index),
  )
  const shareOf = sharesOf(site, served, { ...sources, isUsable })
  return {
    site: site.policy.site,
    hosts: site.policy.hosts,
    session: site.policy.session,
    stateless: site.policy.stateless,
    transportSecurity: transportSecurityLine(site.policy.hsts),
    errorPages: site.policy.errorPages,
    assets: site.policy.assets.fallback === 'none' ? [] : site.policy.assets.paths,
    pagePin: pagePinOf(site.policy.pagePin),
    adoption: adoptionSpec(site, sources.now, (release) => mayBeBoarded(release, sources)),
    rolloutId: site.rollout?.id ?? activeRelease(site)?.registration.version ?? '',
    releases: served
      .sort((a, b) => compareReleases(site, b, a))
      .map((release) => ({
        ...specOf(site, release, sources),
        share: shareOf(release),
        ...departureOf(site, release, moves.get(release.index), sources),
      })),
    ...(gone === null ? {} : { gone }),
  }
}

/** Whether visitors from before the gateway board the release. */
function mayBeBoarded({ index }: Release, sources: TableSources): boolean {
  // Of a dead one its visitors are told, with a link to begin anew: they have no token that would say so.
  if (sources.isDead(index)) return false
  return !sources.isClosing(index) && !sources.isLeaving(index) && sources.isServedEverywhere(index)
}

/**
 * A release's share of births. Who is to have them again after it was on its way out of service is served everywhere
 * first: until then they stay with the one that has them, and with nobody where that one fails.
 */
function sharesOf(
  site: Site,
  served: readonly Release[],
  sources: TableSources & { readonly isUsable: (release: Release) => boolean },
): (release: Release) => number {
  const isAwaited = (release: Release): boolean =>
    birthShare(site, release) > 0 && sources.isMissedSomewhere(release.index)
  const shareOf = (release: Release): number => (isAwaited(release) ? 0 : birthShare(site, release))
  if (!served.some(isAwaited) || served.some((release) => shareOf(release) > 0)) return shareOf
  const keeper = served.find((release) => sources.bears(release.index) && sources.isUsable(release))
  return (release) => (release === keeper ? 1 : 0)
}

/** What lets sessions leave a release; nothing for nearly every one. */
function departureOf(site: Site, release: Release, move: Move | undefined, sources: TableSources): Departure {
  const isDead = sources.isDead(release.index)
  const endsAt = sources.endsAt(release)
  const startsOver = isDead && site.policy.session.onReleaseGone === 'restart'
  return {
    ...(move === undefined ? {} : { move: { ...move, perSecond: move.perSecond / sources.workers } }),
    ...(startsOver ? { startsOver } : {}),
    ...(isDead ? { isDead } : {}),
    ...(sources.isClosing(release.index) ? { isClosing: true } : {}),
    ...(endsAt === null ? {} : { endsAt }),
  }
}

/** RFC 6797 section 6.1. */
function transportSecurityLine(policy: TransportSecurity | null): string {
  if (policy === null) return ''
  const subDomains = policy.includeSubDomains ? '; includeSubDomains' : ''
  const preload = policy.preload ? '; preload' : ''
  return `Strict-Transport-Security: max-age=${Math.floor(policy.maxAgeMs / 1000)}${subDomains}${preload}`
}

/** Off unless the releases share their sessions: a part from another release would know nobody. */
function pagePinOf({ header, query, sharedSessions }: PagePinPolicy): PagePin | null {
  return sharedSessions && (header !== null || query !== null) ? { header, query } : null
}

function specOf(site: Site, release: Release, sources: TableSources): Omit<ReleaseSpec, 'share'> {
  return {
    index: release.index,
    version: release.registration.version,
    isLive: isLive(release),
    targets: targetsOf(release, sources),
  }
}

function targetsOf(release: Release, sources: TableSources): TargetSpec[] {
  return [
    ...release.registration.targets.map((url) => ({
      url,
      isHealthy: isUsableTarget(sources.healthOf(release.index, url)),
    })),
    // They served until now; they go when one of the new targets has proved itself.
    ...release.formerTargets.map((url) => ({ url, isHealthy: true })),
  ]
}

function isUsableTarget(health: TargetHealth | null): boolean {
  return health !== null && isUsable(health)
}
