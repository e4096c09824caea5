// What workers tell, brought together: their figures, which come and go with them, and the evidence for a verdict.
import fc from 'fast-check'
import t from 'tap'
import { EvidenceBook } from '../../gateway/controlplane/evidence-book.js'
import { ProvisionalWindow } from '../../gateway/controlplane/provisional-window.js'
import { SessionLedger } from '../../gateway/controlplane/session-ledger.js'
import { Traffic } from '../../gateway/controlplane/traffic.js'
import { Activity } from '../../gateway/dataplane/activity.js'
import { composeReport } from '../../gateway/dataplane/worker-report.js'
import type { WorkerState } from '../../gateway/dataplane/worker-state.js'
import type { ReleaseIndex } from '../../gateway/domain/ids.js'
import type { ReleaseFigures, WorkerReport } from '../../gateway/plane-protocol.js'
import { batchOf, sessionId } from '../ledger/batches.js'
import type { ModelRow } from '../ledger/model.js'

import { figuresOf, reportOf } from './harness.js'

const now = 1_800_000_000_000
const one = 1 as ReleaseIndex

// -- figures ---------------------------------------------------------------------------------------------------------

t.test(
  'what workers go on telling of a removed release is not counted for the next of its number',
  async (t) => {
    const known = new Set([one])
    const traffic = new Traffic((index) => known.has(index as ReleaseIndex))
    const seen = reportOf({ releases: [figuresOf({ index: one, births: 5 })] })
    for (const worker of [1, 2]) traffic.reported(worker, seen)
    known.delete(one)
    traffic.forget(one)
    traffic.reported(1, reportOf())
    traffic.died(2)
    t.equal(traffic.of(one).births, 0)
  },
)

t.test(
  'counters never run backwards and gauges are those of the living, however workers report and die',
  async (t) => {
    const step = fc.record({ worker: fc.nat(2), dies: fc.boolean(), more: fc.nat(5), open: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const traffic = new Traffic()
        const slots = [0, 1, 2].map((key) => ({ key, count: 0, open: 0 }))
        let nextKey = 3
        let total = 0
        for (const { worker, dies, more, open } of steps) {
          const slot = slots[worker]
          if (slot === undefined) return false
          if (dies) {
            traffic.died(slot.key)
            slots[worker] = { key: nextKey++, count: 0, open: 0 }
          } else {
            slot.count += more
            slot.open = open
            total += more
            const { count } = slot
            const figures = figuresOf({
              births: count,
              requests: [[200, count]],
              exchangesOpen: open,
              durations: [count],
              upstreamErrors: [['x', count]],
              durationSumMs: count,
            })
            traffic.reported(
              slot.key,
              reportOf({
                releases: [figures],
                unrouted: [['', 404, count]],
                rejected: [['shop', 'key', count]],
                pinsLost: [['', 'idle', count]],
                frontRefusals: [['y', count]],
              }),
            )
          }
          const sum = traffic.of(1)
          const [site] = traffic.sites().filter(({ site: name }) => name === '')
          const counters = [
            sum.births,
            sum.requests.get(200),
            sum.durations[0],
            sum.upstreamErrors.get('x'),
            sum.durationSumMs,
            site?.unrouted.get(404),
            site?.pinsLost.get('idle'),
            traffic.frontRefusals()[0]?.[1],
          ]
          const gauge = slots.reduce((all, each) => all + each.open, 0)
          if (counters.some((counter) => (counter ?? 0) !== total)) return false
          if (sum.exchangesOpen !== gauge || traffic.openOf(1).exchanges !== gauge) return false
        }
        return true
      }),
    )
    t.pass()
  },
)

t.test('a forgotten index begins at nothing', async (t) => {
  const traffic = new Traffic()
  traffic.reported(1, reportOf({ releases: [figuresOf({ births: 4 })] }))
  traffic.died(1)
  t.equal(traffic.of(1).births, 4)
  traffic.forget(1)
  t.equal(traffic.of(1).births, 0)
  traffic.died(9)
  t.equal(traffic.of(2).births, 0)
})

t.test(
  'what a worker counted for a release stays when it forgets that, and goes on when it begins anew',
  async (t) => {
    const traffic = new Traffic()
    const seen = (births: number): ReleaseFigures =>
      figuresOf({ births, requests: [[200, births]], exchangesOpen: 1 })
    traffic.reported(1, reportOf({ releases: [seen(4)] }))
    traffic.reported(1, reportOf())
    t.match(traffic.of(1), { births: 4, exchangesOpen: 0 })
    traffic.reported(1, reportOf())
    t.equal(traffic.of(1).births, 4, 'once')
    traffic.reported(1, reportOf({ releases: [seen(2)] }))
    t.match(traffic.of(1), { births: 6, exchangesOpen: 1 })
    t.equal(traffic.of(1).requests.get(200), 6)
    traffic.died(1)
    t.match(traffic.of(1), { births: 6, exchangesOpen: 0 })
  },
)

