// The session ledger in memory: its rules one by one, against the model, and at a million sessions.
import { setImmediate as nextTurn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import t from 'tap'
import { Segment } from '../../gateway/controlplane/ledger/segment.js'
import { SessionLedger } from '../../gateway/controlplane/session-ledger.js'
import { batchOf, isNever, release, sessionId } from './batches.js'
import * as histories from './histories.js'
import { LedgerModel, type ModelRow } from './model.js'

const now = 1_800_000_000_000
const [one, two] = [release(1), release(2)]

function ledgerOf(options: { maxSessions?: number } = {}): SessionLedger {
  return new SessionLedger({ maxSessions: options.maxSessions ?? 1000, segments: 4 })
}

function row(changes: Partial<ModelRow> = {}): ModelRow {
  return { high: 77, low: 5, release: 1, until: now + 1000, bornAt: now - 500, ...changes }
}

t.test('a promise only grows', async (t) => {
  const ledger = ledgerOf()
  ledger.touch(batchOf([row({ until: now + 1000 })]), now)
  ledger.touch(batchOf([row({ until: now + 400 })]), now)
  ledger.sweep(now + 999, isNever)
  t.equal(ledger.of(one).active, 1, 'one millisecond before the promise ends: active')
  ledger.sweep(now + 1000, isNever)
  t.equal(ledger.of(one).active, 0, 'at its end: over')
  t.same(ledger.of(one).ended, { idle: 1, age: 0, signal: 0, overflow: 0 })
})

t.test('a session that its maximum age ended is counted as ended by age', async (t) => {
  const ledger = ledgerOf()
  ledger.setMaxAge(one, 60_000)
  ledger.touch(batchOf([row({ bornAt: now - 30_999, until: now + 29_001 }), row({ low: 6 })]), now)
  ledger.sweep(now + 40_000, isNever)
  t.same(ledger.of(one).ended, { idle: 1, age: 1, signal: 0, overflow: 0 })
})

t.test('a touch that races an end within the tombstone time does not revive', async (t) => {
  const ledger = ledgerOf()
  ledger.touch(batchOf([row()]), now)
  t.equal(ledger.end(sessionId(77, 5), now, 200), true)
  t.equal(ledger.end(sessionId(77, 5), now, 100), false, 'a second end finds nothing, and shortens nothing')
  ledger.touch(batchOf([row()]), now + 199)
  t.equal(ledger.of(one).active, 0)
  t.equal(ledger.of(one).ended.signal, 1)
  ledger.touch(batchOf([row()]), now + 200)
  t.equal(ledger.of(one).active, 1, 'when the tombstone has gone: a touch counts')
  t.equal(ledger.end(sessionId(1, 1), now, 200), false, 'an end of an unknown session')
  ledger.touch(batchOf([row({ high: 1, low: 1 })]), now + 100)
  t.equal(ledger.size, 1, 'leaves a tombstone all the same')
})

t.test('while it is suspended changes wait, and are made in their order', async (t) => {
  const ledger = ledgerOf()
  ledger.suspend()
  ledger.touch(batchOf([row(), row({ low: 6 })]), now)
  t.equal(ledger.end(sessionId(77, 6), now, 200), false)
  ledger.touch(batchOf([row({ low: 6, until: now + 5000 })]), now + 1)
  ledger.extend({ from: now, lengthMs: 10 })
  ledger.forget(two)
  t.equal(ledger.isForgetting(two), true, 'its index is not to be given away meanwhile')
  t.same([ledger.isSuspended, ledger.size], [true, 0])
  let slices = 1
  while (!ledger.resume(() => true)) slices++
  t.ok(slices > 4, 'one after the other')
  t.same([ledger.isSuspended, ledger.of(one).active, ledger.of(one).ended.signal], [false, 1, 1])
  t.equal(ledger.of(one).latestUntil, row().until + 10)
  ledger.touch(batchOf([row({ low: 8 })]), now)
  t.equal(ledger.of(one).active, 2)
})

t.test('a moved session counts under the release of its latest promise', async (t) => {
  const ledger = ledgerOf()
  ledger.touch(batchOf([row({ until: now + 1000 })]), now)
  ledger.touch(batchOf([row({ release: 2, until: now + 2000 })]), now)
  t.same([ledger.of(one).active, ledger.of(two).active], [0, 1])
  t.same([ledger.of(one).confirmed, ledger.of(two).confirmed], [1, 0], 'it was confirmed once')
  t.equal(
    ledger.of(one).overflowUntil,
    now + 1000,
    'the release it left keeps its promise: the visitor may still have that token',
  )

  ledger.touch(batchOf([row({ until: now + 1500 })]), now)
  t.same(
    [ledger.of(one).active, ledger.of(two).active],
    [0, 1],
    'an older report from elsewhere moves nothing back',
  )
  t.equal(ledger.of(one).overflowUntil, now + 1500, 'but its promise stays as a bound')
})

t.test('beyond the cap a release keeps the bound of every promise', async (t) => {
  const ledger = ledgerOf({ maxSessions: 2 })
  const rows = [1, 2, 3, 4].map((low) => row({ low, until: now + low * 1000 }))
  ledger.touch(batchOf(rows), now)
  t.equal(ledger.size, 2)
  t.equal(ledger.of(one).overflowUntil, now + 4000)
  ledger.touch(batchOf([row({ low: 1, until: now + 9000 })]), now)
  t.equal(ledger.of(one).latestUntil, now + 9000, 'a session that has a place is still prolonged')
})

t.test('a touch reported after its promise has passed bounds its release and is not counted', async (t) => {
  const ledger = ledgerOf()
  ledger.touch(batchOf([row({ until: now })]), now)
  t.match(ledger.of(one), { active: 0, confirmed: 0, overflowUntil: now })
  ledger.extend({ from: now - 10, lengthMs: 5000 })
  t.equal(ledger.of(one).overflowUntil, now + 5000, 'a span that began before it ended brings it to life')
})

t.test('a span reaches back over a sweep: the swept promise still bounds its release', async (t) => {
  const ledger = ledgerOf()
  ledger.touch(batchOf([row({ until: now + 10 })]), now)
  ledger.sweep(now + 20, isNever)
  ledger.extend({ from: now + 5, lengthMs: 1000 })
  t.equal(ledger.of(one).overflowUntil, now + 1010)
})

t.test('confirmations are counted by the second of birth, as far back as the window', async (t) => {
  const ledger = ledgerOf()
  const ages = [0, 900, 5000, 59_000, 61_500, 300_000]
  ledger.touch(batchOf(ages.map((age, low) => row({ low, bornAt: now - age }))), now)
  t.equal(ledger.confirmedSince(one, now - 60_000), 4)
  t.equal(ledger.confirmedSince(one, now - 1000), 2)
  t.equal(ledger.confirmedSince(two, now - 1000), 0)
  ledger.setProvisionalWindow(one, 10_000)
  t.equal(ledger.confirmedSince(one, now - 6000), 3, 'a smaller window keeps what lies within')
})

t.test('a forgotten release loses its figures at once and its rows within one round', async (t) => {
  const ledger = ledgerOf()
  ledger.touch(batchOf([row({ high: 0 }), row({ high: 2 ** 31 }), row({ low: 9, release: 2 })]), now)
  ledger.sweep(now, () => true)
  ledger.forget(one)
  t.match(ledger.of(one), { active: 0, confirmed: 0, latestUntil: 0 })
  ledger.touch(batchOf([row({ low: 3 })]), now)
  t.equal(ledger.of(one).active, 0, 'touches of it are ignored')
  let slices = 0
  for (; ledger.isForgetting(one); slices++) ledger.sweep(now, () => true)
  t.equal(slices, 4)
  t.equal(ledger.size, 1)
  ledger.touch(batchOf([row()]), now)
  t.equal(ledger.of(one).active, 1, 'then its index may serve again')
})

t.test('a segment under any insertions and removals finds exactly what it holds', async (t) => {
  const step = fc.record({
    low: fc.oneof(fc.nat(20), fc.integer({ min: 2 ** 32 - 9, max: 2 ** 32 - 1 })),
    in: fc.boolean(),
  })
  const outcome = fc.check(fc.property(fc.array(step, { maxLength: 200 }), segmentAgreesWithSet))
  t.equal(outcome.failed, false, fc.defaultReportMessage(outcome) ?? '')
})

function segmentAgreesWithSet(steps: readonly { low: number; in: boolean }[]): boolean {
  const segment = new Segment()
  const held = new Set<number>()
  for (const step of steps) {
    const slot = segment.find(1, step.low)
    if (step.in && slot < 0) fill(segment, segment.insert(1, step.low))
    if (!step.in && slot >= 0) segment.remove(slot)
    if (step.in) held.add(step.low)
    else held.delete(step.low)
    if (steps.length % 3 === 0) segment.shrink()
  }
  const isFound = [...held].every((low) => segment.until[segment.find(1, low)] === 1 + low)
  return (
    isFound && segment.used === held.size && segment.until.filter((until) => until !== 0).length === held.size
  )
}

function fill(segment: Segment, slot: number): void {
  segment.until[slot] = 1 + (segment.ids[2 * slot + 1] as number)
}

t.test(
  'any history of touches, ends, sweeps, spans and forgotten releases agrees with the model',
  async (t) => {
    await histories.holds(t, histories.livingHistory, async (steps) => {
      const options = { maxSessions: histories.maxSessions, segments: histories.segments }
      const ledger = new SessionLedger(options)
      const model = new LedgerModel({ ...options, maxAgeMs: histories.maxAgeMs })
      let time = now
      for (const step of steps) {
        for (const index of histories.releases) ledger.setMaxAge(release(index), histories.maxAgeMs)
        if (step.kind === 'pass') time += step.ms
        histories.applyStep(step, { ledger, model, now: time })
        histories.compare(ledger, model)
      }
      histories.compareBounds(ledger, model)
    })
  },
)

t.test('one million sessions', async (t) => {
  const sessions = 1_000_000
  const rows = 100_000
  const ids = Uint32Array.from({ length: sessions * 2 }, () => Math.random() * 2 ** 32)
  const columns = {
    releases: new Uint16Array(rows).fill(1),
    bornAt: new Float64Array(rows).fill(now),
    until: new Float64Array(rows).fill(now + 1000),
  }
  const batchAt = (first: number) => ({ ids: ids.subarray(first * 2, (first + rows) * 2), ...columns })
  const before = await measure()
  const ledger = new SessionLedger({ maxSessions: sessions })
  for (let first = 0; first < sessions; first += rows) ledger.touch(batchAt(first), now)
  const after = await measure()
  t.equal(ledger.of(one).active, sessions)
  const bytes = (after.arrayBuffers - before.arrayBuffers) / sessions
  t.ok(bytes <= 64, 'at most 64 bytes a session')
  t.comment(`${bytes.toFixed(1)} bytes a session in tables`)
  t.comment(
    `${((after.rss - before.rss) / sessions).toFixed(1)} bytes a session by the growth of the whole process`,
  )
  columns.until.fill(now + 2000)
  const began = performance.now()
  ledger.touch(batchAt(300_000), now)
  t.comment(`${(performance.now() - began).toFixed(1)} ms for one batch of ${rows} touches`)
})

/** Memory after a full collection, so that only what is held counts. */
async function measure(): Promise<NodeJS.MemoryUsage> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let round = 0; round < 3; round++) {
    collect()
    await nextTurn()
  }
  return process.memoryUsage()
}
