// Keeps the session ledger over restarts: saves its changes as batches and its segments in rotation, and reads both
// back. The owner says when to save. Must not know what is in a batch or how the store keeps it.
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SessionSave, SessionStore } from '../domain/ports.js'
import type { Journal } from './ledger/journal.js'
import type { LedgerArchive } from './ledger/ledger-archive.js'
import { SavedSessionsError } from './ledger/saved-blob.js'
import type { SessionLedger } from './session-ledger.js'

/** In so many saves every segment has its turn, so no more batches than these are kept. */
const savesARound = 60
/** While restoring, other work is let in after so many pieces: at ten million sessions each takes up to 5 ms. */
const piecesATurn = 4

export interface KeeperParts {
  readonly ledger: SessionLedger
  /** The journal that the ledger was made with. */
  readonly journal: Journal
  readonly store: SessionStore
}

/** What was found at a start. */
export interface RestoredLedger {
  readonly sessions: number
  /** The instant of the last save: whatever came after it is not known. Null when nothing was ever saved. */
  readonly asOf: number | null
}

/** Saves and restores one ledger. */
export class LedgerKeeper {
  readonly #ledger: SessionLedger
  readonly #archive: LedgerArchive
  readonly #journal: Journal
  readonly #store: SessionStore
  /** For each segment the last batch that its stored snapshot holds, or up to which it has not changed since. */
  #covered: number[] = []
  #lastBatch = 0
  #cursor = 0
  #asOf = 0
  /** A save failed and its changes are gone from the journal: the next one snapshots every changed segment. */
  #hasGap = false
  #running: Promise<void> | null = null
  #waiting: Promise<void> | null = null

  constructor({ ledger, journal, store }: KeeperParts) {
    this.#ledger = ledger
    this.#archive = ledger.archive
    this.#journal = journal
    this.#store = store
    this.#beginAt(0, 0)
  }

  /** Reads the saved ledger into the new, empty one. Throws SavedSessionsError, the ledger then being empty. */
  async restore(): Promise<RestoredLedger> {
    try {
      await this.#readSegments()
      const asOf = await this.#readBatches()
      let pieces = 0
      for (const _ of this.#archive.recount()) if (++pieces % piecesATurn === 0) await nextTurn()
      return { sessions: this.#ledger.size, asOf }
    } catch (error) {
      this.#archive.clear()
      this.#beginAt(0, 0)
      throw error
    }
  }

  /** Makes what the ledger was told while it was suspended, and lets it go on. */
  async resume(): Promise<void> {
    let pieces = 0
    while (!this.#ledger.resume(() => ++pieces % piecesATurn === 0)) await nextTurn()
  }

  /** Gives up what is stored, after a restore that failed. */
  async startAfresh(): Promise<void> {
    await this.#store.forgetSessions()
    this.#archive.clear()
    this.#journal.clear()
    this.#beginAt(0, 0)
  }

  /**
   * Saves every change so far, as of `asOf` (the owner's clock); resolves when a kill can no longer lose it. One save
   * runs at a time; calls during one share the next. After a failure, which rejects, the next save makes up for it.
   */
  save(asOf: number): Promise<void> {
    this.#asOf = Math.max(this.#asOf, asOf)
    if (this.#running === null) return this.#begin()
    this.#waiting ??= this.#running.then(
      () => this.#begin(),
      () => this.#begin(),
    )
    return this.#waiting
  }

  #begin(): Promise<void> {
    this.#waiting = null
    this.#running = this.#saveNow().finally(() => {
      if (this.#waiting === null) this.#running = null
    })
    return this.#running
  }

  async #saveNow(): Promise<void> {
    const save = this.#compose()
    try {
      await this.#store.saveSessions(save)
    } catch (error) {
      for (const segment of save.segments.keys()) this.#archive.markDirty(segment)
      this.#hasGap = true
      throw error
    }
    this.#lastBatch = save.batchNumber
    this.#hasGap = false
  }

  #compose(): SessionSave {
    const batchNumber = this.#lastBatch + 1
    const { segmentCount } = this.#archive
    this.#archive.writeFigures(this.#journal)
    const batch = this.#journal.take({ batchNumber, asOf: this.#asOf, segmentCount })
    const segments = this.#snapshots(batchNumber)
    // The last batch stays in any case: it says as of when the ledger is known, and holds the figures.
    const forgetThrough = Math.min(
      this.#covered.reduce((a, b) => Math.min(a, b)),
      batchNumber - 1,
    )
    return { batchNumber, batch, segments, forgetThrough }
  }

  /** Those whose turn it is; unchanged ones are as good as saved. */
  #snapshots(batchNumber: number): Map<number, Uint8Array> {
    const { segmentCount } = this.#archive
    const turns = this.#hasGap ? segmentCount : Math.ceil(segmentCount / savesARound)
    const snapshots = new Map<number, Uint8Array>()
    for (let turn = 0; turn < turns; turn++) {
      const segment = (this.#cursor = (this.#cursor + 1) % segmentCount)
      if (this.#archive.isDirty(segment)) {
        snapshots.set(segment, this.#archive.encodeSegment(segment, batchNumber))
      }
      this.#covered[segment] = batchNumber
    }
    return snapshots
  }

  async #readSegments(): Promise<void> {
    let pieces = 0
    for (const stored of this.#store.savedSegments()) {
      const { segment, savedThrough } = this.#archive.loadSegment(stored)
      this.#covered[segment] = savedThrough
      if (++pieces % piecesATurn === 0) await nextTurn()
    }
  }

  async #readBatches(): Promise<number | null> {
    let first = 0
    let last = 0
    let asOf: number | null = null
    for (const stored of this.#store.savedBatches()) {
      const batch = this.#archive.replay(stored)
      if (last !== 0 && batch.batchNumber !== last + 1) {
        throw new SavedSessionsError(`saved batch ${last + 1} is missing`)
      }
      if (first === 0) first = batch.batchNumber
      last = batch.batchNumber
      asOf = batch.asOf
      await nextTurn()
    }
    this.#checkOrder(last)
    this.#beginAt(last, Math.max(first - 1, 0))
    this.#asOf = asOf ?? 0
    return asOf
  }

  #checkOrder(last: number): void {
    const newest = this.#covered.reduce((a, b) => Math.max(a, b ?? 0), 0)
    if (newest > last) throw new SavedSessionsError(`saved batch ${newest} is missing`)
  }

  /** Goes on after this batch; segments without a snapshot have not changed up to `covered`. */
  #beginAt(lastBatch: number, covered: number): void {
    const known = this.#covered
    this.#lastBatch = lastBatch
    this.#covered = Array.from({ length: this.#archive.segmentCount }, (_, segment) =>
      lastBatch === 0 ? 0 : Math.max(known[segment] ?? 0, covered),
    )
  }
}
