// Counts confirmed births by the second in which they took place, as far back as the provisional gauge looks. Must not
// know when it is asked.

/** A window of more than a day is cut to a day. */
const longestSeconds = 86_400

/** A ring of seconds; a bucket belongs to the newest second that fell on it. */
export class RecentBirths {
  #seconds = new Uint32Array(0)
  #counts = new Uint32Array(0)

  constructor(windowMs: number) {
    this.resize(windowMs)
  }

  /** Changes how far back it looks; what lies further back is dropped. */
  resize(windowMs: number): void {
    const length = Math.min(Math.ceil(windowMs / 1000), longestSeconds) + 2
    if (length === this.#seconds.length) return
    const seconds = this.#seconds
    const counts = this.#counts
    this.#seconds = new Uint32Array(length)
    this.#counts = new Uint32Array(length)
    for (let at = 0; at < seconds.length; at++) this.#add(seconds[at] as number, counts[at] as number)
  }

  /** One more confirmed session, born in this second. */
  add(bornSecond: number): void {
    this.#add(bornSecond, 1)
  }

  /** How many were born since the beginning of the second of `bornAfter` (ms). */
  since(bornAfter: number): number {
    const from = Math.floor(bornAfter / 1000)
    let sum = 0
    for (let at = 0; at < this.#seconds.length; at++) {
      if ((this.#seconds[at] as number) >= from) sum += this.#counts[at] as number
    }
    return sum
  }

  #add(second: number, count: number): void {
    const at = second % this.#seconds.length
    const known = this.#seconds[at] as number
    if (known > second) return
    if (known < second) this.#counts[at] = 0
    this.#seconds[at] = second
    this.#counts[at] = (this.#counts[at] as number) + count
  }
}
