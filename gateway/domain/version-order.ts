// The natural order of versions, and whose sessions a release can take over. Never plain string order: `9 < 11`.
import type { ReleaseVersion } from './ids.js'

/** A run of digits, compared by value, or a run of letters. */
type Part = { readonly digits: string } | { readonly letters: string }

interface ParsedVersion {
  readonly main: readonly Part[]
  /** What follows the first `-`; null without one, which comes after every pre-release. */
  readonly preRelease: readonly Part[] | null
}

function parse(version: string): ParsedVersion {
  const text = version.replace(/^[vV](?=\d)/, '')
  const dash = text.indexOf('-')
  if (dash < 0) return { main: parts(text), preRelease: null }
  return { main: parts(text.slice(0, dash)), preRelease: parts(text.slice(dash + 1)) }
}

function parts(text: string): Part[] {
  return (text.match(/\d+|[A-Za-z]+/g) ?? []).map((run) =>
    /^\d/.test(run) ? { digits: run.replace(/^0+(?=\d)/, '') } : { letters: run },
  )
}

/**
 * Negative when `a` comes before `b`, positive after, 0 only for the same text: numbers by value, letters after
 * numbers, a leading `v` ignored, a pre-release before its release, the longer one after (`1.00 < 1.00C < 1.00E`).
 */
export function compareVersions(a: ReleaseVersion, b: ReleaseVersion): number {
  if (a === b) return 0
  const [first, second] = [parse(a), parse(b)]
  return (
    compareParts(first.main, second.main) ||
    comparePreReleases(first.preRelease, second.preRelease) ||
    compareText(a, b)
  )
}

function comparePreReleases(a: readonly Part[] | null, b: readonly Part[] | null): number {
  if (a === null) return b === null ? 0 : 1
  return b === null ? -1 : compareParts(a, b)
}

function compareParts(a: readonly Part[], b: readonly Part[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const [first, second] = [a[i], b[i]]
    if (first === undefined) return -1
    if (second === undefined) return 1
    const order = comparePart(first, second)
    if (order !== 0) return order
  }
  return 0
}

function comparePart(a: Part, b: Part): number {
  if ('digits' in a) {
    if (!('digits' in b)) return -1
    return a.digits.length - b.digits.length || compareText(a.digits, b.digits)
  }
  return 'letters' in b ? compareText(a.letters, b.letters) : 1
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** What the compatibility rule asks of a release. */
export interface Compatibility {
  readonly version: ReleaseVersion
  readonly compatibleFrom: ReleaseVersion | null
  readonly rollbackTo: ReleaseVersion | null
}

/** Like `compareVersions`, by a site's own order; NaN where it does not know one of the two. */
export type VersionOrder = (a: ReleaseVersion, b: ReleaseVersion) => number

/**
 * Whether a session of `from` may be moved to `to`: forwards from `to.compatibleFrom` on, backwards down to what
 * `from.rollbackTo` declares. Nothing else ever moves a session, least of all what the order does not know.
 */
export function canServe(
  from: Compatibility,
  to: Compatibility,
  order: VersionOrder = compareVersions,
): boolean {
  const way = order(from.version, to.version)
  if (way <= 0) return order(to.compatibleFrom ?? to.version, from.version) <= 0
  return way > 0 && from.rollbackTo !== null && order(from.rollbackTo, to.version) <= 0
}
