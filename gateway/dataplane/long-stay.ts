// How long an exchange that lasts (a socket, a stream of events) may go on: as long as its release takes births, and
// then until its session's time is over. Endings are spread, so that not everybody reconnects in one moment.
import type { ReleaseRoute, RoutingTable } from '../domain/routing-table.js'
import { stayUntil, type IssuedToken } from '../domain/session.js'
import type { WorkerState } from './worker-state.js'

/** Endings that one cause brings about are spread over this window. */
const spreadMs = 10_000

/** How long one exchange that lasts may go on. */
export interface Stay {
  /** Its time had come before it began: it would be ended at once. */
  isTooLate(now: number): boolean
  /** Called again and again while it lasts; true: it is to end now. */
  isOver(now: number): boolean
  /** It is to end within that time, whatever its release does. */
  leaveWithin(windowMs: number, now: number): void
}

export class LongStay implements Stay {
  readonly #state: WorkerState
  readonly #release: ReleaseRoute
  /** Null for a stream without one. */
  readonly #token: IssuedToken | null
  /** Its place in every window, from 0 (inclusive) to 1 (exclusive). */
  readonly #place: number
  #table: RoutingTable | null = null
  /** Since when its release has been seen to take no births; null while it does. */
  #drainingSince: number | null = null
  /** When its time is over; may lie before the draining began. */
  #until = Infinity
  #leaveAt = Infinity

  constructor(state: WorkerState, release: ReleaseRoute, token: IssuedToken | null, now: number) {
    this.#state = state
    this.#release = release
    this.#token = token
    this.#place = state.balancing.random()
    this.#follow(state.table, now)
  }

  isTooLate(now: number): boolean {
    return this.#until <= now
  }

  isOver(now: number): boolean {
    if (this.#table !== this.#state.table) this.#follow(this.#state.table, now)
    const endAt = Math.max(this.#until, this.#drainingSince ?? 0) + this.#place * spreadMs
    return now >= this.#leaveAt || now >= endAt
  }

  leaveWithin(windowMs: number, now: number): void {
    this.#leaveAt = Math.min(this.#leaveAt, now + this.#place * windowMs)
  }

  /** What another table says of its release. */
  #follow(table: RoutingTable | null, now: number): void {
    this.#table = table
    const site = table?.siteNamed(this.#release.site.name) ?? null
    const release = site?.release(this.#release.version) ?? null
    if (release !== null && release.share > 0) {
      this.#drainingSince = null
      this.#until = Infinity
      return
    }
    this.#drainingSince ??= now
    // Retired over its head, by a rule or an operator's word: the session has nowhere to be.
    if (release === null) this.#until = Math.min(this.#until, now)
    else this.#until = stayUntil(release.site, this.#token, this.#drainingSince)
  }
}
