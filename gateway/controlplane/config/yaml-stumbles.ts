// What YAML itself trips over, said in plain words: where the text stumbles, why, and the remedy. Knows nothing of
// keys or schemas.
import { isAlias, isScalar, visit } from 'yaml'
import type { Alias, Document, YAMLError } from 'yaml'

/** One thing that the parser cannot read. */
export interface Stumble {
  /** Into the text. */
  readonly offset: number
  readonly message: string
  /** Whether the rest of the document is read as it is meant all the same. */
  readonly isHarmless: boolean
}

type Explanation = (error: YAMLError, text: string) => string

/** The word that begins at an offset, up to where YAML would end it. */
function wordAt(text: string, offset: number): string {
  return /^[^\s,\]}]*/.exec(text.slice(offset, offset + 80))?.[0] ?? ''
}

function keyAt(text: string, offset: number): string {
  return (
    /^(?:"([^"\n]*)"|'([^'\n]*)'|([^:\n]*))/
      .exec(text.slice(offset)) // the same key in any quotes
      ?.slice(1)
      .find((found) => found !== undefined)
      ?.trim() ?? ''
  )
}

function lastWord(message: string): string {
  return message.slice(message.lastIndexOf(' ') + 1)
}

const quoteIt = (written: string) => `quote it: "${written}"`

function explainUnexpected(error: YAMLError, text: string): string {
  const [offset] = error.pos
  if (error.message.startsWith('Block scalar header')) {
    const line = text.slice(text.lastIndexOf(':', offset) + 1).trimStart()
    const value = line.slice(0, line.search(/\n|$/)).trim()
    return `a value that begins with "${value.charAt(0)}" is a block of text to YAML; ${quoteIt(value)}`
  }
  if (/Unexpected (?:scalar|flow)/.test(error.message) && /[\]}]$/.test(text.slice(0, offset).trimEnd()))
    return `"${wordAt(text, offset)}" follows a closing bracket; quote the whole value, as in "[::]:8080"`
  if (error.message.startsWith('Unexpected block-seq-ind')) return '"-" must begin a line of its own'
  return `"${wordAt(text, offset)}" is not expected here; mind quotes, brackets and indentation`
}

function explainIndent(error: YAMLError): string {
  const closing = /end with a ([\]}])/.exec(error.message)?.[1]
  if (closing !== undefined) return `a closing "${closing}" is missing before here`
  return 'the indentation does not match the lines above'
}

const explanations: Readonly<Record<string, Explanation>> = {
  BAD_ALIAS: (error, text) => {
    const sign = text.charAt(error.pos[0])
    const kind = sign === '&' ? 'an anchor' : 'an alias'
    return `"${sign}" begins ${kind} to YAML; ${quoteIt(wordAt(text, error.pos[0]))}`
  },
  BAD_SCALAR_START: (error, text) => {
    const value = /^[^\n,\]}]*/.exec(text.slice(error.pos[0]))?.[0].trim() ?? ''
    const first = text.charAt(error.pos[0])
    return `a value cannot begin with "${first}" in YAML; ${quoteIt(first === ',' ? first : value)}`
  },
  BAD_INDENT: explainIndent,
  BLOCK_AS_IMPLICIT_KEY: () =>
    '": " inside a value makes it a map to YAML; quote the value, or mend the indentation',
  DUPLICATE_KEY: (error, text) => `key "${keyAt(text, error.pos[0])}" stands twice; remove one`,
  MISSING_CHAR: (error) => `a closing ${JSON.stringify(lastWord(error.message).charAt(0))} is missing`,
  MULTILINE_IMPLICIT_KEY: (error, text) =>
    `"${wordAt(text, error.pos[0])}" is not a key and its value: write "key: value", with a space after ":"`,
  MULTIPLE_DOCS: () => 'a second document begins here ("---"); a file holds one',
  TAB_AS_INDENT: () => 'a tab indents this line; YAML takes spaces only',
  TAG_RESOLVE_FAILED: (error, text) => {
    const written = wordAt(text, error.pos[0])
    if (written.startsWith('//')) return 'JSON has no comments; remove it, or make this a ".yaml" file'
    if (!written.startsWith('!')) return `text must stand in double quotes in JSON; ${quoteIt(written)}`
    return `"${written}" is a tag to YAML; ${quoteIt(written)}`
  },
  UNEXPECTED_TOKEN: explainUnexpected,
}

function explain(error: YAMLError, text: string): string {
  const explanation = explanations[error.code]
  if (explanation !== undefined) return explanation(error, text)
  return error.message.charAt(0).toLowerCase() + error.message.slice(1).replace(/\.$/, '')
}

/** Every alias without an anchor: `*.example.com` is meant as text. */
function strayAliases(document: Document.Parsed): readonly Stumble[] {
  const found: Stumble[] = []
  visit(document, {
    Alias(_key, alias: Alias) {
      if (alias.resolve(document) !== undefined) return
      const written = `*${alias.source}`
      found.push({
        offset: alias.range?.[0] ?? 0,
        message: `"${written}" is an alias to YAML; ${quoteIt(written)}`,
        isHarmless: false,
      })
    },
  })
  return found
}

/** Keys that are maps, lists or nothing: `{ [a]: b }`. */
function strangeKeys(document: Document.Parsed): readonly Stumble[] {
  const found: Stumble[] = []
  visit(document, {
    Pair(_key, { key }) {
      if (isScalar(key) || isAlias(key)) return
      const range = (key as { range?: readonly number[] } | null)?.range
      found.push({ offset: range?.[0] ?? 0, message: 'a key must be a plain text', isHarmless: false })
    },
  })
  return found
}

/** All stumbles of a document in order of place, one a line: the first on a line causes the others. */
export function stumblesOf(document: Document.Parsed, text: string): readonly Stumble[] {
  const told = [...document.errors, ...document.warnings].map((error) => ({
    offset: error.pos[0],
    message: explain(error, text),
    isHarmless: error.code === 'DUPLICATE_KEY',
  }))
  const stray =
    told.length === 0 ? [...strayAliases(document), ...strangeKeys(document)] : strayAliases(document)
  const lines = new Set<number>()
  const isFirst = ({ offset }: Stumble): boolean => {
    const lineStart = text.lastIndexOf('\n', offset - 1)
    return !lines.has(lineStart) && lines.add(lineStart) !== undefined
  }
  return [...told, ...stray.filter(({ offset }) => told.every((stumble) => stumble.offset !== offset))]
    .toSorted((one, other) => one.offset - other.offset)
    .filter(isFirst)
}
