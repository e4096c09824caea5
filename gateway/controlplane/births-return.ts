// Births that go back to an earlier release: because the active one was drained or withdrawn, or because its targets
// fail. What was given up for being bad is not brought back by this: an operator or a new drop does that.
import { hasFailed, isNetworkIll } from '../domain/give-back.js'
import type { Clock } from '../domain/ports.js'
import { serves, type Release, type ReleaseEvent } from '../domain/release.js'
import type { EventLog } from './event-log.js'
import type { HealthProber } from './health-prober.js'
import { refusedGoingBack } from './order-rules.js'
import type { Publisher } from './publisher.js'
import { otherArm } from './rollouts.js'
import {
  activeRelease,
  activeReleases,
  formerReleases,
  type Site,
  type SiteRegister,
} from './site-register.js'
import { unmetBy } from './site-requirements.js'
import type { SiteWarnings } from './site-warnings.js'

export interface BirthsReturnParts {
  readonly clock: Clock
  readonly register: SiteRegister
  readonly prober: HealthProber
  readonly events: EventLog
  readonly publisher: Publisher
  readonly warnings: SiteWarnings
  readonly apply: (site: Site, release: Release, event: ReleaseEvent, cause: string) => void
  /** Gives all births to a release. */
  readonly activate: (site: Site, release: Release, cause: string) => void
  /** Every target answers its probes. */
  readonly isHealthy: (release: Release) => boolean
  /** One target does. */
  readonly isUsable: (release: Release) => boolean
}

export class BirthsReturn {
  readonly #parts: BirthsReturnParts

  constructor(parts: BirthsReturnParts) {
    this.#parts = parts
  }

  /** Births go to the last good former release, where the data rule allows it; to one that was given up, if it must be. */
  giveBack(site: Site, from: Release): void {
    const former = this.#heirs(site, from)
    const next = former.find(({ wasGivenUp }) => !wasGivenUp) ?? former[0]
    if (next === undefined) return
    this.#parts.activate(site, next, `"${from.registration.version}" no longer accepts births`)
  }

  /** The active release was withdrawn and nobody could take its births then: somebody may now. */
  giveOwed(site: Site): void {
    if (site.file === null || activeRelease(site) !== null) return
    const owing = [...site.releases.values()].find((release) => release.withdrawn && release.wasActive)
    if (owing !== undefined) this.giveBack(site, owing)
  }

  /** A release that accepts births and whose targets all fail gives them back; where that cannot be, it is told. */
  followHealth(site: Site): void {
    const failed = activeReleases(site).filter((release) => this.#hasFailed(site, release))
    const causes = failed.flatMap((release) => this.#giveBackIll(site, release) ?? [])
    this.#parts.warnings.stranded(site, causes.length === 0 ? null : causes.join('; '))
  }

  /** Why a release that fails keeps its births; null when it has given them back, or does not fail. */
  whyStranded(site: Site, release: Release): string | null {
    const isFailing = release.state.name === 'active' && this.#hasFailed(site, release)
    return isFailing ? this.#obstacle(site, release) : null
  }

  #giveBackIll(site: Site, release: Release): string | null {
    const obstacle = this.#obstacle(site, release)
    if (obstacle !== null) return obstacle
    const next = this.#goodHeir(site, release)
    if (next === undefined) return null
    const { version, hash } = release.registration
    const cause = `every target of "${version}" fails`
    const place = { site: site.policy.site, release: version, hash }
    this.#parts.events.add('births-given-back', `${cause}: "${next.registration.version}" has them`, place)
    // In a rollout the other arm takes all; else this one goes first, as what is bad.
    if (otherArm(site, release) === null) {
      this.#parts.apply(site, release, { type: 'drain', because: 'unhealthy' }, cause)
    }
    this.#parts.activate(site, next, cause)
    return null
  }

  #obstacle(site: Site, release: Release): string | null {
    const cause = `every target of "${release.registration.version}" fails`
    const serving = [...site.releases.values()].filter(
      (each) => serves(each) && !['registered', 'checking'].includes(each.state.name),
    )
    const failed = serving.filter((each) => this.#hasFailed(site, each))
    if (isNetworkIll(failed.length, serving.length)) {
      return `${cause}, as ${failed.length} of ${serving.length} releases do: it may be the gateway's own network, and nothing is given back`
    }
    // Routing has sent its births to the other arm already; an unproven candidate does not win by that.
    if (site.rollout?.stable === release.registration.version) {
      return `${cause}: "${site.rollout.candidate}", whose rollout goes on, has its births meanwhile`
    }
    if (this.#goodHeir(site, release) !== undefined) return null
    const barred = this.#former(site, release).find((each) => refusedGoingBack(site, release, each) !== null)
    const refusal = barred === undefined ? null : refusedGoingBack(site, release, barred)
    const why = refusal === null ? 'no good former release is healthy' : refusal.message
    return `${cause}, and births stay: ${why}`
  }

  #goodHeir(site: Site, release: Release): Release | undefined {
    return this.#heirs(site, release).find(({ wasGivenUp }) => !wasGivenUp)
  }

  /** Who may take the births of a release, the best first: the other arm of its rollout, then the latest activated. */
  #heirs(site: Site, from: Release): Release[] {
    const able = this.#former(site, from).filter(
      (release) => this.#parts.isUsable(release) && refusedGoingBack(site, from, release) === null,
    )
    const arm = otherArm(site, from)
    const flawsOf = (release: Release): number => (release === arm ? 0 : this.#flawsOf(release))
    return able.sort((a, b) => flawsOf(a) - flawsOf(b))
  }

  /** What speaks against an heir, the worst counting most: whoever has it is better than nobody, no more. */
  #flawsOf(release: Release): number {
    const { publisher, isHealthy, register } = this.#parts
    // It is being taken out of service, and out of it in some workers already.
    const isLeaving = !publisher.isServedEverywhere(release.index)
    const isUnmet = unmetBy(register, release).length > 0
    return Number(isLeaving) * 4 + Number(isUnmet) * 2 + Number(!isHealthy(release))
  }

  #former(site: Site, from: Release): Release[] {
    const arm = otherArm(site, from)
    const former = formerReleases(site).filter(
      (release) => release.index !== from.index && !release.withdrawn && release.activatedAt !== null,
    )
    return arm === null ? former : [arm, ...former]
  }

  #hasFailed(site: Site, release: Release): boolean {
    const { prober, clock } = this.#parts
    const targets = release.registration.targets.map((url) => prober.healthOf(release.index, url))
    return hasFailed(targets, site.policy.health, clock.now())
  }
}
