// Saving and restoring the session ledger: what was saved is there again, exactly, whatever happened in between.
import t from 'tap'
import { batchOf, isNever, release, sessionId } from './batches.js'
import * as histories from './histories.js'
import { type KeptLedger, keptLedger } from './kept-ledger.js'
import { MemoryStore } from './memory-store.js'
import { LedgerModel, type ModelRow } from './model.js'

const now = 1_800_000_000_000
const one = release(1)
const options = { maxSessions: histories.maxSessions, segments: histories.segments }

function row(changes: Partial<ModelRow> = {}): ModelRow {
  return { high: 77, low: 5, release: 1, until: now + 1000, bornAt: now - 500, ...changes }
}

/** A ledger, its model, and the model as it stood at each save. */
class Run {
  kept: KeptLedger
  model = new LedgerModel({ ...options, maxAgeMs: histories.maxAgeMs })
  saved: { model: LedgerModel; asOf: number }[] = []
  time = now
  readonly store = new MemoryStore()

  constructor() {
    this.kept = keptLedger(this.store, options)
  }

  async step(step: histories.Step): Promise<void> {
    for (const index of histories.releases) this.kept.ledger.setMaxAge(release(index), histories.maxAgeMs)
    if (step.kind === 'pass') this.time += step.ms
    if (step.kind === 'save') await this.#save(step.fails)
    if (step.kind === 'restart') await this.#restart()
    histories.applyStep(step, { ledger: this.kept.ledger, model: this.model, now: this.time })
    histories.compare(this.kept.ledger, this.model)
  }

  async #save(fails: boolean): Promise<void> {
    this.store.failNext = fails
    try {
      await this.kept.keeper.save(this.time)
    } catch {
      return
    }
    this.saved.push({ model: this.model.afterRestart(), asOf: this.time })
  }

  async #restart(): Promise<void> {
    const last = this.saved.at(-1)
    this.model = last?.model.afterRestart() ?? new LedgerModel({ ...options, maxAgeMs: histories.maxAgeMs })
    this.kept = keptLedger(this.store, options)
    await this.kept.keeper.restore()
  }
}

t.test('after any prefix of saves a restart finds the ledger as it stood at the last of them', async (t) => {
  await histories.holds(t, histories.savedHistory, async (steps) => {
    const run = new Run()
    for (const step of steps) await run.step(step)
    for (const [index, { model, asOf }] of run.saved.entries()) {
      const { ledger, keeper } = keptLedger(new MemoryStore(run.store.history[index]), options)
      const restored = await keeper.restore()
      if (restored.asOf !== asOf || restored.sessions !== model.rows.size)
        throw new Error('restored otherwise')
      histories.compare(ledger, model)
      histories.compareBounds(ledger, model)
    }
  })
})

t.test('old batches go once every segment was saved after them', async (t) => {
  const store = new MemoryStore()
  const { ledger, keeper } = keptLedger(store, { maxSessions: 1000, segments: 64 })
  for (let at = 0; at < 200; at++) {
    ledger.touch(batchOf([row({ high: at * 2 ** 24, low: at, until: now + 1000 + at })]), now)
    await keeper.save(now + at)
    t.ok(store.batchCount <= 61, `${store.batchCount} batches are kept`)
  }
  const again = keptLedger(store, { maxSessions: 1000 })
  t.same(await again.keeper.restore(), { sessions: 200, asOf: now + 199 })
  t.same(
    again.ledger.of(one),
    ledger.of(one),
    'with another number of segments, which is taken over from the store',
  )
})

t.test('saves asked for during a save become one, and it holds everything', async (t) => {
  const store = new MemoryStore()
  const { ledger, keeper } = keptLedger(store, options)
  const saves = [keeper.save(now)]
  ledger.touch(batchOf([row()]), now)
  saves.push(keeper.save(now + 1), keeper.save(now + 2))
  await Promise.all(saves)
  t.equal(store.history.length, 2)
  const again = keptLedger(store, options)
  t.same(await again.keeper.restore(), { sessions: 1, asOf: now + 2 })
})

