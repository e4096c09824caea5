// The exchanges that are open in this worker, as a doubly linked list: joining and leaving cost a few assignments.
// An open exchange is activity of its session: it is told to the ledger again and again while it lasts.

/** What the list needs of an exchange; the links belong to the list. */
export interface OpenExchange {
  before: OpenExchange | null
  after: OpenExchange | null
  /**
   * Tells the ledger that the session is alive, when that is due; ends an exchange that has lasted too long, as one that
   * began before that (monotonic) instant has.
   */
  refresh(now: number, beganBefore: number): void
  /** One that lasts (a socket, a stream of events) is to end within that time; others end by themselves. */
  leaveWithin(windowMs: number, now: number): void
  /** Ends the exchange; the worker's time is up. */
  abandon(): void
}

export class OpenExchanges {
  #first: OpenExchange | null = null
  #size = 0
  #whenEmpty: (() => void) | null = null

  get size(): number {
    return this.#size
  }

  add(exchange: OpenExchange): void {
    exchange.after = this.#first
    if (this.#first !== null) this.#first.before = exchange
    this.#first = exchange
    this.#size++
  }

  /** Once for each `add`. */
  remove(exchange: OpenExchange): void {
    if (exchange.before === null) this.#first = exchange.after
    else exchange.before.after = exchange.after
    if (exchange.after !== null) exchange.after.before = exchange.before
    exchange.before = null
    exchange.after = null
    this.#size--
    if (this.#size > 0) return
    const callback = this.#whenEmpty
    this.#whenEmpty = null
    callback?.()
  }

  refresh(now: number, beganBefore: number): void {
    for (let exchange = this.#first; exchange !== null;) {
      const next: OpenExchange | null = exchange.after
      exchange.refresh(now, beganBefore)
      exchange = next
    }
  }

  /** Lets the exchanges that last end one after the other within the window, so that not all come back at once. */
  closeSpread(windowMs: number, now: number): void {
    for (let exchange = this.#first; exchange !== null; exchange = exchange.after) {
      exchange.leaveWithin(windowMs, now)
    }
  }

  abandonAll(): void {
    for (let exchange = this.#first; exchange !== null;) {
      const next: OpenExchange | null = exchange.after
      exchange.abandon()
      exchange = next
    }
  }

  /** Calls back once, now or when the last exchange has ended. */
  whenEmpty(callback: () => void): void {
    if (this.#size === 0) callback()
    else this.#whenEmpty = callback
  }
}
