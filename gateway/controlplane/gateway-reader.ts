// The control plane as the admin API and the metrics read it. Only reads and renders; the few orders are handed on.
import type { ReleaseVersion } from '../domain/ids.js'
import { isoText } from '../domain/instant-text.js'
import { acceptsBirths, serves, type Release } from '../domain/release.js'
import type { TargetHealth } from '../domain/target-health.js'
import type { Verdict } from '../domain/verdict.js'
import type {
  EventStatus,
  GatewayStatus,
  PlanStatus,
  ReleaseStatus,
  RolloutStatus,
  SiteStatus,
  TargetStatus,
} from './admin-protocol.js'
import type { ControlPlane } from './control-plane.js'
import { departureStatus } from './departure-status.js'
import type { GatewayReading, GatewayView, Order, RecallOrder, ReleaseReading } from './gateway-view.js'
import { plannedActivation } from './planned-activation.js'
import { rolloutStatus } from './rollout-status.js'
import { knownRelease, knownSite } from './known-release.js'
import { RuleRefusal } from './rule-refusal.js'
import { birthShare, compareReleases, isFrozen, type Site } from './site-register.js'
import { requirementsOf } from './site-requirements.js'
import { siteWarnings } from './status-warnings.js'
import { verdictStatus } from './verdict-status.js'

export interface ReaderOptions {
  readonly plane: ControlPlane
  readonly startedAt: number
  readonly publicUrl: () => string
  readonly usesGeneratedKeys: boolean
}

export class GatewayReader implements GatewayView {
  readonly #options: ReaderOptions
  readonly #plane: ControlPlane

  constructor(options: ReaderOptions) {
    this.#options = options
    this.#plane = options.plane
  }

