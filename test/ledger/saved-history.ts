// A history that is the same each time, step by step, so that a parent knows what a killed child must have saved.
import type { SessionLedger } from '../../gateway/controlplane/session-ledger.js'
import { batchOf, isNever, sessionId } from './batches.js'
import type { ModelRow } from './model.js'

const rowsAStep = 300

/** Step `step` at instant `step`: some touches, an end, now and then a sweep and a span. */
export function historyStep(ledger: SessionLedger, step: number): void {
  ledger.touch(batchOf(Array.from({ length: rowsAStep }, (_, at) => rowAt(step, at))), step)
  const gone = rowAt(step, step % rowsAStep)
  ledger.end(sessionId(gone.high, gone.low), step, 0)
  if (step % 10 === 0) ledger.sweep(step, isNever)
  if (step % 33 === 0) ledger.extend({ from: step + 20, lengthMs: 5 })
}

function rowAt(step: number, at: number): ModelRow {
  const number = (step * 7 + at * 13) % 20_000
  const high = Math.imul(number, 0x9e3779b1) >>> 0
  return { high, low: number, release: number % 3, until: step + 10 + (number % 50), bornAt: 0 }
}
