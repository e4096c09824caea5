// What is known of every release: the workers' reports, the ledger, promises made at births and what may have been
// lost. Everything is as of the oldest report of any worker that can touch a release, never as of now.
import type { ReleaseIndex } from '../domain/ids.js'
import type { Clock } from '../domain/ports.js'
import { isEmpty, type Evidence } from '../domain/retirement.js'
import { extendPromise, type TimeSpan } from '../domain/session.js'
import type { TouchedPart, WorkerReport } from '../plane-protocol.js'
import type { SessionLedger } from './session-ledger.js'
import type { Traffic, WorkerKey } from './traffic.js'

/** Promises and losses of one release, as saved. */
export interface SavedPromises {
  readonly index: number
  readonly birthsUntil: number
  readonly phantoms: readonly number[]
}

interface Account {
  birthsUntil: number
  phantoms: number[]
  lastTouchAt: number
  emptySince: number | null
}

interface WorkerNotes {
  /** Monotonic: up to here nothing that it did is unknown. */
  reportedAt: number
  generation: number
}

/** Of more losses than these, as of workers that die for days, those that count the longest are kept. */
const mostPhantoms = 100

export class EvidenceBook {
  readonly #ledger: SessionLedger
  readonly #traffic: Traffic
  readonly #clock: Clock
  readonly #accounts = new Map<ReleaseIndex, Account>()
  readonly #workers = new Map<WorkerKey, WorkerNotes>()
  /** Spans with the generation from which on workers know them. */
  readonly #spans: { readonly span: TimeSpan; readonly generation: number }[] = []
  /** Monotonic; stays where it was while no worker lives. */
  #asOf: number | null = null

  constructor(ledger: SessionLedger, traffic: Traffic, clock: Clock) {
    this.#ledger = ledger
    this.#traffic = traffic
    this.#clock = clock
  }

