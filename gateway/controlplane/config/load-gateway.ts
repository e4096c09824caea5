// The process's settings out of gateway.yaml and the environment. Knows nothing of sites.
import type { ConfigProblem, Environment, LastGoodFiles } from './desired-state.js'
import { overlay, overridesIn } from './environment.js'
import type { Override, Overrides } from './environment.js'
import { roleOf } from './file-kinds.js'
import type { GatewaySettings } from './gateway-settings.js'
import { firstOfTwins } from './inventory.js'
import { readGateway, readGatewaySource } from './read-file.js'
import type { FileReading } from './read-file.js'
import { readDocument } from './yaml-document.js'
import type { SourceDocument } from './yaml-document.js'
import type { HeldListing } from './vanished.js'

/** The settings in force, and where they come from. */
export interface LoadedGateway {
  readonly settings: GatewaySettings
  readonly problems: readonly ConfigProblem[]
  /** The file whose content is in force; null where there is none. */
  readonly file: { readonly path: string; readonly content: string; readonly isKept: boolean } | null
}

const environmentFile = 'environment'

function environmentProblem(
  severity: ConfigProblem['severity'],
  path: string,
  message: string,
): ConfigProblem {
  return { severity, file: environmentFile, line: 0, column: 0, path, message }
}

function isPartOf(path: string, key: string): boolean {
  return path === key || path.startsWith(`${key}.`) || path.startsWith(`${key}[`)
}

/** The variable that a problem of the merged words is about: by its key, else the one without which it is none. */
function culprit(
  problem: ConfigProblem,
  base: SourceDocument,
  overrides: readonly Override[],
): Override | undefined {
  const named = overrides.findLast(({ path }) => isPartOf(problem.path, path) || isPartOf(path, problem.path))
  if (named !== undefined) return named
  const isCured = (suspect: Override): boolean => {
    const rest = overrides.filter((override) => override !== suspect)
    return !readMerged(base, rest).problems.some(({ message }) => message === problem.message)
  }
  return overrides.findLast(isCured) ?? overrides.at(-1)
}

function readMerged(base: SourceDocument, overrides: readonly Override[]): FileReading<GatewaySettings> {
  return readGatewaySource({
    ...base,
    value: overlay(base.value, overrides),
    locate: (path) => base.locate(path),
    locateKey: (path) => base.locateKey(path),
  })
}

/** A problem of the merged words as one of a variable. */
function blamed({ severity, path, message }: ConfigProblem, override: Override): ConfigProblem {
  const place = path === override.path ? '' : `${path}: `
  return environmentProblem(severity, override.variable, place + message)
}

function told(problem: ConfigProblem, overrides: readonly Override[]): ConfigProblem {
  const override = overrides.findLast(({ path }) => isPartOf(problem.path, path))
  return override === undefined
    ? problem
    : environmentProblem(problem.severity, override.variable, problem.message)
}

/** Leaves out one bad variable after the other until the rest goes with the file. */
function withEnvironment(
  base: SourceDocument,
  overrides: readonly Override[],
  refused: readonly ConfigProblem[] = [],
): { readonly reading: FileReading<GatewaySettings>; readonly problems: readonly ConfigProblem[] } {
  const reading = readMerged(base, overrides)
  const problem = reading.problems.find(({ severity }) => severity === 'error')
  const bad = problem && culprit(problem, base, overrides)
  if (problem === undefined || bad === undefined)
    return { reading, problems: [...refused, ...reading.problems.map((found) => told(found, overrides))] }
  const rest = overrides.filter((override) => override !== bad)
  return withEnvironment(base, rest, [...refused, blamed(problem, bad)])
}

function unknownVariables({ unknown }: Overrides): readonly ConfigProblem[] {
  return unknown.map(({ variable, nearest }) => {
    const meant = nearest === null ? '' : `; did you mean "${nearest}"?`
    return environmentProblem('warning', variable, `unknown variable, which sets nothing${meant}`)
  })
}

function missing(path: string): ConfigProblem {
  const message =
    'missing, so that its last good content stays in force; an empty file gives back the defaults'
  return { severity: 'warning', file: path, line: 0, column: 0, path: '', message }
}

interface Chosen {
  readonly source: SourceDocument
  readonly problems: readonly ConfigProblem[]
  readonly file: LoadedGateway['file']
}

/** The words in force of the file alone: the present ones, else the last good ones, else none. */
function chooseFile(held: HeldListing, lastGood: LastGoodFiles): Chosen {
  const isGateway = (path: string): boolean => roleOf(path).role === 'gateway'
  const { path: present, problems } = firstOfTwins([...held.files.keys()].filter(isGateway), lastGood)
  const former = Object.keys(lastGood).find(isGateway) ?? null
  const content = present === null ? undefined : held.files.get(present)
  const reading = present === null || content === undefined ? null : readGateway(present, content)
  if (reading !== null && reading.value !== null && present !== null && content !== undefined)
    return { source: reading.source, problems, file: { path: present, content, isKept: false } }
  const errors = [...problems, ...(reading?.problems.filter(({ severity }) => severity === 'error') ?? [])]
  const kept = former === null ? undefined : lastGood[former]
  if (former === null || kept === undefined || readGateway(former, kept).value === null)
    return { source: readDocument('gateway.yaml', ''), problems: errors, file: null }
  const isGone = present === null && !held.held.has(former)
  return {
    source: readDocument(former, kept),
    problems: isGone ? [...errors, missing(former)] : errors,
    file: { path: former, content: kept, isKept: true },
  }
}

/** Reads the settings: the file's words, or its last good ones, with the environment's over them. */
export function loadGateway(
  held: HeldListing,
  lastGood: LastGoodFiles,
  environment: Environment,
): LoadedGateway {
  const { source, problems, file } = chooseFile(held, lastGood)
  const found = overridesIn(environment)
  const merged = withEnvironment(source, found.overrides)
  if (merged.reading.value === null) throw new Error('the default settings are not valid')
  const isStale = file === null || file.isKept
  const shown = merged.problems.filter((problem) => problem.file === environmentFile || !isStale)
  return {
    settings: merged.reading.value,
    problems: [...problems, ...shown, ...unknownVariables(found)],
    file,
  }
}
