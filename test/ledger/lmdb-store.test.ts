// The embedded store on a real disk: what a resolved promise has kept, damaged files, and a ledger killed in mid-save.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type LmdbStore, openLmdbStore } from '../../gateway/adapters/lmdb-store.js'
import { SessionLedger } from '../../gateway/controlplane/session-ledger.js'
import { release } from './batches.js'
import { keptLedger } from './kept-ledger.js'
import { historyStep } from './saved-history.js'

const scratch = mkdtempSync(join(tmpdir(), 'amarre-store-'))
t.teardown(() => rmSync(scratch, { recursive: true }))
let directories = 0

function freshDirectory(): string {
  return join(scratch, `state-${++directories}`)
}

async function reopened(store: LmdbStore, directory: string): Promise<LmdbStore> {
  await store.close()
  return openLmdbStore(directory)
}

t.test('documents keep their values, never and undefined fields included', async (t) => {
  const directory = freshDirectory()
  let store = await openLmdbStore(directory)
  t.equal(store.existed, false)
  t.equal(statSync(directory).mode & 0o777, 0o700)
  const value = {
    idleTimeoutMs: Infinity,
    until: null,
    list: [1, 'two', { three: 3.5 }],
    at: 1_800_000_000_000,
  }
  await store.put('sites/shop', value)
  await store.put('gone', 1)
  await store.remove('gone')
  store = await reopened(store, directory)
  t.equal(store.existed, true)
  t.same(store.get('sites/shop'), value)
  t.equal(store.get('gone'), undefined)
  await store.flushed()
  await store.close()
})

t.test('events are numbered in order over restarts, and the newest ten thousand are kept', async (t) => {
  const directory = freshDirectory()
  let store = await openLmdbStore(directory)
  await Promise.all(Array.from({ length: 10_800 }, (_, at) => store.appendEvent({ at: at + 1 })))
  store = await reopened(store, directory)
  await store.appendEvent({ at: 10_801 })
  t.same(
    store.events(2).map(({ sequence, event }) => [sequence, event]),
    [
      [10_801, { at: 10_801 }],
      [10_800, { at: 10_800 }],
    ],
  )
  t.same(
    store.events(2, 10_800).map(({ sequence }) => sequence),
    [10_799, 10_798],
  )
  const all = store.events(Infinity)
  t.equal(all.length, 10_000)
  t.equal(all.at(-1)?.sequence, 802)
  t.same(store.events(5, 802), [])
  await store.close()
})

t.test('a save is there whole after a restart; forgotten batches are gone', async (t) => {
  const directory = freshDirectory()
  let store = await openLmdbStore(directory)
  for (const batchNumber of [1, 2, 3]) {
    const segments = new Map([[batchNumber % 2, Uint8Array.of(7, batchNumber)]])
    await store.saveSessions({
      batchNumber,
      batch: Uint8Array.of(batchNumber),
      segments,
      forgetThrough: batchNumber - 2,
    })
  }
  store = await reopened(store, directory)
  t.same(
    [...store.savedBatches()].map((bytes) => [...bytes]),
    [[2], [3]],
  )
  t.same(
    [...store.savedSegments()].map((bytes) => [...bytes]),
    [
      [7, 2],
      [7, 3],
    ],
  )
  await store.saveSessions({ batchNumber: 4, batch: Uint8Array.of(4), segments: new Map(), forgetThrough: 3 })
  t.same(
    [...store.savedBatches()].map((bytes) => [...bytes]),
    [[4]],
  )
  await store.forgetSessions()
  t.same([[...store.savedBatches()], [...store.savedSegments()]], [[], []])
  await store.close()
})

t.test('what there is no room for is refused before it is tried, and nothing of it is kept', async (t) => {
  const directory = freshDirectory()
  const store = await openLmdbStore(directory)
  const batch = { length: 2 ** 60 } as unknown as Uint8Array
  const save = { batchNumber: 1, batch, segments: new Map<number, Uint8Array>(), forgetThrough: 0 }
  await t.rejects(store.saveSessions(save), {
    message: new RegExp(
      `^state could not be saved: only \\d+ KiB are free on the file system of "${join(directory, 'data.mdb')}"`,
    ),
  })
  t.same([...store.savedBatches()], [])
  unlinkSync(join(directory, 'data.mdb'))
  await t.rejects(
    store.put('a', 1),
    { message: /^state could not be saved: ENOENT/ },
    'nor to a file that is gone',
  )
  await store.close()
})

