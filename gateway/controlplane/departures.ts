// What lets sessions leave a release before their time: death, orders, the limits of retention, announced ends. Keeps
// them in step and says what of it holds; release state is changed by the controller, through `apply`, alone.
import type { ReleaseIndex, ReleaseVersion } from '../domain/ids.js'
import { extendPromise, type TimeSpan } from '../domain/session.js'
import type { Clock } from '../domain/ports.js'
import { endOf, isOnItsWayOut, type Release, type ReleaseEvent } from '../domain/release.js'
import { Deaths } from './deaths.js'
import type { EventLog } from './event-log.js'
import type { Order, RecallOrder } from './gateway-view.js'
import type { HealthProber } from './health-prober.js'
import { MoveOrders } from './move-orders.js'
import { earliestEnd, overflowing, Retention } from './retention.js'
import { RuleRefusal } from './rule-refusal.js'
import type { Site } from './site-register.js'

export interface DepartureParts {
  readonly clock: Clock
  readonly events: EventLog
  readonly prober: HealthProber
  readonly spans: () => readonly TimeSpan[]
  readonly apply: (site: Site, release: Release, event: ReleaseEvent, cause: string) => void
  /** Every target answers its probes. */
  readonly isHealthy: (release: Release) => boolean
  readonly settle: () => void
}

export class Departures {
  readonly #parts: DepartureParts
  readonly #deaths: Deaths
  readonly #retention: Retention
  readonly #orders: MoveOrders

  constructor(parts: DepartureParts) {
    this.#parts = parts
    this.#deaths = new Deaths(parts)
    this.#retention = new Retention(parts)
    this.#orders = new MoveOrders(parts)
  }

  /** Whatever time, probes or reports have changed. */
  follow(site: Site): void {
    this.#deaths.follow(site)
    this.#orders.follow(site)
    this.#retention.follow(site)
    this.#forgetEnded(site)
  }

  /** When the sessions of a release end, as announced; null: it has no end. */
  endsAt({ ending }: Release): number | null {
    return ending === null ? null : endOf(ending, this.#parts.spans())
  }

  isDead(release: ReleaseIndex): boolean {
    return this.#deaths.isDead(release)
  }

  isOverflowing(site: Site, release: Release): boolean {
    return overflowing(site, this.#parts.clock.now()).some(({ index }) => index === release.index)
  }

  forget(release: ReleaseIndex): void {
    this.#deaths.forget(release)
  }

  recall(site: Site, from: Release, order: RecallOrder): void {
    this.#orders.recall(site, from, order)
    this.#parts.settle()
  }

  cancelRecall(site: Site, from: Release, order: Order): void {
    this.#orders.cancel(site, from, order)
    this.#parts.settle()
  }

  /** An operator ends a former release with whoever is on it, announced. */
  announceEnd(site: Site, release: Release, order: Order): void {
    const { version } = release.registration
    if (!isOnItsWayOut(release)) {
      const detail = `"${version}" is ${release.state.name}: drain it first`
      throw new RuleRefusal('retire-needs-draining', detail)
    }
    const now = this.#parts.clock.now()
    // What was announced for its overflow is an operator's word from now on, and its time stands.
    const { at, announcedAt } = release.ending ?? { at: earliestEnd(site, now), announcedAt: now }
    if (release.ending?.because === 'operator') return
    const ending = { at, announcedAt, because: 'operator', by: order.by } as const
    this.#parts.apply(site, release, { type: 'announce-end', ending }, order.by)
    this.#parts.settle()
  }

  /** Calls an announced end off; that of an overflowing release is announced anew as long as it overflows. */
  cancelEnd(site: Site, release: Release, order: Order): void {
    this.#parts.apply(site, release, { type: 'announce-end', ending: null }, order.by)
    this.#parts.settle()
  }

  /** A release that a worker will not let go of is at its end for as long as that takes. */
  #forgetEnded(site: Site): void {
    const now = this.#parts.clock.now()
    const isEnding = (version: ReleaseVersion): boolean =>
      (site.releases.get(version)?.ending ?? null) !== null
    const kept = site.ended.filter(
      ({ version, until }) => extendPromise(until, this.#parts.spans()) > now || isEnding(version),
    )
    if (kept.length < site.ended.length) site.ended = kept
  }
}

/** What the event log says of an order or an end that begins or ceases with a change of a release. */
export function noteDeparture(events: EventLog, before: Release, after: Release, cause: string): void {
  const { site, version, hash } = after.registration
  const place = { site, release: version, hash }
  if (before.moveOrder !== after.moveOrder) {
    if (after.moveOrder === null)
      events.add('move-order-over', cause, { ...place, to: before.moveOrder?.to ?? null })
    else {
      const pace = after.moveOrder.perSecond === null ? '' : `, ${after.moveOrder.perSecond} a second`
      const force = after.moveOrder.isForced ? ', forced' : ''
      const { because, to } = after.moveOrder
      events.add('move-ordered', `${because} by ${cause}${pace}${force}`, { ...place, to })
    }
  }
  if (before.ending === after.ending) return
  if (after.ending !== null) {
    const at = new Date(after.ending.at).toISOString()
    events.add('end-announced', `its sessions end at ${at}: ${cause}`, place)
  } else if (after.state.name !== 'retired') events.add('end-cancelled', cause, place)
}
