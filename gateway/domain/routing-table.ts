// The immutable table by which a worker routes: what the control plane publishes (plain values that cross a process
// border) and the form in which a request looks things up. Everything a request needs is computed here, once.
import type { AdoptionSpec } from './adoption-spec.js'
import { ErrorPages, type ErrorPage } from './error-template.js'
import { GoneReleases, type GoneSpec } from './gone-releases.js'
import { HostNames } from './host-names.js'
import type { ReleaseIndex, ReleaseVersion, SiteName, TargetUrl } from './ids.js'
import { announcement, type Departure, type Move, type MoveCause, type MoveMoment } from './moves.js'
import type { PagePin } from './page-pin.js'
import { PathSet } from './path-pattern.js'
import type { TimeSpan } from './session.js'
import { pickByShare } from './shares.js'
import { applicationCookie, type PathPattern, type SessionPolicy } from './site-policy.js'
import { targetTag } from './target-tag.js'

export interface TargetSpec {
  readonly url: TargetUrl
  /** As its probes say; an unhealthy target gets no births and is tried only for want of another. */
  readonly isHealthy: boolean
}

/** A release that serves. One that does not is not in the table. */
export interface ReleaseSpec extends Departure {
  readonly index: ReleaseIndex
  readonly version: ReleaseVersion
  /** Share of births, 0 to 1; 0 accepts none. */
  readonly share: number
  /** It is or was active: pages of it may be open. */
  readonly isLive: boolean
  readonly targets: readonly TargetSpec[]
}

export interface SiteSpec {
  readonly site: SiteName
  readonly hosts: readonly string[]
  readonly session: SessionPolicy
  readonly stateless: readonly string[]
  /** The line `Strict-Transport-Security` of answers under TLS; empty for none. */
  readonly transportSecurity: string
  /** The site's own pages for errors. */
  readonly errorPages: readonly ErrorPage[]
  /** Paths of what another release may have where the visitor's own has not; none: never looked for. */
  readonly assets: readonly PathPattern[]
  /** Null where pages may not name their release. */
  readonly pagePin: PagePin | null
  readonly adoption: AdoptionSpec | null
  /**
   * Another in every rollout, so that an old hash decides nothing in a new one; the same in all its steps, so that who
   * has met the candidate without keeping a token meets it again.
   */
  readonly rolloutId: string
  readonly releases: readonly ReleaseSpec[]
  readonly gone?: GoneSpec
}

/** What the control plane publishes. */
export interface TableSpec {
  /** Grows with every publication of one run of the gateway. */
  readonly generation: number
  /** The id of this gateway's state; other issuers' tokens are honoured and reported. */
  readonly issuer: string
  /** Spans that do not count as idling, in order of time. */
  readonly spans: readonly TimeSpan[]
  /** How far ahead a token's birth may lie before it is taken for hostile, ms. */
  readonly futureToleranceMs: number
  readonly sites: readonly SiteSpec[]
}

export interface TargetRoute extends TargetSpec {
  /** What a token says instead of the address. */
  readonly tag: number
}

/** Where the sessions of a release move. */
export interface MoveRoute {
  readonly to: ReleaseRoute
  readonly because: MoveCause
  readonly at: MoveMoment
  /** How many sessions a second one worker may move; Infinity: as they come. */
  readonly perSecond: number
}

export interface ReleaseRoute {
  readonly site: SiteRoute
  readonly index: ReleaseIndex
  readonly version: ReleaseVersion
  readonly share: number
  readonly isLive: boolean
  readonly targets: readonly TargetRoute[]
  /** The healthy targets; all of them where none is healthy. */
  readonly usableTargets: readonly TargetRoute[]
  readonly isHealthy: boolean
  /** Whether anything lets its sessions leave it: false for nearly every release at nearly every time. */
  readonly mayLose: boolean
  readonly move: MoveRoute | null
  /** Its sessions are born anew at their next document. */
  readonly startsOver: boolean
  readonly isDead: boolean
  /** It is about to be taken out of service: a session that is over is not revived there. */
  readonly isClosing: boolean
  /** The field line that announces its end; empty without one. */
  readonly endsLine: string
  targetByTag(tag: number): TargetRoute | null
}

