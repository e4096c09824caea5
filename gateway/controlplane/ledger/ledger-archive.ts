// The ledger's saved form: snapshots of segments and batches of changes, out and in again. Must not know where they are
// kept or when they are written.
import { type Journal, SavedBatch, tallyFigures } from './journal.js'
import type { LedgerRows } from './ledger-rows.js'
import { replayBatch } from './replay.js'
import { SavedSessionsError } from './saved-blob.js'
import { decodeSnapshot, encodeSnapshot, type SnapshotPlace } from './segment-snapshot.js'

/** Saving and restoring of one ledger. Restoring is: `loadSegment` for each, `replay` in order, `recount`. */
export class LedgerArchive {
  readonly #rows: LedgerRows

  constructor(rows: LedgerRows) {
    this.#rows = rows
  }

  get segmentCount(): number {
    return this.#rows.segments.count
  }

  /** Whether a segment has changed since its last snapshot. */
  isDirty(segment: number): boolean {
    return this.#rows.segments.at(segment).isDirty
  }

  /** A snapshot was taken but not stored. */
  markDirty(segment: number): void {
    this.#rows.segments.at(segment).isDirty = true
  }

  /** The snapshot of one segment, which holds all batches up to `savedThrough`; the segment is then clean. */
  encodeSegment(segment: number, savedThrough: number): Uint8Array {
    const { segments, forgetting } = this.#rows
    const chosen = segments.at(segment)
    chosen.isDirty = false
    return encodeSnapshot(chosen, { segment, segmentCount: segments.count, savedThrough }, forgetting)
  }

  /** Adds the figures of every release to the batch about to be taken. */
  writeFigures(journal: Journal): void {
    for (const [release, tally] of this.#rows.tallies.entries()) {
      if (tally === undefined) continue
      for (const [code, name] of tallyFigures.entries()) journal.tally(release, code, tally.figure(name))
    }
  }

  /** Reads one snapshot back; throws SavedSessionsError. */
  loadSegment(stored: Uint8Array): SnapshotPlace {
    const { place, segment } = decodeSnapshot(stored)
    this.#adopt(place.segmentCount)
    if (!(place.segment >= 0 && place.segment < place.segmentCount)) {
      throw new SavedSessionsError(`saved segment is damaged: no segment "${place.segment}"`)
    }
    this.#rows.segments.replace(place.segment, segment)
    this.#rows.size += segment.used
    return place
  }

  /** Replays one batch on what was loaded; throws SavedSessionsError. */
  replay(stored: Uint8Array): { readonly batchNumber: number; readonly asOf: number } {
    const batch = new SavedBatch(stored)
    this.#adopt(batch.segmentCount)
    replayBatch(batch, this.#rows.segments, {
      figure: (release, name, value) => this.#rows.tally(release).restoreFigure(name, value),
      forget: (release) => (this.#rows.tallies[release] = undefined),
    })
    return { batchNumber: batch.batchNumber, asOf: batch.asOf }
  }

  /** Counts the rows as they stand after loading and replaying, a segment a step; nothing may change meanwhile. */
  *recount(): Generator<void> {
    const { segments, tallies } = this.#rows
    for (const tally of tallies) tally?.restart()
    this.#rows.size = 0
    for (let index = 0; index < segments.count; index++) yield this.#countSegment(index)
    for (const tally of tallies) tally?.finishRound()
  }

  /** Empties the ledger: what was loaded cannot be trusted. */
  clear(): void {
    this.#rows.reset(this.segmentCount)
  }

  #countSegment(index: number): void {
    const segment = this.#rows.segments.at(index)
    this.#rows.size += segment.used
    for (let slot = 0; slot < segment.capacity; slot++) {
      const until = segment.until[slot] as number
      if (until === 0) continue
      this.#rows.tally(segment.release[slot] as number).join(until, segment.bornAt[slot] as number)
    }
  }

  /** Saved with another number of segments: the saved one is taken over, since it decides which row is where. */
  #adopt(segmentCount: number): void {
    const { segments } = this.#rows
    if (segmentCount === segments.count) return
    if (this.#rows.size > 0)
      throw new SavedSessionsError('saved sessions are damaged: two numbers of segments')
    segments.reshape(segmentCount)
  }
}
