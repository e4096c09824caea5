// The single writer of release state. It reads like the story of a deployment: follow the files, check what is new,
// let it accept births once every worker serves it, drain what came before, retire what is provably empty.
import type { ReleaseIndex, TargetUrl } from '../domain/ids.js'
import type { Clock } from '../domain/ports.js'
import { servedTargets, serves, transition, type Release, type ReleaseEvent } from '../domain/release.js'
import type { Registration } from '../domain/registration.js'
import type { TimeSpan } from '../domain/session.js'
import { isUsable } from '../domain/target-health.js'
import { isAwaitedByAdoption } from './adoption.js'
import { BirthsReturn } from './births-return.js'
import { releaseAbove, standing } from './boarding-rules.js'
import type { DesiredState } from './config/desired-state.js'
import { Departures, noteDeparture } from './departures.js'
import type { Doubts } from './doubts.js'
import type { EventLog } from './event-log.js'
import type { EvidenceBook } from './evidence-book.js'
import type { HealthProber, ProbePlan } from './health-prober.js'
import { OperatorOrders } from './operator-orders.js'
import type { Publisher } from './publisher.js'
import { RegistrationFollower } from './registration-follower.js'
import { ReleaseRetirement } from './release-retirement.js'
import { otherArm, Rollouts } from './rollouts.js'
import type { SessionLedger } from './session-ledger.js'
import { SiteWarnings } from './site-warnings.js'
import { activeRelease, activeReleases, steeredTo, type Site, type SiteRegister } from './site-register.js'
import type { Traffic } from './traffic.js'

export interface ControllerParts {
  readonly clock: Clock
  readonly register: SiteRegister
  readonly evidence: EvidenceBook
  readonly doubts: Doubts
  readonly ledger: SessionLedger
  readonly prober: HealthProber
  readonly publisher: Publisher
  readonly traffic: Traffic
  readonly events: EventLog
  /** Time that did not count as idling. */
  readonly spans: () => readonly TimeSpan[]
  /** The state has changed: publish it, keep it. */
  readonly onChange: () => void
  /** A release is known no more. */
  readonly onRemoved: (release: ReleaseIndex) => void
}

export class ReleaseController {
  readonly #parts: ControllerParts
  /** Targets that served when the gateway stopped: used at once, health is learnt meanwhile. */
  readonly #assumed = new Map<ReleaseIndex, readonly TargetUrl[]>()
  /** Verdicts, and the way out of service. */
  readonly retirement: ReleaseRetirement
  readonly orders: OperatorOrders
  readonly rollouts: Rollouts
  readonly births: BirthsReturn
  readonly departures: Departures
  #hasChanged = false
  readonly #warnings: SiteWarnings
  readonly #registrations: RegistrationFollower

