// Plays a history: a whole control plane and workers that route as the real ones do, visitors with one jar each, and
// after every step the rules that no history may break. Throws when one is broken.
import { AnnouncedEnds } from './announced-ends.js'
import { Operator } from './operator.js'
import { Previews } from './previews.js'
import { ReleaseRules } from './release-rules.js'
import { RequestRules } from './request-rules.js'
import { Stage, versionOf } from './stage.js'
import type { History, Step } from './steps.js'
import type { BirthTally } from './truth.js'
import type { VirtualTimers } from './virtual-timers.js'
import { Visits } from './visits.js'

/** Twice as long as every doubt, with the wall clock set back again and again, and without an idle time. */
const fortnightMs = 14 * 24 * 3_600_000

export class World {
  readonly #stage: Stage
  readonly #operator: Operator
  readonly #visits: Visits
  readonly #rules: ReleaseRules
  /** So many steps are left until the saved sessions have been read; 0: they have been. */
  #readsFor = 0
  /** When every worker had reported last, by the time of the machine. */
  #passedAt = 0
  /** The clock was set while the saved sessions were being read, or set back before. */
  #wasSetReading = false

  constructor(history: History, timers: VirtualTimers, births: BirthTally) {
    this.#stage = new Stage(history, timers, births)
    const ends = new AnnouncedEnds(this.#stage)
    this.#stage.onTime = () => ends.follow()
    const requests = new RequestRules(this.#stage, ends)
    this.#operator = new Operator(this.#stage)
    this.#visits = new Visits(this.#stage, requests, new Previews(this.#stage, ends))
    this.#rules = new ReleaseRules(this.#stage, ends, requests)
  }

  async play(): Promise<void> {
    await this.#boot()
    try {
      for (const step of this.#stage.history.steps) {
        await this.#take(step)
        if (this.#readsFor === 1) await this.#finishReading()
        else if (this.#readsFor > 0) this.#readsFor--
        this.#stage.onTime()
        this.#rules.check(step.do === 'pass')
      }
      await this.#rest()
    } finally {
      await this.#stage.run.end()
    }
  }

  async #take(step: Step): Promise<void> {
    const { machine, run } = this.#stage
    switch (step.do) {
      case 'drop':
        this.#operator.drop(step.release, step.note)
        return run.follow()
      case 'withdraw':
        machine.withdraw(versionOf(step.release))
        return run.follow()
      case 'activate':
      case 'rollback':
      case 'drain':
      case 'retire':
      case 'recall':
      case 'freeze':
      case 'unfreeze':
      case 'rotate':
        this.#operator.order(step)
        return run.settled()
      case 'visit':
        return this.#visits.visit(step)
      case 'preview':
        return this.#preview(step)
      case 'end-preview':
        return this.#visits.endPreview(step)
      case 'crowd':
        return this.#visits.comeTogether(step)
      case 'answer':
        return this.#visits.goOn(step.request)
      case 'pass':
        return this.#pass(step)
      case 'worker-dies':
        this.#visits.forgetUnreported(this.#passedAt)
        this.#stage.worker(step.worker)?.exit('killed')
        return this.#stage.advance(200)
      case 'worker-stalls':
        return this.#stall(step.worker)
      case 'worker-wakes':
        this.#wake(step.worker)
        return run.settled()
      case 'crash':
      case 'stop':
        return this.#restart(step)
      case 'jump':
        machine.epochMs += step.ms
        this.#wasSetReading ||= this.#readsFor > 0
        return
      case 'targets-fail':
        machine.down.add(`http://${versionOf(step.release)}:1`)
        return
      case 'targets-heal':
        machine.down.delete(`http://${versionOf(step.release)}:1`)
        return
      case 'idle-time':
        this.#operator.setIdleTime(step.minutes)
        return run.follow()
      case 'max-age':
        this.#operator.setMaxAge(step.age)
        return run.follow()
      default:
        step satisfies never
    }
  }

  #preview(step: Extract<Step, { readonly do: 'preview' }>): void {
    const link = this.#operator.previewLink(step.release, step.minutes * 60_000)
    if (link !== null) this.#visits.openPreview(step, link)
  }

  // -- time, deaths and restarts --------------------------------------------------------------------------------------------

  /** As long as it takes for what follows of itself: workers report and verdicts are made several times. */
  async #pass({ ms, silent }: { readonly ms: number; readonly silent: number | null }): Promise<void> {
    const stage = this.#stage
    await this.#leap(ms)
    // One that is silent for longer is killed.
    const quiet = silent === null || ms > 1000 ? undefined : stage.worker(silent)
    this.#visits.seeStreams()
    for (let round = 0; round < 4; round++) {
      for (const worker of stage.forked) {
        if (worker !== quiet) worker.report(stage.machine.monotonic)
      }
      await stage.advance(250)
    }
    if (quiet === undefined) this.#passedAt = stage.machine.monotonic
  }

  /** In one go, unless workers have something to tell again and again: of whoever has a stream open. */
  async #leap(ms: number): Promise<void> {
    const stage = this.#stage
    const oftenMs = (stage.idleMinutes * 60_000) / 8
    let left = ms
    for (; this.#visits.hasStreams && left > oftenMs; left -= oftenMs) {
      await stage.advance(oftenMs)
      this.#visits.seeStreams()
      for (const worker of stage.forked) worker.report(stage.machine.monotonic)
    }
    await stage.advance(left)
  }

  /** Everybody has gone, everything works, and time enough has passed. */
  async #rest(): Promise<void> {
    const { forked, machine } = this.#stage
    await this.#finishReading()
    for (const worker of forked) {
      worker.isPrompt = true
      worker.takeAll()
    }
    this.#visits.finish()
    machine.down.clear()
    for (let round = 0; round < 4; round++) await this.#pass({ ms: fortnightMs, silent: null })
    this.#rules.check(true)
    this.#rules.nobodyStays()
  }

  #stall(number: number): void {
    const worker = this.#stage.worker(number)
    if (worker !== undefined) worker.isPrompt = false
  }

  #wake(number: number): void {
    const stalled = this.#stage.forked.filter((each) => !each.isPrompt && !each.hasExited)
    const worker = stalled[number % Math.max(1, stalled.length)]
    if (worker === undefined) return
    worker.isPrompt = true
    worker.takeAll()
  }

  async #boot({ readsFor, jumpMs } = { readsFor: 0, jumpMs: 0 }): Promise<void> {
    this.#rules.restarted()
    this.#wasSetReading = jumpMs < 0
    await this.#stage.boot(readsFor === 0)
    // This step counts as well.
    this.#readsFor = readsFor === 0 ? 0 : readsFor + 1
  }

  async #finishReading(): Promise<void> {
    if (this.#readsFor > 0) await this.#stage.run.restore()
    this.#readsFor = 0
  }

  async #restart(step: Extract<Step, { readonly do: 'crash' | 'stop' }>): Promise<void> {
    const { machine, run, workers, forked } = this.#stage
    if (step.do === 'stop') {
      for (const worker of workers) worker.takeAll()
      this.#visits.finish()
      for (const worker of forked) worker.isPrompt = true
      await run.stop()
    } else {
      this.#visits.seeStreams()
      this.#visits.forgetUnreported(this.#passedAt)
      // How far the clock was set is saved with the first sessions: killed before, a gateway has not seen it. Left out here.
      if (this.#wasSetReading) await this.#finishReading()
      await run.kill()
    }
    this.#visits.breakOff()
    machine.monotonic += step.downMs
    machine.epochMs += step.jumpMs
    await this.#boot(step)
  }
}