t.test('a file that is no store, or is cut short, is refused with a clear error', async (t) => {
  const directory = freshDirectory()
  const store = await openLmdbStore(directory)
  await Promise.all(Array.from({ length: 400 }, (_, at) => store.put(`key ${at}`, 'x'.repeat(500))))
  await store.close()
  const file = join(directory, 'data.mdb')
  const whole = readFileSync(file)

  writeFileSync(file, Buffer.alloc(50_000, 'Z'))
  await t.rejects(openLmdbStore(directory), {
    message: /^state store ".*data\.mdb" is damaged: not an lmdb file$/,
  })
  writeFileSync(file, 'hello')
  await t.rejects(openLmdbStore(directory), { message: /is damaged: not an lmdb file$/ })
  writeFileSync(file, whole)
  truncateSync(file, 3 * 4096)
  await t.rejects(openLmdbStore(directory), {
    message: /^state store ".*data\.mdb" (is damaged|cannot be used)/,
  })
  writeFileSync(file, '')
  const fresh = await openLmdbStore(directory)
  t.equal(fresh.existed, false, 'an empty file is a first start')
  await fresh.close()
})

t.test('a store of a newer version is refused with both versions named', async (t) => {
  const directory = freshDirectory()
  await (await openLmdbStore(directory)).close()
  const { open } = await import('lmdb')
  const root = open({ path: directory })
  await root.openDB({ name: 'meta', encoding: 'msgpack' }).put('version', 9)
  await root.close()
  await t.rejects(openLmdbStore(directory), { message: /its format is version 9, this program reads 1$/ })
})

t.test(
  'killed in mid-save, again and again: every save that was resolved is there, and nothing half',
  async (t) => {
    const directory = freshDirectory()
    for (const saves of [3, 40, 70, 90, 25]) {
      const resolved = await killAfter(directory, saves)
      const store = await openLmdbStore(directory)
      const { ledger, keeper } = keptLedger(store, { maxSessions: 100_000 })
      const { asOf } = await keeper.restore()
      await store.close()
      t.ok(asOf !== null && asOf >= resolved, `resolved up to ${resolved}, found ${asOf}`)
      t.same(stateOf(ledger), stateOf(replayed(asOf ?? 0)), 'the ledger is as it stood at that save')
    }
  },
)

/** Kills the saving child as soon as it has told of so many saves; gives the last that it told of. */
async function killAfter(directory: string, saves: number): Promise<number> {
  const child = fork(fileURLToPath(new URL('saving-child.js', import.meta.url)), [directory])
  const last = await lastSaveOf(child, saves)
  return last
}

async function lastSaveOf(child: ChildProcess, saves: number): Promise<number> {
  let told = 0
  let last = 0
  child.on('message', (step: number) => {
    last = step
    if (++told === saves) child.kill('SIGKILL')
  })
  await once(child, 'exit')
  if (told < saves) throw new Error(`child ended after ${told} saves`)
  return last
}

function replayed(steps: number): SessionLedger {
  const ledger = new SessionLedger({ maxSessions: 100_000, segments: 64 })
  for (let step = 1; step <= steps; step++) historyStep(ledger, step)
  return ledger
}

/** What must be the same: every session, and every figure but the two that sweeping tightens. */
function stateOf(ledger: SessionLedger): unknown[] {
  return [0, 1, 2].map((index) => {
    const { active, confirmed, ended, overflowUntil } = ledger.of(release(index))
    const sessions = [...ledger.sessionsOf(release(index), Infinity)]
      .map((known) => JSON.stringify(known))
      .toSorted()
    return { active, confirmed, ended, overflowUntil, sessions }
  })
}
