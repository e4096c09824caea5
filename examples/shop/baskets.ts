// The visitors' sessions, kept in this process and nowhere else: a request that reaches another process finds no
// basket. That is how many real applications are, and why affinity matters. Knows nothing of HTTP.
import { randomBytes } from 'node:crypto'

const idleTimeoutMs = 30 * 60_000
const mostBaskets = 10_000

/** One visitor's stay: who he says he is and what he put in his basket. */
export interface Basket {
  readonly id: string
  visitor: string | null
  /** Articles by id, and how many of each. */
  readonly lines: Map<string, number>
  touchedAt: number
}

/** How many articles are in a basket. */
export function articleCount(basket: Basket | null): number {
  let count = 0
  for (const quantity of basket?.lines.values() ?? []) count += quantity
  return count
}

/** All baskets of this process, the longest untouched first. */
export class Baskets {
  readonly #byId = new Map<string, Basket>()

  get size(): number {
    return this.#byId.size
  }

  find(id: string | undefined, now: number): Basket | null {
    const basket = id === undefined ? undefined : this.#byId.get(id)
    if (!basket) return null
    this.#byId.delete(basket.id)
    if (now - basket.touchedAt > idleTimeoutMs) return null
    basket.touchedAt = now
    this.#byId.set(basket.id, basket)
    return basket
  }

  open(now: number): Basket {
    this.#dropIdle(now)
    const id = randomBytes(16).toString('base64url')
    const basket: Basket = { id, visitor: null, lines: new Map(), touchedAt: now }
    this.#byId.set(id, basket)
    return basket
  }

  /** The same basket under a new id: whoever knew the old one before a login does not share it afterwards. */
  reopen(old: Basket | null, now: number): Basket {
    const basket = this.open(now)
    if (!old) return basket
    this.close(old)
    for (const [product, quantity] of old.lines) basket.lines.set(product, quantity)
    return basket
  }

  close(basket: Basket): void {
    this.#byId.delete(basket.id)
  }

  #dropIdle(now: number): void {
    for (const basket of this.#byId.values()) {
      const isIdle = now - basket.touchedAt > idleTimeoutMs
      if (!isIdle && this.#byId.size < mostBaskets) return
      this.#byId.delete(basket.id)
    }
  }
}
