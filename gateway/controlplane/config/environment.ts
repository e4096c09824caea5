// AMARRE_* variables over gateway.yaml: which variable sets which key, and what they make of the file's words. Pure:
// the environment comes in as an argument.
import type { Environment } from './desired-state.js'
import { nearest } from './nearest.js'
import { keysOf } from './schema-keys.js'
import { readDocument } from './yaml-document.js'

/** One variable that is set. */
export interface Override {
  readonly variable: string
  /** The key it sets: `limits.requestHead`. */
  readonly path: string
  readonly value: unknown
}

/** The variables that are set, the unknown ones told apart. */
export interface Overrides {
  /** Outer keys first. */
  readonly overrides: readonly Override[]
  readonly unknown: readonly { readonly variable: string; readonly nearest: string | null }[]
}

const prefix = 'AMARRE_'
/** What Kubernetes sets in every pod beside a service named "amarre" is not meant for the gateway. */
const isServiceLink = /^AMARRE_(?:SERVICE_(?:HOST|PORT)|PORT)(?:_|$)/

/** The variable of a key: `limits.requestHead` is AMARRE_LIMITS_REQUEST_HEAD. */
export function variableOf(path: string): string {
  const snake = path.replaceAll('.', '_').replaceAll(/[A-Z]/g, (letter) => `_${letter}`)
  return prefix + snake.toUpperCase()
}

/** Every variable and the key it sets; entries of lists have none of their own. */
export function variables(): ReadonlyMap<string, string> {
  const keys = keysOf('gateway').filter(({ path }) => !path.includes('[') && path !== '$schema')
  return new Map(keys.map(({ path }) => [variableOf(path), path]))
}

/** The value as YAML; what YAML cannot read, as of `[::]:8080`, is plain text: in a shell nobody quotes twice. */
function valueOf(text: string): unknown {
  const document = readDocument('environment', text)
  return document.isReadable ? document.value : text
}

/** What the environment says. An empty variable says nothing, as people unset one in a compose file. */
export function overridesIn(environment: Environment): Overrides {
  const paths = variables()
  const set = Object.keys(environment)
    .filter((variable) => variable.startsWith(prefix) && environment[variable] !== '')
    .toSorted((one, other) => one.length - other.length || (one < other ? -1 : 1))
  const overrides: Override[] = []
  const unknown: { variable: string; nearest: string | null }[] = []
  for (const variable of set) {
    const path = paths.get(variable)
    if (path === undefined && isServiceLink.test(variable)) continue
    if (path === undefined) unknown.push({ variable, nearest: nearest(variable, [...paths.keys()]) })
    else overrides.push({ variable, path, value: valueOf(environment[variable] ?? '') })
  }
  return { overrides, unknown }
}

type Section = Readonly<Record<string, unknown>>

function isSection(value: unknown): value is Section {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A listener may be written as its address alone: both forms go together key by key. */
function merged(before: unknown, value: unknown): unknown {
  if (isSection(before) && typeof value === 'string' && 'address' in before)
    return { ...before, address: value }
  return value
}

function put(section: unknown, keys: readonly string[], value: unknown): unknown {
  const [key, ...rest] = keys
  if (key === undefined) return merged(section, value)
  const inside: Section = isSection(section)
    ? section
    : typeof section === 'string'
      ? { address: section }
      : {}
  return { ...inside, [key]: put(inside[key], rest, value) }
}

/** The words of gateway.yaml with the overrides put over them; the file's are left as they are. */
export function overlay(words: unknown, overrides: readonly Override[]): unknown {
  return overrides.reduce((section, { path, value }) => put(section, path.split('.'), value), words)
}
