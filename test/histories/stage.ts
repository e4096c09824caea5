// What a history is played on: a machine with its gateway and workers, the truth, time and chance. Knows neither what
// happens there nor which rules hold.
import type { ReleaseVersion } from '../../gateway/domain/ids.js'
import { Machine, type Run } from '../controlplane/harness.js'
import { RoutingWorker } from './routing-worker.js'
import type { Declared, History, MaxAge } from './steps.js'
import { type BirthTally, Truth } from './truth.js'
import type { VirtualTimers } from './virtual-timers.js'

/** Something that must never happen has happened. */
export class BrokenRule extends Error {}

const maxAgesMs: Readonly<Record<MaxAge, number>> = {
  '20m': 20 * 60_000,
  '45m': 45 * 60_000,
  '7d': 7 * 24 * 3_600_000,
}

export class Stage {
  readonly history: History
  readonly machine: Machine
  readonly truth = new Truth()
  readonly births: BirthTally
  /** What each release declares, as its file says. */
  readonly floors: readonly Floors[]
  /** Where visitors from before the gateway belong, and until when they are awaited, by the wall clock. */
  readonly legacy: { readonly release: ReleaseVersion; readonly until: number } | null
  readonly #timers: VirtualTimers
  /** As the site's file says now. */
  idleMinutes = 8
  maxAge: MaxAge
  /** Called whenever time has passed, before more does. */
  onTime: () => void = () => {}
  #run: Run | null = null
  #random: number

  constructor(history: History, timers: VirtualTimers, births: BirthTally) {
    this.history = history
    this.maxAge = history.maxAge
    this.births = births
    this.#timers = timers
    this.#random = history.seed
    this.floors = history.releases.map((declared, i) => floorsOf(declared, i))
    this.machine = new Machine({ teardown: () => {} })
    const { legacy } = history
    const now = this.machine.epochMs + this.machine.monotonic
    this.legacy =
      legacy === null ? null : { release: versionOf(legacy.release), until: now + legacy.minutes * 60_000 }
    this.machine.newWorker = (pid, observer) =>
      new RoutingWorker(
        pid,
        observer,
        () => this.machine.monotonic,
        () => this.chance(),
      )
  }

  /** The longest that a session is promised, by the policy of now: idle time and grain, or the maximum age. */
  get promiseMs(): number {
    return Math.min((this.idleMinutes * 60_000 * 9) / 8, maxAgesMs[this.maxAge])
  }

  get run(): Run {
    if (this.#run === null) throw new Error('the gateway has not been started')
    return this.#run
  }

  /** Starts a gateway; with `restores` its saved sessions have been read back. */
  async boot(restores: boolean): Promise<void> {
    this.#run = await this.machine.boot({ workers: this.history.workers, restores })
    await this.advance(250)
  }

  /** Those that may be sent requests. */
  get workers(): readonly RoutingWorker[] {
    return this.forked.filter((worker) => worker.isServing)
  }

  /** All that were ever forked in this run. */
  get forked(): readonly RoutingWorker[] {
    return this.run.workers as RoutingWorker[]
  }

  worker(number: number): RoutingWorker | undefined {
    const { workers } = this
    return workers[number % Math.max(1, workers.length)]
  }

  /** From 0 to 1, the same in every play of this history. */
  chance(): number {
    // xorshift32 (Marsaglia, "Xorshift RNGs", 2003).
    this.#random ^= this.#random << 13
    this.#random ^= this.#random >>> 17
    this.#random ^= this.#random << 5
    return (this.#random >>> 0) / 2 ** 32
  }

  /** Time passes, and what follows of itself has happened. */
  async advance(ms: number): Promise<void> {
    this.machine.monotonic += ms
    this.truth.up += ms
    this.#timers.advance(ms)
    await this.run.settled()
    await this.#followClock()
    if (this.legacy !== null && this.run.clock.now() >= this.legacy.until) this.truth.wasAdoptionOver = true
    this.onTime()
  }

  /**
   * A worker that has not heard yet that the clock was set takes tokens born since then for hostile, if that was by more
   * than five minutes: a newcomer's second request, in the same moment. Left out here.
   */
  async #followClock(): Promise<void> {
    for (const worker of this.forked) {
      if (worker.epochMs === this.run.clock.epochMs) continue
      worker.takeAll()
      await this.run.settled()
    }
  }
}

export function versionOf(release: number): ReleaseVersion {
  return `${release + 1}.0.0` as ReleaseVersion
}

export function numberOf(version: ReleaseVersion): number {
  return Number.parseInt(version, 10) - 1
}

/** Oldest versions, as numbers of releases. */
export interface Floors {
  readonly compatibleFrom: number | null
  readonly rollbackTo: number | null
}

function floorsOf({ compatibleFrom, rollbackTo, plan }: Declared, release: number): Floors {
  const atMost = (other: number | null): number | null => (other === null ? null : Math.min(other, release))
  // Steps need somebody to give births back to.
  const isAlone = (plan === 'steps' || plan === 'abortable') && rollbackTo !== null && rollbackTo >= release
  return { compatibleFrom: atMost(compatibleFrom), rollbackTo: isAlone ? null : atMost(rollbackTo) }
}
