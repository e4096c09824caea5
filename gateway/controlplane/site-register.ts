// The sites and their releases as the controller keeps them: look-ups, numbering and the saved form. Holds what is;
// decides nothing.
import type { ReleaseIndex, ReleaseVersion, SiteName } from '../domain/ids.js'
import { acceptsBirths, isOnItsWayOut, type Release } from '../domain/release.js'
import type { Registration } from '../domain/registration.js'
import { shareIn, type Rollout } from '../domain/rollout.js'
import { grainMs, promiseSpanMs } from '../domain/session.js'
import type { SitePolicy } from '../domain/site-policy.js'
import { compareVersions, type VersionOrder } from '../domain/version-order.js'

/**
 * The longest promises under a policy that is no longer in force, and when it ceased to be; Infinity: a worker may still
 * go by it.
 */
export interface SupersededPromise {
  readonly promiseMs: number
  /** Of held tokens too. */
  readonly tokenMs: number
  readonly at: number
}

export interface Site {
  policy: SitePolicy
  /** The site's file; null once it is gone and the releases drain. */
  file: string | null
  readonly releases: Map<ReleaseVersion, Release>
  superseded: SupersededPromise[]
  nextOrdinal: number
  /** Whether a release was ever active: before that, every healthy one may serve. */
  wasEverActive: boolean
  /** By whose order no release is activated; null: none. The file can freeze the site as well. */
  frozenBy: string | null
  /** A release that boards as soon as it has passed its checks again, by an order. */
  ordered: { readonly version: ReleaseVersion; readonly by: string } | null
  /** `active` of the site's file, where an order was forced against it: ignored until the file says otherwise. */
  overruled: ReleaseVersion | null
  /** The release that the last rollback went back to, until another becomes active: the same order again is done. */
  wentBackTo: ReleaseVersion | null
  /** Two releases share the births while it lasts, and both are active; else at most one is. */
  rollout: Rollout | null
  /** Releases whose sessions ended with them, for as long as one of their tokens is honoured. */
  ended: readonly EndedRelease[]
}

/** A release whose announced end has come. */
export interface EndedRelease {
  readonly version: ReleaseVersion
  /** By then no token for it is honoured any more. */
  readonly until: number
}

export interface SavedSite {
  readonly policy: SitePolicy
  readonly file: string | null
  readonly releases: readonly Release[]
  readonly superseded: readonly SupersededPromise[]
  readonly nextOrdinal: number
  readonly wasEverActive: boolean
  readonly frozenBy: string | null
  readonly ordered: { readonly version: ReleaseVersion; readonly by: string } | null
  readonly overruled: ReleaseVersion | null
  readonly wentBackTo: ReleaseVersion | null
  readonly rollout: Rollout | null
  readonly ended: readonly EndedRelease[]
}

export interface SavedRegister {
  readonly nextIndex: number
  readonly sites: readonly SavedSite[]
}

/** Of more edits than these the two oldest count as one that promised what either did. */
const keptSuperseded = 50

function bounded(superseded: readonly SupersededPromise[]): SupersededPromise[] {
  const [oldest, next, ...rest] = superseded
  if (oldest === undefined || next === undefined || superseded.length <= keptSuperseded)
    return [...superseded]
  const promiseMs = Math.max(oldest.promiseMs, next.promiseMs)
  return [{ promiseMs, tokenMs: Math.max(oldest.tokenMs, next.tokenMs), at: next.at }, ...rest]
}

/** What a site that was saved by an earlier version has not. */
const laterPolicies = { hsts: null, errorPages: [] } as const

const laterSites = { wentBackTo: null } as const

export class SiteRegister {
  readonly #sites = new Map<SiteName, Site>()
  #nextIndex = 0

