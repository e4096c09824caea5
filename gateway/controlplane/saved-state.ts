// The saved form of the lifecycle: its own versioned types, apart from the values that the program works with. Two
// documents: the lifecycle, saved when it changes, and the checkpoint, saved every second.
import type { LifecycleStore } from '../domain/ports.js'
import type { TimeSpan } from '../domain/session.js'
import type { LastGoodFiles } from './config/desired-state.js'
import type { SavedDoubts } from './doubts.js'
import type { SavedPromises } from './evidence-book.js'
import { upgradedCheckpoint, upgradedLifecycle } from './saved-upgrades.js'
import type { SavedRegister } from './site-register.js'

/** Tokens from further ahead than the usual tolerance are accepted until then: the wall clock was set back. */
export interface ExtraTolerance {
  readonly ms: number
  readonly until: number
}

export interface SavedLifecycle {
  readonly version: typeof lifecycleVersion
  /** Names this state in tokens: 16 hexadecimal digits. */
  readonly issuer: string
  readonly register: SavedRegister
  readonly lastGood: LastGoodFiles
}

/**
 * Up to `asOf` everything was known and is saved; `isClean`: nothing came after it. `writtenAt`, never before `asOf`:
 * tokens were handed out up to about then, by the clock that ran. Spans stand beside the promises that they have been
 * added to, so that neither is ever read without the other.
 */
export interface SavedCheckpoint {
  readonly version: typeof checkpointVersion
  readonly asOf: number
  readonly writtenAt: number
  readonly isClean: boolean
  readonly promises: readonly SavedPromises[]
  readonly spans: readonly TimeSpan[]
  readonly tolerance: ExtraTolerance | null
  readonly doubts: SavedDoubts
}

export class SavedStateError extends Error {}

const lifecycleVersion = 3
const checkpointVersion = 2

const lifecycleKey = 'lifecycle'
const checkpointKey = 'checkpoint'

/** Null when nothing was saved. Throws `SavedStateError` for what a newer version has written. */
export function readLifecycle(store: LifecycleStore): SavedLifecycle | null {
  return read(store, lifecycleKey, lifecycleVersion) as SavedLifecycle | null
}

export function readCheckpoint(store: LifecycleStore): SavedCheckpoint | null {
  return read(store, checkpointKey, checkpointVersion) as SavedCheckpoint | null
}

/** The document in its present form, whichever version of the gateway has written it. */
function read(store: LifecycleStore, key: string, present: number): object | null {
  const saved = store.get(key) as { readonly version?: unknown } | undefined | null
  if (saved === undefined || saved === null) return null
  const { version } = saved
  if (typeof version !== 'number' || version < 1 || version > present) {
    throw new SavedStateError(
      `the saved ${key} has version ${String(version)}, this gateway reads versions up to ${present}`,
    )
  }
  return key === lifecycleKey ? upgradedLifecycle(saved, version) : upgradedCheckpoint(saved, version)
}

export function saveLifecycle(store: LifecycleStore, saved: SavedLifecycle): Promise<void> {
  return store.put(lifecycleKey, saved)
}

export function saveCheckpoint(store: LifecycleStore, saved: SavedCheckpoint): Promise<void> {
  return store.put(checkpointKey, saved)
}

/**
 * The gateway serves, or is about to, and vouches for no more than its checkpoint does: that may lack what came since. To
 * be called before anything is served, and while nothing can be saved.
 */
export async function reopenCheckpoint(store: LifecycleStore, now: number): Promise<void> {
  const saved = readCheckpoint(store)
  if (saved === null) return
  // The clock may have been set back since, and what was handed out before that counts as well.
  await saveCheckpoint(store, { ...saved, isClean: false, writtenAt: Math.max(saved.writtenAt, now) })
}

/** The sessions cannot be read: without them the checkpoint would vouch for what is gone, at the next start too. */
export function forgetCheckpoint(store: LifecycleStore): Promise<void> {
  return store.remove(checkpointKey)
}
