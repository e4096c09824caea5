// Figures of all workers together. A worker reports absolute values of its own life; when it dies its gauges drop and
// its counters are folded into what the dead have left, so that no counter ever runs backwards.
import type { TargetUrl } from '../domain/ids.js'
import { latencyBoundsMs } from '../domain/latency-buckets.js'
import type { ReleaseFigures, WorkerReport } from '../plane-protocol.js'

/** One release's traffic over all workers that ever were. */
export interface ReleaseTraffic {
  births: number
  previewRequests: number
  exchangesOpen: number
  socketsOpen: number
  readonly requests: Map<number, number>
  /** By bucket of domain/latency-buckets.ts. */
  readonly durations: number[]
  durationSumMs: number
  readonly upstreamErrors: Map<string, number>
  /** Sessions that moved here, by the version they left and the cause. */
  readonly takenOver: Map<string, Map<string, number>>
}

/** What belongs to a site (or, as '', to none) and to no release. */
export interface SiteTraffic {
  readonly site: string
  readonly unrouted: ReadonlyMap<number, number>
  readonly rejected: ReadonlyMap<string, number>
  readonly pinsLost: ReadonlyMap<string, number>
}

/** Identifies one worker's life; a restarted worker is another one. */
export type WorkerKey = number

export class Traffic {
  readonly #latest = new Map<WorkerKey, WorkerReport>()
  readonly #figures = new Map<WorkerKey, ReadonlyMap<number, ReleaseFigures>>()
  readonly #dead = new Map<number, ReleaseTraffic>()
  readonly #deadUnrouted = new Map<string, Map<number, number>>()
  readonly #deadRejected = new Map<string, Map<string, number>>()
  readonly #deadPinsLost = new Map<string, Map<string, number>>()
  readonly #deadRefusals = new Map<string, number>()
  readonly #isKnown: (index: number) => boolean

  /** `isKnown`: workers go on reporting of a release for a while after it was removed. */
  constructor(isKnown: (index: number) => boolean = () => true) {
    this.#isKnown = isKnown
  }

  reported(worker: WorkerKey, report: WorkerReport): void {
    const now = new Set(report.releases.map(({ index }) => index))
    // A worker forgets a release that it serves no more; what it counted stays.
    for (const figures of this.#latest.get(worker)?.releases ?? []) {
      if (!now.has(figures.index)) this.#keep(figures)
    }
    this.#latest.set(worker, report)
    this.#figures.set(worker, new Map(report.releases.map((figures) => [figures.index, figures])))
  }

