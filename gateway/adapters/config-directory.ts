// Looks at a configuration directory on disk: which folders and files count, a stamp of each that changes whenever it
// does, and contents. Knows nothing of watching, of time or of what the files say.
import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ConfigListing, ConfigProblem } from '../controlplane/config/desired-state.js'
import { isConfigName, isPageName, roleOf } from '../controlplane/config/file-kinds.js'

/** What stands at a path, and a stamp that changes whenever it does. */
export interface Sighting {
  readonly kind: 'folder' | 'file' | 'unreadable'
  /** Of a folder its identity; of a file also size and times; of what is unreadable the system's code. */
  readonly stamp: string
  /** Wall-clock ms of the last change; 0 where that says nothing. */
  readonly changedAt: number
}

/** Everything that counts, by its path relative to the directory; the directory itself is `.`. */
export type Sightings = ReadonlyMap<string, Sighting>

/** What a sighting turned out to be when it was read. */
export type Entry =
  | { readonly kind: 'folder' }
  | { readonly kind: 'file'; readonly stamp: string; readonly content: string }
  | { readonly kind: 'unreadable'; readonly reason: string }

/** No configuration file is that long; something else has been put there. */
const longestFileBytes = 1024 * 1024

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}

/** Absent; a folder where a file is looked for and the like count as that. */
function isAbsence(code: string): boolean {
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** Follows links: a link that points elsewhere now is another file. Null where there is nothing. */
async function sight(path: string): Promise<Sighting | null> {
  try {
    const found = await stat(path, { bigint: true })
    const identity = `${found.dev}:${found.ino}`
    if (found.isDirectory()) return { kind: 'folder', stamp: identity, changedAt: 0 }
    const stamp = `${identity}:${found.size}:${found.mtimeNs}:${found.ctimeNs}`
    return found.isFile() ? { kind: 'file', stamp, changedAt: Number(found.mtimeMs) } : null
  } catch (error) {
    const code = codeOf(error)
    return isAbsence(code) ? null : { kind: 'unreadable', stamp: code, changedAt: 0 }
  }
}

class Look {
  readonly found = new Map<string, Sighting>()
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Looks at one path; a folder's entries come next where they can matter. */
  async at(path: string): Promise<void> {
    const sighting = await sight(join(this.#directory, path))
    if (sighting === null || !counts(path, sighting)) return
    this.found.set(path, sighting)
    if (sighting.kind !== 'folder') return
    const names = await this.#names(path)
    await Promise.all(names.map((name) => this.at(path === '.' ? name : `${path}/${name}`)))
  }

  async #names(folder: string): Promise<readonly string[]> {
    try {
      const names = await readdir(join(this.#directory, folder))
      return names.filter((name) => !name.startsWith('.') && mayCount(folder, name))
    } catch (error) {
      const code = codeOf(error)
      if (isAbsence(code)) this.found.delete(folder)
      else this.found.set(folder, { kind: 'unreadable', stamp: code, changedAt: 0 })
      return []
    }
  }
}

function depthOf(path: string): number {
  return path === '.' ? 0 : path.split('/').length
}

/** Whether an entry is worth a look, by its name alone. */
function mayCount(folder: string, name: string): boolean {
  const depth = depthOf(folder)
  if (depth === 0) return name === 'sites' || (isConfigName(name) && roleOf(name).role === 'gateway')
  if (depth === 1) return true
  if (isErrorsFolder(folder)) return isPageName(name)
  return isConfigName(name) || (depth === 2 && (name === 'releases' || name === 'errors'))
}

/** Where a site's own error pages stand. */
function isErrorsFolder(path: string): boolean {
  return depthOf(path) === 3 && path.endsWith('/errors')
}

/** Whether what was found is of the kind that belongs there. */
function counts(path: string, { kind }: Sighting): boolean {
  const depth = depthOf(path)
  const name = path.slice(path.lastIndexOf('/') + 1)
  const isFolderPlace =
    depth === 0 ||
    path === 'sites' ||
    depth === 2 ||
    (depth === 3 && (name === 'releases' || name === 'errors'))
  if (kind === 'folder') return isFolderPlace
  if (kind === 'unreadable') return true
  return (isConfigName(name) || (depth === 4 && isPageName(name))) && depth > 0
}

/** Looks at one path that may count, below folders that do; null where there is nothing that does. */
export async function glanceAt(directory: string, path: string): Promise<Sighting | null> {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : '.'
  if (name.startsWith('.') || !mayCount(folder, name)) return null
  const sighting = await sight(join(directory, path))
  return sighting !== null && counts(path, sighting) ? sighting : null
}

/** Looks at everything below a directory that counts as configuration. */
export async function lookAt(directory: string): Promise<Sightings> {
  const look = new Look(directory)
  await look.at('.')
  return look.found
}

/** Reads what was sighted; null when it is not, or no longer, what was sighted. */
export async function readEntry(directory: string, path: string, sighting: Sighting): Promise<Entry | null> {
  const { kind, stamp } = sighting
  if (kind === 'folder') return { kind }
  if (kind === 'unreadable') return { kind, reason: stamp }
  if (Number(stamp.split(':')[2]) > longestFileBytes)
    return { kind: 'unreadable', reason: `longer than ${longestFileBytes} bytes` }
  try {
    const content = await readFile(join(directory, path), 'utf8')
    const after = await sight(join(directory, path))
    return after?.stamp === stamp ? { kind, stamp, content } : null
  } catch (error) {
    const code = codeOf(error)
    return isAbsence(code) ? null : { kind: 'unreadable', reason: code }
  }
}

/** Whether two entries say the same, whatever their stamps. */
export function isSameEntry(one: Entry | undefined, other: Entry): boolean {
  if (one?.kind === 'file' && other.kind === 'file') return one.content === other.content
  if (one?.kind === 'unreadable' && other.kind === 'unreadable') return one.reason === other.reason
  return one?.kind === other.kind
}

function unreadableProblem(path: string, reason: string): ConfigProblem {
  return {
    severity: 'error',
    file: path,
    line: 0,
    column: 0,
    path: '',
    message: `cannot be read (${reason})`,
  }
}

/** Entries by path as a listing. */
export function listingOf(found: ReadonlyMap<string, Entry>): ConfigListing {
  const entries = [...found].toSorted(([one], [other]) => (one < other ? -1 : 1))
  return {
    files: entries.flatMap(([path, entry]) =>
      entry.kind === 'file' ? [{ path, content: entry.content }] : [],
    ),
    directories: entries.flatMap(([path, { kind }]) => (kind === 'folder' ? [path] : [])),
    unreadable: entries.flatMap(([path, entry]) =>
      entry.kind === 'unreadable' ? [unreadableProblem(path, entry.reason)] : [],
    ),
  }
}

/** The nearest folder above a directory that is there. */
export function nearestAbove(directory: string): string {
  let above = dirname(directory)
  while (!existsSync(above) && above !== dirname(above)) above = dirname(above)
  return above
}
