// A worker process as the supervisor sees it, made by an adapter, and what the supervisor tells of it. Types only.
import type {
  EndedSession,
  FromWorker,
  ListenerSpec,
  TouchedPart,
  ToWorker,
  WorkerReport,
} from '../plane-protocol.js'
import type { WorkerKey } from './traffic.js'

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

/** What the supervisor tells its owner. */
export interface SupervisorEvents {
  /** It listens from now on: from this instant (monotonic) it can touch releases. */
  onListening(worker: WorkerKey, at: number): void
  onReport(worker: WorkerKey, report: WorkerReport): void
  /** Ahead of the report that vouches for them. */
  onTouched(worker: WorkerKey, part: TouchedPart): void
  onSessionsEnded(sessions: readonly EndedSession[]): void
  /** Every worker routes by this generation or a later one. */
  onAcknowledged(generation: number): void
  /** It is gone; what it saw since its last report is lost. Not called for workers that were told to leave. */
  onLost(worker: WorkerKey, how: string): void
  /** It left when told to, its last report delivered. */
  onLeft(worker: WorkerKey): void
  /** The first worker could not listen. */
  onListenFailed(reason: string): void
}
