// One open-addressing table of sessions: linear probing, removal by shifting back, no tombstone slots. Ids are random,
// so their own bits are the hash. Knows nothing of releases' counts, of time or of how it is saved.
import { extendPromise, type TimeSpan } from '../../domain/session.js'

/*
 * One buffer, 22 bytes a slot; a slot whose `until` is 0 is free:
 *
 *   until    f64  f64  f64 …     ms
 *   ids      u32 u32  u32 u32 …  high half, low half
 *   bornAt   u32  u32  u32 …     s, rounded down
 *   release  u16  u16  u16 …
 */
const bytesPerSlot = 22
const smallest = 16
/** Fuller tables probe too long: at 0.8 an absent id costs some 13 neighbouring slots. */
const fullest = 0.8
/** Growing by a third keeps a table at least 0.6 full: 28 to 37 bytes a session. */
const growth = 4 / 3
const sparsest = 0.3

/** A table of sessions that grows and shrinks alone. Slots are valid until the next insertion or removal. */
export class Segment {
  until = new Float64Array(0)
  ids = new Uint32Array(0)
  bornAt = new Uint32Array(0)
  release = new Uint16Array(0)
  capacity = 0
  used = 0
  /** Changed since it was last saved. */
  isDirty = false
  /** Number of the last batch whose changes its saved form holds. */
  savedThrough = 0
  #pending: TimeSpan[] = []
  #scale = 0

  /** The slot of an id, or -1. */
  find(high: number, low: number): number {
    if (this.capacity === 0) return -1
    const { until, ids, capacity } = this
    let slot = this.#home(low)
    while (until[slot] !== 0) {
      if (ids[2 * slot + 1] === low && ids[2 * slot] === high) return slot
      if (++slot === capacity) slot = 0
    }
    return -1
  }

  /** Takes in an id that is not there; the caller fills `until` (above 0), `bornAt` and `release` of the slot. */
  insert(high: number, low: number): number {
    if (this.used + 1 > this.capacity * fullest) this.#resize(Math.max(smallest, this.capacity * growth))
    const slot = this.#freeSlot(low)
    this.ids[2 * slot] = high
    this.ids[2 * slot + 1] = low
    this.used++
    return slot
  }

  /** Removes a slot's row. Later rows of its run move back, so the slot may hold another row afterwards. */
  remove(slot: number): void {
    const { until, capacity } = this
    let hole = slot
    let next = slot
    for (;;) {
      if (++next === capacity) next = 0
      if (until[next] === 0) break
      const fromHome = next - this.#home(this.ids[2 * next + 1] as number)
      const fromHole = next - hole
      if (wrapped(fromHome, capacity) < wrapped(fromHole, capacity)) continue
      this.#copy(this, next, hole)
      hole = next
    }
    until[hole] = 0
    this.used--
  }

  /** Adds a span to every promise that was alive when it began; done when the segment is next settled. */
  extend(span: TimeSpan): void {
    if (this.used === 0) return
    this.#pending.push(span)
    this.isDirty = true
  }

  /** Works off the spans added since; to be called before rows are read or changed. */
  settle(): this {
    if (this.#pending.length === 0) return this
    const { until } = this
    for (let slot = 0; slot < this.capacity; slot++) {
      const known = until[slot] as number
      if (known !== 0) until[slot] = extendPromise(known, this.#pending)
    }
    this.#pending = []
    return this
  }

  /** Gives memory back after many have gone. */
  shrink(): void {
    if (this.capacity <= smallest || this.used >= this.capacity * sparsest) return
    this.#resize(this.used === 0 ? 0 : Math.max(smallest, this.used / (fullest / growth)))
  }

  /** Makes room for a known number of rows at once. Only for an empty segment. */
  reserve(rows: number): void {
    if (rows > 0) this.#resize(Math.max(smallest, rows / fullest + 1))
  }

  #home(low: number): number {
    return (low * this.#scale) | 0
  }

  #freeSlot(low: number): number {
    const { until, capacity } = this
    let slot = this.#home(low)
    while (until[slot] !== 0) if (++slot === capacity) slot = 0
    return slot
  }

  #copy(source: Segment, from: number, to: number): void {
    this.until[to] = source.until[from] as number
    this.ids[2 * to] = source.ids[2 * from] as number
    this.ids[2 * to + 1] = source.ids[2 * from + 1] as number
    this.bornAt[to] = source.bornAt[from] as number
    this.release[to] = source.release[from] as number
  }

  #resize(wanted: number): void {
    const old = new Segment()
    old.#adopt(this)
    this.#allocate(Math.ceil(wanted))
    for (let from = 0; from < old.capacity; from++) {
      if (old.until[from] === 0) continue
      this.#copy(old, from, this.#freeSlot(old.ids[2 * from + 1] as number))
    }
  }

  #adopt(other: Segment): void {
    this.capacity = other.capacity
    this.until = other.until
    this.ids = other.ids
    this.bornAt = other.bornAt
    this.release = other.release
  }

  #allocate(capacity: number): void {
    const buffer = new ArrayBuffer(capacity * bytesPerSlot)
    this.capacity = capacity
    // An exact product: 32 bits of id times a capacity below 2^21.
    this.#scale = capacity / 2 ** 32
    this.until = new Float64Array(buffer, 0, capacity)
    this.ids = new Uint32Array(buffer, capacity * 8, capacity * 2)
    this.bornAt = new Uint32Array(buffer, capacity * 16, capacity)
    this.release = new Uint16Array(buffer, capacity * 20, capacity)
  }
}

function wrapped(distance: number, capacity: number): number {
  return distance < 0 ? distance + capacity : distance
}
