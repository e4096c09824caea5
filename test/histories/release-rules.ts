// Rules for what the gateway says of its releases: nothing is published that may not be, nothing counts as empty on
// which somebody is left.
import type { ReleaseVersion } from '../../gateway/domain/ids.js'
import { isHonoured } from '../../gateway/domain/session.js'
import type { Publication } from '../../gateway/plane-protocol.js'
import type { AnnouncedEnds } from './announced-ends.js'
import type { RequestRules } from './request-rules.js'
import type { RoutingWorker } from './routing-worker.js'
import { BrokenRule, type Stage } from './stage.js'
import type { HeldToken } from './truth.js'

export class ReleaseRules {
  readonly #stage: Stage
  readonly #ends: AnnouncedEnds
  readonly #requests: RequestRules
  /** Publications of this run that have been looked at. */
  #checked = 0
  /** Releases that were retired when last looked at. */
  #retired = new Set<ReleaseVersion>()

  constructor(stage: Stage, ends: AnnouncedEnds, requests: RequestRules) {
    this.#stage = stage
    this.#ends = ends
    this.#requests = requests
  }

  /** Another gateway has been started. */
  restarted(): void {
    this.#checked = 0
  }

  /** `isJudged`: verdicts have been made since whatever happened last. */
  check(isJudged: boolean): void {
    const { run } = this.#stage
    for (const publication of run.published.slice(this.#checked)) this.#checkPublication(publication)
    this.#checked = run.published.length
    const retired = new Set<ReleaseVersion>()
    for (const { registration, state } of run.site.releases.values()) {
      const { version } = registration
      if (state.name === 'retired') retired.add(version)
      const isNew = state.name === 'retired' && !this.#retired.has(version)
      if (isNew && !this.#ends.hasEnded(version)) this.#nobodyOn(version, Infinity)
      if (state.name === 'retirable' && isJudged) this.#checkVerdict(version)
    }
    this.#retired = retired
  }

  #checkVerdict(version: ReleaseVersion): void {
    const { run, machine } = this.#stage
    const verdict = run.verdict(version)
    if (verdict.kind !== 'retirable') return
    const asOf = verdict.asOf - run.clock.now() + machine.monotonic
    this.#nobodyOn(version, asOf)
  }

  /** Nobody whose token came by then may still use it, and nobody's request is under way there. */
  #nobodyOn(version: ReleaseVersion, asOf: number): void {
    const { truth, workers } = this.#stage
    for (const visitor of truth.visitors) {
      const { token } = visitor
      if (token === null || token.release !== version || token.monotonicAt > asOf) continue
      if (truth.ended.has(token.id) || truth.hasLeft(token.id, version)) continue
      const honours = token.held
        ? undefined
        : workers.find((worker) => worker.isServing && isHonouredBy(worker, token))
      if (truth.isLive(visitor) || honours !== undefined)
        throw new BrokenRule(`${version} counts as empty, but visitor ${visitor.number} may come back to it`)
    }
  }

  #checkPublication({ table }: Publication): void {
    const [site] = table.sites
    for (const { version, move } of site?.releases ?? []) {
      if (move !== null && move !== undefined) this.#requests.mayMove(version, move.to)
    }
    for (const { version, to } of site?.gone?.heirs ?? []) this.#requests.mayMove(version, to)
  }
}

function isHonouredBy(worker: RoutingWorker, token: HeldToken): boolean {
  const spans = worker.state.table?.spans ?? []
  return isHonoured({ ...token, keyId: 0 }, spans, worker.now)
}
