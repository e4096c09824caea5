// Batches and ids written shortly, for the ledger's tests.
import {
  parseReleaseIndex,
  parseSessionId,
  type ReleaseIndex,
  type SessionId,
} from '../../gateway/domain/ids.js'
import type { SessionBatch } from '../../gateway/domain/session.js'
import type { ModelRow } from './model.js'

export function batchOf(rows: readonly ModelRow[]): SessionBatch {
  return {
    ids: Uint32Array.from(rows.flatMap((row) => [row.high, row.low])),
    releases: Uint16Array.from(rows, (row) => row.release),
    bornAt: Float64Array.from(rows, (row) => row.bornAt),
    until: Float64Array.from(rows, (row) => row.until),
  }
}

export function sessionId(high: number, low: number): SessionId {
  const id = parseSessionId(high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0'))
  if (id === null) throw new Error(`no session id: ${high} ${low}`)
  return id
}

export function release(index: number): ReleaseIndex {
  const parsed = parseReleaseIndex(index)
  if (parsed === null) throw new Error(`no release index: ${index}`)
  return parsed
}

/** Sweeps until a round is complete. */
export function isNever(): boolean {
  return false
}
