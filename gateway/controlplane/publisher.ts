// Tells the workers what to route by. Publishes only what differs, numbers publications, and knows since which one a
// release is served, so that births are given to it only when every worker serves it.
import type { ReleaseIndex } from '../domain/ids.js'
import type { TimeSpan } from '../domain/session.js'
import type { SiteSpec } from '../domain/routing-table.js'
import type { KeyRingSpec, Publication, WorkerLimits } from '../plane-protocol.js'

/** What is published beside the sites; changes rarely. */
export interface PublishedSettings {
  readonly issuer: string
  readonly limits: WorkerLimits
  readonly trustedProxies: readonly string[]
  readonly via: string
  readonly access: { readonly share: number; readonly errors: boolean }
}

/** Carries publications to the workers. */
export interface PublicationChannel {
  publish(publication: Publication): void
  /** The generation that every worker which may serve has acknowledged; null without any worker. */
  readonly acknowledged: number | null
}

/** Spans and clock by which workers judge time. */
export interface PublishedTime {
  readonly epochMs: number
  readonly spans: readonly TimeSpan[]
  readonly futureToleranceMs: number
}

export class Publisher {
  readonly #channel: PublicationChannel
  #generation = 0
  #fingerprint = ''
  readonly #servedSince = new Map<ReleaseIndex, number>()
  /** Of releases that accepted births: the generation in which they ceased to; Infinity while they do. */
  readonly #birthsUntil = new Map<ReleaseIndex, number>()

  constructor(channel: PublicationChannel) {
    this.#channel = channel
  }

  get generation(): number {
    return this.#generation
  }

  /** The generation that the next publication will have. */
  get nextGeneration(): number {
    return this.#generation + 1
  }

  publish(
    sites: readonly SiteSpec[],
    keys: KeyRingSpec,
    time: PublishedTime,
    settings: PublishedSettings,
  ): void {
    const fingerprint = JSON.stringify([sites, keys, time, settings])
    if (fingerprint === this.#fingerprint) return
    this.#fingerprint = fingerprint
    this.#generation++
    this.#noteServed(sites)
    this.#noteBirths(sites)
    const { issuer, ...shared } = settings
    const { epochMs, spans, futureToleranceMs } = time
    const table = { generation: this.#generation, issuer, spans, futureToleranceMs, sites }
    this.#channel.publish({ table, keys, epochMs, ...shared })
  }

  #noteServed(sites: readonly SiteSpec[]): void {
    const served = new Set(sites.flatMap((site) => site.releases.map((release) => release.index)))
    for (const index of this.#servedSince.keys()) {
      if (!served.has(index)) this.#servedSince.delete(index)
    }
    for (const index of served) {
      if (!this.#servedSince.has(index)) this.#servedSince.set(index, this.#generation)
    }
  }

  #noteBirths(sites: readonly SiteSpec[]): void {
    const accepting = new Set(
      sites.flatMap(({ releases }) => releases.filter(({ share }) => share > 0).map(({ index }) => index)),
    )
    for (const [index, until] of this.#birthsUntil) {
      if (until === Infinity && !accepting.has(index)) this.#birthsUntil.set(index, this.#generation)
    }
    for (const index of accepting) this.#birthsUntil.set(index, Infinity)
  }

  /** The generation from which on no worker gives births to the release; 0 when none ever did. */
  birthsEndedIn(release: ReleaseIndex): number {
    return this.#birthsUntil.get(release) ?? 0
  }

  /** Whether every worker routes by a table in which the release serves. */
  isServedEverywhere(release: ReleaseIndex): boolean {
    const since = this.#servedSince.get(release)
    return since !== undefined && this.isAcknowledged(since)
  }

  isAcknowledged(generation: number): boolean {
    const { acknowledged } = this.#channel
    return acknowledged !== null && acknowledged >= generation
  }
}
