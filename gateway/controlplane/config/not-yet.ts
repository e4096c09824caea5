// Keys that are read and checked but whose feature is not built: a file that sets one is told so. A line goes when its
// feature comes.
import type { FileKind } from './schema-keys.js'

interface NotYet {
  readonly kind: FileKind
  /** Keys from the root, with dots. */
  readonly path: string
  /** Whether what is written there asks for more than there is. */
  readonly asksForIt: (written: unknown) => boolean
  /** What comes of it now; where absent, nothing. */
  readonly sentence?: string
}

/** A key that asks for what is not built, and what its file is told. */
export interface NotYetFound {
  readonly path: readonly string[]
  readonly sentence: string
}

const isOtherThan = (word: unknown) => (written: unknown) => written !== word
const is = (word: unknown) => (written: unknown) => written === word

const noEffect = 'accepted, but has no effect in this version'
const actsAsRefuse = 'accepted, but acts as "refuse" in this version'

const notYet: readonly NotYet[] = [
  { kind: 'site', path: 'session.onReleaseGone', asksForIt: is('move'), sentence: actsAsRefuse },
  { kind: 'site', path: 'retain.maxDrain', asksForIt: isOtherThan('never') },
  { kind: 'site', path: 'retain.onOverflow', asksForIt: isOtherThan('keep') },
]

/** The keys of a kind of file whose feature is not built. */
export function notYetPaths(kind: FileKind): readonly string[] {
  return notYet.filter((entry) => entry.kind === kind).map(({ path }) => path)
}

/** Where a document asks for what is not built; `read` gives what is written at a path, undefined for nothing. */
export function notYetIn(kind: FileKind, read: (path: readonly string[]) => unknown): readonly NotYetFound[] {
  return notYet.flatMap((entry) => {
    if (entry.kind !== kind) return []
    const path = entry.path.split('.')
    const written = read(path)
    const isAsked = written !== undefined && entry.asksForIt(written)
    return isAsked ? [{ path, sentence: entry.sentence ?? noEffect }] : []
  })
}