t.test('a save that fails rejects, and the next makes up for it', async (t) => {
  const store = new MemoryStore()
  const { ledger, keeper } = keptLedger(store, options)
  ledger.touch(batchOf([row(), row({ high: 2 ** 31 })]), now)
  store.failNext = true
  await t.rejects(keeper.save(now), { message: 'no space left' })
  await keeper.save(now + 1)
  const again = keptLedger(store, options)
  t.same(await again.keeper.restore(), { sessions: 2, asOf: now + 1 })
})

t.test('nothing saved: nothing known, not even as of when', async (t) => {
  const { keeper } = keptLedger(new MemoryStore(), options)
  t.same(await keeper.restore(), { sessions: 0, asOf: null })
})

t.test('damaged or newer state is refused with a clear error, and the ledger can start afresh', async (t) => {
  const store = new MemoryStore()
  const { ledger, keeper } = keptLedger(store, options)
  ledger.touch(batchOf([row(), row({ high: 2 ** 31 })]), now)
  for (let at = 0; at < 6; at++) await keeper.save(now + at)
  const damages: [RegExp, (bytes: Uint8Array) => Uint8Array][] = [
    [/checksum/, (bytes) => bytes.with(bytes.length - 1, (bytes.at(-1) as number) ^ 1)],
    [/cut short|checksum/, (bytes) => bytes.subarray(0, bytes.length - 8)],
    [/cut short/, (bytes) => bytes.subarray(0, 8)],
    [/version 2, this program reads 1/, (bytes) => bytes.with(4, 2)],
    [/is not one/, () => new Uint8Array(64)],
  ]
  const stored = store.history.at(-1)
  for (const [message, damage] of damages) {
    for (const part of ['segments', 'batches'] as const) {
      const damaged = new Map([...(stored?.[part] ?? [])].map(([key, bytes]) => [key, damage(bytes)]))
      const bad = new MemoryStore({ segments: new Map(), batches: new Map(), ...stored, [part]: damaged })
      const again = keptLedger(bad, options)
      await t.rejects(
        again.keeper.restore(),
        { name: 'SavedSessionsError', message },
        `${part}: ${String(message)}`,
      )
      t.equal(again.ledger.size, 0)
      await again.keeper.startAfresh()
      again.ledger.touch(batchOf([row()]), now)
      await again.keeper.save(now)
      t.match(await keptLedger(bad, options).keeper.restore(), { sessions: 1, asOf: now })
    }
  }
})

t.test('a missing batch is noticed', async (t) => {
  const store = new MemoryStore()
  const { ledger, keeper } = keptLedger(store, options)
  for (let at = 0; at < 3; at++) {
    ledger.touch(batchOf([row({ low: at })]), now)
    await keeper.save(now)
  }
  const { segments, batches } = store.history.at(-1) ?? { segments: new Map(), batches: new Map() }
  const withGap = new Map([...batches].filter(([number]) => number !== 2))
  await t.rejects(keptLedger(new MemoryStore({ segments, batches: withGap }), options).keeper.restore(), {
    message: 'saved batch 2 is missing',
  })
})

t.test('a forgotten release stays forgotten after a restart, though its rows were never swept', async (t) => {
  const store = new MemoryStore()
  const { ledger, keeper } = keptLedger(store, options)
  ledger.touch(batchOf([row(), row({ release: 2, low: 6 })]), now)
  for (let at = 0; at < 5; at++) await keeper.save(now)
  ledger.forget(one)
  for (let at = 0; at < 5; at++) await keeper.save(now)
  const again = keptLedger(store, options)
  t.equal((await again.keeper.restore()).sessions, 1)
  t.equal(again.ledger.of(one).active, 0)
})

t.test('ends and counters survive, tombstones need not', async (t) => {
  const store = new MemoryStore()
  const { ledger, keeper } = keptLedger(store, options)
  ledger.touch(batchOf([row(), row({ low: 6 })]), now)
  await keeper.save(now)
  ledger.end(sessionId(77, 5), now, 1000)
  ledger.sweep(now + 2000, isNever)
  await keeper.save(now + 2000)
  const again = keptLedger(store, options)
  await again.keeper.restore()
  t.match(again.ledger.of(one), {
    active: 0,
    confirmed: 2,
    ended: { idle: 1, age: 0, signal: 1, overflow: 0 },
  })
})
