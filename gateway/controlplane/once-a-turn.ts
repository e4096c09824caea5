// Lets many words of one turn of the event loop be acted upon together. Must not know what is said or done.

/** Something to be done once for all that asked for it in the same turn, right after it. */
export class OnceATurn {
  readonly #act: () => void
  #due: NodeJS.Immediate | null = null

  constructor(act: () => void) {
    this.#act = act
  }

  ask(): void {
    this.#due ??= setImmediate(() => {
      this.#due = null
      this.#act()
    })
  }

  /** What was asked for and not done yet is not done. */
  cancel(): void {
    if (this.#due !== null) clearImmediate(this.#due)
    this.#due = null
  }
}
