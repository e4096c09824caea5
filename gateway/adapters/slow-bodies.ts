// Request bodies that are on their way, looked at once a second by one timer: a client that falls silent in the middle
// of its body gives up its request. Knows nothing of sockets.

/** A body that is coming. */
export interface ComingBody {
  /** Monotonic ms of the last piece; `Infinity` while the gateway itself does not read. */
  readonly heardAt: number
  /** It has been silent for too long. */
  stalled(): void
}

const lookMs = 1_000

/** The bodies of one listener. */
export class SlowBodies {
  readonly #coming = new Set<ComingBody>()
  readonly #silenceMs: number
  #timer: NodeJS.Timeout | null = null

  constructor(silenceMs: number) {
    this.#silenceMs = silenceMs
  }

  add(body: ComingBody): void {
    this.#coming.add(body)
    this.#timer ??= setInterval(() => this.#look(), Math.min(lookMs, this.#silenceMs)).unref()
  }

  remove(body: ComingBody): void {
    this.#coming.delete(body)
    if (this.#coming.size === 0) this.stop()
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  #look(): void {
    const limit = performance.now() - this.#silenceMs
    for (const body of this.#coming) {
      if (body.heardAt > limit) continue
      this.remove(body)
      body.stalled()
    }
  }
}
