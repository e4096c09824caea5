// A worker process as the supervisor sees it; an adapter makes it. Knows nothing of why workers come and go.
import type { FromWorker, ListenerSpec, ToWorker } from '../plane-protocol.js'

/** One running worker process. */
export interface WorkerHandle {
  readonly pid: number
  /** A socket goes with the message `socket` only. */
  send(message: ToWorker, socket?: object): void
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

/** What a worker process tells whoever forked it. */
export interface WorkerObserver {
  onMessage(message: FromWorker): void
  onFault(reason: string): void
  onExit(how: string): void
}

/** A listener of the workers, and the bound socket that they share where its engine needs one. */
export interface PublicListener {
  readonly spec: ListenerSpec
  readonly socket: object | null
}