  constructor(parts: ControllerParts) {
    this.#parts = parts
    this.#warnings = new SiteWarnings(parts.events)
    const acts = {
      apply: (site: Site, release: Release, event: ReleaseEvent, cause: string) =>
        this.#apply(site, release, event, cause),
      activate: (site: Site, release: Release, cause: string) => this.#activate(site, release, cause),
      isHealthy: (release: Release) => this.#isHealthy(release),
      isUsable: (release: Release) =>
        release.registration.targets.some((url) => this.#isUsableTarget(release, url)),
      settle: () => this.settle(),
    }
    this.rollouts = new Rollouts({ ...parts, ...acts })
    this.births = new BirthsReturn({ ...parts, ...acts, warnings: this.#warnings })
    this.departures = new Departures({ ...parts, ...acts })
    this.retirement = new ReleaseRetirement({ ...parts, ...acts, warnings: this.#warnings })
    this.orders = new OperatorOrders({
      ...parts,
      ...acts,
      giveBack: (site, from) => this.births.giveBack(site, from),
    })
    this.#registrations = new RegistrationFollower({
      ...parts,
      ...acts,
      giveBack: (site, from) => this.births.giveBack(site, from),
      remove: (site, release) => this.#remove(site, release),
    })
    for (const site of parts.register.sites) {
      for (const release of site.releases.values()) {
        const hadPassed = serves(release) && !['registered', 'checking'].includes(release.state.name)
        if (hadPassed) this.#assumed.set(release.index, servedTargets(release))
      }
    }
  }

  /** The configuration says this now. */
  follow(desired: DesiredState): void {
    this.#registrations.follow(desired)
    this.settle()
  }

  /**
   * Carries every release as far as it can go; called after everything that may let one go on. Published once, at its
   * end: between two changes that belong together nobody is to find no release that accepts births.
   */
  settle(): void {
    const { sites } = this.#parts.register
    // What one site does may be what another has waited for (`requires`).
    for (let round = 0; round <= sites.length; round++) {
      this.#hasChanged = false
      for (const site of sites) this.#settleSite(site)
      if (!this.#hasChanged) break
    }
    this.#probe()
    this.#hasChanged = false
    this.#parts.onChange()
  }

  /** A round of reports is in. */
  judge(): void {
    this.retirement.judge()
    if (this.#hasChanged) this.settle()
  }

  // -- checking and activating ------------------------------------------------------------------------------------------

  #settleSite(site: Site): void {
    for (const { registration } of [...site.releases.values()]) {
      this.#settleRelease(site, registration.version)
    }
    this.#steer(site)
    this.rollouts.follow(site)
    this.births.followHealth(site)
    this.births.giveOwed(site)
    this.departures.follow(site)
    this.#warnings.closed(site)
    this.#warnings.requirements(site, this.#parts.register)
  }

  #settleRelease(site: Site, version: Registration['version']): void {
    const current = (): Release | undefined => site.releases.get(version)
    const release = current()
    if (release === undefined) return
    if (release.state.name === 'registered')
      this.#apply(site, release, { type: 'check' }, 'its registration is valid')
    const checking = current()
    if (checking?.state.name === 'checking' && this.#isHealthy(checking)) {
      this.#apply(site, checking, { type: 'checked' }, 'every target is healthy')
    }
    const retargeted = current()
    if (
      retargeted !== undefined &&
      retargeted.registration.targets.some((url) => this.#isProven(retargeted, url))
    ) {
      this.#apply(site, retargeted, { type: 'retargeted' }, 'a new target is healthy')
    }
    const staged = current()
    if (staged?.state.name === 'staged') this.#board(site, staged)
    const waiting = current()
    if (waiting !== undefined && this.#isAwaited(site, waiting)) {
      this.#apply(site, waiting, { type: 'drain', because: 'adoption' }, 'site.yaml: session.legacy')
    }
    const retired = current()
    if (retired?.state.name === 'retired' && retired.withdrawn) this.#remove(site, retired)
  }

  /** A checked release boards when an order or its plan says so; one that was there from the start serves meanwhile. */
  #board(site: Site, release: Release): void {
    const { publisher, register, clock } = this.#parts
    if (!publisher.isServedEverywhere(release.index)) return
    const { version, activate: plan } = release.registration
    if (site.ordered?.version === version) return this.#activate(site, release, site.ordered.by)
    // A release that the file steers to boards by `#steer`.
    if (steeredTo(site) !== null) return
    const isBelow = releaseAbove(site, release) !== null
    if (isBelow && plan.kind === 'auto' && release.isFounder) {
      return this.#apply(
        site,
        release,
        { type: 'drain', because: 'below-active' },
        'a higher version is active',
      )
    }
    if (standing(register, site, release, clock.now()).kind !== 'boards') return
    const stable = activeRelease(site)
    if (plan.kind === 'steps' && stable !== null) this.rollouts.begin(site, stable, release, plan)
    else this.#activate(site, release, `activate: ${plan.kind}`)
  }

  /** `active` in the site's file: that release boards as soon as it can, whatever its own plan says. */
  #steer(site: Site): void {
    const { publisher, register, clock } = this.#parts
    const version = steeredTo(site)
    const release = version === null ? undefined : site.releases.get(version)
    if (release === undefined || release.withdrawn || release.wasGivenUp) return
    const isArm = otherArm(site, release) !== null
    if (!isArm && !['staged', 'draining', 'retirable'].includes(release.state.name)) return
    if (!this.#isHealthy(release) || !publisher.isServedEverywhere(release.index)) return
    if (standing(register, site, release, clock.now()).kind !== 'boards') return
    this.#activate(site, release, 'site.yaml: active')
  }

  /** All births go to the release from now on; whoever had them drains, and a rollout is over. */
  #activate(site: Site, release: Release, cause: string): void {
    const { version } = release.registration
    const isAbort = site.rollout?.stable === version
    const unproven = this.rollouts.end(site, release, cause)
    for (const other of activeReleases(site)) {
      if (other.index === release.index) continue
      const because = other.registration.version === unproven ? 'aborted' : 'superseded'
      this.#apply(site, other, { type: 'drain', because }, isAbort ? cause : `"${version}" is active`)
      if (isAbort) this.rollouts.releaseBorn(site, current(site, other), release, cause)
    }
    this.#apply(site, release, { type: 'activate' }, cause)
    site.wasEverActive = true
    if (site.wentBackTo !== version) site.wentBackTo = null
    if (site.ordered?.version === version) site.ordered = null
  }

  /** Visitors from before the gateway may board it although it was never active. */
  #isAwaited(site: Site, release: Release): boolean {
    if (!isAwaitedByAdoption(site, release, this.#parts.clock.now())) return false
    return this.#parts.publisher.isServedEverywhere(release.index)
  }

  #isHealthy(release: Release): boolean {
    return release.registration.targets.every((url) => this.#isUsableTarget(release, url))
  }

  /** After a restart what served counts as healthy until its probes say otherwise. */
  #isUsableTarget(release: Release, url: TargetUrl): boolean {
    const health = this.#parts.prober.healthOf(release.index, url)
    return health === null ? this.#assumedOf(release).includes(url) : isUsable(health)
  }

  #assumedOf(release: Release): readonly TargetUrl[] {
    return this.#assumed.get(release.index) ?? []
  }

