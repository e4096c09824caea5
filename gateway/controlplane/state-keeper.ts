// Keeps the state: the lifecycle when it has changed, and every second a checkpoint that says up to when everything is
// known. The sessions are saved before the mark that vouches for them.
import type { Clock, LifecycleStore, Log } from '../domain/ports.js'
import type { EvidenceBook } from './evidence-book.js'
import type { LedgerKeeper } from './ledger-keeper.js'
import { LifecycleFingerprints } from './lifecycle-fingerprints.js'
import {
  forgetCheckpoint,
  reopenCheckpoint,
  saveCheckpoint,
  saveLifecycle,
  type SavedCheckpoint,
  type SavedLifecycle,
} from './saved-state.js'

export interface StateKeeperParts {
  readonly clock: Clock
  readonly log: Log
  readonly store: LifecycleStore
  readonly evidence: EvidenceBook
  readonly ledgerKeeper: LedgerKeeper
  /** The lifecycle as it is now. */
  readonly lifecycle: () => SavedLifecycle
  /** What a checkpoint says of time. */
  readonly time: () => Pick<SavedCheckpoint, 'spans' | 'tolerance' | 'doubts'>
}

export class StateKeeper {
  readonly #parts: StateKeeperParts
  /** Monotonic ms of the last checkpoint; at the beginning of the start itself. */
  #savedAt: number
  #problem: string | null = null
  #lifecycleKept: Promise<boolean> = Promise.resolve(true)
  readonly #fingerprints = new LifecycleFingerprints()
  /** One checkpoint after the other; those that are asked for meanwhile share the next. */
  #running: Promise<void> = Promise.resolve()
  #waiting: Promise<void> | null = null

  constructor(parts: StateKeeperParts) {
    this.#parts = parts
    this.#savedAt = parts.clock.monotonic()
  }

  /** Ms since the last checkpoint was saved, or since the start; by the clock that is never set. */
  get ageMs(): number {
    return this.#parts.clock.monotonic() - this.#savedAt
  }

  /** Why the state cannot be saved, in words; null: it can. */
  get problem(): string | null {
    return this.#problem
  }

  /** Writes the lifecycle when it differs from what was written last; resolves to whether it is kept. */
  saveLifecycle(): Promise<boolean> {
    const saved = this.#parts.lifecycle()
    if (!this.#fingerprints.isNew(saved)) return this.#lifecycleKept
    this.#lifecycleKept = saveLifecycle(this.#parts.store, saved).then(
      () => true,
      (error: unknown) => {
        // What was not written is tried again with the next checkpoint.
        this.#fingerprints.forget()
        this.#cannotSave(error)
        return false
      },
    )
    return this.#lifecycleKept
  }

  /** `isClean`: no worker is left, nothing can come after this. */
  checkpoint(isClean = false): Promise<void> {
    if (this.#waiting !== null && !isClean) return this.#waiting
    const next = this.#running.then(() => {
      this.#waiting = null
      return this.#checkpoint(isClean)
    })
    this.#waiting = next
    this.#running = next
    return next
  }

  /**
   * The saved sessions cannot be read: nothing that was saved is vouched for any more, at the next start either. Up to when
   * tokens were handed out is forgotten with it, until the next checkpoint.
   */
  giveUp(): Promise<void> {
    const given = this.#running.then(() => forgetCheckpoint(this.#parts.store))
    this.#running = given.catch(() => {})
    return given
  }

  async #checkpoint(isClean: boolean): Promise<void> {
    const { ledgerKeeper, store, clock, evidence } = this.#parts
    // Since the last word of its last worker nobody was served, nor idled.
    const asOf = evidence.asOf ?? (isClean ? clock.now() : null)
    try {
      if (asOf === null) {
        await reopenCheckpoint(store, clock.now())
        this.#problem = null
        return
      }
      const lifecycleKept = this.saveLifecycle()
      const promises = evidence.save()
      const time = this.#parts.time()
      const begunAt = clock.now()
      await ledgerKeeper.save(asOf)
      // It would vouch for releases that nobody finds.
      if (!(await lifecycleKept)) return
      // The clock may have been set back meanwhile.
      const writtenAt = Math.max(begunAt, clock.now())
      await saveCheckpoint(store, { version: 2, asOf, writtenAt, isClean, promises, ...time })
      this.#savedAt = clock.monotonic()
      this.#problem = null
    } catch (error) {
      this.#cannotSave(error)
    }
  }

  #cannotSave(error: unknown): void {
    this.#problem = error instanceof Error ? error.message : String(error)
    this.#parts.log.error('the state cannot be saved', { error: String(error) })
  }
}