  get sites(): readonly Site[] {
    return [...this.#sites.values()]
  }

  site(name: SiteName): Site | null {
    return this.#sites.get(name) ?? null
  }

  /** All that stand for a release now. */
  get indexes(): ReadonlySet<ReleaseIndex> {
    const indexes = new Set<ReleaseIndex>()
    for (const { releases } of this.#sites.values())
      for (const { index } of releases.values()) indexes.add(index)
    return indexes
  }

  addSite(policy: SitePolicy, file: string): Site {
    const site: Site = {
      policy,
      file,
      releases: new Map(),
      superseded: [],
      nextOrdinal: 0,
      wasEverActive: false,
      frozenBy: null,
      ordered: null,
      overruled: null,
      wentBackTo: null,
      rollout: null,
      ended: [],
    }
    this.#sites.set(policy.site, site)
    return site
  }

  /** The new policy rules from the next publication on; what is promised under the old one is remembered. */
  usePolicy(site: Site, policy: SitePolicy): void {
    const former = { promiseMs: touchSpanMs(site), tokenMs: tokenSpanMs(site.policy) }
    const isSame =
      promiseSpanMs(site.policy.session) === promiseSpanMs(policy.session) &&
      former.tokenMs === tokenSpanMs(policy)
    if (!isSame) site.superseded = bounded([...site.superseded, { ...former, at: Infinity }])
    if (site.overruled !== policy.active) site.overruled = null
    site.policy = policy
  }

  /** Every worker goes by the present policies: from now on nothing is promised under those before. */
  formerPoliciesEnded(now: number): void {
    for (const site of this.#sites.values()) {
      if (site.superseded.every(({ at }) => at < Infinity)) continue
      site.superseded = site.superseded.map((each) => (each.at < Infinity ? each : { ...each, at: now }))
    }
  }

  addRelease(
    site: Site,
    registration: Registration,
    isForgetting: (index: ReleaseIndex) => boolean,
  ): Release {
    const release: Release = {
      index: this.#freeIndex(isForgetting),
      registration,
      ordinal: site.nextOrdinal++,
      generation: 1,
      withdrawn: false,
      wasActive: false,
      isFounder: !site.wasEverActive,
      activatedAt: null,
      wasGivenUp: false,
      formerTargets: [],
      moveOrder: null,
      ending: null,
      state: { name: 'registered', since: 0 },
    }
    site.releases.set(registration.version, release)
    return release
  }

  removeRelease(site: Site, release: Release): void {
    site.releases.delete(release.registration.version)
    if (site.file === null && site.releases.size === 0) this.#sites.delete(site.policy.site)
  }

  removeEmptySite(site: Site): void {
    if (site.releases.size === 0) this.#sites.delete(site.policy.site)
  }

  /** Indexes go up and come round: one that stands for a known release, or is being forgotten, is passed over. */
  #freeIndex(isForgetting: (index: ReleaseIndex) => boolean): ReleaseIndex {
    const taken = this.indexes
    for (;;) {
      const index = (this.#nextIndex % 65_535) as ReleaseIndex
      this.#nextIndex = (index + 1) % 65_535
      if (!taken.has(index) && !isForgetting(index)) return index
    }
  }

  save(): SavedRegister {
    const sites = this.sites.map((site) => ({ ...site, releases: [...site.releases.values()] }))
    return { nextIndex: this.#nextIndex, sites }
  }

  restore(saved: SavedRegister): void {
    this.#nextIndex = saved.nextIndex
    for (const site of saved.sites) {
      const releases = new Map(site.releases.map((release) => [release.registration.version, release]))
      // In the order of what was saved: the same file as before is no other policy.
      const policy = { ...site.policy, ...laterPolicies, ...site.policy }
      this.#sites.set(policy.site, {
        ...laterSites,
        ...site,
        policy,
        superseded: [...site.superseded],
        releases,
      })
    }
  }
}

/** The longest that any session counts which is touched, or handed a token, at or after `since`. */
export function longestPromiseMs(site: Site, since: number): number {
  const former = site.superseded.filter((each) => each.at >= since).map((each) => each.promiseMs)
  return Math.max(touchSpanMs(site), ...former)
}

/** By the present policy: idle time and grain, or as long as a held token of this or of a former maximum age is honoured. */
function touchSpanMs(site: Site): number {
  const { session } = site.policy
  return Math.min(session.idleTimeoutMs + grainMs(session), longestTokenMs(site))
}

/** By the site's order: negative when `a` comes before `b`. */
export function compareReleases(site: Site, a: Release, b: Release): number {
  return site.policy.order === 'registration'
    ? a.ordinal - b.ordinal
    : compareVersions(a.registration.version, b.registration.version)
}

/** By the site's order over versions; NaN where that is registration and one of them is not known. */
export function versionOrder(site: Site): VersionOrder {
  if (site.policy.order === 'version') return compareVersions
  const ordinalOf = (version: ReleaseVersion): number => site.releases.get(version)?.ordinal ?? NaN
  return (a, b) => (a === b ? 0 : ordinalOf(a) - ordinalOf(b))
}

/** The longest that a token handed out under the policy can be honoured, held ones included. */
function tokenSpanMs({ session }: SitePolicy): number {
  return Math.max(promiseSpanMs(session), session.maxAgeMs)
}

/** The longest that any token of the site can be honoured, by the present policy and those before it. */
export function longestTokenMs(site: Site): number {
  return Math.max(tokenSpanMs(site.policy), ...site.superseded.map((each) => each.tokenMs))
}

/** Those that accept births: both arms of a rollout, the stable one first; else one or none. */
export function activeReleases(site: Site): Release[] {
  const active = [...site.releases.values()].filter(acceptsBirths)
  const isCandidate = (release: Release): number =>
    Number(release.registration.version === site.rollout?.candidate)
  return active.sort((a, b) => isCandidate(a) - isCandidate(b))
}

/** The one that accepts births; during a rollout the stable one. */
export function activeRelease(site: Site): Release | null {
  return activeReleases(site)[0] ?? null
}

/** A release's share of the births, 0 to 1. */
export function birthShare(site: Site, release: Release): number {
  if (!acceptsBirths(release)) return 0
  return site.rollout === null ? 1 : shareIn(site.rollout, release.registration.version)
}

/** Whether no release is activated by itself, by the file or by an order. */
export function isFrozen(site: Site): boolean {
  return site.policy.freeze || site.frozenBy !== null
}

/** The version that the site's file wants to be active; null where it does not steer, or was overruled. */
export function steeredTo(site: Site): ReleaseVersion | null {
  const { active } = site.policy
  return active === site.overruled ? null : active
}

/** Releases on their way out, the latest activated first. */
export function formerReleases(site: Site): Release[] {
  return [...site.releases.values()]
    .filter(isOnItsWayOut)
    .sort((a, b) => (b.activatedAt ?? 0) - (a.activatedAt ?? 0))
}
