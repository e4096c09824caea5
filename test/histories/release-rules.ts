// Rules for what the gateway says of its releases: nothing is published that may not be, nothing counts as empty on
// which somebody is left.
import type { ReleaseVersion } from '../../gateway/domain/ids.js'
import { isHonoured } from '../../gateway/domain/session.js'
import type { Publication } from '../../gateway/plane-protocol.js'
import type { AnnouncedEnds } from './announced-ends.js'
import type { RequestRules } from './request-rules.js'
import type { RoutingWorker } from './routing-worker.js'
import { BrokenRule, type Stage } from './stage.js'
import type { HeldToken, Visitor } from './truth.js'

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
      if (isNew && !this.#ends.isRetiredByEnd(version)) {
        this.#nobodyOn(version, Infinity)
        this.#nobodyComesTo(version)
      }
      if (state.name === 'retirable' && isJudged) this.#checkVerdict(version)
      if (isJudged && state.name !== 'retired') this.#checkCount(version)
    }
    this.#retired = retired
  }

  #checkVerdict(version: ReleaseVersion): void {
    const verdict = this.#stage.run.verdict(version)
    if (verdict.kind !== 'retirable') return
    this.#nobodyOn(version, this.#byMachine(verdict.asOf))
    this.#nobodyComesTo(version)
  }

  /** Where nobody is left nothing is held up: by a preview, by a loss, by a doubt. */
  nobodyStays(): void {
    const { run } = this.#stage
    for (const { registration, state } of run.site.releases.values()) {
      if (state.name !== 'draining') continue
      const found = run.verdictWords(registration.version)
      if (found !== 'blocked adoption')
        throw new BrokenRule(`${registration.version} is empty for hours, and still "${found}"`)
    }
  }

  /** Whoever came back by then is counted, unless something is said to be unknown. */
  #checkCount(version: ReleaseVersion): void {
    const { run, truth } = this.#stage
    // Its sessions ended with it, whoever still holds a token of theirs.
    if (run.site.ended.some((each) => each.version === version)) return
    const verdict = run.verdict(version)
    if (verdict.kind === 'unknown') return
    if (verdict.kind === 'blocked' && verdict.by.some(({ by }) => by === 'phantoms')) return
    const asOf = this.#byMachine(verdict.asOf)
    const there = truth.visitors.filter(
      (visitor) =>
        isCountedOn(version, visitor, asOf) &&
        truth.isLive(visitor) &&
        truth.hasReturned(visitor) &&
        truth.countsAtHome(visitor, run.clock.now()) &&
        !truth.isLeaving(visitor),
    )
    const { active } = run.plane.parts.ledger.of(run.release(version).index)
    if (active < there.length)
      throw new BrokenRule(`${version} is said to have ${active} sessions, but ${there.length} are there`)
  }

  /** An instant of the gateway's clock by the time of the machine. */
  #byMachine(at: number): number {
    const { run, machine } = this.#stage
    return at - run.clock.now() + machine.monotonic
  }

  /** No worker lets sessions begin there, and nobody from before the gateway is awaited. */
  #nobodyComesTo(version: ReleaseVersion): void {
    const { workers, legacy, truth, run } = this.#stage
    const isOpen = workers.find(({ state, now }) => {
      const site = state.table?.sites[0]
      const adoption = site?.adoption ?? null
      const adopts = adoption !== null && adoption.release?.version === version && now < adoption.until
      return adopts || (site?.release(version)?.share ?? 0) > 0
    })
    if (isOpen !== undefined)
      throw new BrokenRule(`${version} counts as empty, but sessions begin there by worker ${isOpen.pid}`)
    if (legacy?.release === version && !truth.wasAdoptionOver && run.clock.now() < legacy.until)
      throw new BrokenRule(
        `${version} counts as empty, but visitors from before the gateway are awaited there`,
      )
  }

  /** Nobody whose token came by then may still use it, and nobody's request is under way there. */
  #nobodyOn(version: ReleaseVersion, asOf: number): void {
    const { truth, workers } = this.#stage
    for (const visitor of truth.visitors) {
      const { token } = visitor
      if (token === null || token.release !== version) continue
      if ((token.held ? visitor.seenAt : token.monotonicAt) > asOf) continue
      if (truth.ended.has(token.id) || truth.hasLeft(token.id, version)) continue
      const honours = token.held
        ? undefined
        : workers.find((worker) => worker.isServing && isHonouredBy(worker, token))
      if (truth.isLive(visitor) || honours !== undefined)
        throw new BrokenRule(`${version} counts as empty, but visitor ${visitor.number} may come back to it`)
    }
    this.#noPageOf(version, asOf)
  }

  #noPageOf(version: ReleaseVersion, asOf: number): void {
    const { truth, history } = this.#stage
    if (!history.pagesName) return
    for (const { number, pages } of truth.visitors) {
      const isOpen = pages.some(
        (page) => page?.release === version && page.monotonicAt <= asOf && truth.isKept(page),
      )
      if (isOpen)
        throw new BrokenRule(`${version} counts as empty, but visitor ${number} has a page of it open`)
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

/** All that makes him count was seen before that instant of the machine's time. */
function isCountedOn(version: ReleaseVersion, visitor: Visitor, asOf: number): boolean {
  const { token, confirmed, seenAt } = visitor
  if (token === null || token.release !== version || confirmed?.id !== token.id) return false
  if (confirmed.release !== version || confirmed.monotonicAt >= asOf) return false
  return token.held ? seenAt < asOf : token.monotonicAt < asOf
}

function isHonouredBy(worker: RoutingWorker, token: HeldToken): boolean {
  const spans = worker.state.table?.spans ?? []
  return isHonoured({ ...token, keyId: 0 }, spans, worker.now)
}
