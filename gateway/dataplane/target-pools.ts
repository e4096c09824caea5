// The upstream pools of this worker by target, and where each target stands by what became of its requests. A
// publication keeps the pools of targets that stay and lets those of targets that went finish what they carry.
import {
  afterFailure,
  afterSending,
  afterSuccess,
  cameBack,
  hasWarmedUp,
  mayEject,
  shareOf,
  sound,
  type Standing,
} from '../domain/ejection.js'
import { responseFields } from '../domain/headers.js'
import type { TargetUrl } from '../domain/ids.js'
import type { ReleaseRoute, RoutingTable, TargetRoute } from '../domain/routing-table.js'
import { createUpstreamPool } from './upstream/pool.js'
import type { UpstreamLimits, UpstreamPool } from './upstream/upstream.js'

export class TargetPools {
  readonly #pools = new Map<TargetUrl, UpstreamPool>()
  #limits: UpstreamLimits
  /** Targets that are not simply sound: failing, ejected or on their way back. Empty nearly always. */
  readonly #standings = new Map<TargetUrl, Standing>()
  #unhealthy: ReadonlySet<TargetUrl> = new Set()
  /** Told of each ejection. */
  onEjected: (target: TargetUrl, spanMs: number) => void = () => {}

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

  // -- standing; instants are monotonic -----------------------------------------------------------------------------

  /** Some target is not simply sound; `sent` and `answered` matter only then. */
  get isTroubled(): boolean {
    return this.#standings.size > 0
  }

  /** The part of its share that the target gets of free choices. */
  shareOf(target: TargetRoute, now: number): number {
    const standing = this.#standings.get(target.url)
    return standing === undefined ? 1 : shareOf(standing, now)
  }

  /** Targets that get no part of it now. */
  ejected(now: number): TargetUrl[] {
    const out: TargetUrl[] = []
    for (const [url, standing] of this.#standings) if (shareOf(standing, now) === 0) out.push(url)
    return out
  }

  sent(target: TargetRoute, now: number): void {
    this.#become(target.url, afterSending(this.#standingOf(target), now))
  }

  answered(target: TargetRoute, now: number): void {
    this.#become(target.url, afterSuccess(this.#standingOf(target), now))
  }

  /** A failure that counts against the target (domain/ejection.ts). */
  failed(target: TargetRoute, release: ReleaseRoute, now: number): void {
    const before = this.#standingOf(target)
    const others = release.usableTargets.filter((each) => each !== target && this.#isOut(each))
    const isAllowed = mayEject(others.length, release.usableTargets.length)
    const standing = afterFailure(before, now, isAllowed)
    this.#become(target.url, standing)
    if (standing.kind === 'ejected' && standing !== before) this.onEjected(target.url, standing.spanMs)
  }

  #isOut(target: TargetRoute): boolean {
    const { kind } = this.#standingOf(target)
    return kind === 'ejected' || kind === 'tried'
  }

  #standingOf(target: TargetRoute): Standing {
    return this.#standings.get(target.url) ?? sound
  }

  #become(target: TargetUrl, standing: Standing): void {
    if (standing === sound) this.#standings.delete(target)
    else this.#standings.set(target, standing)
  }

  /** Those that nobody asked meanwhile are sound too once they have warmed up; called with every report. */
  sweep(now: number): void {
    for (const [url, standing] of this.#standings) {
      if (hasWarmedUp(standing, now)) this.#standings.delete(url)
    }
  }

  // -- publications -----------------------------------------------------------------------------------------------------

  /** Closes the pools of targets that no release of the table has, or all of them when the limits changed. */
  follow(table: RoutingTable, limits: UpstreamLimits, now: number): void {
    const releases = table.sites.flatMap((site) => site.releases)
    const targets = releases.flatMap((release) => release.targets)
    const wanted = new Set(targets.map(({ url }) => url))
    const isSame = JSON.stringify(limits) === JSON.stringify(this.#limits)
    this.#limits = limits
    for (const [url, pool] of this.#pools) {
      if (isSame && wanted.has(url)) continue
      this.#pools.delete(url)
      pool.close()
    }
    for (const url of this.#standings.keys()) if (!wanted.has(url)) this.#standings.delete(url)
    const healthy = new Set(targets.filter(({ isHealthy }) => isHealthy).map(({ url }) => url))
    // The only target of a release has nobody to share with while it warms up.
    for (const release of releases.filter((each) => each.targets.length > 1)) {
      for (const { url } of release.targets) {
        if (this.#unhealthy.has(url) && healthy.has(url)) this.#become(url, cameBack(now))
      }
    }
    this.#unhealthy = new Set([...wanted].filter((url) => !healthy.has(url)))
  }

  close(): void {
    for (const pool of this.#pools.values()) pool.close()
    this.#pools.clear()
  }
}
