// The changes of the ledger since the last save, as rows of 24 bytes in the order in which they were made. Touched rows
// are written as they stand afterwards, so that replaying needs neither clock nor policy. Knows nothing of the store.
import type { TimeSpan } from '../../domain/session.js'
import { type BlobHeader, expectBody, newBlob, openBlob, sealBlob } from './saved-blob.js'
import type { Segment } from './segment.js'

/*
 *   0        8     12    16       20        22
 *   until    high  low   bornAt   release   change     touch
 *            high  low                                 end
 *   now      segment                                   sweep: rows of one segment with until ≤ now went
 *   from     lengthMs                                  extend
 *                                 release              forget
 *   value                figure   release              tally
 */
const bytesPerRow = 24
const firstRows = 256
/** A buffer larger than this is not kept for the next batch. */
const keptRows = 65_536

/** What a row changes. */
export type Change = 'touch' | 'end' | 'sweep' | 'extend' | 'forget' | 'tally'
/** Figures of a release that are saved with each batch: its counters, and the bound of what is not in the table. */
export type TallyFigure = 'confirmed' | 'idle' | 'age' | 'signal' | 'overflow' | 'bound'

/** In the order of their saved codes, which begin at 1; never reorder. */
const changes: readonly Change[] = ['touch', 'end', 'sweep', 'extend', 'forget', 'tally']
/** In the order of their saved codes, which begin at 0; never reorder. */
export const tallyFigures: readonly TallyFigure[] = [
  'confirmed',
  'idle',
  'age',
  'signal',
  'overflow',
  'bound',
]

const touchCode = 1
const endCode = 2
const sweepCode = 3
const extendCode = 4
const forgetCode = 5
const tallyCode = 6

/** What the ledger tells of its changes. */
export interface ChangeSink {
  /** A row of a segment is new or changed. */
  touch(segment: Segment, slot: number): void
  end(high: number, low: number): void
  /** Rows of a segment with until ≤ now have gone. */
  sweep(segment: number, now: number): void
  extend(span: TimeSpan): void
  forget(release: number): void
}

/** For a ledger that nobody saves. */
export const nullSink: ChangeSink = { touch() {}, end() {}, sweep() {}, extend() {}, forget() {} }

/** Collects changes until they are taken as one batch. */
export class Journal implements ChangeSink {
  #rows = 0
  #wide = new Float64Array(firstRows * 3)
  #narrow = new Uint32Array(this.#wide.buffer)

  get rows(): number {
    return this.#rows
  }

  touch(segment: Segment, slot: number): void {
    const at = this.#next(touchCode, segment.release[slot] as number)
    this.#wide[at * 3] = segment.until[slot] as number
    this.#narrow[at * 6 + 2] = segment.ids[2 * slot] as number
    this.#narrow[at * 6 + 3] = segment.ids[2 * slot + 1] as number
    this.#narrow[at * 6 + 4] = segment.bornAt[slot] as number
  }

  end(high: number, low: number): void {
    const at = this.#next(endCode, 0)
    this.#narrow[at * 6 + 2] = high
    this.#narrow[at * 6 + 3] = low
  }

  sweep(segment: number, now: number): void {
    const at = this.#next(sweepCode, 0)
    this.#wide[at * 3] = now
    this.#narrow[at * 6 + 2] = segment
  }

  extend(span: TimeSpan): void {
    const at = this.#next(extendCode, 0)
    this.#wide[at * 3] = span.from
    this.#wide[at * 3 + 1] = span.lengthMs
  }

  forget(release: number): void {
    this.#next(forgetCode, release)
  }

  /** One figure of a release as it stands. */
  tally(release: number, figure: number, value: number): void {
    const at = this.#next(tallyCode, release)
    this.#wide[at * 3] = value
    this.#narrow[at * 6 + 4] = figure
  }

  /** All changes since the last batch, encoded; the journal is then empty. `asOf` is the instant of saving. */
  take(place: { batchNumber: number; asOf: number; segmentCount: number }): Uint8Array {
    const { batchNumber, asOf, segmentCount } = place
    const header: BlobHeader = { kind: 'batch', segmentCount, rows: this.#rows, batchNumber, mark: asOf }
    const blob = newBlob(header, this.#rows * bytesPerRow)
    blob.bytes.set(new Uint8Array(this.#wide.buffer, 0, this.#rows * bytesPerRow), blob.at)
    this.clear()
    return sealBlob(blob.bytes)
  }

  /** Drops what was collected. */
  clear(): void {
    if (this.#rows > keptRows) this.#allocate(firstRows)
    this.#rows = 0
  }

  #next(change: number, release: number): number {
    if (this.#rows * 3 === this.#wide.length) this.#grow()
    const at = this.#rows++
    this.#wide[at * 3] = 0
    this.#wide[at * 3 + 1] = 0
    this.#narrow[at * 6 + 4] = 0
    this.#narrow[at * 6 + 5] = (change << 16) | release
    return at
  }

  #grow(): void {
    const old = this.#wide
    this.#allocate(this.#rows * 2)
    this.#wide.set(old)
  }

  #allocate(rows: number): void {
    this.#wide = new Float64Array(rows * 3)
    this.#narrow = new Uint32Array(this.#wide.buffer)
  }
}

/** A batch read back. Rows are asked for by their number, since there may be millions. */
export class SavedBatch {
  readonly batchNumber: number
  readonly asOf: number
  readonly segmentCount: number
  readonly rows: number
  readonly #wide: Float64Array
  readonly #narrow: Uint32Array

  /** Throws SavedSessionsError when the bytes are damaged. */
  constructor(stored: Uint8Array) {
    const { header, body, at } = openBlob('batch', stored)
    expectBody('batch', body.byteLength - at, header.rows * bytesPerRow)
    this.batchNumber = header.batchNumber
    this.asOf = header.mark
    this.segmentCount = header.segmentCount
    this.rows = header.rows
    this.#wide = new Float64Array(body, at, header.rows * 3)
    this.#narrow = new Uint32Array(body, at, header.rows * 6)
  }

  change(row: number): Change | undefined {
    return changes[((this.#narrow[row * 6 + 5] as number) >>> 16) - 1]
  }

  release(row: number): number {
    return (this.#narrow[row * 6 + 5] as number) & 0xffff
  }

  /** A touch's until, a sweep's now, a tally's value. */
  value(row: number): number {
    return this.#wide[row * 3] as number
  }

  /** High half of the id, or a sweep's segment. */
  high(row: number): number {
    return this.#narrow[row * 6 + 2] as number
  }

  low(row: number): number {
    return this.#narrow[row * 6 + 3] as number
  }

  /** Second of birth. */
  bornAt(row: number): number {
    return this.#narrow[row * 6 + 4] as number
  }

  figure(row: number): TallyFigure | undefined {
    return tallyFigures[this.bornAt(row)]
  }

  span(row: number): TimeSpan {
    return { from: this.value(row), lengthMs: this.#wide[row * 3 + 1] as number }
  }
}
