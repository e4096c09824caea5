// When a worker that is gone is replaced: at once, and later and later while they die young. Knows nothing of workers.

const delaysMs = [0, 200, 500, 1_000, 2_000, 5_000]
const youngMs = 10_000

export class WorkerReplacement {
  #earlyDeaths = 0
  readonly #timers = new Set<NodeJS.Timeout>()

  /** Calls back once, unless it is called off before. */
  after(livedMs: number, replace: () => void): void {
    this.#earlyDeaths = livedMs < youngMs ? this.#earlyDeaths + 1 : 0
    const delayMs = delaysMs[Math.min(this.#earlyDeaths, delaysMs.length - 1)] ?? 0
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      replace()
    }, delayMs)
    this.#timers.add(timer)
  }

  callOff(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }
}
