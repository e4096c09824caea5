// The embedded store under the state directory: session saves, documents and events, each in a database of its own in
// one lmdb file. The only importer of lmdb. Must not know what a document or a blob says.
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import type { LifecycleStore, SessionSave, SessionStore } from '../domain/ports.js'
import { checkLmdbFile } from './lmdb-file-check.js'
import { requireWritable } from './writable-file.js'

/** How many of the newest events are kept. */
const keptEvents = 10_000
/** So many more may pile up before the oldest are trimmed. */
const trimSlack = 500
const formatVersion = 1

/**
 * Commits resolve before they are flushed. Without event-turn batching a failed commit (a full disk) rejects only the
 * promises we hold; with it lmdb keeps one more that nobody could catch, and the process would end.
 */
const commitOptions = { overlappingSync: true, eventTurnBatching: false }

/**
 * Everything the gateway keeps over restarts. A promise that resolves means: committed to the system's page cache,
 * which the death of the process cannot undo. The disk follows in the background (lmdb's `overlappingSync`); `flushed`
 * waits for it.
 */
export interface LmdbStore extends SessionStore, LifecycleStore {
  /** Whether a store was there before: if not, it is the first start or the state was lost. */
  readonly existed: boolean
}

/** Opens or creates the store; rejects with a clear error when the file is damaged or of a newer version. */
export function openLmdbStore(directory: string): Promise<LmdbStore> {
  return Promise.resolve().then(() => openStore(directory))
}

async function openStore(directory: string): Promise<LmdbStore> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const file = join(directory, 'data.mdb')
  const existed = existsSync(file) && checkLmdbFile(file)
  try {
    const root = open<unknown, string>({ path: directory, maxDbs: 8, encoding: 'msgpack', ...commitOptions })
    const store = new LmdbFile(root, file, existed)
    await store.checkVersion()
    return store
  } catch (error) {
    throw new Error(`state store "${file}" cannot be used: ${reasonOf(error)}`, { cause: error })
  }
}

class LmdbFile implements LmdbStore {
  readonly existed: boolean
  readonly #root: RootDatabase<unknown, string>
  readonly #file: string
  readonly #meta: Database<unknown, string>
  readonly #documents: Database<unknown, string>
  readonly #events: Database<unknown, number>
  readonly #segments: Database<Uint8Array, number>
  readonly #batches: Database<Uint8Array, number>
  #firstEvent: number
  #nextEvent: number
  #firstBatch: number

  constructor(root: RootDatabase<unknown, string>, file: string, existed: boolean) {
    this.existed = existed
    this.#root = root
    this.#file = file
    this.#meta = root.openDB({ name: 'meta', encoding: 'msgpack' })
    this.#documents = root.openDB({ name: 'documents', encoding: 'msgpack' })
    this.#events = root.openDB({ name: 'events', encoding: 'msgpack' })
    this.#segments = root.openDB({ name: 'segments', encoding: 'binary' })
    this.#batches = root.openDB({ name: 'batches', encoding: 'binary' })
    this.#nextEvent = (this.#edge(this.#events, true) ?? 0) + 1
    this.#firstEvent = this.#edge(this.#events, false) ?? this.#nextEvent
    this.#firstBatch = this.#edge(this.#batches, false) ?? 1
  }

  async checkVersion(): Promise<void> {
    const found = this.#meta.get('version')
    if (found === formatVersion) return
    if (found === undefined) return this.#commit(() => [this.#meta.put('version', formatVersion)])
    await this.#root.close()
    throw new Error(`its format is version ${JSON.stringify(found)}, this program reads ${formatVersion}`)
  }

