// Orders to move everybody from one release to another. An operator's recall either meets the rule that stands against it
// or holds, like that of an aborted rollout, until nobody is left, its target is gone, or another order replaces it.
import type { Clock } from '../domain/ports.js'
import type { MoveOrder } from '../domain/moves.js'
import { acceptsBirths, isOnItsWayOut, serves, type Release, type ReleaseEvent } from '../domain/release.js'
import { canServe } from '../domain/version-order.js'
import type { EventLog } from './event-log.js'
import type { Order, RecallOrder } from './gateway-view.js'
import { RuleRefusal } from './rule-refusal.js'
import { versionOrder, type Site } from './site-register.js'

export interface MoveOrderParts {
  readonly clock: Clock
  readonly events: EventLog
  readonly apply: (site: Site, release: Release, event: ReleaseEvent, cause: string) => void
  /** Every target answers its probes. */
  readonly isHealthy: (release: Release) => boolean
}

export class MoveOrders {
  readonly #parts: MoveOrderParts

  constructor(parts: MoveOrderParts) {
    this.#parts = parts
  }

  /** Moves everybody on a former release to another one that can take them; throws the rule that refuses. */
  recall(site: Site, from: Release, order: RecallOrder): void {
    const to = [...site.releases.values()].find(({ registration }) => registration.version === order.to)
    if (to === undefined) {
      throw new RuleRefusal('recall-needs-target', `site "${site.policy.site}" has no release "${order.to}"`)
    }
    const refusal = refusedMove(site, from, to)
    if (refusal !== null) throw refusal
    if (!this.#parts.isHealthy(to) && !order.force) {
      throw new RuleRefusal('recall-needs-health', `a target of "${order.to}" does not answer its probes`)
    }
    this.#order(site, from, to, { ...order, because: 'recall', isForced: order.force })
  }

  /** Ends an order; nothing where there is none. Who has moved has moved. */
  cancel(site: Site, from: Release, order: Order): void {
    this.#parts.apply(site, from, { type: 'order-move', order: null }, order.by)
  }

  /** Orders that have nothing left to do are over. */
  follow(site: Site): void {
    for (const release of [...site.releases.values()]) {
      const cause = release.moveOrder === null ? null : whyOver(site, release, release.moveOrder)
      if (cause !== null) this.#parts.apply(site, release, { type: 'order-move', order: null }, cause)
    }
  }

  #order(
    site: Site,
    from: Release,
    to: Release,
    { because, perSecond, isForced, by }: Pick<MoveOrder, 'because' | 'perSecond' | 'isForced' | 'by'>,
  ): void {
    const { version } = to.registration
    // Nobody is sent round in a circle: what takes in keeps.
    this.#parts.apply(
      site,
      to,
      { type: 'order-move', order: null },
      `it takes in "${from.registration.version}"`,
    )
    const order = { to: version, because, perSecond, isForced, by, since: this.#parts.clock.now() }
    if (isSameOrder(from.moveOrder, order)) return
    this.#parts.apply(site, from, { type: 'order-move', order }, by)
  }
}

function isSameOrder(known: MoveOrder | null, order: MoveOrder): boolean {
  return (
    known !== null &&
    JSON.stringify({ ...known, since: 0, by: '' }) === JSON.stringify({ ...order, since: 0, by: '' })
  )
}

function whyOver(site: Site, release: Release, { to, since }: MoveOrder): string | null {
  if (release.state.name === 'retirable') return 'nobody is left'
  const target = site.releases.get(to)
  if (target === undefined || !serves(target)) return `"${to}" no longer serves`
  const isGivenUp = target.wasGivenUp && 'begunAt' in target.state && target.state.begunAt >= since
  return isGivenUp ? `"${to}" was given up` : null
}

/** What stands against moving everybody, whatever the operator says; null for nothing. */
function refusedMove(site: Site, from: Release, to: Release): RuleRefusal | null {
  const [own, other] = [from.registration.version, to.registration.version]
  if (acceptsBirths(from)) {
    const remedy = 'activate another release or drain it first'
    return new RuleRefusal('recall-needs-former', `"${own}" accepts births: ${remedy}`)
  }
  if (!isOnItsWayOut(from)) {
    return new RuleRefusal('recall-needs-former', `"${own}" is ${from.state.name}: nobody is on it`)
  }
  const isInService = acceptsBirths(to) || isOnItsWayOut(to)
  if (own === other || !isInService || to.activatedAt === null || to.withdrawn || to.ending !== null) {
    const detail = `"${other}" is ${describe(from, to)}: an active or draining release that stays is needed`
    return new RuleRefusal('recall-needs-target', detail)
  }
  return canServe(from.registration, to.registration, versionOrder(site))
    ? null
    : incompatible(site, from, to)
}

function describe(from: Release, to: Release): string {
  if (from.index === to.index) return 'the release itself'
  if (to.withdrawn) return `${to.state.name} and withdrawn`
  return to.ending === null ? to.state.name : `${to.state.name} and about to end`
}

function incompatible(site: Site, from: Release, to: Release): RuleRefusal {
  const [own, other] = [from.registration.version, to.registration.version]
  if (versionOrder(site)(own, other) < 0) {
    const floor = to.registration.compatibleFrom ?? other
    const detail = `"${other}" can take over sessions from "${floor}" on ("compatibleFrom"), not those of "${own}"`
    return new RuleRefusal('recall-incompatible', detail)
  }
  const floor = from.registration.rollbackTo
  const declared = floor === null ? 'it declares no "rollbackTo"' : `its "rollbackTo" is "${floor}"`
  return new RuleRefusal(
    'recall-incompatible',
    `sessions of "${own}" cannot go back to "${other}": ${declared}`,
  )
}
