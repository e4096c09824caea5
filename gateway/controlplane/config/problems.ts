// From what the schemas refuse to sentences with a place: what was found, what is allowed, what was probably meant.
// Knows the shape of zod's issues and nothing of any one key.
import type { z } from 'zod'
import type { ConfigProblem } from './desired-state.js'
import { nearest } from './nearest.js'
import { keysOf } from './schema-keys.js'
import type { FileKind } from './schema-keys.js'
import { pathInWords } from './yaml-document.js'
import type { DocumentPath, SourceDocument } from './yaml-document.js'

type Issue = z.core.$ZodIssue

const expectedInWords: Readonly<Record<string, string>> = {
  array: 'a list',
  boolean: 'true or false',
  object: 'a map of keys',
  record: 'a map of keys',
  string: 'a text',
}

function alternatives(values: readonly unknown[]): string {
  const words = values.map((value) => JSON.stringify(value))
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

/** The phrase for what is allowed where a schema gives none of its own; passed to every parse. */
export function allowedPhrase(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return expectedInWords[issue.expected] ?? `a ${issue.expected}`
  if (issue.code === 'invalid_value') return alternatives(issue.values)
  return undefined
}

/** A value as it is shown in a message: short, and text in quotes. */
function shown(value: unknown): string {
  if (value === null) return 'nothing (null)'
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (typeof value === 'object') return 'a map'
  const text = typeof value === 'string' ? JSON.stringify(value) : `${value as number | boolean | undefined}`
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

/** The value at a path of plain data; undefined where there is none. */
export function valueAt(value: unknown, path: DocumentPath): unknown {
  return path.reduce<unknown>((inner, part) => {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, part)) return undefined
    return (inner as Record<PropertyKey, unknown>)[part]
  }, value)
}

/** Keeps of a union's refusals those of the form that was probably meant: not its outermost shape, fewest flaws. */
function flatten(issue: Issue): readonly Issue[] {
  if (issue.code !== 'invalid_union') return [issue]
  const meant = issue.errors
    .filter((errors) => errors.length > 0 && !errors.some((inner) => isShape(inner)))
    .toSorted((one, other) => one.length - other.length)[0]
  if (meant === undefined) return [issue]
  return meant.flatMap((inner) => flatten({ ...inner, path: [...issue.path, ...inner.path] }))
}

function isShape(issue: Issue): boolean {
  return issue.path.length === 0 && issue.code !== 'unrecognized_keys'
}

function tablePath(path: DocumentPath): string {
  return pathInWords(path).replaceAll(/\[\d+\]/g, '[]')
}

function unknownKey(kind: FileKind, parent: DocumentPath, key: string): string {
  const keys = keysOf(kind)
  const siblings = keys.filter((known) => known.parent === tablePath(parent) && known.name !== '$schema')
  const names = siblings.map(({ name }) => name)
  const near = nearest(key, names) ?? keys.find(({ name }) => name === key)?.path ?? null
  const meant = near === null ? '' : `; did you mean "${near}"?`
  return `unknown key "${key}", allowed: ${names.map((name) => JSON.stringify(name)).join(', ')}${meant}`
}

/** The words of which one is allowed there. */
function wordsOf(issue: Issue): readonly string[] {
  if (issue.code === 'invalid_union') return issue.errors.flat().flatMap(wordsOf)
  return issue.code === 'invalid_value' ? issue.values.filter((word) => typeof word === 'string') : []
}

/** `, allowed: "target" or "release"; did you mean "target"?` behind what was found. */
function refusal(issue: Issue, found: unknown): string {
  const words = wordsOf(issue)
  const near = typeof found === 'string' ? nearest(found, words) : null
  const meant = near === null ? '' : `; did you mean "${near}"?`
  if (found === undefined) return `missing, allowed: ${issue.message}`
  const remedy = found === null ? '; leave the key out for its default' : meant
  return `found ${shown(found)}, allowed: ${issue.message}${remedy}`
}

function rootRefusal(found: unknown): string {
  const remedy = typeof found === 'string' ? '; write a space after each ":"' : ''
  return `found ${shown(found)}, allowed: a map of keys${remedy}`
}

function problemsOfIssue(issue: Issue, source: SourceDocument, kind: FileKind): readonly ConfigProblem[] {
  const { file } = source
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => {
      const path = [...issue.path, key]
      const message = unknownKey(kind, issue.path, key)
      return { severity: 'error', file, ...source.locateKey(path), path: pathInWords(path), message }
    })
  }
  const place = { file, ...source.locate(issue.path), path: pathInWords(issue.path) }
  if (issue.code === 'invalid_key') {
    const message = `found key ${shown(issue.path.at(-1))}, allowed: ${issue.issues[0]?.message ?? issue.message}`
    return [{ severity: 'error', ...place, ...source.locateKey(issue.path), message }]
  }
  const found = valueAt(source.value, issue.path)
  const message = issue.path.length === 0 ? rootRefusal(found) : refusal(issue, found)
  return [{ severity: 'error', ...place, message }]
}

/** Every problem that a schema found in a document, in order of place. */
export function problemsOf(
  issues: readonly Issue[],
  source: SourceDocument,
  kind: FileKind,
): readonly ConfigProblem[] {
  return issues.flatMap(flatten).flatMap((issue) => problemsOfIssue(issue, source, kind))
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

/** Problems by file, line and column, the way a reader goes through them. */
export function inReadingOrder(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  return problems.toSorted(
    (one, other) => compareText(one.file, other.file) || one.line - other.line || one.column - other.column,
  )
}

/** `file:line:column: path: message`; a warning says so before its message. */
export function problemInWords({ severity, file, line, column, path, message }: ConfigProblem): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`
  return [
    place,
    ...(path === '' ? [] : [path]),
    severity === 'warning' ? `warning: ${message}` : message,
  ].join(': ')
}
