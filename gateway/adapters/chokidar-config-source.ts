// Watches a configuration directory. A notification is only a hint to look at everything again, beside a look every
// second; in poll mode there are the looks alone. Gives a listing once what changed has stood still. Knows nothing
// of what the files say.
import { join, relative, resolve, sep } from 'node:path'
import type { FSWatcher } from 'chokidar'
import type { ConfigSource, WatchMode } from '../controlplane/config/config-source.js'
import type { ConfigListing } from '../controlplane/config/desired-state.js'
import { glanceAt, isSameEntry, listingOf, lookAt, nearestAbove, readEntry } from './config-directory.js'
import type { Entry, Sighting, Sightings } from './config-directory.js'

/** How long size and times must have stood still before a file is read. */
const settleMs = 50
/** How long while other files go on changing: what is being moved about is not read half-way, nor held up for ever. */
const settleAmidUnrestMs = 500
/** The shortest time between two looks, however many hints come. */
const betweenLooksMs = 10
/**
 * Time between two looks without a hint. Looks may take a share of the time only (one part of `share`), so that a slow
 * network file system is asked less often.
 */
const pace = { notify: { everyMs: 1000, share: 20 }, poll: { everyMs: 50, share: 4 } } as const

const watching = { depth: 0, ignoreInitial: true, ignorePermissionErrors: true, atomic: false } as const

/** What a source needs to know. */
export interface ConfigSourceOptions {
  readonly directory: string
  readonly mode: WatchMode
  /** Told once when the system cannot notify (no inotify watches left, for instance); polling goes on from there. */
  readonly onNotificationLost: (error: unknown) => void
}

/** What a path was last seen to be, and since when (monotonic ms). */
interface Seen {
  /** Null: it went away. */
  readonly sighting: Sighting | null
  readonly since: number
  /** When that was last seen; a look that began before it saw less. */
  readonly at: number
}

/** A configuration directory on disk, watched by chokidar. */
export class ChokidarConfigSource implements ConfigSource {
  readonly #directory: string
  #mode: WatchMode
  readonly #onNotificationLost: (error: unknown) => void
  readonly #seen = new Map<string, Seen>()
  readonly #published = new Map<string, Entry>()
  #onChange: ((listing: ConfigListing) => void) | null = null
  #hasGiven = false
  #isClosed = false
  #watcher: FSWatcher | null = null
  #watched = ''
  #timer: NodeJS.Timeout | null = null
  #dueAt = Infinity
  #lookedAt = -Infinity
  /** Something happened since the last whole look began. */
  #isHinted = true
  #lookMs = 0
  /** Looks follow each other; none begins before the last has ended. */
  #last: Promise<unknown> = Promise.resolve()

  constructor({ directory, mode, onNotificationLost }: ConfigSourceOptions) {
    this.#directory = resolve(directory)
    this.#onNotificationLost = onNotificationLost
    this.#mode = mode
  }

  get mode(): WatchMode {
    return this.#mode
  }

