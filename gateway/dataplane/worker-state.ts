// What one worker routes by and remembers between requests: the table in force, keys, pools, activity. Swapped in
// one place when a publication arrives; requests only read it.
import { randomBytes } from 'node:crypto'
import type { BalancingInput } from '../domain/balancing.js'
import type { ErrorCode } from '../domain/errors.js'
import type { SessionId } from '../domain/ids.js'
import type { Clock } from '../domain/ports.js'
import type { RoutingTable } from '../domain/routing-table.js'
import type { MovedSession } from '../plane-protocol.js'
import type { Activity } from './activity.js'
import type { TokenReader } from './affinity-token.js'
import type { TrustedProxies } from './client-identity.js'
import type { AssetOrigins } from './asset-origins.js'
import type { MovePace } from './move-pace.js'
import type { MovedSessions } from './moved-sessions.js'
import type { Gate } from './gate.js'
import type { OpenExchanges } from './open-exchanges.js'
import type { PassReader } from './preview-pass.js'
import type { TargetPools } from './target-pools.js'
import type { Tombstones } from './tombstones.js'

/** One line of the access log. */
export interface AccessRecord {
  readonly at: number
  readonly requestId: string
  readonly client: string
  readonly method: string
  readonly host: string
  readonly target: string
  readonly status: number
  readonly durationMs: number
  readonly site: string
  readonly release: string
  readonly error: ErrorCode | null
}

export interface WorkerState {
  /** Null until the first publication. */
  table: RoutingTable | null
  trusted: TrustedProxies
  requestBodyBytes: number
  /** The gateway's name in `Via`; empty: it adds none. */
  via: string
  readonly reader: TokenReader
  readonly passes: PassReader
  readonly activity: Activity
  readonly pools: TargetPools
  readonly tombstones: Tombstones
  readonly assetOrigins: AssetOrigins
  readonly moved: MovedSessions
  readonly movePace: MovePace
  readonly gate: Gate
  readonly open: OpenExchanges
  readonly clock: Clock
  readonly balancing: BalancingInput
  /** A session ended by signal: its tombstone until then, and the word to everybody else. */
  readonly endSession: (id: SessionId, tombstoneUntil: number) => void
  /** A session was handed a token for another release: the word to everybody else. */
  readonly tellMoved: (moved: MovedSession) => void
  /** Null: no access log. */
  logAccess: ((record: AccessRecord) => void) | null
  /** Answers carry `Connection: close`: the worker is leaving. */
  isLeaving: boolean
}

/** Random bytes for ids, drawn 512 at a time: one draw an id costs more than everything else at a birth. */
const pool = { bytes: Buffer.alloc(0), at: 0 }

/** Eight random bytes as 16 hexadecimal digits. */
export function newSessionId(): SessionId {
  if (pool.at + 8 > pool.bytes.length) {
    pool.bytes = randomBytes(512)
    pool.at = 0
  }
  const id = pool.bytes.toString('hex', pool.at, pool.at + 8)
  pool.at += 8
  return id as SessionId
}

const requestIdPrefix = randomBytes(6).toString('base64url')
let requestCount = 0

/** Unique over workers and restarts, cheap to make. */
export function newRequestId(): string {
  return `${requestIdPrefix}-${(requestCount++).toString(36)}`
}