  died(worker: WorkerKey): void {
    const last = this.#latest.get(worker)
    this.#latest.delete(worker)
    this.#figures.delete(worker)
    if (last === undefined) return
    for (const figures of last.releases) this.#keep(figures)
    for (const [site, status, count] of last.unrouted) add(inner(this.#deadUnrouted, site), status, count)
    for (const [site, reason, count] of last.rejected) add(inner(this.#deadRejected, site), reason, count)
    for (const [site, reason, count] of last.pinsLost) add(inner(this.#deadPinsLost, site), reason, count)
    for (const [limitation, count] of last.frontRefusals) add(this.#deadRefusals, limitation, count)
  }

  #keep(figures: ReleaseFigures): void {
    if (this.#isKnown(figures.index)) addCounters(this.#deadOf(figures.index), figures)
  }

  #deadOf(index: number): ReleaseTraffic {
    let traffic = this.#dead.get(index)
    if (traffic === undefined) this.#dead.set(index, (traffic = noTraffic()))
    return traffic
  }

  of(index: number): ReleaseTraffic {
    const sum = noTraffic()
    const dead = this.#dead.get(index)
    if (dead !== undefined) addTraffic(sum, dead)
    for (const releases of this.#figures.values()) {
      const figures = releases.get(index)
      if (figures !== undefined) addFigures(sum, figures)
    }
    return sum
  }

  /** What is open now, by the last reports. */
  openOf(index: number): { readonly exchanges: number; readonly sockets: number } {
    let exchanges = 0
    let sockets = 0
    for (const releases of this.#figures.values()) {
      exchanges += releases.get(index)?.exchangesOpen ?? 0
      sockets += releases.get(index)?.socketsOpen ?? 0
    }
    return { exchanges, sockets }
  }

  sites(): SiteTraffic[] {
    const unrouted = copyOf(this.#deadUnrouted)
    const rejected = copyOf(this.#deadRejected)
    const pinsLost = copyOf(this.#deadPinsLost)
    for (const report of this.#latest.values()) {
      for (const [site, status, count] of report.unrouted) add(inner(unrouted, site), status, count)
      for (const [site, reason, count] of report.rejected) add(inner(rejected, site), reason, count)
      for (const [site, reason, count] of report.pinsLost) add(inner(pinsLost, site), reason, count)
    }
    const names = new Set([...unrouted.keys(), ...rejected.keys(), ...pinsLost.keys()])
    return [...names].map((site) => ({
      site,
      unrouted: inner(unrouted, site),
      rejected: inner(rejected, site),
      pinsLost: inner(pinsLost, site),
    }))
  }

  frontRefusals(): (readonly [string, number])[] {
    const sums = new Map(this.#deadRefusals)
    for (const report of this.#latest.values()) {
      for (const [limitation, count] of report.frontRefusals) add(sums, limitation, count)
    }
    return [...sums]
  }

  /** Open connections of clients. */
  get connections(): number {
    let sum = 0
    for (const { connections } of this.#latest.values()) sum += connections
    return sum
  }

  /** How many workers pass a target over. */
  ejectedBy(target: TargetUrl): number {
    let workers = 0
    for (const { ejected } of this.#latest.values()) if (ejected.includes(target)) workers++
    return workers
  }

  /** A release is removed, and its index may come to stand for another one. */
  forget(index: number): void {
    this.#dead.delete(index)
  }
}

function noTraffic(): ReleaseTraffic {
  return {
    births: 0,
    previewRequests: 0,
    exchangesOpen: 0,
    socketsOpen: 0,
    requests: new Map(),
    durations: new Array<number>(latencyBoundsMs.length + 1).fill(0),
    durationSumMs: 0,
    upstreamErrors: new Map(),
    takenOver: new Map(),
  }
}

function addFigures(sum: ReleaseTraffic, figures: ReleaseFigures): void {
  addCounters(sum, figures)
  sum.exchangesOpen += figures.exchangesOpen
  sum.socketsOpen += figures.socketsOpen
}

function addCounters(sum: ReleaseTraffic, figures: ReleaseFigures): void {
  sum.births += figures.births
  sum.previewRequests += figures.previewRequests
  sum.durationSumMs += figures.durationSumMs
  for (const [status, count] of figures.requests) add(sum.requests, status, count)
  for (const [reason, count] of figures.upstreamErrors) add(sum.upstreamErrors, reason, count)
  for (const [from, because, count] of figures.takenOver) add(inner(sum.takenOver, from), because, count)
  figures.durations.forEach((count, bucket) => (sum.durations[bucket] = (sum.durations[bucket] ?? 0) + count))
}

function addTraffic(sum: ReleaseTraffic, other: ReleaseTraffic): void {
  sum.births += other.births
  sum.previewRequests += other.previewRequests
  sum.durationSumMs += other.durationSumMs
  for (const [status, count] of other.requests) add(sum.requests, status, count)
  for (const [reason, count] of other.upstreamErrors) add(sum.upstreamErrors, reason, count)
  for (const [from, counts] of other.takenOver) {
    for (const [because, count] of counts) add(inner(sum.takenOver, from), because, count)
  }
  other.durations.forEach((count, bucket) => (sum.durations[bucket] = (sum.durations[bucket] ?? 0) + count))
}

function add<Key>(sums: Map<Key, number>, key: Key, count: number): void {
  sums.set(key, (sums.get(key) ?? 0) + count)
}

function inner<Key>(maps: Map<string, Map<Key, number>>, name: string): Map<Key, number> {
  let map = maps.get(name)
  if (map === undefined) maps.set(name, (map = new Map()))
  return map
}

function copyOf<Key>(maps: ReadonlyMap<string, ReadonlyMap<Key, number>>): Map<string, Map<Key, number>> {
  return new Map([...maps].map(([name, map]) => [name, new Map(map)]))
}
