// Replays a saved batch on segments read from their snapshots. A segment whose snapshot already holds the batch is left
// alone, so every row ends as it stood when the batch was saved. Counts are not kept here: they are taken afterwards.
import { type SavedBatch, type TallyFigure } from './journal.js'
import type { Segment } from './segment.js'
import type { SegmentSet } from './segment-set.js'
import { SavedSessionsError } from './saved-blob.js'

/** Takes in the figures saved with each batch; the last batch's are the valid ones. */
export interface FigureSink {
  figure(release: number, name: TallyFigure, value: number): void
  forget(release: number): void
}

/** Applies one batch; throws SavedSessionsError on a change that this version does not know. */
export function replayBatch(batch: SavedBatch, segments: SegmentSet, figures: FigureSink): void {
  for (let row = 0; row < batch.rows; row++) replayRow(batch, row, segments, figures)
}

function replayRow(batch: SavedBatch, row: number, segments: SegmentSet, figures: FigureSink): void {
  const change = batch.change(row)
  switch (change) {
    case 'touch':
      return replayTouch(batch, row, segments.of(batch.high(row)))
    case 'end':
      return replayEnd(batch, row, segments.of(batch.high(row)))
    case 'sweep':
      return replaySweep(batch, row, segments)
    case 'extend':
      return eachOlder(batch, segments, (segment) => segment.extend(batch.span(row)))
    case 'forget':
      figures.forget(batch.release(row))
      return eachOlder(batch, segments, (segment) => dropRelease(segment, batch.release(row)))
    case 'tally':
      return replayFigure(batch, row, figures)
    case undefined:
      throw new SavedSessionsError('saved batch is damaged: unknown change')
    default:
      return change satisfies never
  }
}

function replayTouch(batch: SavedBatch, row: number, segment: Segment): void {
  if (!isOlder(segment, batch)) return
  const high = batch.high(row)
  const low = batch.low(row)
  const known = segment.find(high, low)
  const slot = known >= 0 ? known : segment.insert(high, low)
  segment.until[slot] = batch.value(row)
  segment.bornAt[slot] = batch.bornAt(row)
  segment.release[slot] = batch.release(row)
  segment.isDirty = true
}

function replayEnd(batch: SavedBatch, row: number, segment: Segment): void {
  if (!isOlder(segment, batch)) return
  const slot = segment.find(batch.high(row), batch.low(row))
  if (slot < 0) return
  segment.remove(slot)
  segment.isDirty = true
}

function replaySweep(batch: SavedBatch, row: number, segments: SegmentSet): void {
  const index = batch.high(row)
  if (index >= segments.count) throw new SavedSessionsError(`saved batch is damaged: no segment "${index}"`)
  const segment = segments.at(index)
  const now = batch.value(row)
  if (isOlder(segment, batch)) dropWhere(segment, (slot) => (segment.until[slot] as number) <= now)
}

function replayFigure(batch: SavedBatch, row: number, figures: FigureSink): void {
  const name = batch.figure(row)
  if (name === undefined) throw new SavedSessionsError('saved batch is damaged: unknown figure')
  figures.figure(batch.release(row), name, batch.value(row))
}

function isOlder(segment: Segment, batch: SavedBatch): boolean {
  return segment.savedThrough < batch.batchNumber
}

function eachOlder(batch: SavedBatch, segments: SegmentSet, change: (segment: Segment) => void): void {
  for (let index = 0; index < segments.count; index++) {
    const segment = segments.at(index)
    if (isOlder(segment, batch)) change(segment)
  }
}

function dropRelease(segment: Segment, release: number): void {
  dropWhere(segment, (slot) => segment.release[slot] === release)
}

/** A removal may bring a later row into the slot, which is then looked at again. */
function dropWhere(segment: Segment, isDropped: (slot: number) => boolean): void {
  let slot = 0
  while (slot < segment.capacity) {
    if (segment.until[slot] === 0 || !isDropped(slot)) slot++
    else {
      segment.remove(slot)
      segment.isDirty = true
    }
  }
}
