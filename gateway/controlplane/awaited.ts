// Conditions that somebody waits for, looked at whenever something happened that may have brought them about. Knows
// nothing of what happens.

interface Waiting {
  readonly holds: () => boolean
  readonly resolve: () => void
}

/** Waits for conditions without polling: whoever changes something says so. */
export class Awaited {
  readonly #waiting = new Set<Waiting>()

  /** Resolves as soon as that holds. */
  until(holds: () => boolean): Promise<void> {
    if (holds()) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.add({ holds, resolve }))
  }

  /** Something happened. */
  lookAgain(): void {
    for (const waiting of this.#waiting) {
      if (!waiting.holds()) continue
      this.#waiting.delete(waiting)
      waiting.resolve()
    }
  }
}
