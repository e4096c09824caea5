// A session of the ledger as others see it: its id as text. Must not know counts or how rows come and go.
import type { ReleaseIndex, SessionId } from '../../domain/ids.js'
import type { Segment } from './segment.js'

/** One session as the API shows it. */
export interface KnownSession {
  readonly id: SessionId
  /** ms, rounded down to the second. */
  readonly bornAt: number
  readonly until: number
}

/** The two 32-bit halves of an id. */
export function halvesOf(id: SessionId): { high: number; low: number } {
  return { high: parseInt(id.slice(0, 8), 16), low: parseInt(id.slice(8), 16) }
}

/** Up to `limit` sessions of a release in one segment. */
export function sessionsIn(segment: Segment, release: ReleaseIndex, limit: number): KnownSession[] {
  const found: KnownSession[] = []
  for (let slot = 0; slot < segment.capacity && found.length < limit; slot++) {
    const until = segment.until[slot] as number
    if (until === 0 || segment.release[slot] !== release) continue
    found.push({ id: idAt(segment, slot), bornAt: (segment.bornAt[slot] as number) * 1000, until })
  }
  return found
}

function idAt(segment: Segment, slot: number): SessionId {
  return (hex(segment.ids[2 * slot] as number) + hex(segment.ids[2 * slot + 1] as number)) as SessionId
}

function hex(half: number): string {
  return half.toString(16).padStart(8, '0')
}
