// The messages between the planes: what the main process and a worker say to each other. Types only. They cross a
// process border by structured clone, so typed arrays and Infinity are welcome.
import type { BirthCause, Decision } from './domain/affinity.js'
import type { ErrorCode } from './domain/errors.js'
import type { ReleaseVersion, SessionId, SiteName, TargetUrl } from './domain/ids.js'
import type { MoveCause } from './domain/moves.js'
import type { TableSpec } from './domain/routing-table.js'
import type { SessionBatch } from './domain/session.js'

/** What a secure listener shows and signs with. */
export interface TlsMaterial {
  /** PEM; the first is shown where no other fits the name asked for. */
  readonly certificates: readonly { readonly cert: string; readonly key: string }[]
  /** The same in files, for an engine that takes nothing else; they stay as they are. Null: nobody needs them. */
  readonly files: readonly { readonly cert: string; readonly key: string }[] | null
  /** Who may sign the certificates of clients, PEM, and whether everyone needs one; null: nobody is asked. */
  readonly clients: { readonly ca: string; readonly isRequired: boolean } | null
  /** 48 bytes, the same for all workers: any of them resumes a session of any other. */
  readonly ticketKeys: Uint8Array
}

/**
 * Where a worker listens. The main process has made sure that nobody else holds the port; for the engine `node` the
 * socket that all workers share has come before (`socket`).
 */
export interface ListenerSpec {
  readonly name: 'http' | 'https'
  readonly engine: 'uws' | 'node'
  readonly host: string
  readonly port: number
  /** Null: plain HTTP. */
  readonly tls: TlsMaterial | null
  /** Every connection begins with a header of the PROXY protocol, version 2, from a trusted proxy. */
  readonly isProxied: boolean
  /** Requests are sent on to HTTPS at this port; null: they are served. */
  readonly redirectPort: number | null
}

/** What a worker's fronts are made of, known before anything of what they are to serve. */
export interface FrontPreparation {
  readonly engines: readonly ListenerSpec['engine'][]
  /** Largest request head in bytes; the library of `uws` reads it from the environment when it is loaded. */
  readonly requestHeadBytes: number
}

/** What the clients of one worker may take together, and each of them. */
export interface ClientLimits {
  /** Open connections of the worker; Infinity: as many as it may open. */
  readonly connections: number
  /** Open connections of one address to all workers; Infinity: no bound. */
  readonly connectionsPerAddress: number
  /** Requests and sockets under way in the worker; Infinity: no bound. */
  readonly exchanges: number
  /** Lateness of the worker's event loop from which on requests are refused; Infinity: never. */
  readonly overloadDelayMs: number
  /** The least that a request's body may bring. */
  readonly bodyBytesPerS: number
  /** A client that takes nothing of its answer for so long is cut. */
  readonly stalledClientMs: number
}

/** Limits of the data plane, ms and bytes. */
export interface WorkerLimits extends ClientLimits {
  readonly requestHeadBytes: number
  readonly requestBodyBytes: number
  readonly headerTimeoutMs: number
  readonly upstreamTimeoutMs: number
  readonly connectTimeoutMs: number
  /** From a request to the end of its answer; Infinity: no bound. */
  readonly exchangeTimeoutMs: number
}

export interface KeyRingSpec {
  readonly keys: readonly { readonly id: number; readonly secret: Uint8Array }[]
  readonly signsWith: number
}

/** Everything a worker routes by; swapped whole. */
export interface Publication {
  readonly table: TableSpec
  readonly keys: KeyRingSpec
  /** Wall-clock ms at the zero of the machine's monotonic clock: one clock for all processes. */
  readonly epochMs: number
  readonly limits: WorkerLimits
  /** CIDR blocks or addresses. */
  readonly trustedProxies: readonly string[]
  /** The gateway's name in `Via`; empty: none is added. */
  readonly via: string
  /** Share of requests in the access log, 0 to 1; failed ones too where it says so. */
  readonly access: { readonly share: number; readonly errors: boolean }
}

/** A session that the application or a logout ended. */
export interface EndedSession {
  readonly id: SessionId
  /** Until when nothing may revive it. */
  readonly until: number
}

/** A session that was handed a token for another release. */
export interface MovedSession {
  readonly id: SessionId
  readonly to: ReleaseVersion
  /** Until when its former release gives it no token. */
  readonly until: number
}

/** A request that nobody has sent. */
export interface ExplainedRequest {
  /** The site that is asked about. */
  readonly site: SiteName
  readonly head: {
    readonly method: string
    readonly target: string
    readonly path: string
    readonly names: readonly string[]
    readonly values: readonly string[]
    readonly remoteAddress: string
    readonly isSecure: boolean
  }
}

