// Rules for one request and what it is answered: whose session goes where, who may be born, whom nobody may turn away.
import type { ReleaseVersion } from '../../gateway/domain/ids.js'
import { shop } from '../controlplane/harness.js'
import type { AnnouncedEnds } from './announced-ends.js'
import type { OpenRequest, RoutingWorker } from './routing-worker.js'
import { BrokenRule, numberOf, type Stage } from './stage.js'
import type { RequestKind } from './steps.js'
import type { Page, Visitor } from './truth.js'

/** A request, and what was true of its visitor before it. */
export interface Asked {
  readonly kind: RequestKind
  /** He was not away for long. */
  readonly wasLive: boolean
  /** The page that asks, where it names its release, and whether that is kept for it. */
  readonly page: Page | null
  readonly wasKept: boolean
}

/** The page named another release than its visitor's own, and was served by that: his session has no part in it. */
export function isLoadedByPage(
  { token }: Visitor,
  to: ReleaseVersion,
  { page }: Pick<Asked, 'page'>,
): boolean {
  return page?.release === to && to !== token?.release
}

export class RequestRules {
  readonly #stage: Stage
  readonly #ends: AnnouncedEnds

  constructor(stage: Stage, ends: AnnouncedEnds) {
    this.#stage = stage
    this.#ends = ends
  }

  /** Judges where a request went. */
  route(visitor: Visitor, request: OpenRequest, asked: Asked): void {
    const { worker, route } = request
    const { kind, wasLive } = asked
    const { token } = visitor
    const to = route.release.version
    if (isLoadedByPage(visitor, to, asked)) return
    this.#pageNotServed(visitor, worker, asked, `got it from ${to}`)
    if (this.isAwaited(visitor, worker)) return this.#adopted(visitor, request, kind)
    const isSame = token !== null && route.session.id === token.id
    if (isSame && to !== token.release) {
      this.mayMove(token.release, to)
      if (kind === 'post') throw new BrokenRule(`a form of a session of ${token.release} was sent to ${to}`)
    }
    if (wasLive && !isSame) this.lost(visitor, `is taken for somebody else on ${to} with a ${kind}`)
    const isBirth = !isSame && route.session.id !== null
    if (isBirth && token !== null && kind !== 'document')
      throw new BrokenRule(`a session began anew at a ${kind}`)
    if (isBirth) this.#birth(worker, to)
  }

  /** Judges that a request reached no release. */
  refused(visitor: Visitor, worker: RoutingWorker, error: string, asked: Asked): void {
    this.#pageNotServed(visitor, worker, asked, `is refused with ${error}`)
    const isTooFast = visitor.token !== null && this.#isYetToHearOf(worker, visitor.token.release)
    if (asked.wasLive && !isTooFast) this.lost(visitor, `is refused with ${error}`)
    if (asked.kind === 'document' && error === 'release_gone') this.#mayBeTurnedAway(visitor)
    if (this.isAwaited(visitor, worker)) this.#notAdopted(visitor, `is refused with ${error}`)
    if (error === 'no_release') this.#mayBeNobody()
  }

  /** Whose release came to its end begins anew with his next page. */
  #mayBeTurnedAway({ number, token }: Visitor): void {
    if (token === null || !this.#isSettled() || !this.#ends.hasEnded(token.release)) return
    throw new BrokenRule(`${token.release} came to its end, and visitor ${number} cannot begin anew`)
  }

