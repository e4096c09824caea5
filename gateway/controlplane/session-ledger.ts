// Confirmed sessions: on which release, honoured until when. In memory only; time is an argument. What it knows decides
// retirement, never routing, so every doubt is settled towards the later promise. Must not know workers or the store.
import type { ReleaseIndex, SessionId } from '../domain/ids.js'
import type { SessionBatch, TimeSpan } from '../domain/session.js'
import { type ChangeSink, nullSink } from './ledger/journal.js'
import { halvesOf, type KnownSession, sessionsIn } from './ledger/known-session.js'
import { LedgerArchive } from './ledger/ledger-archive.js'
import { LedgerRows, type Row } from './ledger/ledger-rows.js'
import { noSessions, type ReleaseSessions } from './ledger/release-tally.js'
import { Segment } from './ledger/segment.js'
import { WaitingChanges } from './ledger/waiting-changes.js'

/** How a ledger is made. */
export interface LedgerOptions {
  /** Beyond so many sessions a release keeps bounds only. */
  readonly maxSessions: number
  /** A power of two, 256 unless told: at ten million a segment has 39,000 rows; more and smaller ones fragment memory. */
  readonly segments?: number
  /** Told of every change, in order; a ledger that nobody saves needs none. */
  readonly journal?: ChangeSink
}

/** The ledger of the confirmed sessions of all releases. */
export class SessionLedger {
  /** Its saved form, for the keeper. */
  readonly archive: LedgerArchive
  readonly #rows: LedgerRows
  readonly #maxSessions: number
  /** Ids ended by signal; `until` is when the tombstone goes. */
  readonly #tombstones = new Segment()
  /** The next segment to be swept. */
  #cursor = 0
  readonly #changes = new WaitingChanges()
  /** Releases that are to be forgotten, and wait for that. */
  readonly #toForget = new Set<ReleaseIndex>()

