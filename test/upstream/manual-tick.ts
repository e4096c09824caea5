// A tick that moves when a test says so: timeouts are exact and nobody waits for them.
import type { Tick, Ticked } from '../../gateway/dataplane/upstream/tick.js'

export class ManualTick implements Tick {
  now = 1000
  readonly everyMs = 250
  readonly listeners = new Set<Ticked>()

  add(listener: Ticked): void {
    this.listeners.add(listener)
  }

  remove(listener: Ticked): void {
    this.listeners.delete(listener)
  }

  /** Moves time on and ticks once. */
  advance(ms: number): void {
    this.now += ms
    for (const listener of this.listeners) listener.onTick(this.now)
  }
}
