// The whole configuration directory as one desired state. Pure over contents: a bad file keeps its last good content
// in force, and every problem of every file is told at once.
import type {
  ConfigListing,
  ConfigProblem,
  Environment,
  FileStanding,
  LastGoodFiles,
  LoadedConfig,
} from './desired-state.js'
import { roleOf } from './file-kinds.js'
import { loadGateway } from './load-gateway.js'
import { loadSites } from './load-sites.js'
import type { FileInForce } from './load-sites.js'
import { inReadingOrder } from './problems.js'
import { holdVanished } from './vanished.js'
import type { HeldListing } from './vanished.js'

/**
 * Loads a listing. `lastGood` is what the load before gave (or what was saved of it): what is in force now. A file of
 * it that is missing is withdrawn, unless its whole folder vanished or cannot be read.
 */
export function loadConfig(
  listing: ConfigListing,
  lastGood: LastGoodFiles,
  environment: Environment,
): LoadedConfig {
  const held = holdVanished(listing, lastGood)
  const gateway = loadGateway(held, lastGood, environment)
  const loaded = loadSites(held, lastGood)
  const inForce: FileInForce[] = [...loaded.filesInForce]
  if (gateway.file !== null) inForce.unshift(gateway.file)
  const problems = inReadingOrder([...held.problems, ...gateway.problems, ...loaded.problems])
  return {
    gateway: gateway.settings,
    sites: loaded.sites,
    problems,
    keptFiles: inForce.filter(({ isKept }) => isKept).map(({ path }) => path),
    files: standings(held, inForce, problems),
    lastGood: contentsOf(held, inForce, lastGood),
  }
}

function standings(
  held: HeldListing,
  inForce: readonly FileInForce[],
  problems: readonly ConfigProblem[],
): readonly FileStanding[] {
  const bad = new Set(problems.filter(({ severity }) => severity === 'error').map(({ file }) => file))
  const valid = inForce.filter(({ path, isKept }) => !isKept && !bad.has(path)).map(({ path }) => path)
  const paths = new Set([...held.files.keys(), ...inForce.map(({ path }) => path)])
  return [...paths]
    .filter((path) => roleOf(path).role !== 'stray')
    .toSorted()
    .map((file) => ({ file, isValid: valid.includes(file) }))
}

function contentsOf(
  held: HeldListing,
  inForce: readonly FileInForce[],
  lastGood: LastGoodFiles,
): LastGoodFiles {
  const entries = inForce.map(({ path, isKept }) => [
    path,
    (isKept ? lastGood[path] : held.files.get(path)) ?? '',
  ])
  return Object.fromEntries(entries) as LastGoodFiles
}