  async saveSessions(save: SessionSave): Promise<void> {
    const bytes = [save.batch, ...save.segments.values()].reduce((sum, { length }) => sum + length, 0)
    await this.#commit(() => {
      const writes: Promise<unknown>[] = [this.#batches.put(save.batchNumber, save.batch)]
      for (const [segment, content] of save.segments) writes.push(this.#segments.put(segment, content))
      for (let old = this.#firstBatch; old <= save.forgetThrough; old++)
        writes.push(this.#batches.remove(old))
      return writes
    }, bytes)
    this.#firstBatch = Math.max(this.#firstBatch, save.forgetThrough + 1)
  }

  savedSegments(): Iterable<Uint8Array> {
    return valuesOf(this.#segments)
  }

  savedBatches(): Iterable<Uint8Array> {
    return valuesOf(this.#batches)
  }

  async forgetSessions(): Promise<void> {
    await this.#commit(() => [this.#segments.clearAsync(), this.#batches.clearAsync()])
    this.#firstBatch = 1
  }

  get(key: string): unknown {
    return this.#documents.get(key)
  }

  async put(key: string, value: unknown): Promise<void> {
    await this.#commit(() => [this.#documents.put(key, value)])
  }

  async remove(key: string): Promise<void> {
    await this.#commit(() => [this.#documents.remove(key)])
  }

  async appendEvent(event: unknown): Promise<void> {
    // Before its number is given: what was refused leaves no gap.
    requireWritable(this.#file, 0)
    const sequence = this.#nextEvent++
    const isFull = sequence - this.#firstEvent >= keptEvents + trimSlack
    const trimTo = isFull ? sequence - keptEvents : 0
    await this.#commit(() => {
      const writes: Promise<unknown>[] = [this.#events.put(sequence, event)]
      for (; this.#firstEvent <= trimTo; this.#firstEvent++)
        writes.push(this.#events.remove(this.#firstEvent))
      return writes
    })
  }

  events(limit: number, before?: number): readonly { readonly sequence: number; readonly event: unknown }[] {
    const oldest = this.#nextEvent - keptEvents
    const newest = Math.min(before ?? Infinity, this.#nextEvent) - 1
    const range = this.#events.getRange({ start: newest, end: oldest - 1, reverse: true, limit })
    return Array.from(range, ({ key, value }) => ({ sequence: key, event: value }))
  }

  eventAfter(sequence: number): { readonly sequence: number; readonly event: unknown } | null {
    const start = Math.max(sequence + 1, this.#nextEvent - keptEvents)
    for (const { key, value } of this.#events.getRange({ start, limit: 1 }))
      return { sequence: key, event: value }
    return null
  }

  async flushed(): Promise<void> {
    await this.#root.flushed
  }

  async close(): Promise<void> {
    await this.#root.flushed
    await this.#root.close()
  }

  /**
   * All writes in one transaction: all are kept or none is. A failure comes with lmdb's own reason, except where it is
   * seen beforehand: lmdb 3.5.6 that fails to write frees what it does not own, and the process may end (on a full disk one
   * time in four).
   */
  async #commit(write: () => Promise<unknown>[], bytes = 0): Promise<void> {
    try {
      requireWritable(this.#file, bytes)
      let writes: Promise<unknown>[] = []
      const committed = this.#root.batch(() => {
        writes = write()
      })
      await Promise.all([committed, ...writes])
    } catch (error) {
      throw new Error(`state could not be saved: ${await commitReason(error)}`, { cause: error })
    }
  }

  #edge(database: Database<unknown, number>, isLast: boolean): number | undefined {
    for (const key of database.getKeys({ reverse: isLast, limit: 1 })) return key
    return undefined
  }
}

/** One value after the other, each read when it is asked for: together they may be hundreds of megabytes. */
function* valuesOf(database: Database<Uint8Array, number>): Generator<Uint8Array> {
  for (const key of Array.from(database.getKeys())) {
    const value = database.getBinary(key)
    if (value !== undefined) yield value
  }
}

/** lmdb rejects a write with an error whose `commitError` is itself a promise that rejects with the cause. */
async function commitReason(error: unknown): Promise<string> {
  if (!(error instanceof Error && 'commitError' in error)) return reasonOf(error)
  try {
    await error.commitError
    return error.message
  } catch (cause) {
    return reasonOf(cause)
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
