// How the session ledger behaves at ten million sessions: bytes, touches, sweep pauses, saves. Checks the counts first.
// Usage: node dist/bench/micro/ledger.js [sessions]
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openLmdbStore } from '../../gateway/adapters/lmdb-store.js'
import { Journal } from '../../gateway/controlplane/ledger/journal.js'
import { LedgerKeeper } from '../../gateway/controlplane/ledger-keeper.js'
import { SessionLedger } from '../../gateway/controlplane/session-ledger.js'
import { parseReleaseIndex, type ReleaseIndex } from '../../gateway/domain/ids.js'
import type { SessionBatch } from '../../gateway/domain/session.js'

const sessions = Number(process.argv[2] ?? 10_000_000)
const rowsABatch = Math.min(100_000, sessions)
const rowsAMessage = Math.min(5_000, rowsABatch)
const savesMeasured = 65
const now = Date.now()
const release = parseReleaseIndex(1) as ReleaseIndex
const ids = new Uint32Array(sessions * 2)
for (let at = 0; at < ids.length; at++) ids[at] = Math.random() * 2 ** 32
const columns = {
  releases: new Uint16Array(rowsABatch).fill(release),
  bornAt: new Float64Array(rowsABatch).fill(now),
  until: new Float64Array(rowsABatch),
}

interface Line {
  readonly what: string
  readonly median: string
  readonly worst: string
}

function batchAt(number: number, until: number): SessionBatch {
  const first = (number * rowsABatch) % (sessions - rowsABatch + 1)
  columns.until.fill(until)
  return { ids: ids.subarray(first * 2, (first + rowsABatch) * 2), ...columns }
}

function firstRows({ ids, releases, bornAt, until }: SessionBatch): SessionBatch {
  return {
    ids: ids.subarray(0, 2 * rowsAMessage),
    releases: releases.subarray(0, rowsAMessage),
    bornAt: bornAt.subarray(0, rowsAMessage),
    until: until.subarray(0, rowsAMessage),
  }
}

function timed(action: () => void): number {
  const began = performance.now()
  action()
  return performance.now() - began
}

function line(what: string, pauses: number[]): Line {
  const sorted = pauses.toSorted((a, b) => a - b)
  const at = (index: number) => `${(sorted[index] ?? 0).toFixed(2)} ms`
  return { what, median: at(sorted.length >> 1), worst: at(sorted.length - 1) }
}

async function fill(ledger: SessionLedger, keeper: LedgerKeeper): Promise<Line> {
  const pauses: number[] = []
  columns.until.fill(now + 1_800_000)
  for (let first = 0; first < sessions; first += rowsABatch) {
    const rows = Math.min(rowsABatch, sessions - first)
    const releases = columns.releases.subarray(0, rows)
    const batch = { ...columns, ids: ids.subarray(first * 2, (first + rows) * 2), releases }
    pauses.push(timed(() => ledger.touch(batch, now)))
    await keeper.save(now)
  }
  if (ledger.of(release).active !== ledger.size) throw new Error('counts differ')
  return line(`first touch of ${rowsABatch}`, pauses)
}

function sweepRound(ledger: SessionLedger): Line {
  const pauses: number[] = []
  for (let isRound = false; !isRound;) {
    pauses.push(timed(() => (isRound = ledger.sweep(now, () => true))))
  }
  const total = pauses.reduce((a, b) => a + b, 0)
  return line(`sweep of one segment (a round: ${total.toFixed(0)} ms)`, pauses)
}

async function touchAndSave(ledger: SessionLedger, keeper: LedgerKeeper): Promise<Line[]> {
  const touches: number[] = []
  const parts: number[] = []
  const pauses: number[] = []
  const durations: number[] = []
  for (let number = 0; number < savesMeasured; number++) {
    const batch = batchAt(number, now + 1_900_000 + number)
    touches.push(timed(() => ledger.touch(batch, now)))
    parts.push(timed(() => ledger.touch(firstRows(batchAt(number, now + 2_000_000 + number)), now)))
    const began = performance.now()
    const save = keeper.save(now + number)
    pauses.push(performance.now() - began)
    await save
    durations.push(performance.now() - began)
  }
  const kinds = ['save, of which blocking', 'save until durable']
  return [
    line(`touch of ${rowsABatch}`, touches),
    line(`touch of ${rowsAMessage}, the most that one message carries`, parts),
    line(kinds[0] ?? '', pauses),
    line(kinds[1] ?? '', durations),
  ]
}

const directory = mkdtempSync(join(tmpdir(), 'amarre-bench-'))
try {
  const store = await openLmdbStore(directory)
  const journal = new Journal()
  const before = process.memoryUsage()
  const ledger = new SessionLedger({ maxSessions: sessions, journal })
  const keeper = new LedgerKeeper({ ledger, journal, store })
  const first = await fill(ledger, keeper)
  const after = process.memoryUsage()
  const lines = [first, ...(await touchAndSave(ledger, keeper)), sweepRound(ledger)]
  await store.close()

  const reopened = await openLmdbStore(directory)
  const emptyJournal = new Journal()
  const restored = new SessionLedger({ maxSessions: sessions, journal: emptyJournal })
  const began = performance.now()
  await new LedgerKeeper({ ledger: restored, journal: emptyJournal, store: reopened }).restore()
  const restoreMs = performance.now() - began
  if (restored.size !== ledger.size) throw new Error('restored otherwise')
  await reopened.close()

  const megabytes = statSync(join(directory, 'data.mdb')).size / 1e6
  console.table(lines)
  console.log(
    `${ledger.size} sessions; process grew by ${((after.rss - before.rss) / ledger.size).toFixed(1)} bytes each`,
  )
  console.log(`store ${megabytes.toFixed(0)} MB; restored in ${restoreMs.toFixed(0)} ms`)
} finally {
  rmSync(directory, { recursive: true })
}