  status(): GatewayStatus {
    const waitingFor = this.#plane.readiness.waitingFor()
    const { problems, keptFiles } = this.#plane.config
    const { ageMs, problem } = this.#plane.state
    return {
      ready: waitingFor.length === 0,
      waitingFor,
      startedAt: isoText(this.#options.startedAt),
      publicUrl: this.#options.publicUrl(),
      workers: this.#plane.parts.supervisor.workers,
      config: { problems, keptFiles },
      state: { ageMs: Math.floor(ageMs), problem },
    }
  }

  isReadingSessions(): boolean {
    return this.#plane.parts.ledger.isSuspended
  }

  sites(): readonly SiteStatus[] {
    return this.#plane.register.sites.map((site) => this.#siteStatus(site))
  }

  #siteStatus(site: Site): SiteStatus {
    const releases = newestFirst(site)
    return {
      site: site.policy.site,
      hosts: site.policy.hosts,
      active: releases.filter(acceptsBirths).map((release) => release.registration.version),
      frozen: isFrozen(site),
      rollout: this.#rolloutStatus(site),
      warnings: siteWarnings(this.#plane, site),
      releases: releases.map((release) => this.#releaseStatus(release)),
    }
  }

  #rolloutStatus(site: Site): RolloutStatus | null {
    const progress = this.#plane.controller.rollouts.progress(site)
    return progress === null ? null : rolloutStatus(progress, this.#plane.spans)
  }

  plan(siteName: string, version: string): PlanStatus | null {
    const site = this.#plane.register.sites.find((each) => each.policy.site === siteName)
    const release = site?.releases.get(version as ReleaseVersion)
    return site === undefined || release === undefined ? null : plannedActivation(this.#plane, site, release)
  }

  releases(name: string): readonly ReleaseStatus[] | null {
    const site = this.#plane.register.sites.find((each) => each.policy.site === name)
    return site === undefined ? null : newestFirst(site).map((release) => this.#releaseStatus(release))
  }

  events(limit: number, before?: number): readonly EventStatus[] {
    return this.#plane.events.list(limit, before).map(({ sequence, event }) => {
      const { id, at, type, site, release, from, to, cause, hash } = event
      return { sequence, id, at: isoText(at), type, site, release, from, to, cause, hash }
    })
  }

  rotateKeys(by: string): Promise<{ readonly keyId: number }> {
    return this.#plane.keyKeeper.rotate(by)
  }

  async activate(siteName: string, version: string, order: Order): Promise<ReleaseStatus> {
    const { site, release } = knownRelease(this.#plane.register, siteName, version)
    this.#plane.controller.orders.activate(site, release, order)
    return this.#releaseStatus(knownRelease(this.#plane.register, siteName, version).release)
  }

  async drain(siteName: string, version: string, order: Order): Promise<ReleaseStatus> {
    const { site, release } = knownRelease(this.#plane.register, siteName, version)
    this.#plane.controller.orders.drain(site, release, order)
    return this.#releaseStatus(knownRelease(this.#plane.register, siteName, version).release)
  }

  async rollback(siteName: string, order: Order & { readonly to: string | null }): Promise<ReleaseStatus> {
    const { registration } = this.#plane.controller.orders.rollback(
      knownSite(this.#plane.register, siteName),
      order,
    )
    return this.#releaseStatus(knownRelease(this.#plane.register, siteName, registration.version).release)
  }

  async freeze(siteName: string, order: Order): Promise<SiteStatus> {
    this.#plane.controller.orders.freeze(knownSite(this.#plane.register, siteName), order)
    return this.#siteStatus(knownSite(this.#plane.register, siteName))
  }

  async unfreeze(siteName: string, order: Order): Promise<SiteStatus> {
    this.#plane.controller.orders.unfreeze(knownSite(this.#plane.register, siteName), order)
    return this.#siteStatus(knownSite(this.#plane.register, siteName))
  }

  async retire(siteName: string, version: string, order: Order): Promise<ReleaseStatus> {
    const { site, release: found } = knownRelease(this.#plane.register, siteName, version)
    const { retirement, departures } = this.#plane.controller
    const { state } = found
    if (state.name === 'retirable') retirement.retire(found, order.by)
    else if (state.name !== 'retired' && order.force) departures.announceEnd(site, found, order)
    else if (state.name !== 'retired') {
      const text = verdictStatus(retirement.verdictOf(found), this.#now).text
      throw new RuleRefusal('retire-needs-retirable', `"${version}" is ${state.name}: ${text}`)
    }
    return this.#releaseStatus(knownRelease(this.#plane.register, siteName, version).release)
  }

  async cancelEnd(siteName: string, version: string, order: Order): Promise<ReleaseStatus> {
    const { site, release } = knownRelease(this.#plane.register, siteName, version)
    this.#plane.controller.departures.cancelEnd(site, release, order)
    return this.#releaseStatus(knownRelease(this.#plane.register, siteName, version).release)
  }

  async recall(siteName: string, version: string, order: RecallOrder): Promise<ReleaseStatus> {
    const { site, release } = knownRelease(this.#plane.register, siteName, version)
    this.#plane.controller.departures.recall(site, release, order)
    return this.#releaseStatus(knownRelease(this.#plane.register, siteName, version).release)
  }

  async cancelRecall(siteName: string, version: string, order: Order): Promise<ReleaseStatus> {
    const { site, release } = knownRelease(this.#plane.register, siteName, version)
    this.#plane.controller.departures.cancelRecall(site, release, order)
    return this.#releaseStatus(knownRelease(this.#plane.register, siteName, version).release)
  }

  reading(): GatewayReading {
    const { config, traffic, reloads, parts, register, state } = this.#plane
    const { supervisor } = parts
    return {
      releases: register.sites.flatMap((site) =>
        [...site.releases.values()].map((release) => this.#releaseReading(site, release)),
      ),
      sites: traffic.sites(),
      configFiles: config.files.map(({ file, isValid }) => ({ file, valid: isValid })),
      configReloads: reloads,
      workers: { running: supervisor.workers.length, lost: supervisor.lost },
      stateAgeMs: state.ageMs,
      usesGeneratedKeys: this.#options.usesGeneratedKeys,
      connections: traffic.connections,
      frontRefusals: traffic.frontRefusals(),
    }
  }

  get #now(): number {
    return this.#plane.parts.clock.now()
  }

  #releaseReading(site: Site, release: Release): ReleaseReading {
    const { prober, controller, parts, traffic, register } = this.#plane
    const sessions = parts.ledger.of(release.index)
    const verdict = controller.retirement.verdictOf(release)
    const figures = traffic.of(release.index)
    return {
      site: site.policy.site,
      version: release.registration.version,
      state: release.state.name,
      acceptsBirths: acceptsBirths(release),
      overflows: controller.departures.isOverflowing(site, release),
      endsAt: controller.departures.endsAt(release) ?? NaN,
      share: birthShare(site, release),
      isStranded: controller.births.whyStranded(site, release) !== null,
      requirements: acceptsBirths(release) ? requirementsOf(register, release) : [],
      retirable: retirableValue(release, verdict),
      emptyBy: verdict.kind === 'blocked' && verdict.emptyBy !== null ? verdict.emptyBy : NaN,
      active: sessions.active,
      provisional: this.#provisional(site, release, figures.births),
      confirmed: sessions.confirmed,
      ended: sessions.ended,
      oldestBornAt: sessions.oldestBornAt,
      targets: release.registration.targets.map((url) => ({
        url,
        healthy: isHealthy(prober.healthOf(release.index, url)),
        ejectedBy: traffic.ejectedBy(url),
      })),
      traffic: figures,
    }
  }

  #provisional(site: Site, release: Release, births: number): number {
    const { provisional, parts } = this.#plane
    const windowMs = site.policy.session.provisionalTimeoutMs
    const born = provisional.bornWithin(release.index, births, this.#now, windowMs)
    return Math.max(0, born - parts.ledger.confirmedSince(release.index, this.#now - windowMs))
  }

  #releaseStatus(release: Release): ReleaseStatus {
    const { registration, state } = release
    const { controller, parts, traffic, register } = this.#plane
    const site = register.site(registration.site)
    const sessions = parts.ledger.of(release.index)
    const figures = traffic.of(release.index)
    return {
      site: registration.site,
      version: registration.version,
      state: state.name,
      since: isoText(state.since),
      withdrawn: release.withdrawn,
      rejected: state.name === 'rejected' ? state.why : null,
      generation: release.generation,
      serves: serves(release) && !controller.retirement.isLeaving(release.index),
      acceptsBirths: acceptsBirths(release),
      share: site === null ? 0 : birthShare(site, release),
      rollout: site?.rollout?.candidate === release.registration.version ? this.#rolloutStatus(site) : null,
      file: registration.file,
      hash: registration.hash,
      targets: this.#targets(release),
      sessions: {
        active: sessions.active,
        provisional: site === null ? 0 : this.#provisional(site, release, figures.births),
        oldest: sessions.active === 0 || sessions.oldestBornAt === 0 ? null : isoText(sessions.oldestBornAt),
      },
      births: figures.births,
      exchangesOpen: figures.exchangesOpen,
      websocketsOpen: figures.socketsOpen,
      verdict: verdictStatus(controller.retirement.verdictOf(release), this.#now),
      ...departureStatus(this.#plane, site, release),
    }
  }

  #targets(release: Release): TargetStatus[] {
    return release.registration.targets.map((url) => {
      const health = this.#plane.prober.healthOf(release.index, url)
      const last = health?.last ?? null
      return {
        url,
        healthy: isHealthy(health),
        lastProbe: last === null ? null : { ...last, at: isoText(last.at) },
      }
    })
  }
}

/** Null before the first probe has answered. */
function isHealthy(health: TargetHealth | null): boolean | null {
  return health === null || health.last === null
    ? null
    : health.state === 'healthy' || health.state === 'assumed'
}

/** 1, 0, or NaN when unknown. A retired release is as retirable as can be. */
function retirableValue(release: Release, verdict: Verdict): number {
  if (release.state.name === 'retired') return 1
  if (verdict.kind === 'unknown') return NaN
  return verdict.kind === 'retirable' ? 1 : 0
}

function newestFirst(site: Site): Release[] {
  return [...site.releases.values()].sort((a, b) => compareReleases(site, b, a))
}
