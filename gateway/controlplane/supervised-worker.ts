// A worker and how far it has come, as the supervisor keeps it. Knows nothing of who changes it.
import type { WorkerKey } from './traffic.js'
import type { WorkerHandle } from './worker-handle.js'

/** A worker silent for so long is killed. */
const silenceMs = 5_000
/** One that goes on reporting and has taken no publication for so long too: everything waits for its acknowledgement. */
const behindMs = 30_000

/** A worker and how far it has come, as the supervisor keeps it. */
export interface SupervisedWorker {
  readonly key: WorkerKey
  readonly handle: WorkerHandle
  readonly startedAt: number
  state: 'starting' | 'waiting' | 'listening' | 'leaving'
  acknowledged: number
  /** Since when it has taken none, while it lacks some (monotonic); of no meaning while it has every publication. */
  behindSince: number
  lastHeardAt: number
  /** It fell silent or behind for too long: it has been killed. */
  isKilled: boolean
  /** It has said that it accepts connections. */
  isAccepting: boolean
  /** It was told to leave; one that does not listen by then never will. */
  isDismissed: boolean
  /** Its last report has come. */
  hasSaidAll: boolean
  /** The one that it will take the place of; null once it has a place of its own. */
  successorOf: WorkerKey | null
}

/** One that has just been forked, at that instant (monotonic). */
export function freshWorker(
  key: WorkerKey,
  handle: WorkerHandle,
  startedAt: number,
  successorOf: WorkerKey | null,
): SupervisedWorker {
  return {
    key,
    handle,
    startedAt,
    state: 'starting',
    acknowledged: 0,
    behindSince: startedAt,
    lastHeardAt: startedAt,
    isKilled: false,
    isAccepting: false,
    isDismissed: false,
    hasSaidAll: false,
    successorOf,
  }
}

/** For what it is to be killed at that instant (monotonic), `generation` being the newest publication; null: it is well. */
export function faultOf(worker: SupervisedWorker, now: number, generation: number): string | null {
  if (now - worker.lastHeardAt >= silenceMs) return 'is silent'
  const isBehind = worker.acknowledged < generation
  return isBehind && now - worker.behindSince >= behindMs ? 'takes no publication' : null
}
