// Path patterns of a site: an exact path, or a prefix that ends in `/*`. The path of a request is compared as sent,
// without its query; nothing is normalised.
import type { PathPattern } from './site-policy.js'

/** A set of patterns, prepared once so that a look-up costs one set look-up and one comparison a prefix. */
export class PathSet {
  readonly #exact: ReadonlySet<string>
  readonly #prefixes: readonly string[]
  readonly #isEmpty: boolean

  constructor(patterns: readonly PathPattern[]) {
    this.#isEmpty = patterns.length === 0
    this.#exact = new Set(patterns.filter((pattern) => !pattern.endsWith('/*')))
    this.#prefixes = patterns
      .filter((pattern) => pattern.endsWith('/*'))
      .map((pattern) => pattern.slice(0, -1))
  }

  has(path: string): boolean {
    if (this.#isEmpty) return false
    return this.#exact.has(path) || this.#prefixes.some((prefix) => path.startsWith(prefix))
  }
}