/** First adoption, as a request looks it up. */
export interface AdoptionRoute {
  readonly cookie: string
  readonly release: ReleaseRoute | null
  readonly until: number
}

export interface SiteRoute {
  readonly name: SiteName
  readonly session: SessionPolicy
  readonly stateless: PathSet
  /** Paths whose success ends the session: logouts. */
  readonly endsOn: PathSet
  /** The line `Strict-Transport-Security` of answers under TLS; empty for none. */
  readonly transportSecurity: string
  readonly errorPages: ErrorPages
  /** Null where nothing is looked for in other releases. */
  readonly assets: PathSet | null
  readonly pagePin: PagePin | null
  readonly adoption: AdoptionRoute | null
  /** The application's own session cookie, where the site's file names it. */
  readonly applicationCookie: string | null
  readonly rolloutId: string
  readonly spans: readonly TimeSpan[]
  readonly releases: readonly ReleaseRoute[]
  /** The release of that version, if it serves. */
  release(version: ReleaseVersion): ReleaseRoute | null
  /** The release for a birth, by a hash from 0 to 2^32 - 1; null when none accepts births. */
  accepting(hash: number): ReleaseRoute | null
  readonly gone: GoneReleases
  /** Whether the hash decides anything: more than one release accepts births. */
  readonly isSplit: boolean
}

export interface RoutingTable {
  readonly generation: number
  readonly issuer: string
  readonly futureToleranceMs: number
  readonly spans: readonly TimeSpan[]
  readonly sites: readonly SiteRoute[]
  /** By the Host header's name, lower case and without port. */
  siteOf(host: string): SiteRoute | null
  siteNamed(name: SiteName): SiteRoute | null
}

/** Builds the table that requests use. Cost: linear in releases and targets; done once a publication. */
export function buildRoutingTable(spec: TableSpec): RoutingTable {
  const sites = spec.sites.map((site) => new BuiltSite(site, spec.spans))
  return new BuiltTable(spec, sites)
}

class BuiltTable implements RoutingTable {
  readonly generation: number
  readonly issuer: string
  readonly futureToleranceMs: number
  readonly spans: readonly TimeSpan[]
  readonly sites: readonly SiteRoute[]
  readonly #byHost = new HostNames<SiteRoute>()
  readonly #byName: ReadonlyMap<SiteName, SiteRoute>