  #isProven(release: Release, url: TargetUrl): boolean {
    return this.#parts.prober.healthOf(release.index, url)?.state === 'healthy'
  }

  #probe(): void {
    const plans: ProbePlan[] = []
    for (const site of this.#parts.register.sites) {
      for (const release of site.releases.values()) {
        if (!serves(release)) continue
        plans.push({
          release: release.index,
          targets: release.registration.targets,
          policy: site.policy.health,
          isChecking: release.state.name === 'checking',
          assumed: this.#assumedOf(release),
        })
      }
    }
    this.#parts.prober.follow(plans)
    // Only what is probed for the first time is assumed healthy; a target added later has to prove itself.
    this.#assumed.clear()
  }

  /** A retired release whose file is gone is forgotten. */
  #remove(site: Site, release: Release): void {
    const { register, evidence, events } = this.#parts
    register.removeRelease(site, release)
    evidence.forget(release.index)
    this.retirement.forget(release.index)
    this.departures.forget(release.index)
    this.#parts.onRemoved(release.index)
    const { site: name, version, hash } = release.registration
    events.add('removed', `${release.state.name}, and its file is gone`, {
      site: name,
      release: version,
      hash,
    })
  }

  /** The only place where a release changes. Whoever looked at it before something else changed it loses nothing of that. */
  #apply(site: Site, seen: Release, event: ReleaseEvent, cause: string): void {
    const release = site.releases.get(seen.registration.version)
    if (release?.index !== seen.index) return
    const next = transition(release, event, this.#parts.clock.now())
    if (next === release) return
    const { version, hash } = next.registration
    site.releases.set(version, next)
    noteDeparture(this.#parts.events, release, next, cause)
    if (next.state.name === release.state.name) return
    if (next.state.name !== 'retirable') this.retirement.stay(next.index)
    const [from, to] = [release.state.name, next.state.name]
    this.#parts.events.add('transition', cause, { site: site.policy.site, release: version, from, to, hash })
    this.#hasChanged = true
  }
}

/** The release as it is after what was applied to it. */
function current(site: Site, release: Release): Release {
  return site.releases.get(release.registration.version) ?? release
}
