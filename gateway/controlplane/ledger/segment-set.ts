// All segments of the ledger: which of them an id belongs to. Must not know what rows mean.
import type { TimeSpan } from '../../domain/session.js'
import { Segment } from './segment.js'

/** A power of two of segments; the upper bits of an id choose one. */
export class SegmentSet {
  #list: Segment[] = []
  #shift = 0

  constructor(count: number) {
    this.reshape(count)
  }

  get count(): number {
    return this.#list.length
  }

  /** Begins again with another number of segments, all empty. */
  reshape(count: number): void {
    if (count < 1 || count > 65_536 || (count & (count - 1)) !== 0) {
      throw new RangeError(`number of segments must be a power of two up to 65536, not "${count}"`)
    }
    this.#list = Array.from({ length: count }, () => new Segment())
    this.#shift = Math.clz32(count) + 1
  }

  /** The segment of an id, by its high half; settled. */
  of(high: number): Segment {
    // A shift by 32 would be one by 0: with a single segment there is nothing to choose.
    return this.at(this.#shift === 32 ? 0 : high >>> this.#shift)
  }

  at(index: number): Segment {
    const segment = this.#list[index]
    if (segment === undefined) throw new RangeError(`no segment "${index}"`)
    return segment.settle()
  }

  replace(index: number, segment: Segment): void {
    if (index < 0 || index >= this.count) throw new RangeError(`no segment "${index}"`)
    this.#list[index] = segment
  }

  /** Rows of any segment may look different when they are saved next. */
  markDirty(): void {
    for (const segment of this.#list) if (segment.used > 0) segment.isDirty = true
  }

  extend(span: TimeSpan): void {
    for (const segment of this.#list) segment.extend(span)
  }

  /** Works off all spans now, not as each segment is used. */
  settle(): void {
    for (const segment of this.#list) segment.settle()
  }
}