  constructor(spec: TableSpec, sites: readonly BuiltSite[]) {
    this.generation = spec.generation
    this.issuer = spec.issuer
    this.futureToleranceMs = spec.futureToleranceMs
    this.spans = spec.spans
    this.sites = sites
    this.#byName = new Map(sites.map((site) => [site.name, site]))
    sites.forEach((site) => site.hosts.forEach((host) => this.#byHost.add(host, site)))
  }

  siteOf(host: string): SiteRoute | null {
    return this.#byHost.find(host)
  }

  siteNamed(name: SiteName): SiteRoute | null {
    return this.#byName.get(name) ?? null
  }
}

class BuiltSite implements SiteRoute {
  readonly name: SiteName
  readonly hosts: readonly string[]
  readonly session: SessionPolicy
  readonly stateless: PathSet
  readonly endsOn: PathSet
  readonly transportSecurity: string
  readonly errorPages: ErrorPages
  readonly assets: PathSet | null
  readonly pagePin: PagePin | null
  readonly adoption: AdoptionRoute | null
  readonly applicationCookie: string | null
  readonly rolloutId: string
  readonly spans: readonly TimeSpan[]
  readonly releases: readonly ReleaseRoute[]
  readonly isSplit: boolean
  readonly gone: GoneReleases
  readonly #byVersion: ReadonlyMap<ReleaseVersion, ReleaseRoute>
  readonly #accepting: readonly ReleaseRoute[]

  constructor(spec: SiteSpec, spans: readonly TimeSpan[]) {
    this.name = spec.site
    this.hosts = spec.hosts
    this.session = spec.session
    this.stateless = new PathSet(spec.stateless)
    this.endsOn = new PathSet(spec.session.endsOn.paths)
    this.transportSecurity = spec.transportSecurity
    this.errorPages = new ErrorPages(spec.errorPages)
    this.assets = spec.assets.length === 0 ? null : new PathSet(spec.assets)
    this.pagePin = spec.pagePin
    this.applicationCookie = applicationCookie(spec.session)
    this.rolloutId = spec.rolloutId
    this.spans = spans
    const releases = spec.releases.map((release) => new BuiltRelease(this, release))
    this.releases = releases
    this.#byVersion = new Map(releases.map((release) => [release.version, release]))
    spec.releases.forEach(({ move }, i) => releases[i]?.linkMove(move ?? null))
    this.gone = new GoneReleases(spec.gone)
    this.adoption = adoptionRoute(spec.adoption, this.releases)
    this.#accepting = this.releases.filter((release) => release.share > 0)
    this.isSplit = this.#accepting.length > 1
  }

  release(version: ReleaseVersion): ReleaseRoute | null {
    return this.#byVersion.get(version) ?? null
  }

  accepting(hash: number): ReleaseRoute | null {
    const first = this.#accepting[0]
    if (first === undefined) return null
    if (!this.isSplit) return first
    const healthy = this.#accepting.filter((release) => release.isHealthy)
    return pickByShare(healthy.length > 0 ? healthy : this.#accepting, hash / 2 ** 32)
  }
}

function adoptionRoute(spec: AdoptionSpec | null, releases: readonly ReleaseRoute[]): AdoptionRoute | null {
  if (spec === null) return null
  const release = releases.find(({ index }) => index === spec.release) ?? null
  return { cookie: spec.cookie, until: spec.until, release }
}

class BuiltRelease implements ReleaseRoute {
  readonly site: SiteRoute
  readonly index: ReleaseIndex
  readonly version: ReleaseVersion
  readonly share: number
  readonly isLive: boolean
  readonly targets: readonly TargetRoute[]
  readonly usableTargets: readonly TargetRoute[]
  readonly isHealthy: boolean
  mayLose: boolean
  move: MoveRoute | null = null
  readonly startsOver: boolean
  readonly isDead: boolean
  readonly isClosing: boolean
  readonly endsLine: string
  readonly #byTag: ReadonlyMap<number, TargetRoute>

  constructor(site: SiteRoute, spec: ReleaseSpec) {
    this.site = site
    this.index = spec.index
    this.version = spec.version
    this.share = spec.share
    this.isLive = spec.isLive
    this.targets = spec.targets.map((target) => ({
      url: target.url,
      isHealthy: target.isHealthy,
      tag: targetTag(site.name, spec.version, target.url),
    }))
    const healthy = this.targets.filter((target) => target.isHealthy)
    this.isHealthy = healthy.length > 0
    this.usableTargets = this.isHealthy ? healthy : this.targets
    this.#byTag = new Map(this.targets.map((target) => [target.tag, target]))
    this.startsOver = spec.startsOver === true
    this.isDead = spec.isDead === true
    this.isClosing = spec.isClosing === true
    this.mayLose = this.startsOver
    this.endsLine = announcement(spec.endsAt ?? null)
  }

  /** Once all releases of the site are built; one that is not among them takes nobody. */
  linkMove(move: Move | null): void {
    const to = move === null ? null : this.site.release(move.to)
    if (move === null || to === null || to === this) return
    this.move = { to, because: move.because, at: move.at, perSecond: move.perSecond }
    this.mayLose = true
  }

  targetByTag(tag: number): TargetRoute | null {
    // Most releases have one target; with many releases a table that is rarely needed is out of the processor's cache.
    const first = this.targets[0]
    return first?.tag === tag ? first : (this.#byTag.get(tag) ?? null)
  }
}
