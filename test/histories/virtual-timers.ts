// Timers that fall due when a test says how late it is, in place of the process's own: what a history makes of them is
// the same each time. After a long leap each is called once, as in a process that did not get to run meanwhile.

interface Timer {
  readonly call: () => void
  readonly everyMs: number | null
  dueAt: number
}

export class VirtualTimers {
  #now = 0
  #nextId = 1
  readonly #timers = new Map<number, Timer>()
  readonly #real = { setTimeout, setInterval, clearTimeout, clearInterval }

  /** From now on until `uninstall` the process's timers are these. */
  install(): void {
    const clear = (id: unknown): void => void this.#timers.delete(Number(id))
    Object.assign(globalThis, {
      setTimeout: (call: () => void, ms = 0) => this.#add(call, ms, null),
      setInterval: (call: () => void, ms = 0) => this.#add(call, ms, ms),
      clearTimeout: clear,
      clearInterval: clear,
    })
  }

  uninstall(): void {
    Object.assign(globalThis, this.#real)
  }

  #add(call: () => void, ms: number, everyMs: number | null): number {
    const id = this.#nextId++
    this.#timers.set(id, { call, everyMs, dueAt: this.#now + ms })
    return id
  }

  /** Time passes; calls what has fallen due, in its order. */
  advance(ms: number): void {
    this.#now += ms
    const due = [...this.#timers].filter(([, { dueAt }]) => dueAt <= this.#now)
    for (const [id, timer] of due.toSorted(([, a], [, b]) => a.dueAt - b.dueAt)) {
      // Called off by one that came before.
      if (!this.#timers.has(id)) continue
      if (timer.everyMs === null) this.#timers.delete(id)
      else timer.dueAt = this.#now + timer.everyMs
      timer.call()
    }
  }
}
