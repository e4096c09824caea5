// Random histories of a ledger: each step is applied to the real ledger and to the model, and both are compared.
import fc from 'fast-check'
import type { SessionLedger } from '../../gateway/controlplane/session-ledger.js'
import { batchOf, isNever, release, sessionId } from './batches.js'
import type { LedgerModel, ModelRow } from './model.js'

export const releases = [0, 1, 7]
export const segments = 4
export const maxSessions = 14
export const maxAgeMs = 60_000

export type Step =
  | { kind: 'touch'; rows: { high: number; low: number; release: number; untilIn: number; age: number }[] }
  | { kind: 'end'; high: number; low: number; tombstoneMs: number }
  | { kind: 'sweep'; slices: number }
  | { kind: 'extend'; ago: number; lengthMs: number }
  | { kind: 'forget'; release: number }
  | { kind: 'pass'; ms: number }
  | { kind: 'save'; fails: boolean }
  | { kind: 'restart' }

// Few halves, so that ids meet again, share home slots and wrap around the end of a segment.
const high = fc.constantFrom(0, 1, 2 ** 30, 2 ** 31 + 5, 2 ** 32 - 1)
const low = fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 2, 2 ** 32 - 1)
const one = fc.constantFrom(...releases)

const touchStep = fc.record({
  kind: fc.constant('touch' as const),
  rows: fc.array(
    fc.record({
      high,
      low,
      release: one,
      untilIn: fc.integer({ min: -2000, max: 20_000 }),
      age: fc.integer({ min: 0, max: 70_000 }),
    }),
    { minLength: 1, maxLength: 6 },
  ),
})
const endStep = fc.record({ kind: fc.constant('end' as const), high, low, tombstoneMs: fc.nat(5000) })
const sweepStep = fc.record({
  kind: fc.constant('sweep' as const),
  slices: fc.integer({ min: 1, max: segments }),
})
const extendStep = fc.record({
  kind: fc.constant('extend' as const),
  ago: fc.integer({ min: -1000, max: 8000 }),
  lengthMs: fc.nat(9000),
})
const forgetStep = fc.record({ kind: fc.constant('forget' as const), release: one })
const passStep = fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(6000) })
const saveStep = fc.record({
  kind: fc.constant('save' as const),
  fails: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, { weight: 1, arbitrary: fc.constant(true) }),
})
const restartStep = fc.record({ kind: fc.constant('restart' as const) })

const inMemory = [
  { weight: 8, arbitrary: touchStep },
  { weight: 2, arbitrary: endStep },
  { weight: 3, arbitrary: sweepStep },
  { weight: 1, arbitrary: extendStep },
  { weight: 1, arbitrary: forgetStep },
  { weight: 3, arbitrary: passStep },
]

/** Histories of a ledger that is never saved. */
export const livingHistory: fc.Arbitrary<Step[]> = fc.array(fc.oneof(...inMemory), { maxLength: 60 })
/** Histories with saves, failing saves and restarts. */
export const savedHistory: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(...inMemory, { weight: 6, arbitrary: saveStep }, { weight: 1, arbitrary: restartStep }),
  { maxLength: 80 },
)

/** Applies one step to both; saves, restarts and the passing of time are the caller's. */
export function applyStep(
  step: Step,
  both: { ledger: SessionLedger; model: LedgerModel; now: number },
): void {
  const { ledger, model, now } = both
  switch (step.kind) {
    case 'touch': {
      const rows = step.rows.map((row) => rowAt(row, now))
      ledger.touch(batchOf(rows), now)
      for (const row of rows) model.touch(row, now)
      return
    }
    case 'end': {
      const ended = ledger.end(sessionId(step.high, step.low), now, step.tombstoneMs)
      if (ended !== model.end(step.high, step.low, now + step.tombstoneMs)) throw new Error('end differs')
      return
    }
    case 'sweep': {
      let left = step.slices
      const isRound = ledger.sweep(now, () => --left <= 0)
      if (isRound !== model.sweep(now, step.slices)) throw new Error('sweep differs')
      return
    }
    case 'extend': {
      const span = { from: now - step.ago, lengthMs: step.lengthMs }
      ledger.extend(span)
      model.extend(span)
      return
    }
    case 'forget':
      if (model.forgetting.has(step.release)) return
      ledger.forget(release(step.release))
      return model.forget(step.release)
    case 'pass':
    case 'save':
    case 'restart':
      return
    default:
      return step satisfies never
  }
}

