// The ledger's rows and each release's figures, kept in step: every row that comes, changes or goes passes here, and
// the journal is told. Must not know when and why that happens.
import { type ChangeSink } from './journal.js'
import { ReleaseTally } from './release-tally.js'
import type { Segment } from './segment.js'
import { SegmentSet } from './segment-set.js'

/** One session's row. */
export interface Row {
  readonly high: number
  readonly low: number
  readonly release: number
  readonly until: number
  /** Second of birth. */
  readonly bornAt: number
}

/** Rows and figures of all releases. */
export class LedgerRows {
  readonly segments: SegmentSet
  readonly journal: ChangeSink
  readonly tallies: (ReleaseTally | undefined)[] = []
  /** Releases being forgotten, each with the number of segments still to be cleared of it. */
  readonly forgetting = new Map<number, number>()
  /** Releases whose sessions end, each with the number of segments still to be looked through. */
  readonly ending = new Map<number, number>()
  size = 0

  constructor(segmentCount: number, journal: ChangeSink) {
    this.segments = new SegmentSet(segmentCount)
    this.journal = journal
  }

  /** The figures of a release, begun where there are none. */
  tally(release: number): ReleaseTally {
    return (this.tallies[release] ??= new ReleaseTally())
  }

  /** A session that was not known. */
  add(segment: Segment, row: Row): void {
    const slot = segment.insert(row.high, row.low)
    segment.until[slot] = row.until
    segment.bornAt[slot] = row.bornAt
    segment.release[slot] = row.release
    this.size++
    this.tally(row.release).join(row.until, row.bornAt)
    this.#changed(segment, slot)
  }

  /** A known session has a later promise. */
  prolong(segment: Segment, slot: number, until: number): void {
    segment.until[slot] = until
    this.tally(segment.release[slot] as number).touch(until)
    this.#changed(segment, slot)
  }

  /** A known session is on another release now. */
  move(segment: Segment, slot: number, to: { release: number; until: number }): void {
    this.tally(segment.release[slot] as number).leave()
    segment.release[slot] = to.release
    segment.until[slot] = to.until
    this.tally(to.release).join(to.until, segment.bornAt[slot] as number)
    this.#changed(segment, slot)
  }

  /** A session has gone; the caller tells the journal. Gives its release's figures, null when it is being forgotten. */
  remove(segment: Segment, slot: number): ReleaseTally | null {
    const release = segment.release[slot] as number
    segment.remove(slot)
    segment.isDirty = true
    this.size--
    if (this.forgetting.has(release)) return null
    const tally = this.tally(release)
    tally.leave()
    return tally
  }

  /** Begins again, empty, with this many segments. */
  reset(segmentCount: number): void {
    this.segments.reshape(segmentCount)
    this.tallies.length = 0
    this.forgetting.clear()
    this.ending.clear()
    this.size = 0
  }

  #changed(segment: Segment, slot: number): void {
    segment.isDirty = true
    this.journal.touch(segment, slot)
  }
}
