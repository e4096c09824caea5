// Tells the workers what to route by. Publishes only what differs, numbers publications, and knows since which one a
// release is served, so that births are given to it only when every worker serves it.
import type { ReleaseIndex } from '../domain/ids.js'
import type { Move } from '../domain/moves.js'
import type { TimeSpan } from '../domain/session.js'
import type { SiteSpec } from '../domain/routing-table.js'
import type { KeyRingSpec, Publication } from '../plane-protocol.js'
import type { PublishedSettings } from './published-settings.js'

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
  readonly #moves = new Map<ReleaseIndex, Move>()
  readonly #servedSince = new Map<ReleaseIndex, number>()
  readonly #births = new Ceasing()
  readonly #adoptions = new Ceasing()

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
    this.#noteMoves(sites)
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

  #noteMoves(sites: readonly SiteSpec[]): void {
    this.#moves.clear()
    for (const { releases } of sites) {
      for (const { index, move } of releases)
        if (move !== undefined && move !== null) this.#moves.set(index, move)
    }
  }

  #noteBirths(sites: readonly SiteSpec[]): void {
    const accepting = sites.flatMap(({ releases }) => releases.filter(({ share }) => share > 0))
    const adopting = sites.flatMap(({ adoption }) => adoption?.release ?? [])
    this.#births.note(
      accepting.map(({ index }) => index),
      this.#generation,
    )
    this.#adoptions.note(adopting, this.#generation)
  }

  /** Where the sessions of a release move, as workers were told last; null: they stay. */
  moveOf(release: ReleaseIndex): Move | null {
    return this.#moves.get(release) ?? null
  }

  /** Whether the last publication gives births to the release. */
  bears(release: ReleaseIndex): boolean {
    return this.#births.endedIn(release) === Infinity
  }

  /** The generation from which on no worker gives births to the release; 0 when none ever did. */
  birthsEndedIn(release: ReleaseIndex): number {
    return this.#births.endedIn(release)
  }

  /** The generation from which on no worker has visitors from before the gateway board the release; 0 as above. */
  adoptionEndedIn(release: ReleaseIndex): number {
    return this.#adoptions.endedIn(release)
  }

  /** Whether every worker routes by a table in which the release serves. */
  isServedEverywhere(release: ReleaseIndex): boolean {
    // No worker has ever routed by a table without what the first one has: a restart keeps nobody waiting.
    if (this.#generation === 0) return true
    const since = this.#servedSince.get(release)
    return since !== undefined && (since === 1 || this.isAcknowledged(since))
  }

  /** Whether a worker that serves may route by a table in which the release does not. */
  isMissedSomewhere(release: ReleaseIndex): boolean {
    if (this.#generation === 0) return false
    const since = this.#servedSince.get(release)
    if (since === undefined) return true
    const { acknowledged } = this.#channel
    return since !== 1 && acknowledged !== null && acknowledged < since
  }

  isAcknowledged(generation: number): boolean {
    const { acknowledged } = this.#channel
    return acknowledged !== null && acknowledged >= generation
  }
}

/** Since when what releases did is over: the generation in which each ceased; Infinity while it goes on. */
class Ceasing {
  readonly #until = new Map<ReleaseIndex, number>()

  note(going: readonly ReleaseIndex[], generation: number): void {
    for (const [index, until] of this.#until) {
      if (until === Infinity && !going.includes(index)) this.#until.set(index, generation)
    }
    for (const index of going) this.#until.set(index, Infinity)
  }

  endedIn(release: ReleaseIndex): number {
    return this.#until.get(release) ?? 0
  }
}