  /** Wall-clock instant up to which everything is known; null before the first worker listens and the ledger is read. */
  get asOf(): number | null {
    if (this.#workers.size > 0) this.#asOf = Math.min(...[...this.#workers.values()].map((w) => w.reportedAt))
    if (this.#asOf === null || this.#ledger.isSuspended) return null
    return this.#asOf - this.#clock.monotonic() + this.#clock.now()
  }

  /** Whether every worker has reported since it routes by that generation. */
  allReportedAt(generation: number): boolean {
    return [...this.#workers.values()].every((worker) => worker.generation >= generation)
  }

  listening(worker: WorkerKey, at: number): void {
    this.#workers.set(worker, { reportedAt: at, generation: 0 })
  }

  /** `isKnown`: workers go on reporting of a release for a while after it was removed. */
  reported(worker: WorkerKey, report: WorkerReport, isKnown: (release: ReleaseIndex) => boolean): void {
    const notes = this.#workers.get(worker)
    if (notes === undefined) return
    notes.reportedAt = report.madeAt
    notes.generation = report.generation
    this.touched(worker, report)
    const unknownSpans = this.#spansAfter(report.generation)
    for (const figures of report.releases) {
      const index = figures.index as ReleaseIndex
      if (!isKnown(index)) continue
      const account = this.#accountOf(index)
      account.birthsUntil = Math.max(account.birthsUntil, extendPromise(figures.birthsUntil, unknownSpans))
      account.lastTouchAt = Math.max(account.lastTouchAt, figures.lastTouchAt)
    }
  }

  /** Sessions that a worker saw; that it has told all of an instant only its report says. */
  touched(worker: WorkerKey, { generation, touched }: TouchedPart): void {
    if (!this.#workers.has(worker)) return
    const unknownSpans = this.#spansAfter(generation)
    const until = touched.until.map((each) => extendPromise(each, unknownSpans))
    this.#ledger.touch({ ...touched, until }, this.#clock.now())
  }

  /** What a worker did not know of when it routed by that generation. */
  #spansAfter(generation: number): TimeSpan[] {
    return this.#spans.filter((known) => known.generation > generation).map(({ span }) => span)
  }

  /** A worker left in order: its last report was its last word. */
  left(worker: WorkerKey): void {
    void this.asOf
    this.#workers.delete(worker)
  }

  /** Whether a worker has reported since it began to listen, before it is lost. */
  hasReported(worker: WorkerKey): boolean {
    return (this.#workers.get(worker)?.generation ?? 0) > 0
  }

  /** When a worker last reported or began to listen (wall clock), before it is lost. */
  reportedAt(worker: WorkerKey): number | null {
    const notes = this.#workers.get(worker)
    return notes === undefined ? null : notes.reportedAt - this.#clock.monotonic() + this.#clock.now()
  }

  /** Something that touched this release may be unknown: it counts as one session until then. */
  addPhantom(release: ReleaseIndex, until: number): void {
    const account = this.#accountOf(release)
    const now = this.#clock.now()
    const known = account.phantoms.filter((each) => each > now - 1000)
    account.phantoms = [...known, until].sort((a, b) => a - b).slice(-mostPhantoms)
    account.emptySince = null
  }

  /** A span that does not count as idling, known to workers from that generation on. */
  addSpan(span: TimeSpan, generation: number): void {
    this.#spans.push({ span, generation })
    this.#ledger.extend(span)
    // At a start nobody waits yet; the first reports would meet every segment of the ledger at once.
    if (this.#workers.size === 0) this.#ledger.settle()
    for (const account of this.#accounts.values()) {
      account.birthsUntil = extendPromise(account.birthsUntil, [span])
      account.phantoms = account.phantoms.map((until) => extendPromise(until, [span]))
    }
  }

  /**
   * Looks at a release by the newest reports; to be called for each that serves, once a round. `endedUntil`: its sessions
   * ended with it, and until then one of their tokens would be honoured now that it serves again.
   */
  observe(
    release: ReleaseIndex,
    is: Pick<Evidence, 'acceptsBirths' | 'isStandingBy' | 'adoptionUntil'>,
    endedUntil = 0,
  ): Omit<Evidence, 'doubts'> | null {
    const asOf = this.asOf
    if (asOf === null) return null
    const account = this.#accountOf(release)
    const sessions = this.#ledger.of(release)
    const open = this.#traffic.openOf(release)
    const seen = {
      asOf,
      ...is,
      // Sessions that the ledger had no room for are bounded together with the births.
      birthsUntil: Math.max(account.birthsUntil, sessions.overflowUntil, endedUntil),
      sessions: { count: sessions.active, until: sessions.latestUntil },
      exchangesOpen: open.exchanges,
      socketsOpen: open.sockets,
      phantoms: account.phantoms,
    }
    const wasTouched = account.emptySince !== null && account.lastTouchAt > account.emptySince
    if (!isEmpty(seen)) account.emptySince = null
    else if (account.emptySince === null || wasTouched) account.emptySince = asOf
    return { ...seen, emptySince: account.emptySince }
  }

  /** Whether an exchange or a socket of the release is open, by the last reports. */
  isOpen(release: ReleaseIndex): boolean {
    const { exchanges, sockets } = this.#traffic.openOf(release)
    return exchanges + sockets > 0
  }

  /** The wall clock was set back: what was noted by the former time must not keep a release for that long. */
  clockSetBack(): void {
    for (const account of this.#accounts.values()) {
      account.lastTouchAt = Math.min(account.lastTouchAt, this.#clock.now())
      account.emptySince = null
    }
  }

  forget(release: ReleaseIndex): void {
    this.#accounts.delete(release)
    this.#ledger.forget(release)
    this.#traffic.forget(release)
  }

  save(): SavedPromises[] {
    return [...this.#accounts].map(([index, { birthsUntil, phantoms }]) => ({ index, birthsUntil, phantoms }))
  }

  restore(saved: readonly SavedPromises[]): void {
    for (const { index, birthsUntil, phantoms } of saved) {
      const account = this.#accountOf(index as ReleaseIndex)
      account.birthsUntil = birthsUntil
      account.phantoms = [...phantoms]
    }
  }

  #accountOf(release: ReleaseIndex): Account {
    let account = this.#accounts.get(release)
    if (account === undefined) {
      account = { birthsUntil: 0, phantoms: [], lastTouchAt: 0, emptySince: null }
      this.#accounts.set(release, account)
    }
    return account
  }
}
