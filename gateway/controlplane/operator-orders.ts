// What an operator may order: activation, drain, going back, freeze. Each order either throws the rule that stands
// against it or is carried out; given again it changes nothing.
import type { Clock } from '../domain/ports.js'
import { serves, type Release, type ReleaseEvent } from '../domain/release.js'
import type { EventLog } from './event-log.js'
import type { Order } from './gateway-view.js'
import { impossibleActivation, refusedActivation, refusedRollback } from './order-rules.js'
import type { Publisher } from './publisher.js'
import { otherArm } from './rollouts.js'
import { RuleRefusal } from './rule-refusal.js'
import type { Site, SiteRegister } from './site-register.js'
import { refusedByRequirements } from './site-requirements.js'

export interface OrderParts {
  readonly clock: Clock
  readonly register: SiteRegister
  readonly events: EventLog
  readonly publisher: Publisher
  readonly apply: (site: Site, release: Release, event: ReleaseEvent, cause: string) => void
  readonly activate: (site: Site, release: Release, cause: string) => void
  readonly giveBack: (site: Site, from: Release) => void
  /** Every target answers its probes. */
  readonly isHealthy: (release: Release) => boolean
  readonly settle: () => void
}

export class OperatorOrders {
  readonly #parts: OrderParts

  constructor(parts: OrderParts) {
    this.#parts = parts
  }

  /** Births go to the release, at once; a retired one is checked first and boards when it has passed. */
  activate(site: Site, release: Release, order: Order): void {
    const isArm = otherArm(site, release) !== null
    if (release.state.name === 'active' && !isArm) return
    // It is being checked, by the same order.
    if (site.ordered?.version === release.registration.version) return
    // In a rollout the stable release has all births back when they are taken from the candidate: that is going back.
    if (isStable(site, release)) {
      return void this.rollback(site, { ...order, to: release.registration.version })
    }
    const impossible = impossibleActivation(release)
    if (impossible !== null) throw impossible
    this.#yieldOrThrow(site, refusedActivation(site, release, this.#parts.clock.now()), order)
    this.#yieldOrThrow(site, refusedByRequirements(this.#parts.register, release), order)
    this.#readyOrThrow(site, release, order)
    this.#board(site, release, order)
  }

  /** Back to the last good former release, or to an older one by name. */
  rollback(site: Site, order: Order & { readonly to: string | null }): Release {
    const done = rolledBackTo(site, order.to)
    if (done !== null) return done
    const release = rollbackTarget(site, order.to)
    const impossible = impossibleActivation(release)
    if (impossible !== null) throw impossible
    this.#yieldOrThrow(site, refusedRollback(site, release), order)
    if (!isStable(site, release)) {
      this.#yieldOrThrow(site, refusedByRequirements(this.#parts.register, release), order)
    }
    this.#readyOrThrow(site, release, order)
    site.wentBackTo = release.registration.version
    this.#board(site, release, { ...order, by: `rollback by ${order.by}` })
    return release
  }

  drain(site: Site, release: Release, order: Order): void {
    const { version } = release.registration
    if (!serves(release) || release.state.name === 'registered' || release.state.name === 'checking') {
      const detail = `"${version}" is ${release.state.name}: there is nothing to drain`
      throw new RuleRefusal('drain-needs-serving', detail)
    }
    const other = otherArm(site, release)
    if (other !== null) {
      this.#parts.activate(site, other, `drain of "${version}" by ${order.by}`)
      return this.#parts.settle()
    }
    const wasActive = release.state.name === 'active'
    this.#parts.apply(site, release, { type: 'drain', because: 'operator' }, order.by)
    if (wasActive) this.#parts.giveBack(site, release)
    this.#parts.settle()
  }

  freeze(site: Site, order: Order): void {
    if (site.frozenBy !== null) return
    site.frozenBy = order.by
    this.#parts.events.add('frozen', order.by, { site: site.policy.site })
    this.#parts.settle()
  }

  unfreeze(site: Site, order: Order): void {
    if (site.policy.freeze) {
      throw new RuleRefusal('steered-by-file', 'site.yaml says "freeze: true": change it there')
    }
    if (site.frozenBy === null) return
    site.frozenBy = null
    this.#parts.events.add('unfrozen', order.by, { site: site.policy.site })
    this.#parts.settle()
  }

  /** A rule that only protects gives way to force, which is an event of its own. */
  #yieldOrThrow(site: Site, refusal: RuleRefusal | null, order: Order): void {
    if (refusal === null) return
    if (!order.force) throw refusal
    if (refusal.rule === 'steered-by-file') site.overruled = site.policy.active
    const cause = `${order.by} against "${refusal.rule}": ${refusal.message}`
    this.#parts.events.add('forced', cause, { site: site.policy.site })
  }

  /** A retired release is checked first, and boards when it has passed. */
  #readyOrThrow(site: Site, release: Release, order: Order): void {
    if (release.state.name === 'retired') return
    if (!isStable(site, release) && !this.#parts.isHealthy(release) && !order.force) {
      const detail = `a target of "${release.registration.version}" does not answer its probes`
      throw new RuleRefusal('activate-needs-health', detail)
    }
    if (!this.#parts.publisher.isServedEverywhere(release.index)) {
      throw new RuleRefusal('activate-needs-serving', 'not every worker serves it yet: try again in a moment')
    }
  }

  #board(site: Site, release: Release, order: Order): void {
    const { version } = release.registration
    if (release.state.name === 'retired') {
      site.ordered = { version, by: order.by }
      this.#parts.apply(site, release, { type: 'check' }, order.by)
    } else this.#parts.activate(site, release, `${order.by}${order.force ? ', forced' : ''}`)
    this.#parts.settle()
  }
}

/** The stable release of a rollout has births already: giving it all of them makes nothing worse. */
function isStable(site: Site, release: Release): boolean {
  return site.rollout?.stable === release.registration.version
}

/** Going back a second time changes nothing: not to what was left for being bad, nor further back. Null: not done yet. */
function rolledBackTo(site: Site, to: string | null): Release | null {
  const release = [...site.releases.values()].find(
    ({ registration }) => registration.version === (to ?? site.wentBackTo),
  )
  if (release === undefined || site.rollout !== null) return null
  const isOnItsWay = site.ordered?.version === release.registration.version
  return release.state.name === 'active' || isOnItsWay ? release : null
}

/**
 * The stable release of a rollout; else the latest former release that was active, is still registered and was not given
 * up. An older one, or one that was given up, only by name.
 */
function rollbackTarget(site: Site, to: string | null): Release {
  const stable = site.rollout === null ? undefined : site.releases.get(site.rollout.stable)
  if (stable !== undefined && (to === null || stable.registration.version === to)) return stable
  const former = [...site.releases.values()]
    .filter(
      (release) => release.activatedAt !== null && release.state.name !== 'active' && !release.withdrawn,
    )
    .sort((a, b) => (b.activatedAt ?? 0) - (a.activatedAt ?? 0))
  const target =
    to === null
      ? former.find(({ wasGivenUp }) => !wasGivenUp)
      : former.find((release) => release.registration.version === to)
  if (target !== undefined) return target
  const detail =
    to === null
      ? 'no good former release is still registered; one that was given up goes by name, with "--to"'
      : `"${to}" was never active or is gone`
  throw new RuleRefusal('rollback-needs-former', detail)
}