  /** A page whose release is kept for it asked for a part of itself. */
  #pageNotServed(
    { number, token }: Visitor,
    worker: RoutingWorker,
    { page, wasKept }: Asked,
    what: string,
  ): void {
    if (page === null || !wasKept || page.release === token?.release) return
    if (this.#ends.hasEnded(page.release) || this.#isYetToHearOf(worker, page.release)) return
    throw new BrokenRule(`a page of ${page.release} that visitor ${number} has open ${what}`)
  }

  /**
   * By the latest table the release serves visitors again, or for the first time; the worker does not know it yet, or knows
   * it as staged. A session that another worker has revived there is seldom faster than that.
   */
  #isYetToHearOf({ state }: RoutingWorker, version: ReleaseVersion): boolean {
    const latest = this.#stage.run.table.sites[0]?.releases.find((each) => each.version === version)
    const known = state.table?.sites[0]?.release(version) ?? null
    return latest !== undefined && (known === null || (latest.isLive && !known.isLive))
  }

  // -- visitors from before the gateway -----------------------------------------------------------------------------------

  /** He has the application's cookie and none of ours, and those are awaited. */
  isAwaited({ token, hasApplicationCookie }: Visitor, worker: RoutingWorker): boolean {
    const { legacy, truth } = this.#stage
    return (
      legacy !== null &&
      hasApplicationCookie &&
      token === null &&
      !truth.wasAdoptionOver &&
      worker.now < legacy.until
    )
  }

  #adopted(visitor: Visitor, { worker, route }: OpenRequest, kind: RequestKind): void {
    const { version } = route.release
    if (version !== this.#stage.legacy?.release) {
      // Where his release does not serve, what every visitor gets is better than nothing.
      if (kind === 'part' && route.session.id === null) return this.#notAdopted(visitor, `met ${version}`)
      throw new BrokenRule(`a visitor from before the gateway met ${version} with a ${kind}`)
    }
    if ((route.session.id === null) !== (kind === 'part'))
      throw new BrokenRule(
        `a visitor from before the gateway has the session "${route.session.id}" at a ${kind}`,
      )
    if (route.session.id !== null) this.#birth(worker, version)
  }

  /** His release serves, as far as anybody knows, and yet nobody let him in. */
  #notAdopted({ number }: Visitor, what: string): void {
    const { legacy, run } = this.#stage
    const state = legacy === null ? undefined : run.find(legacy.release)?.state.name
    const isThere = state === 'active' || state === 'draining' || state === 'retirable'
    if (legacy === null || !isThere || !this.#isSettled() || this.#ends.isOutOfService(legacy.release)) return
    throw new BrokenRule(`visitor ${number}, from before the gateway, ${what}`)
  }

  /** Every worker routes by the last publication. */
  #isSettled(): boolean {
    const { workers, run } = this.#stage
    return workers.every(({ state }) => state.table?.generation === run.table.generation)
  }

  /** Nobody is born only where nobody takes births. */
  #mayBeNobody(): void {
    const active = [...this.#stage.run.site.releases.values()].find(({ state }) => state.name === 'active')
    if (active === undefined || !this.#isSettled()) return
    throw new BrokenRule(`${active.registration.version} is active, and nobody takes births`)
  }

  // -- sessions -------------------------------------------------------------------------------------------------------

  mayMove(from: ReleaseVersion, to: ReleaseVersion): void {
    if (!this.#mayServe(from, to)) throw new BrokenRule(`a session of ${from} was served by ${to}`)
  }

  /** The rule of compatibility in its own words: forwards from `compatibleFrom` on, backwards down to `rollbackTo`. */
  #mayServe(from: ReleaseVersion, to: ReleaseVersion): boolean {
    const { floors } = this.#stage
    const [old, next] = [numberOf(from), numberOf(to)]
    const floor = old <= next ? floors[next]?.compatibleFrom : floors[old]?.rollbackTo
    return old <= next ? old >= (floor ?? next) : floor !== undefined && floor !== null && next >= floor
  }

  /** Two steps: whoever is born by one worker may come to any other. */
  #birth(worker: RoutingWorker, to: ReleaseVersion): void {
    for (const other of this.#stage.workers) {
      if (other.state.table?.sites[0]?.release(to) === null)
        throw new BrokenRule(
          `worker ${worker.pid} lets sessions begin on ${to}, worker ${other.pid} does not serve it`,
        )
    }
  }

  /** Two steps: what one worker signs every other verifies. */
  token(text: string, from: RoutingWorker): void {
    for (const other of this.#stage.workers) {
      const found = other.state.reader.read(text, { site: shop, now: from.now, futureToleranceMs: Infinity })
      if (typeof found === 'string')
        throw new BrokenRule(`worker ${other.pid} finds "${found}" in a token of worker ${from.pid}`)
    }
  }

  /** Nobody may turn a visitor away who was not away for long. */
  lost(visitor: Visitor, what: string): void {
    const { token } = visitor
    if (token === null || this.#stage.truth.hasLeft(token.id, token.release)) return
    if (this.#ends.isExcused(token.release)) return
    throw new BrokenRule(`visitor ${visitor.number}, on ${token.release} and not away for long, ${what}`)
  }
}
