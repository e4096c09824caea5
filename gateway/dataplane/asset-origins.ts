// Where parts of pages were found that a visitor's own release does not have, so that the next request goes there at
// once. A worker's own memory, bounded, and good for one routing table only.
import { LRUCache } from 'lru-cache'
import type { ReleaseVersion } from '../domain/ids.js'
import type { ReleaseRoute, RoutingTable } from '../domain/routing-table.js'

/** What is remembered; `release` null: no live release had it. */
export interface AssetOrigin {
  readonly release: ReleaseVersion | null
}

const maxEntries = 10_000
const maxCharacters = 4 * 1024 * 1024
/** A release may come to have a part that it had not, so nothing is remembered for ever; what nobody has, briefly. */
const foundMs = 300_000
const nowhereMs = 5_000

export class AssetOrigins {
  readonly #origins = new LRUCache<string, AssetOrigin>({
    max: maxEntries,
    maxSize: maxCharacters,
    sizeCalculation: (_, key) => key.length,
  })
  #table: RoutingTable | null = null

  /** Where a target that this release has not was found; null where that is not known. */
  find(table: RoutingTable | null, own: ReleaseRoute, target: string): AssetOrigin | null {
    this.#follow(table)
    return this.#origins.get(keyOf(own, target)) ?? null
  }

  remember(table: RoutingTable | null, own: ReleaseRoute, target: string, origin: AssetOrigin): void {
    this.#follow(table)
    const ttl = origin.release === null ? nowhereMs : foundMs
    this.#origins.set(keyOf(own, target), origin, { ttl })
  }

  /** Of another table other releases serve. */
  #follow(table: RoutingTable | null): void {
    if (table === this.#table) return
    this.#table = table
    this.#origins.clear()
  }
}

/** By the release that has it not: another one may have its own under the same name. An index is unique over sites. */
function keyOf(own: ReleaseRoute, target: string): string {
  return `${own.index} ${target}`
}
