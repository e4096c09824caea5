// One configuration file as a value whose every part knows its line and column. Parses YAML and JSON; knows nothing
// of schemas but which scalars are read as they are written.
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Document, Node, Pair } from 'yaml'
import type { ConfigProblem } from './desired-state.js'
import { stumblesOf } from './yaml-stumbles.js'

/** A place in a document: keys and list indices from the root. */
export type DocumentPath = readonly PropertyKey[]

/** A place in a text, both from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

/** A file that was read, or what keeps it from being read. */
export interface SourceDocument {
  readonly file: string
  /** Plain data; an empty file is an empty map. Meaningless where `isReadable` is false. */
  readonly value: unknown
  readonly isReadable: boolean
  readonly problems: readonly ConfigProblem[]
  /** Where a value stands; for one that is missing, where its nearest ancestor's key does. */
  locate(path: DocumentPath): Position
  /** Where a key stands. */
  locateKey(path: DocumentPath): Position
}

/** `session.endsOn.paths[1]`. */
export function pathInWords(path: DocumentPath): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '')
}

/** Of a key that stands twice the last one, whose value is read. */
function pairAt(node: unknown, part: PropertyKey): Pair | undefined {
  return isMap(node)
    ? node.items.findLast(({ key }) => isScalar(key) && String(key.value) === String(part))
    : undefined
}

function resolved(document: Document.Parsed, node: unknown): unknown {
  return isAlias(node) ? node.resolve(document) : node
}

/** The pairs, items or nodes on the way to a path, as far as they exist. */
function trail(document: Document.Parsed, path: DocumentPath): readonly unknown[] {
  const found: unknown[] = []
  let node: unknown = document.contents
  for (const part of path) {
    const container = resolved(document, node)
    const next: unknown = isSeq(container) ? container.items[Number(part)] : pairAt(container, part)
    if (next === undefined) break
    found.push(next)
    node = isPair(next) ? next.value : next
  }
  return found
}

function startOf(node: unknown): number | undefined {
  return (node as Partial<Node> | null)?.range?.[0]
}

/** Numbers and truth values at these places become the text that stands there: `2.10` is not 2.1. */
function takeAsWritten(document: Document.Parsed, value: unknown, path: readonly string[], at = 0): unknown {
  if (typeof value !== 'object' || value === null) return value
  const part = path[at]
  const keys =
    part === '*' ? Object.keys(value) : part === undefined || !Object.hasOwn(value, part) ? [] : [part]
  for (const key of keys) {
    const record = value as Record<string, unknown>
    const place = [...path.slice(0, at), key]
    if (at < path.length - 1) takeAsWritten(document, record[key], [...place, ...path.slice(at + 1)], at + 1)
    else record[key] = writtenAt(document, place) ?? record[key]
  }
  return value
}

function writtenAt(document: Document.Parsed, path: DocumentPath): string | undefined {
  const nodes = trail(document, path)
  if (nodes.length < path.length) return undefined
  const last = nodes.at(-1)
  const node = resolved(document, isPair(last) ? last.value : last)
  const isOdd = isScalar(node) && ['number', 'boolean', 'bigint'].includes(typeof node.value)
  return isOdd ? node.source : undefined
}

class Source implements SourceDocument {
  readonly file: string
  readonly value: unknown
  readonly isReadable: boolean
  readonly problems: readonly ConfigProblem[]
  readonly #document: Document.Parsed
  readonly #lines = new LineCounter()

  constructor(file: string, content: string, textPaths: readonly string[]) {
    const text = content.replace(/^\uFEFF/, '')
    const schema = file.endsWith('.json') ? 'json' : 'core'
    this.#document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, schema })
    const stumbles = stumblesOf(this.#document, text)
    this.file = file
    this.isReadable = stumbles.every(({ isHarmless }) => isHarmless)
    this.problems = stumbles.map(({ offset, message }) => this.#problem(offset, message))
    this.value = this.isReadable ? this.#read(textPaths) : null
    const flaw = this.problems.length === 0 && schema === 'json' ? jsonFlaw(text) : null
    if (flaw === null) return
    this.isReadable = false
    this.problems = [this.#problem(flaw.offset, flaw.message)]
  }

  #problem(offset: number, message: string): ConfigProblem {
    return { severity: 'error', file: this.file, ...this.#position(offset), path: '', message }
  }

  #read(textPaths: readonly string[]): unknown {
    const value: unknown = this.#document.toJS({ maxAliasCount: 100 }) ?? {}
    for (const path of textPaths) takeAsWritten(this.#document, value, path.split('.'))
    return value
  }

  #position(offset: number): Position {
    const { line, col } = this.#lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }

  locate(path: DocumentPath): Position {
    const nodes = trail(this.#document, path)
    const last = nodes.at(-1)
    if (nodes.length < path.length) return this.locateKey(path.slice(0, nodes.length))
    const node = path.length === 0 ? this.#document.contents : isPair(last) ? last.value : last
    return this.#position(startOf(node) ?? startOf(isPair(last) ? last.key : null) ?? 0)
  }

  locateKey(path: DocumentPath): Position {
    const last = trail(this.#document, path).at(-1)
    const node = last === undefined ? this.#document.contents : isPair(last) ? last.key : last
    return this.#position(startOf(node) ?? 0)
  }
}

/** What YAML lets pass and JSON does not: a comma too many, single quotes, comments. */
function jsonFlaw(text: string): { readonly offset: number; readonly message: string } | null {
  if (text.trim() === '') return null
  try {
    JSON.parse(text)
    return null
  } catch (error) {
    const at = /at position (\d+)/.exec(String(error))?.[1]
    const offset = at === undefined ? text.length : Number(at)
    const found = text.slice(offset).trimStart().charAt(0)
    const what = found === '' ? 'the end of the file' : JSON.stringify(found)
    return { offset, message: `${what} is not expected here in JSON; mind commas, quotes and comments` }
  }
}

/**
 * Reads a file's content; it never throws for what the content is. `textPaths` names places (`version`,
 * `requires.*`) whose numbers are taken as they are written.
 */
export function readDocument(
  file: string,
  content: string,
  textPaths: readonly string[] = [],
): SourceDocument {
  return new Source(file, content, textPaths)
}
