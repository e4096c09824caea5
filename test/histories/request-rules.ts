// Rules for one request and what it is answered: whose session goes where, who may be born, whom nobody may turn away.
import type { ReleaseVersion } from '../../gateway/domain/ids.js'
import { shop } from '../controlplane/harness.js'
import type { AnnouncedEnds } from './announced-ends.js'
import type { OpenRequest, RoutingWorker } from './routing-worker.js'
import { BrokenRule, numberOf, type Stage } from './stage.js'
import type { RequestKind } from './steps.js'
import type { Visitor } from './truth.js'

export class RequestRules {
  readonly #stage: Stage
  readonly #ends: AnnouncedEnds

  constructor(stage: Stage, ends: AnnouncedEnds) {
    this.#stage = stage
    this.#ends = ends
  }

  /** Judges where a request went; true: a session is born there. */
  route(
    visitor: Visitor,
    { worker, route }: OpenRequest,
    { kind, wasLive }: { readonly kind: RequestKind; readonly wasLive: boolean },
  ): boolean {
    const { token } = visitor
    const to = route.release.version
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
    return isBirth
  }

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