t.test('provisional sessions are the births of the last moments', async (t) => {
  const window = new ProvisionalWindow()
  t.equal(window.bornWithin(one, 3, now, 1000), 3, 'none sampled yet: all of them')
  const births = [0, 2, 5, 9]
  births.forEach((count, second) =>
    window.sample(one, { births: count, now: now + second * 1000, windowMs: 2000 }),
  )
  t.equal(window.bornWithin(one, 9, now + 3000, 2000), 7)
  t.equal(window.bornWithin(one, 9, now + 3999, 2000), 7)
  t.equal(window.bornWithin(one, 9, now + 4000, 2000), 4)
  t.equal(window.bornWithin(one, 9, now + 60_000, 2000), 0)
  window.forget(one)
  t.equal(window.bornWithin(one, 9, now, 2000), 9)
})

// -- evidence --------------------------------------------------------------------------------------------------------

/** A book over real figures and a real ledger; monotonic time is wall time minus `now`. */
function bookOf() {
  const clock = { at: 0, now: () => now + clock.at, monotonic: () => clock.at }
  const ledger = new SessionLedger({ maxSessions: 100, segments: 1 })
  const traffic = new Traffic()
  const book = new EvidenceBook(ledger, traffic, clock)
  const report = (
    worker: number,
    madeAt: number,
    figures: Partial<ReleaseFigures> = {},
    changes: Partial<WorkerReport> = {},
  ) => {
    clock.at = Math.max(clock.at, madeAt)
    const made = reportOf({ madeAt, releases: [figuresOf(figures)], ...changes })
    traffic.reported(worker, made)
    book.reported(worker, made, () => true)
  }
  const seen = (acceptsBirths = false) => {
    if (book.asOf !== null) ledger.sweep(book.asOf, () => false)
    return book.observe(one, { acceptsBirths, isStandingBy: false, adoptionUntil: 0 })
  }
  const touch = (until: number, low = 1): WorkerReport['touched'] =>
    batchOf([{ high: 1, low, release: 1, until: now + until, bornAt: now } satisfies ModelRow])
  return { clock, ledger, traffic, book, report, seen, touch }
}

t.test(
  'everything is as of the oldest report of any worker, and nothing is known before the first listens',
  async (t) => {
    const { clock, book, report, seen } = bookOf()
    t.equal(seen(), null)
    t.equal(book.asOf, null)
    book.listening(1, 100)
    book.listening(2, 150)
    clock.at = 1000
    t.equal(book.asOf, now + 100)
    report(1, 500)
    t.equal(book.asOf, now + 150, 'the other one is silent since it listens')
    report(2, 400)
    t.equal(seen()?.asOf, now + 400)
    report(3, 900)
    t.equal(book.asOf, now + 400, 'one that does not listen proves nothing')
    t.equal(book.reportedAt(1), now + 500)
    t.equal(book.reportedAt(3), null)
    book.left(2)
    t.equal(book.asOf, now + 500)
    book.left(1)
    clock.at = 5000
    t.equal(book.asOf, now + 500, 'without workers it stays where it was')
  },
)

t.test('sessions that come ahead of their report are known at once, and vouch for no instant', async (t) => {
  const { book, report, seen, touch } = bookOf()
  book.listening(1, 0)
  report(1, 100)
  book.touched(1, { generation: 1, touched: touch(600) })
  t.match(seen(), { asOf: now + 100, sessions: { count: 1, until: now + 600 } })
  t.notOk(book.allReportedAt(2))
  report(1, 200)
  t.match(seen(), { asOf: now + 200, sessions: { count: 1 } })
  book.touched(2, { generation: 1, touched: touch(900) })
  t.match(seen(), { sessions: { until: now + 600 } }, 'of a worker that does not listen nothing is believed')
})

t.test(
  'no message carries more than 5,000 sessions, none is lost, and the report comes after them',
  async (t) => {
    for (const count of [0, 5_000, 12_001]) {
      const activity = new Activity()
      for (let row = 0; row < count; row++) activity.touched(sessionId(1, row), one, now, now + row)
      const gate = { connections: 0, refusals: () => [] }
      const pools = { ejected: () => [] }
      const state = { activity, table: null, clock: { monotonic: () => 7 }, pools, gate }
      const { parts, report } = composeReport(state as unknown as WorkerState)
      const batches = [...parts.map(({ touched }) => touched), report.touched]
      t.equal(parts.length, Math.max(0, Math.ceil(count / 5_000) - 1))
      t.ok(
        batches.every(({ releases, ids }) => releases.length <= 5_000 && ids.length === 2 * releases.length),
      )
      const rows = batches.flatMap(({ ids, until }) => Array.from(until, (each, i) => [ids[2 * i + 1], each]))
      const sent = rows.map(([low]) => low).toSorted((a, b) => Number(a) - Number(b))
      t.same(
        sent,
        Array.from({ length: count }, (_, row) => row),
      )
      t.ok(rows.every(([low, until]) => until === now + Number(low)))
      t.equal(composeReport(state as unknown as WorkerState).report.touched.releases.length, 0)
    }
  },
)

