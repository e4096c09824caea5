// The saved form of one segment: its used rows as columns. Must not know batches, releases or time.
import { Segment } from './segment.js'
import { type BlobHeader, expectBody, newBlob, openBlob, sealBlob } from './saved-blob.js'

const bytesPerRow = 22

/** Where a snapshot stands in the ledger and in the order of batches. */
export interface SnapshotPlace {
  readonly segment: number
  readonly segmentCount: number
  /** Number of the last batch whose changes it holds. */
  readonly savedThrough: number
}

/** Encodes the rows of a settled segment, but for those of releases that are being forgotten. */
export function encodeSnapshot(
  segment: Segment,
  place: SnapshotPlace,
  skip: ReadonlyMap<number, unknown>,
): Uint8Array {
  const rows = skip.size === 0 ? segment.used : countRows(segment, skip)
  const blob = newBlob(headerOf(place, rows), rows * bytesPerRow)
  const columns = columnsOf(blob.body, blob.at, rows)
  let row = 0
  for (let slot = 0; slot < segment.capacity; slot++) {
    if (segment.until[slot] === 0 || skip.has(segment.release[slot] as number)) continue
    columns.until[row] = segment.until[slot] as number
    columns.ids[2 * row] = segment.ids[2 * slot] as number
    columns.ids[2 * row + 1] = segment.ids[2 * slot + 1] as number
    columns.bornAt[row] = segment.bornAt[slot] as number
    columns.release[row] = segment.release[slot] as number
    row++
  }
  return sealBlob(blob.bytes)
}

/** A segment read back, with its place; throws SavedSessionsError when the bytes are damaged. */
export function decodeSnapshot(stored: Uint8Array): { place: SnapshotPlace; segment: Segment } {
  const { header, body, at } = openBlob('segment', stored)
  expectBody('segment', body.byteLength - at, header.rows * bytesPerRow)
  const columns = columnsOf(body, at, header.rows)
  const segment = new Segment()
  segment.reserve(header.rows)
  for (let row = 0; row < header.rows; row++) {
    const slot = segment.insert(columns.ids[2 * row] as number, columns.ids[2 * row + 1] as number)
    segment.until[slot] = columns.until[row] as number
    segment.bornAt[slot] = columns.bornAt[row] as number
    segment.release[slot] = columns.release[row] as number
  }
  segment.savedThrough = header.batchNumber
  return { place: placeOf(header), segment }
}

function headerOf(place: SnapshotPlace, rows: number): BlobHeader {
  const { segmentCount, savedThrough, segment } = place
  return { kind: 'segment', segmentCount, rows, batchNumber: savedThrough, mark: segment }
}

function placeOf(header: BlobHeader): SnapshotPlace {
  return { segment: header.mark, segmentCount: header.segmentCount, savedThrough: header.batchNumber }
}

function countRows(segment: Segment, skip: ReadonlyMap<number, unknown>): number {
  let rows = 0
  for (let slot = 0; slot < segment.capacity; slot++) {
    if (segment.until[slot] !== 0 && !skip.has(segment.release[slot] as number)) rows++
  }
  return rows
}

function columnsOf(body: ArrayBuffer, at: number, rows: number) {
  return {
    until: new Float64Array(body, at, rows),
    ids: new Uint32Array(body, at + rows * 8, rows * 2),
    bornAt: new Uint32Array(body, at + rows * 16, rows),
    release: new Uint16Array(body, at + rows * 20, rows),
  }
}
