// The saved form of the lifecycle: its own versioned types, apart from the values that the program works with. Two
// documents: the lifecycle, saved when it changes, and the checkpoint, saved every second.
import type { LifecycleStore } from '../domain/ports.js'
import type { Release } from '../domain/release.js'
import type { TimeSpan } from '../domain/session.js'
import type { LastGoodFiles } from './config/desired-state.js'
import type { SavedDoubts } from './doubts.js'
import type { SavedPromises } from './evidence-book.js'
import type { SavedRegister, SavedSite } from './site-register.js'

/** Tokens from further ahead than the usual tolerance are accepted until then: the wall clock was set back. */
export interface ExtraTolerance {
  readonly ms: number
  readonly until: number
}

export interface SavedLifecycle {
  readonly version: 2
  /** Names this state in tokens: 16 hexadecimal digits. */
  readonly issuer: string
  readonly register: SavedRegister
  readonly lastGood: LastGoodFiles
}

/**
 * Up to `asOf` everything was known and is saved; `isClean`: nothing came after it. Spans stand beside the promises
 * that they have been added to, so that neither is ever read without the other.
 */
export interface SavedCheckpoint {
  readonly version: 1
  readonly asOf: number
  readonly isClean: boolean
  readonly promises: readonly SavedPromises[]
  readonly spans: readonly TimeSpan[]
  readonly tolerance: ExtraTolerance | null
  readonly doubts: SavedDoubts
}

export class SavedStateError extends Error {}

const lifecycleKey = 'lifecycle'
const checkpointKey = 'checkpoint'

/** Null when nothing was saved. Throws `SavedStateError` for what a newer version has written. */
export function readLifecycle(store: LifecycleStore): SavedLifecycle | null {
  const saved = readVersioned(store, lifecycleKey, [1, 2])
  if (saved === null) return null
  return saved.version === 1 ? fromVersion1(saved as SavedLifecycle1) : (saved as SavedLifecycle)
}

export function readCheckpoint(store: LifecycleStore): SavedCheckpoint | null {
  return readVersioned(store, checkpointKey, [1]) as SavedCheckpoint | null
}

/** Version 1 had no rollouts, and no release that was given up. */
interface SavedLifecycle1 extends Omit<SavedLifecycle, 'version' | 'register'> {
  readonly version: 1
  readonly register: Omit<SavedRegister, 'sites'> & { readonly sites: readonly SavedSite1[] }
}

interface SavedSite1 extends Omit<SavedSite, 'rollout' | 'releases'> {
  readonly releases: readonly Omit<Release, 'wasGivenUp'>[]
}

function fromVersion1(saved: SavedLifecycle1): SavedLifecycle {
  const sites = saved.register.sites.map((site) => ({
    ...site,
    rollout: null,
    releases: site.releases.map((release) => ({ ...release, wasGivenUp: false })),
  }))
  return { ...saved, version: 2, register: { ...saved.register, sites } }
}

function readVersioned(
  store: LifecycleStore,
  key: string,
  known: readonly number[],
): { readonly version: number } | null {
  const saved = store.get(key) as { readonly version: number } | undefined | null
  if (saved === undefined || saved === null) return null
  if (known.includes(saved.version)) return saved
  const newest = known.at(-1)
  throw new SavedStateError(
    `the saved ${key} has version ${String(saved.version)}, this gateway reads up to version ${newest}`,
  )
}

export function saveLifecycle(store: LifecycleStore, saved: SavedLifecycle): Promise<void> {
  return store.put(lifecycleKey, saved)
}

export function saveCheckpoint(store: LifecycleStore, saved: SavedCheckpoint): Promise<void> {
  return store.put(checkpointKey, saved)
}

/** To be called before anything is served: from here on the checkpoint may lack what came after it. */
export async function reopenCheckpoint(
  store: LifecycleStore,
  checkpoint: SavedCheckpoint | null,
): Promise<void> {
  if (checkpoint?.isClean === true) await saveCheckpoint(store, { ...checkpoint, isClean: false })
}

/** The sessions cannot be read: without them the checkpoint would vouch for what is gone, at the next start too. */
export function forgetCheckpoint(store: LifecycleStore): Promise<void> {
  return store.remove(checkpointKey)
}