t.test('a release is empty since the report that first shows it, without a break', async (t) => {
  const { book, report, seen, touch } = bookOf()
  book.listening(1, 0)
  report(1, 100, { exchangesOpen: 1 })
  t.match(seen(), { emptySince: null, exchangesOpen: 1 })
  report(1, 200)
  t.equal(seen()?.emptySince, now + 200)
  report(1, 300)
  t.equal(seen()?.emptySince, now + 200, 'still')
  report(1, 400, { socketsOpen: 1 })
  t.equal(seen()?.emptySince, null)
  report(1, 500, {}, { touched: touch(600) })
  t.match(seen(), { emptySince: null, sessions: { count: 1, until: now + 600 } })
  report(1, 599)
  t.equal(seen()?.emptySince, null, 'one millisecond before its promise ends')
  report(1, 600)
  t.equal(seen()?.emptySince, now + 600)
  t.equal(seen(true)?.emptySince, null, 'taking births is not being empty')
})

t.test('a late touch that left nothing behind begins the quiet period anew', async (t) => {
  const { book, report, seen } = bookOf()
  book.listening(1, 0)
  report(1, 100)
  t.equal(seen()?.emptySince, now + 100)
  report(1, 500, { lastTouchAt: now + 450 })
  t.equal(seen()?.emptySince, now + 500)
  report(1, 700, { lastTouchAt: now + 450 })
  t.equal(seen()?.emptySince, now + 500, 'once')
})

t.test('births keep a release for their latest promise; the word of a worker that died stays', async (t) => {
  const { book, traffic, report, seen } = bookOf()
  book.listening(1, 0)
  book.listening(2, 0)
  report(1, 100, { birthsUntil: now + 900, exchangesOpen: 2 })
  report(2, 100, { birthsUntil: now + 300 })
  t.match(seen(), { birthsUntil: now + 900, exchangesOpen: 2 })
  book.left(1)
  traffic.died(1)
  report(2, 200, { birthsUntil: now + 300 })
  t.match(seen(), { birthsUntil: now + 900, exchangesOpen: 0, emptySince: null })
})

t.test('a loss counts as a phantom until it has passed, and begins the quiet period anew', async (t) => {
  const { clock, book, report, seen } = bookOf()
  book.listening(1, 0)
  report(1, 100)
  t.equal(seen()?.emptySince, now + 100)
  book.addPhantom(one, now + 500)
  report(1, 200)
  t.match(seen(), { phantoms: [now + 500], emptySince: null, sessions: { count: 0 } })
  report(1, 500)
  t.equal(seen()?.emptySince, now + 500)
  clock.at = 2000
  book.addPhantom(one, now + 9000)
  t.same(seen()?.phantoms, [now + 9000], 'what has passed long ago is dropped')
})

t.test('a span is added once to every promise, whether its worker knew it or not', async (t) => {
  const { book, report, seen, touch } = bookOf()
  book.listening(1, 0)
  report(1, 100, { birthsUntil: now + 1000 })
  book.addPhantom(one, now + 2000)
  book.addSpan({ from: now + 150, lengthMs: 50 }, 2)
  t.match(seen(), { birthsUntil: now + 1050, phantoms: [now + 2050] })
  report(1, 200, { birthsUntil: now + 1000 }, { generation: 1, touched: touch(3000) })
  t.match(
    seen(),
    { birthsUntil: now + 1050, sessions: { until: now + 3050 } },
    'reported before it was known: added here',
  )
  report(1, 300, { birthsUntil: now + 1050 }, { generation: 2, touched: touch(4000, 2) })
  t.match(
    seen(),
    { birthsUntil: now + 1050, sessions: { until: now + 4000 } },
    'reported since: added by the worker',
  )
})

t.test('promises and phantoms are kept over a restart, and forgotten with their release', async (t) => {
  const { book, report } = bookOf()
  book.listening(1, 0)
  report(1, 100, { birthsUntil: now + 1000 })
  book.addPhantom(one, now + 2000)
  t.same(book.save(), [{ index: 1, birthsUntil: now + 1000, phantoms: [now + 2000] }])
  const later = bookOf()
  later.book.restore(book.save())
  later.book.listening(1, 0)
  t.match(later.seen(), { birthsUntil: now + 1000, phantoms: [now + 2000] })
  later.book.forget(one)
  t.same(later.book.save(), [])
})

t.test('a release may go when every worker has reported since it routes without it', async (t) => {
  const { book, report } = bookOf()
  book.listening(1, 0)
  book.listening(2, 0)
  report(1, 100, {}, { generation: 5 })
  t.equal(book.allReportedAt(5), false)
  report(2, 100, {}, { generation: 4 })
  t.equal(book.allReportedAt(5), false)
  report(2, 200, {}, { generation: 6 })
  t.equal(book.allReportedAt(5), true)
})

t.test('workers that die for days leave no endless list: what counts the longest stays', async (t) => {
  const { book } = bookOf()
  book.addPhantom(one, now + 90_000_000)
  for (let loss = 1; loss <= 500; loss++) book.addPhantom(one, now + 60_000 + loss)
  const [saved] = book.save()
  t.equal(saved?.phantoms.length, 100)
  t.equal(Math.max(...(saved?.phantoms ?? [])), now + 90_000_000)
})
