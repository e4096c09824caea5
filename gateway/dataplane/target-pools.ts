// The upstream pools of this worker by target. A publication keeps the pools of targets that stay and lets those of
// targets that went finish what they carry.
import { responseFields } from '../domain/headers.js'
import type { TargetUrl } from '../domain/ids.js'
import type { RoutingTable, TargetRoute } from '../domain/routing-table.js'
import { createUpstreamPool } from './upstream/pool.js'
import type { UpstreamLimits, UpstreamPool } from './upstream/upstream.js'

export class TargetPools {
  readonly #pools = new Map<TargetUrl, UpstreamPool>()
  #limits: UpstreamLimits

  constructor(limits: UpstreamLimits) {
    this.#limits = limits
  }

  get limits(): UpstreamLimits {
    return this.#limits
  }

  of(target: TargetRoute): UpstreamPool {
    let pool = this.#pools.get(target.url)
    if (pool === undefined) {
      pool = createUpstreamPool({ url: target.url, limits: this.#limits, knownFields: responseFields })
      this.#pools.set(target.url, pool)
    }
    return pool
  }

  loadOf(target: TargetRoute): number {
    return this.#pools.get(target.url)?.load ?? 0
  }

  /** Closes the pools of targets that no release of the table has, or all of them when the limits changed. */
  follow(table: RoutingTable, limits: UpstreamLimits): void {
    const wanted = new Set(
      table.sites.flatMap((site) => site.releases.flatMap((r) => r.targets.map((t) => t.url))),
    )
    const isSame = JSON.stringify(limits) === JSON.stringify(this.#limits)
    this.#limits = limits
    for (const [url, pool] of this.#pools) {
      if (isSame && wanted.has(url)) continue
      this.#pools.delete(url)
      pool.close()
    }
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close()
    this.#pools.clear()
  }
}
