// One coarse clock for every connection of every pool: a single timer, whatever the number of sockets. Its listeners
// compare deadlines; it knows nothing of what they wait for.

/** Called at every tick with the monotonic time in milliseconds. */
export interface Ticked {
  onTick(now: number): void
}

/** A clock that only moves at its ticks; reading it costs nothing. */
export interface Tick {
  /** Monotonic milliseconds as of the last tick; up to `everyMs` old. */
  readonly now: number
  readonly everyMs: number
  add(listener: Ticked): void
  remove(listener: Ticked): void
}

/** Ticks by one interval that never keeps the program alive, and stands still while nobody listens. */
export class IntervalTick implements Tick {
  now = 0
  readonly everyMs: number
  private readonly listeners = new Set<Ticked>()
  private timer: NodeJS.Timeout | null = null

  constructor(everyMs: number) {
    this.everyMs = everyMs
  }

  add(listener: Ticked): void {
    this.listeners.add(listener)
    if (this.timer !== null) return
    this.now = performance.now()
    this.timer = setInterval(() => this.tellAll(), this.everyMs).unref()
  }

  remove(listener: Ticked): void {
    if (!this.listeners.delete(listener) || this.listeners.size > 0 || this.timer === null) return
    clearInterval(this.timer)
    this.timer = null
  }

  private tellAll(): void {
    this.now = performance.now()
    for (const listener of this.listeners) listener.onTick(this.now)
  }
}

/** The one tick of this program. */
export const sharedTick: Tick = new IntervalTick(250)
