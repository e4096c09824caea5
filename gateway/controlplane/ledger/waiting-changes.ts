// Changes of the ledger that wait until its saved rows have been read back, and are then made in their order. Must not
// know what they change.

export class WaitingChanges {
  /** Null: nothing has to wait. */
  #changes: (() => void)[] | null = null
  /** So many of them have been made. */
  #made = 0

  get isSuspended(): boolean {
    return this.#changes !== null
  }

  /** From here on changes wait, until `resume`. */
  suspend(): void {
    if (this.#changes === null) [this.#changes, this.#made] = [[], 0]
  }

  /** Makes the changes that have waited (at least one), until the budget is spent. True when none is left to wait. */
  resume(isOverBudget: () => boolean): boolean {
    while (this.#changes !== null) {
      const change = this.#changes[this.#made++]
      if (change === undefined) this.#changes = null
      else change()
      if (this.#changes !== null && isOverBudget()) return false
    }
    return true
  }

  /** Makes a change, now or when its turn comes. */
  make(change: () => void): void {
    if (this.#changes === null) change()
    else this.#changes.push(change)
  }
}
