// Remembers what a pure function made of a text, for a directory is read whole at each change and few files changed.
// Knows nothing of files.

/** Results by their arguments, at most `limit`; the one that was asked for the longest ago goes first. */
export class Remembered<T> {
  readonly #limit: number
  readonly #results = new Map<string, T>()

  constructor(limit: number) {
    this.#limit = limit
  }

  /** The result for a key that tells all that it depends on; made where it is not remembered. */
  of(key: string, make: () => T): T {
    const known = this.#results.get(key)
    const result = known ?? make()
    if (known !== undefined) this.#results.delete(key)
    this.#results.set(key, result)
    const [oldest] = this.#results.keys()
    if (this.#results.size > this.#limit && oldest !== undefined) this.#results.delete(oldest)
    return result
  }
}
