// Replacing the workers, by an order or because what they read at their start has changed. Knows nothing of how one is
// replaced.

export class WorkerRoll {
  readonly #roll: () => Promise<void>
  #running: Promise<void> | null = null
  #isDueAgain = false

  /** `roll` replaces them all, one after the other. */
  constructor(roll: () => Promise<void>) {
    this.#roll = roll
  }

  /** An order; one while it goes on changes nothing. */
  now(): Promise<void> {
    this.#running ??= this.#untilDone()
    return this.#running
  }

  /** Those that have been replaced already are replaced again. */
  afterChange(): void {
    this.#isDueAgain = this.#running !== null
    void this.now()
  }

  async #untilDone(): Promise<void> {
    do {
      this.#isDueAgain = false
      await this.#roll()
    } while (this.#isDueAgain)
    this.#running = null
  }
}
