// What the benchmark needs of each proxy that it compares, and what it gives each of them. Knows none of them.

/** The releases that every contender routes to, by the same rule: a visitor stays on the one where he began. */
export interface ReleaseAddress {
  readonly name: string
  readonly port: number
}

/** Where a contender may put its files, and what it serves. */
export interface Place {
  readonly directory: string
  /** The public port, free a moment ago. */
  readonly port: number
  /** Another free port, for contenders with an admin side. */
  readonly adminPort: number
  readonly releases: readonly [ReleaseAddress, ReleaseAddress, ...ReleaseAddress[]]
}

/** A contender that answers. */
export interface Running {
  readonly port: number
  /** The processes that serve requests: their CPU time is what is compared. */
  readonly workerPids: readonly number[]
  /** A process beside it that serves none; null for most. */
  readonly mainPid: number | null
  /** The Cookie headers of that many visitors, half of them on each release. */
  board(visitors: number): Promise<readonly string[]>
  stop(): Promise<void>
}

export interface Contender {
  readonly name: string
  /** What it does of the work, for the report. */
  readonly does: string
  /** Whether it also carries WebSockets. */
  readonly hasWebSockets: boolean
  /** Why it cannot run here; null when it can. */
  missing(): string | null
  version(): string
  start(place: Place): Promise<Running>
}
