// The ledger's rules over a plain Map: slow, obvious, and what the real one is compared with.
import { extendPromise, type SessionEnd, type TimeSpan } from '../../gateway/domain/session.js'

export interface ModelRow {
  high: number
  low: number
  release: number
  until: number
  bornAt: number
}

interface Figures {
  confirmed: number
  ended: Record<SessionEnd, number>
  overflowUntil: number
}

export class LedgerModel {
  rows = new Map<string, ModelRow>()
  figures = new Map<number, Figures>()
  tombstones = new Map<string, number>()
  forgetting = new Map<number, number>()
  cursor = 0
  readonly maxSessions: number
  readonly segments: number
  readonly maxAgeMs: number

  constructor(options: { maxSessions: number; segments: number; maxAgeMs: number }) {
    this.maxSessions = options.maxSessions
    this.segments = options.segments
    this.maxAgeMs = options.maxAgeMs
  }

  of(release: number): Figures {
    const known = this.figures.get(release)
    if (known !== undefined) return known
    const fresh = { confirmed: 0, ended: { idle: 0, age: 0, signal: 0, overflow: 0 }, overflowUntil: 0 }
    this.figures.set(release, fresh)
    return fresh
  }

  touch(given: ModelRow, now: number): void {
    const id = keyOf(given.high, given.low)
    if (this.forgetting.has(given.release) || (this.tombstones.get(id) ?? 0) > now) return
    let known = this.rows.get(id)
    if (known !== undefined && this.forgetting.has(known.release)) {
      this.rows.delete(id)
      known = undefined
    }
    if (known === undefined) return this.#confirm(id, given, now)
    if (known.release === given.release) known.until = Math.max(known.until, given.until)
    else if (given.until < known.until) this.#bound(given.release, given.until)
    else {
      this.#bound(known.release, known.until)
      known.release = given.release
      known.until = given.until
    }
  }

  end(high: number, low: number, tombstoneUntil: number): boolean {
    const id = keyOf(high, low)
    this.tombstones.set(id, Math.max(tombstoneUntil, this.tombstones.get(id) ?? 0))
    const known = this.rows.get(id)
    if (known === undefined) return false
    this.rows.delete(id)
    if (this.forgetting.has(known.release)) return false
    this.of(known.release).ended.signal++
    return true
  }

  sweep(now: number, slices: number): boolean {
    for (let slice = 0; slice < slices; slice++) {
      this.#sweepSegment(this.cursor, now)
      this.cursor = (this.cursor + 1) % this.segments
      if (this.cursor === 0) return true
    }
    return false
  }

  extend(span: TimeSpan): void {
    for (const row of this.rows.values()) row.until = extendPromise(row.until, [span])
    for (const figures of this.figures.values()) {
      figures.overflowUntil = extendPromise(figures.overflowUntil, [span])
    }
  }

  forget(release: number): void {
    this.figures.delete(release)
    this.forgetting.set(release, this.segments)
  }

  rowsOf(release: number): ModelRow[] {
    return [...this.rows.values()].filter((row) => row.release === release && !this.forgetting.has(release))
  }

  /** What a restart from the saved state finds: neither tombstones nor rows of forgotten releases. */
  afterRestart(): LedgerModel {
    const copy = new LedgerModel(this)
    copy.rows = new Map(
      [...this.rows]
        .filter(([, row]) => !this.forgetting.has(row.release))
        .map(([id, row]) => [id, { ...row }]),
    )
    copy.figures = new Map([...this.figures].map(([release, figures]) => [release, structuredClone(figures)]))
    return copy
  }

  #confirm(id: string, given: ModelRow, now: number): void {
    if (given.until <= now || this.rows.size >= this.maxSessions)
      return this.#bound(given.release, given.until)
    this.rows.set(id, { ...given })
    this.of(given.release).confirmed++
  }

  #bound(release: number, until: number): void {
    const figures = this.of(release)
    figures.overflowUntil = Math.max(figures.overflowUntil, until)
  }

  #sweepSegment(index: number, now: number): void {
    for (const [id, row] of this.rows) {
      if (Math.floor(row.high / (2 ** 32 / this.segments)) !== index) continue
      if (this.forgetting.has(row.release)) this.rows.delete(id)
      else if (row.until <= now) this.#expire(id, row)
    }
    for (const [release, left] of this.forgetting) {
      if (left === 1) this.forgetting.delete(release)
      else this.forgetting.set(release, left - 1)
    }
  }

  #expire(id: string, row: ModelRow): void {
    this.rows.delete(id)
    const isAged = row.until >= Math.floor(row.bornAt / 1000) * 1000 + this.maxAgeMs
    this.of(row.release).ended[isAged ? 'age' : 'idle']++
    this.#bound(row.release, row.until)
  }
}

function keyOf(high: number, low: number): string {
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0')
}