/** Where it would go, and why. Instants in wall ms. */
export interface Explanation {
  /** Of the table that says so. */
  readonly generation: number
  /** The site that answers for its host; null for none. */
  readonly site: string | null
  /** What would become of it; `link`: it begins or ends a preview. */
  readonly outcome: Decision['kind'] | 'link'
  /** The rule of affinity that speaks; null where it came to none. */
  readonly rule: { readonly number: number; readonly name: string } | null
  readonly release: string | null
  /** Null where any of the release will do. */
  readonly target: string | null
  readonly error: ErrorCode | null
  /** Until when that is promised; null where nothing is. */
  readonly until: number | null
  /** Of `stay`: its promise has passed, the request renews it. */
  readonly revives: boolean
  /** Of `board` and `move`. */
  readonly because: BirthCause | MoveCause | null
  /** The token that it was judged by. */
  readonly token: {
    readonly session: string
    readonly release: string
    readonly bornAt: number
    readonly issuedAt: number
    readonly until: number
    readonly held: boolean
  } | null
  /** Why tokens and passes count as none. */
  readonly rejected: readonly string[]
}

export type ToWorker =
  /** Comes first. */
  | { readonly kind: 'prepare'; readonly fronts: FrontPreparation }
  /** Comes with the bound socket of that listener. */
  | { readonly kind: 'socket'; readonly listener: ListenerSpec['name'] }
  | { readonly kind: 'listen'; readonly listeners: readonly ListenerSpec[] }
  /** Other certificates for secure connections to come. */
  | { readonly kind: 'certificates'; readonly tls: TlsMaterial }
  | { readonly kind: 'publish'; readonly publication: Publication }
  /** Sessions that ended by signal elsewhere: answers in flight must not revive them. */
  | { readonly kind: 'ended'; readonly sessions: readonly EndedSession[] }
  /** Sessions that moved elsewhere: answers in flight of their former release must not take them back. */
  | { readonly kind: 'moved'; readonly sessions: readonly MovedSession[] }
  /** Where would this request go? Answered by `explained`. */
  | { readonly kind: 'explain'; readonly id: number; readonly request: ExplainedRequest }
  /** Stop accepting, let exchanges finish for at most so long, then leave; at leisure where another took its place. */
  | { readonly kind: 'leave'; readonly withinMs: number; readonly isRelieved: boolean }

/** Counters of one release as one worker saw it since it started: absolute, never deltas. */
export interface ReleaseFigures {
  readonly index: number
  readonly births: number
  /** Latest promise made at a birth; 0 for none. */
  readonly birthsUntil: number
  /** Latest instant at which a request of this release was seen (wall ms); 0 for none. */
  readonly lastTouchAt: number
  readonly exchangesOpen: number
  readonly socketsOpen: number
  /** Requests under a preview pass; they are in none of the other figures. */
  readonly previewRequests: number
  /** Pairs of status and count. */
  readonly requests: readonly (readonly [status: number, count: number])[]
  /** Counts by bucket of domain/latency-buckets.ts. */
  readonly durations: readonly number[]
  readonly durationSumMs: number
  /** Pairs of error code and count. */
  readonly upstreamErrors: readonly (readonly [reason: string, count: number])[]
  /** Sessions that moved here: triples of the version they left, cause and count. */
  readonly takenOver: readonly (readonly [from: string, because: MoveCause, count: number])[]
}

/** One worker's view at one instant. */
export interface WorkerReport {
  /** The publication in use when it was made. */
  readonly generation: number
  /** Monotonic ms at which it was made. */
  readonly madeAt: number
  /** The worker has nothing more to say: it goes now, in order. */
  readonly isLast: boolean
  readonly releases: readonly ReleaseFigures[]
  /** Requests that reached no release: triples of site (or empty), status and count. */
  readonly unrouted: readonly (readonly [site: string, status: number, count: number])[]
  /** Triples of site, reason and count. */
  readonly rejected: readonly (readonly [site: string, reason: string, count: number])[]
  /** Visitors who met another release though the application knew them: triples of site, reason and count. */
  readonly pinsLost: readonly (readonly [site: string, reason: string, count: number])[]
  /** When a token of another issuer was last seen on a site, wall ms. */
  readonly foreignSeen: readonly (readonly [site: string, at: number])[]
  /** Sessions confirmed or touched since the last report, but for those in parts sent before. */
  readonly touched: SessionBatch
  /** Targets that get no free choices, because of what became of the requests sent to them. */
  readonly ejected: readonly TargetUrl[]
  /** Open connections of clients. */
  readonly connections: number
  /** Fronts' refusals that name a remedy: pairs of limitation and count. */
  readonly frontRefusals: readonly (readonly [limitation: string, count: number])[]
}

/** Sessions touched, ahead of the report that vouches for them: no message holds so many that it stops the receiver. */
export interface TouchedPart {
  /** The publication in use when it was made. */
  readonly generation: number
  readonly touched: SessionBatch
}

export type FromWorker =
  | { readonly kind: 'started' }
  | { readonly kind: 'listening'; readonly ports: readonly number[] }
  | { readonly kind: 'listen-failed'; readonly reason: string }
  | { readonly kind: 'acknowledged'; readonly generation: number }
  | { readonly kind: 'report'; readonly report: WorkerReport }
  | { readonly kind: 'touched'; readonly part: TouchedPart }
  | { readonly kind: 'ended'; readonly sessions: readonly EndedSession[] }
  | { readonly kind: 'moved'; readonly sessions: readonly MovedSession[] }
  | { readonly kind: 'explained'; readonly id: number; readonly explanation: Explanation }
  | {
      readonly kind: 'log'
      readonly level: 'info' | 'warn' | 'error'
      readonly message: string
      readonly fields: object
    }