  read(): Promise<ConfigListing> {
    return this.#inTurn(async () => {
      await this.#readAll()
      return listingOf(this.#published)
    })
  }

  watch(onChange: (listing: ConfigListing) => void): void {
    this.#onChange = onChange
    this.#lookWithin(0)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#onChange = null
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#last
    await this.#watcher?.close()
    this.#watcher = null
  }

  #inTurn<T>(turn: () => Promise<T>): Promise<T> {
    const result = this.#last.then(turn)
    this.#last = result.catch(() => undefined)
    return result
  }

  /** The one way to a look: hints, unrest and the pace all come here; the earliest wins. */
  #lookWithin(delayMs: number): void {
    if (this.#isClosed || this.#onChange === null) return
    const now = performance.now()
    const dueAt = Math.max(now + delayMs, this.#lookedAt + betweenLooksMs)
    if (this.#timer !== null && this.#dueAt <= dueAt) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#dueAt = dueAt
    this.#timer = setTimeout(() => this.#turn(), Math.ceil(dueAt - now))
  }

  #turn(): void {
    this.#timer = null
    const turn = this.#inTurn(async () => {
      if (this.#isClosed) return
      const isChanged = this.#hasGiven ? await this.#lookAgain() : await this.#readAll()
      await this.#watchFolders()
      if (isChanged) this.#onChange?.(listingOf(this.#published))
      this.#lookWithin(this.#untilNextLookMs())
    })
    // Only the one called back can fail here, and that is not ours to keep silent about.
    turn.catch((error: unknown) =>
      process.nextTick(() => {
        throw error
      }),
    )
  }

  /** A whole listing: waits until all stands still, within bounds. */
  async #readAll(): Promise<boolean> {
    await this.#look()
    for (let patience = 10; this.#unrestMs() > 0 && patience > 0; patience--) {
      await new Promise((done) => setTimeout(done, this.#unrestMs()))
      await this.#look()
    }
    await this.#publish(() => true)
    this.#hasGiven = true
    return true
  }

  /**
   * What was seen to change has to stand still; for files that are there nothing else is looked at. Where one is gone,
   * others may be going without a word: that several went together must not show as one and then the rest.
   */
  async #lookAgain(): Promise<boolean> {
    const isDue = performance.now() - this.#lookedAt >= pace[this.#mode].everyMs
    const pending = this.#isHinted || isDue ? [] : this.#pending()
    if (pending.length > 0 && pending.every((path) => this.#isFile(path))) {
      await Promise.all(pending.map((path) => this.#glance(path)))
    } else await this.#look()
    const enoughMs = this.#unrestMs() === 0 ? settleMs : settleAmidUnrestMs
    return this.#publish((stillMs) => stillMs >= enoughMs)
  }

  #untilNextLookMs(): number {
    const { everyMs, share } = pace[this.#mode]
    return this.#unrestMs() || Math.max(everyMs, this.#lookMs * share)
  }

  /** Paths that are seen to be what has not been read yet. */
  #pending(): string[] {
    const isRead = (path: string, sighting: Sighting | null): boolean => {
      const entry = this.#published.get(path)
      if (sighting?.kind === 'file') return entry?.kind === 'file' && entry.stamp === sighting.stamp
      return entry?.kind === sighting?.kind
    }
    return [...this.#seen].flatMap(([path, { sighting }]) => (isRead(path, sighting) ? [] : [path]))
  }

  /** It is one, and has not just taken the place of a folder. */
  #isFile(path: string): boolean {
    return this.#seen.get(path)?.sighting?.kind === 'file' && this.#published.get(path)?.kind !== 'folder'
  }

  /** Looks at one path: at once, and long before a whole look has come to it. */
  async #glance(path: string): Promise<void> {
    const sighting = await glanceAt(this.#directory, path)
    const before = this.#seen.get(path)
    if (this.#isClosed || (sighting === null && before === undefined)) return
    const at = performance.now()
    const isSame = before !== undefined && before.sighting?.stamp === sighting?.stamp
    this.#seen.set(path, { sighting, since: isSame ? before.since : at, at })
  }

  async #look(): Promise<void> {
    this.#isHinted = false
    const begunAt = performance.now()
    const sightings = await lookAt(this.#directory)
    this.#lookedAt = performance.now()
    this.#lookMs = this.#lookedAt - begunAt
    this.#note(sightings, begunAt)
  }

  /** Notes since when each path is as it is. Before the first listing the files' own times tell. */
  #note(sightings: Sightings, begunAt: number): void {
    const now = this.#lookedAt
    for (const [path, sighting] of sightings) {
      const before = this.#seen.get(path)
      if (before !== undefined && before.at > begunAt) continue
      if (before?.sighting?.stamp === sighting.stamp) continue
      const ageMs = Date.now() - sighting.changedAt
      const since = this.#hasGiven ? now : now - (ageMs >= 0 ? ageMs : 0)
      this.#seen.set(path, { sighting, since, at: now })
    }
    for (const [path, { sighting, at }] of this.#seen) {
      if (sighting === null || sightings.has(path) || at > begunAt) continue
      this.#seen.set(path, { sighting: null, since: now, at: now })
    }
  }

  /** How long it takes until everything will have stood still; 0 when it has. */
  #unrestMs(): number {
    const now = performance.now()
    let latest = -Infinity
    for (const { since } of this.#seen.values()) latest = Math.max(latest, since)
    return Math.max(0, latest + settleMs - now)
  }

  /** Takes over what has stood still for long enough; says whether the listing became another. */
  async #publish(isSettled: (stillMs: number) => boolean): Promise<boolean> {
    const now = performance.now()
    const settled = [...this.#seen].filter(([, { since }]) => isSettled(now - since))
    const changes = await Promise.all(settled.map(([path, { sighting }]) => this.#take(path, sighting)))
    return changes.includes(true)
  }

  async #take(path: string, sighting: Sighting | null): Promise<boolean> {
    if (sighting === null) {
      this.#seen.delete(path)
      return this.#published.delete(path)
    }
    const before = this.#published.get(path)
    if (before?.kind === 'file' && before.stamp === sighting.stamp) return false
    const now = await readEntry(this.#directory, path, sighting)
    if (now === null) {
      const at = performance.now()
      this.#seen.set(path, { sighting: { ...sighting, stamp: '' }, since: at, at })
      return false
    }
    this.#published.set(path, now)
    return !isSameEntry(before, now)
  }

  /** Watches every folder that is there, and the nearest one above the directory, for that may come and go as well. */
  async #watchFolders(): Promise<void> {
    if (this.#mode === 'poll') return
    const folders = [...this.#seen].filter(([, { sighting }]) => sighting?.kind === 'folder')
    const above = nearestAbove(this.#directory)
    const identities = folders.map(([path, { sighting }]) => `${path} ${sighting?.stamp}`).toSorted()
    const wanted = [above, ...identities].join('\n')
    if (wanted === this.#watched) return
    this.#watched = wanted
    // The old one goes first: chokidar shares watches by path, and would share those of folders that were replaced.
    await this.#watcher?.close()
    const paths = new Set([above, ...folders.map(([path]) => join(this.#directory, path))])
    const ignored = (path: string): boolean => !paths.has(path)
    // A reading before the start, and looks alone, do without it.
    const { watch } = await import('chokidar')
    this.#watcher = watch([...paths], { ...watching, ignored })
    this.#watcher
      .on('ready', () => this.#lookAfterGap())
      .on('raw', (_event, name, details) => this.#hint(name, details, above))
      .on('error', (error) => this.#lose(error))
  }

  /** While one watcher gave way to the other anything may have happened. */
  #lookAfterGap(): void {
    this.#isHinted = true
    this.#lookWithin(0)
  }

  /** Of the folder above only what happens to our own branch matters. */
  #hint(name: unknown, details: unknown, above: string): void {
    const { watchedPath } = details as { watchedPath?: string }
    const branch = this.#directory.slice(above.length).split(sep).find(Boolean)
    if (watchedPath === above && typeof name === 'string' && name !== branch) return
    this.#isHinted = true
    if (watchedPath !== undefined && watchedPath !== above && typeof name === 'string') {
      void this.#glance(relative(this.#directory, join(watchedPath, name)).split(sep).join('/'))
    }
    this.#lookWithin(0)
  }

  #lose(error: unknown): void {
    if (this.#mode === 'poll') return
    this.#mode = 'poll'
    this.#onNotificationLost(error)
    this.#lookWithin(0)
  }
}
