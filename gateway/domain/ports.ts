// What the domain and the planes need of the outside, each as small as its user needs, with null versions for tests.

/** The gateway's clock. `now` never runs backwards within a process; see the clock rule in docs/architecture.md. */
export interface Clock {
  /** Wall-clock instant in ms since the epoch, advanced by the monotonic clock. */
  now(): number
  /** Monotonic ms, comparable between processes of one machine. */
  monotonic(): number
}

export type LogFields = Readonly<Record<string, unknown>>

export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

export const nullLog: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** One save of the session ledger. Blobs are opaque to the store. */
export interface SessionSave {
  /** One more than the last save's. */
  readonly batchNumber: number
  /** What changed since the last save. */
  readonly batch: Uint8Array
  /** Snapshots that replace those of the same segments. */
  readonly segments: ReadonlyMap<number, Uint8Array>
  /** Batches up to this number are held by the snapshots and may go. */
  readonly forgetThrough: number
}

/** Keeps the session ledger over restarts as a journal of batches and a rolling snapshot of segments. */
export interface SessionStore {
  /** Keeps all of it or nothing; resolves when it is durable against the death of the process. */
  saveSessions(save: SessionSave): Promise<void>
  savedSegments(): Iterable<Uint8Array>
  /** In the order of their numbers. */
  savedBatches(): Iterable<Uint8Array>
  /** Drops all of it. */
  forgetSessions(): Promise<void>
}

/** Keeps documents (the saved state of the lifecycle) and the event log. Values are plain JSON-like data. */
export interface LifecycleStore {
  get(key: string): unknown
  put(key: string, value: unknown): Promise<void>
  remove(key: string): Promise<void>
  appendEvent(event: unknown): Promise<void>
  /** Newest first, at most `limit`, older than `before` where that is given (its sequence number). */
  events(limit: number, before?: number): readonly { readonly sequence: number; readonly event: unknown }[]
  /** The oldest that is kept after that sequence number; null when there is none. */
  eventAfter(sequence: number): { readonly sequence: number; readonly event: unknown } | null
  flushed(): Promise<void>
  close(): Promise<void>
}