function rowAt(
  row: { high: number; low: number; release: number; untilIn: number; age: number },
  now: number,
): ModelRow {
  return {
    high: row.high,
    low: row.low,
    release: row.release,
    until: now + row.untilIn,
    bornAt: now - row.age,
  }
}

/** Throws unless the ledger says what the model says; its bounds may be wider than exact, never narrower. */
export function compare(ledger: SessionLedger, model: LedgerModel): void {
  same(ledger.size, model.rows.size, 'size')
  for (const index of releases) {
    const found = ledger.of(release(index))
    const rows = model.rowsOf(index)
    const { confirmed, ended, overflowUntil } = model.of(index)
    same(found.active, rows.length, 'active')
    same([found.confirmed, found.ended, found.overflowUntil], [confirmed, ended, overflowUntil], 'figures')
    const { latestUntil, oldestBornAt } = exactBounds(rows)
    if (found.latestUntil < latestUntil) throw new Error(`latest ${found.latestUntil} before ${latestUntil}`)
    if (found.oldestBornAt > oldestBornAt)
      throw new Error(`oldest ${found.oldestBornAt} after ${oldestBornAt}`)
    same(ledger.isForgetting(release(index)), model.forgetting.has(index), 'forgetting')
    same(rowsOf(ledger, index), rows.map(asKnown).toSorted(byId), 'rows')
  }
}

/** Throws unless the bounds are exact; for after a full sweep at an instant at which nothing expires. */
export function compareBounds(ledger: SessionLedger, model: LedgerModel): void {
  while (!ledger.sweep(-Infinity, isNever));
  while (!ledger.sweep(-Infinity, isNever));
  for (const index of releases) {
    const { latestUntil, oldestBornAt } = ledger.of(release(index))
    same({ latestUntil, oldestBornAt }, exactBounds(model.rowsOf(index)), 'bounds')
  }
}

function exactBounds(rows: readonly ModelRow[]): { latestUntil: number; oldestBornAt: number } {
  if (rows.length === 0) return { latestUntil: 0, oldestBornAt: 0 }
  return {
    latestUntil: Math.max(...rows.map((row) => row.until)),
    oldestBornAt: Math.min(...rows.map((row) => Math.floor(row.bornAt / 1000) * 1000)),
  }
}

function rowsOf(ledger: SessionLedger, index: number) {
  return [...ledger.sessionsOf(release(index), Infinity)].toSorted(byId)
}

function asKnown(row: ModelRow) {
  return { id: sessionId(row.high, row.low), bornAt: Math.floor(row.bornAt / 1000) * 1000, until: row.until }
}

function byId(a: { id: string }, b: { id: string }): number {
  return a.id < b.id ? -1 : 1
}

function same(found: unknown, wanted: unknown, what: string): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (a !== b) throw new Error(`${what}: ledger ${a}, model ${b}`)
}

/** Runs a property as one assertion; the counterexample is in its message. */
export async function holds<T>(
  t: { equal(found: unknown, wanted: unknown, message: string): unknown },
  arbitrary: fc.Arbitrary<T>,
  predicate: (value: T) => Promise<void>,
): Promise<void> {
  const outcome = await fc.check(fc.asyncProperty(arbitrary, predicate), { numRuns: 300 })
  t.equal(outcome.failed, false, fc.defaultReportMessage(outcome) ?? 'holds')
}
