// A store of session saves in memory, which remembers how it stood after each save and fails when told to.
import type { SessionSave, SessionStore } from '../../gateway/domain/ports.js'

interface Stored {
  readonly segments: ReadonlyMap<number, Uint8Array>
  readonly batches: ReadonlyMap<number, Uint8Array>
}

export class MemoryStore implements SessionStore {
  /** How the store stood after each save that it kept. */
  readonly history: Stored[] = []
  failNext = false
  #segments = new Map<number, Uint8Array>()
  #batches = new Map<number, Uint8Array>()

  constructor(from?: Stored) {
    if (from === undefined) return
    this.#segments = new Map(from.segments)
    this.#batches = new Map(from.batches)
  }

  get batchCount(): number {
    return this.#batches.size
  }

  async saveSessions(save: SessionSave): Promise<void> {
    await Promise.resolve()
    const isFailing = this.failNext
    this.failNext = false
    if (isFailing) throw new Error('no space left')
    this.#batches.set(save.batchNumber, save.batch)
    for (const [segment, content] of save.segments) this.#segments.set(segment, content)
    for (const number of this.#batches.keys()) if (number <= save.forgetThrough) this.#batches.delete(number)
    this.history.push({ segments: new Map(this.#segments), batches: new Map(this.#batches) })
  }

  savedSegments(): Iterable<Uint8Array> {
    return this.#segments.values()
  }

  savedBatches(): Iterable<Uint8Array> {
    return [...this.#batches].toSorted(([a], [b]) => a - b).map(([, batch]) => batch)
  }

  async forgetSessions(): Promise<void> {
    this.#segments.clear()
    this.#batches.clear()
  }
}