  constructor(options: LedgerOptions) {
    this.#rows = new LedgerRows(options.segments ?? 256, options.journal ?? nullSink)
    this.#maxSessions = options.maxSessions
    this.archive = new LedgerArchive(this.#rows)
  }

  get size(): number {
    return this.#rows.size
  }

  /** Its saved rows are still being read back: changes wait, its figures say nothing, and it is not to be swept or saved. */
  get isSuspended(): boolean {
    return this.#changes.isSuspended
  }

  /** From here on changes wait, until `resume`. */
  suspend(): void {
    this.#changes.suspend()
  }

  /** Makes the changes that have waited (at least one), until the budget is spent. True when none is left to wait. */
  resume(isOverBudget: () => boolean): boolean {
    return this.#changes.resume(isOverBudget)
  }

  /** Takes in what workers saw: each session's promise only ever grows. */
  touch(batch: SessionBatch, now: number): void {
    this.#changes.make(() => {
      for (let row = 0; row < batch.releases.length; row++) this.#touchRow(rowOf(batch, row), now)
    })
  }

  /** Ended by signal: touches of the id are ignored until the tombstone goes. False when the session was not known (yet). */
  end(id: SessionId, now: number, tombstoneMs: number): boolean {
    let wasKnown = false
    this.#changes.make(() => (wasKnown = this.#end(id, now, tombstoneMs)))
    return wasKnown
  }

  #end(id: SessionId, now: number, tombstoneMs: number): boolean {
    const { high, low } = halvesOf(id)
    this.#bury(high, low, now + tombstoneMs)
    const segment = this.#rows.segments.of(high)
    const slot = segment.find(high, low)
    if (slot < 0) return false
    this.#rows.journal.end(high, low)
    const tally = this.#rows.remove(segment, slot)
    if (tally === null) return false
    tally.ended.signal++
    return true
  }

  /**
   * Expires sessions whose promise has passed, one segment after the other (at least one), until the budget is spent.
   * True when this call completed a round: what was in the table when it began has then been looked at once.
   */
  sweep(now: number, isOverBudget: () => boolean): boolean {
    do {
      this.#sweepSegment(this.#cursor, now)
      this.#cursor = (this.#cursor + 1) % this.#rows.segments.count
      if (this.#cursor === 0) return this.#finishRound(now)
    } while (!isOverBudget())
    return false
  }

  /** The figures of one release. */
  of(release: ReleaseIndex): ReleaseSessions {
    return this.#rows.tallies[release]?.view() ?? noSessions
  }

  /** How many sessions of a release were confirmed that were born in the second of `bornAfter` or later, within the window. */
  confirmedSince(release: ReleaseIndex, bornAfter: number): number {
    return this.#rows.tallies[release]?.recent.since(bornAfter) ?? 0
  }

  /** At which age sessions of a release end by `age`; Infinity unless told. */
  setMaxAge(release: ReleaseIndex, maxAgeMs: number): void {
    this.#changes.make(() => (this.#rows.tally(release).maxAgeMs = maxAgeMs))
  }

  /** How far back `confirmedSince` looks; 60 s unless told. */
  setProvisionalWindow(release: ReleaseIndex, windowMs: number): void {
    this.#changes.make(() => this.#rows.tally(release).recent.resize(windowMs))
  }

  /** Adds a span to every promise alive when it began; rows follow when their segment is next used. */
  extend(span: TimeSpan): void {
    this.#changes.make(() => {
      this.#rows.segments.extend(span)
      for (const tally of this.#rows.tallies) tally?.extend(span)
      this.#rows.journal.extend(span)
    })
  }

  /** Does now, while nobody waits, what `extend` leaves to later: 40 ms for ten million rows (docs/performance.md). */
  settle(): void {
    this.#changes.make(() => this.#rows.segments.settle())
  }

  /** Drops a release: its figures at once, its rows within one round of sweeping. Touches of it are ignored meanwhile. */
  forget(release: ReleaseIndex): void {
    this.#toForget.add(release)
    this.#changes.make(() => {
      this.#toForget.delete(release)
      this.#rows.tallies[release] = undefined
      this.#rows.segments.markDirty()
      this.#rows.forgetting.set(release, this.#rows.segments.count)
      this.#rows.journal.forget(release)
    })
  }

  /** Every session of a release ends, by overflow, within one round of sweeping. */
  endAll(release: ReleaseIndex): void {
    this.#changes.make(() => this.#rows.ending.set(release, this.#rows.segments.count))
  }

  /** Whether rows of a forgotten release may be left; until then its index must not be given to another release. */
  isForgetting(release: ReleaseIndex): boolean {
    return this.#rows.forgetting.has(release) || this.#toForget.has(release)
  }

  /** Up to `limit` sessions of a release, in no order. Where few of many are its own it looks through the whole table. */
  *sessionsOf(release: ReleaseIndex, limit: number): Generator<KnownSession> {
    for (const found of this.sessionsBySegment(release, limit)) yield* found
  }

  /** The same, as many at a time as one segment has: between two of them others may have their turn. */
  *sessionsBySegment(release: ReleaseIndex, limit: number): Generator<readonly KnownSession[]> {
    const { segments } = this.#rows
    let left = Math.min(limit, this.of(release).active)
    for (let index = 0; index < segments.count && left > 0; index++) {
      const found = sessionsIn(segments.at(index), release, left)
      left -= found.length
      yield found
    }
  }

  #touchRow(row: Row, now: number): void {
    const { segments, forgetting } = this.#rows
    if (forgetting.has(row.release) || this.#isBuried(row, now)) return
    const segment = segments.of(row.high)
    let slot = segment.find(row.high, row.low)
    if (slot >= 0 && forgetting.has(segment.release[slot] as number)) {
      this.#rows.remove(segment, slot)
      slot = -1
    }
    if (slot < 0) this.#confirm(segment, row, now)
    else if (segment.release[slot] !== row.release) this.#meetOnOther(segment, slot, row)
    else if (row.until > (segment.until[slot] as number)) this.#rows.prolong(segment, slot, row.until)
  }

  /** A row that is over already, or that has no place, leaves its promise as a bound. */
  #confirm(segment: Segment, row: Row, now: number): void {
    const tally = this.#rows.tally(row.release)
    if (!(row.until > now) || this.size >= this.#maxSessions) return tally.bound(row.until)
    this.#rows.add(segment, row)
    tally.confirmed++
    tally.recent.add(row.bornAt)
  }

  /**
   * Touched on another release than we know: it has moved, unless the report is older than the move, which its earlier
   * promise tells. The other release keeps a bound in any case: its token may still be in the visitor's hands, because
   * an answer was lost, or a late one of the former release overtook the new one's.
   */
  #meetOnOther(segment: Segment, slot: number, row: Row): void {
    const known = segment.until[slot] as number
    if (row.until < known) return this.#rows.tally(row.release).bound(row.until)
    this.#rows.tally(segment.release[slot] as number).bound(known)
    this.#rows.move(segment, slot, row)
  }

  #bury(high: number, low: number, until: number): void {
    const tombs = this.#tombstones
    const known = tombs.find(high, low)
    const slot = known >= 0 ? known : tombs.insert(high, low)
    tombs.until[slot] = Math.max(1, until, tombs.until[slot] as number)
  }

  #isBuried(row: Row, now: number): boolean {
    if (this.#tombstones.used === 0) return false
    const slot = this.#tombstones.find(row.high, row.low)
    return slot >= 0 && (this.#tombstones.until[slot] as number) > now
  }

  #sweepSegment(index: number, now: number): void {
    const { segments, journal } = this.#rows
    const segment = segments.at(index)
    const sizeBefore = segment.used
    let forgotten = 0
    for (let slot = 0; slot < segment.capacity;) {
      // A removal may bring a later row into the slot, which is then looked at again.
      if (this.#stays(segment, slot, now)) slot++
      else if (this.#expire(segment, slot)) forgotten++
    }
    if (segment.used + forgotten < sizeBefore) journal.sweep(index, now)
    if (segment.used < sizeBefore) segment.shrink()
    for (const releases of [this.#rows.forgetting, this.#rows.ending]) {
      for (const [release, left] of releases) clearedOf(releases, release, left)
    }
  }

  #stays(segment: Segment, slot: number, now: number): boolean {
    const until = segment.until[slot] as number
    if (until === 0) return true
    const release = segment.release[slot] as number
    if (until <= now || this.#rows.forgetting.has(release) || this.#rows.ending.has(release)) return false
    this.#rows.tally(release).visit(until, segment.bornAt[slot] as number)
    return true
  }

  /** True when the row's release is being forgotten, so that nobody counts its end. */
  #expire(segment: Segment, slot: number): boolean {
    const until = segment.until[slot] as number
    const bornAt = segment.bornAt[slot] as number
    const isEnded = this.#rows.ending.has(segment.release[slot] as number)
    if (isEnded) this.#rows.journal.end(segment.ids[2 * slot] as number, segment.ids[2 * slot + 1] as number)
    const tally = this.#rows.remove(segment, slot)
    if (tally === null) return true
    tally.ended[isEnded ? 'overflow' : tally.endOf(until, bornAt)]++
    // A span added later may reach back before this sweep and bring the promise to life again, and so may a release that
    // comes back after its end.
    tally.bound(until)
    return false
  }

  #finishRound(now: number): boolean {
    for (const tally of this.#rows.tallies) tally?.finishRound()
    const tombs = this.#tombstones
    for (let slot = 0; slot < tombs.capacity;) {
      const until = tombs.until[slot] as number
      if (until === 0 || until > now) slot++
      else tombs.remove(slot)
    }
    tombs.shrink()
    return true
  }
}

/** One more segment has been looked through for that release. */
function clearedOf(releases: Map<number, number>, release: number, left: number): void {
  if (left === 1) releases.delete(release)
  else releases.set(release, left - 1)
}

function rowOf(batch: SessionBatch, row: number): Row {
  return {
    high: batch.ids[2 * row] as number,
    low: batch.ids[2 * row + 1] as number,
    release: batch.releases[row] as number,
    until: batch.until[row] as number,
    bornAt: Math.floor((batch.bornAt[row] as number) / 1000),
  }
}
