// What the ledger knows of one release in figures, kept up with every change of a row. Must not know the rows.
import { extendPromise, type SessionEnd, type TimeSpan } from '../../domain/session.js'
import type { TallyFigure } from './journal.js'
import { RecentBirths } from './recent-births.js'

/** A release's confirmed sessions in figures. */
export interface ReleaseSessions {
  /** Confirmed sessions not yet ended or swept. */
  readonly active: number
  /** Never before the latest `until` of a session in the ledger; exact after a full sweep. 0 when there is none. */
  readonly latestUntil: number
  /** Never after the oldest birth of a session in the ledger (ms, rounded down to the second). 0 when there is none. */
  readonly oldestBornAt: number
  readonly confirmed: number
  readonly ended: Readonly<Record<SessionEnd, number>>
  /**
   * Latest promise of sessions that the table does not hold: beyond the cap, reported too late, swept, or touched on
   * another release since. Blocks while it lies ahead; in the past it says nothing.
   */
  readonly overflowUntil: number
}

/** What `of` gives for a release of which nothing is known. */
export const noSessions: ReleaseSessions = {
  active: 0,
  latestUntil: 0,
  oldestBornAt: 0,
  confirmed: 0,
  ended: { idle: 0, age: 0, signal: 0, overflow: 0 },
  overflowUntil: 0,
}

const defaultWindowMs = 60_000

/**
 * Counters of one release. The latest promise and the oldest birth only widen while rows come and go; a round of
 * sweeping collects both anew beside them and then puts the narrower ones in their place.
 */
export class ReleaseTally {
  active = 0
  confirmed = 0
  readonly ended: Record<SessionEnd, number> = { idle: 0, age: 0, signal: 0, overflow: 0 }
  maxAgeMs = Infinity
  readonly recent = new RecentBirths(defaultWindowMs)
  #overflowUntil = 0
  #latestUntil = 0
  #oldestBorn = Infinity
  #roundLatest = 0
  #roundOldest = Infinity

  /** A row has come to this release. */
  join(until: number, bornSecond: number): void {
    this.active++
    this.touch(until)
    if (bornSecond < this.#oldestBorn) this.#oldestBorn = bornSecond
    if (bornSecond < this.#roundOldest) this.#roundOldest = bornSecond
  }

  /** A row's promise is now this one. */
  touch(until: number): void {
    if (until > this.#latestUntil) this.#latestUntil = until
    if (until > this.#roundLatest) this.#roundLatest = until
  }

  /** The sweep found this row alive. */
  visit(until: number, bornSecond: number): void {
    if (until > this.#roundLatest) this.#roundLatest = until
    if (bornSecond < this.#roundOldest) this.#roundOldest = bornSecond
  }

  /** A row has left this release. */
  leave(): void {
    this.active--
    if (this.active === 0) this.#forgetRows()
  }

  /** Some session that the table does not hold has this promise. */
  bound(until: number): void {
    if (until > this.#overflowUntil) this.#overflowUntil = until
  }

  /** Every row has been visited since the last round ended. */
  finishRound(): void {
    this.#latestUntil = this.#roundLatest
    this.#oldestBorn = this.#roundOldest
    this.#roundLatest = 0
    this.#roundOldest = Infinity
  }

  /** Extending keeps the order of promises, so a bound of extended rows is the extended bound. */
  extend(span: TimeSpan): void {
    this.#latestUntil = extendPromise(this.#latestUntil, [span])
    this.#roundLatest = extendPromise(this.#roundLatest, [span])
    this.#overflowUntil = extendPromise(this.#overflowUntil, [span])
  }

  /** Why a session ended that has outlived its promise; births are known to the second. */
  endOf(until: number, bornSecond: number): SessionEnd {
    return until >= bornSecond * 1000 + this.maxAgeMs ? 'age' : 'idle'
  }

  /** All rows are about to be counted anew. */
  restart(): void {
    this.active = 0
    this.#forgetRows()
  }

  figure(name: TallyFigure): number {
    if (name === 'bound') return this.#overflowUntil
    return name === 'confirmed' ? this.confirmed : this.ended[name]
  }

  restoreFigure(name: TallyFigure, value: number): void {
    if (name === 'bound') this.#overflowUntil = value
    else if (name === 'confirmed') this.confirmed = value
    else this.ended[name] = value
  }

  view(): ReleaseSessions {
    return {
      active: this.active,
      latestUntil: this.#latestUntil,
      oldestBornAt: this.active === 0 ? 0 : this.#oldestBorn * 1000,
      confirmed: this.confirmed,
      ended: { ...this.ended },
      overflowUntil: this.#overflowUntil,
    }
  }

  #forgetRows(): void {
    this.#latestUntil = 0
    this.#oldestBorn = Infinity
    this.#roundLatest = 0
    this.#roundOldest = Infinity
  }
}
