// A worker process as the supervisor sees it; an adapter makes it. Knows nothing of why workers come and go.
import type { FromWorker, ToWorker } from '../plane-protocol.js'

/** One running worker process. */
export interface WorkerHandle {
  readonly pid: number
  send(message: ToWorker): void
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

/** What a worker process tells whoever forked it. */
export interface WorkerObserver {
  onMessage(message: FromWorker): void
  onFault(reason: string): void
  onExit(how: string): void
}
