// Keeps what a configuration was read to mean, so that a start over unchanged files needs no parser: reading their code
// and the files takes longer than all else before the first answer. Kept readings are trusted only for the very same
// files, environment and program. Knows nothing of what the files say.
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deserialize, serialize } from 'node:v8'
import type {
  ConfigListing,
  Environment,
  LastGoodFiles,
  LoadedConfig,
} from '../controlplane/config/desired-state.js'
import type { Log } from '../domain/ports.js'
import { productVersion } from '../product.js'

const fileName = 'configuration.kept'
/** After the last change: what follows a deployment goes first. */
const restMs = 1_000
/** Of SHA-256, which stands before the reading. */
const digestBytes = 32
/** The code by which the files are read. */
const readers = ['../controlplane/config/', '../domain/'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
)

interface Kept {
  readonly of: string
  readonly config: LoadedConfig
}

/** A reading, and the files that it is of. */
interface Reading {
  readonly listing: ConfigListing
  readonly config: LoadedConfig
}

/** What these files were read to mean, from the state directory that they name; null where that is not known. */
export function findKeptConfig(listing: ConfigListing, environment: Environment): LoadedConfig | null {
  const of = fingerprint(listing, environment)
  for (const directory of likelyStateDirectories(listing, environment)) {
    const kept = readKept(directory)
    if (kept?.of === of && resolve(kept.config.gateway.state.directory) === directory) return kept.config
  }
  return null
}

/** Whether the files that were in force last are those that a reading was kept of. */
export function isInForce({ lastGood }: LoadedConfig, saved: LastGoodFiles): boolean {
  const paths = Object.keys(saved)
  return (
    paths.length === Object.keys(lastGood).length && paths.every((path) => lastGood[path] === saved[path])
  )
}

/** Writes the newest reading a moment after it was made. */
export class ConfigKeeper {
  readonly #stateDirectory: string
  readonly #log: Log
  readonly #environment: Environment
  #waiting: Reading | null = null
  #written = ''
  #timer: NodeJS.Timeout | null = null

  constructor(stateDirectory: string, environment: Environment, log: Log) {
    this.#stateDirectory = stateDirectory
    this.#environment = environment
    this.#log = log
  }

  /** Only of files that are good each by itself: what another one means depends on what was in force before. */
  keep(listing: ConfigListing, config: LoadedConfig): void {
    const isGood = config.keptFiles.length === 0 && listing.unreadable.length === 0
    if (!isGood || config.problems.some(({ severity }) => severity === 'error')) return
    this.#waiting = { listing, config }
    this.#timer ??= setTimeout(() => void this.flush(), restMs).unref()
  }

  /** Writes what waits; what cannot be written costs the next start its advantage. */
  async flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#waiting === null) return
    const { listing, config } = this.#waiting
    this.#waiting = null
    const of = fingerprint(listing, this.#environment)
    if (of === this.#written) return
    try {
      await writeKept(this.#stateDirectory, { of, config })
      this.#written = of
    } catch (error) {
      this.#log.warn('what the configuration means cannot be kept', { error: String(error) })
    }
  }
}

async function writeKept(directory: string, kept: Kept): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, fileName)
  const content = serialize(kept)
  await writeFile(`${path}.new`, Buffer.concat([digestOf(content), content]), { mode: 0o600 })
  await rename(`${path}.new`, path)
}

/** Null where there is none, or where it is damaged: it is only a shorter way. */
function readKept(directory: string): Kept | null {
  try {
    const file = readFileSync(join(directory, fileName))
    const content = file.subarray(digestBytes)
    return digestOf(content).equals(file.subarray(0, digestBytes)) ? (deserialize(content) as Kept) : null
  } catch {
    return null
  }
}

/** A machine that crashed may have kept the file's name and not all of its pages. */
function digestOf(content: Buffer): Buffer {
  return createHash('sha256').update(content).digest()
}

/** By the looks of it; whether it is the one, the reading found there says. */
function likelyStateDirectories({ files }: ConfigListing, environment: Environment): string[] {
  const gateway = files.find(({ path }) => path.startsWith('gateway.'))?.content ?? ''
  const [, inFile] = /\bdirectory["']?\s*:\s*["']?([^\s"',}#]+)/.exec(gateway) ?? []
  const named = [environment['AMARRE_STATE_DIRECTORY']?.trim() ?? '', inFile ?? '', './state']
  return [...new Set(named.filter((each) => each !== '').map((each) => resolve(each)))]
}

function fingerprint({ files, directories, unreadable }: ConfigListing, environment: Environment): string {
  const names = Object.keys(environment).filter((name) => name.startsWith('AMARRE_'))
  const variables = names.map((name) => [name, environment[name]])
  const texts = files.map(({ path, content }) => [path, content])
  const all = [program(), directories, unreadable, texts, variables]
  return createHash('sha256').update(JSON.stringify(all)).digest('hex')
}

let stamp: readonly unknown[] | null = null

/** Another build of one version may read a file otherwise; the one that runs is the one found first. */
function program(): readonly unknown[] {
  stamp ??= [productVersion, process.version, readers.flatMap(stampsIn)]
  return stamp
}

function stampsIn(folder: string): unknown[] {
  const names = readdirSync(folder).filter((name) => name.endsWith('.js'))
  return names.map((name) => {
    const { size, mtimeMs } = statSync(join(folder, name))
    return [name, size, mtimeMs]
  })
}
