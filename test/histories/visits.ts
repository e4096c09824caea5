// What visitors do in a history: they come with what is in their jar, wait for answers, keep what they are handed. Each
// request and each token is judged on the spot.
import type { Handout } from '../../gateway/dataplane/session-handout.js'
import { headOf } from './request-head.js'
import type { RequestRules } from './request-rules.js'
import type { AnswerKind, OpenRequest, RoutingWorker } from './routing-worker.js'
import type { Stage } from './stage.js'
import { visitorCount, type Delivery, type Step } from './steps.js'
import type { Visitor } from './truth.js'

/** A request under way, and who waits for its answer. */
interface Waiting {
  readonly request: OpenRequest
  readonly visitor: Visitor
  readonly answer: AnswerKind
  readonly delivery: Delivery
}

export class Visits {
  readonly #stage: Stage
  readonly #rules: RequestRules
  readonly #waiting: Waiting[] = []
  #crowd = 0

  constructor(stage: Stage, rules: RequestRules) {
    this.#stage = stage
    this.#rules = rules
    for (let number = 0; number < visitorCount; number++) stage.truth.visitors.push(this.#newVisitor(number))
  }

  #newVisitor(number: number): Visitor {
    const address = Array.from({ length: 4 }, () => Math.floor(this.#stage.chance() * 256)).join('.')
    return { number, address, token: null, seenUpAt: 0, seenIdleMs: 0 }
  }

  visit(step: Extract<Step, { readonly do: 'visit' }>): void {
    const { truth } = this.#stage
    const visitor = truth.visitors[step.visitor]
    const worker = this.#stage.worker(step.worker)
    if (visitor === undefined || worker === undefined) return
    const wasLive = truth.isLive(visitor) && !this.#isEndedFor(worker, visitor)
    const { routing, request } = worker.begin(headOf(visitor, step.kind))
    if (request === null) {
      if (routing.kind === 'refused' && wasLive) this.#rules.lost(visitor, `is refused with ${routing.error}`)
      return
    }
    this.#rules.route(visitor, request, { kind: step.kind, wasLive })
    this.#see(visitor, worker)
    this.#waiting.push({ request, visitor, answer: step.answer, delivery: step.delivery })
    if (step.delivery !== 'later') this.goOn(this.#waiting.length - 1)
  }

  /**
   * A worker that has not heard of an end yet hands the session's token out again; those who have heard keep to the
   * application's word for a moment.
   */
  #isEndedFor({ state, now }: RoutingWorker, { token }: Visitor): boolean {
    const { everEnded } = this.#stage.truth
    return token !== null && everEnded.has(token.id) && state.tombstones.has(token.id, now)
  }

  #see(visitor: Visitor, worker: RoutingWorker): void {
    visitor.seenUpAt = this.#stage.truth.up
    visitor.seenIdleMs = worker.state.table?.sites[0]?.session.idleTimeoutMs ?? 0
  }

  /** Who has a stream open is there. */
  seeStreams(): void {
    for (const { request, visitor } of this.#waiting) {
      if (request.isLong && isOpen(request)) this.#see(visitor, request.worker)
    }
  }

  /** New visitors all at once, who keep no cookie: they count for the shares. */
  comeTogether({ count, worker: number }: Extract<Step, { readonly do: 'crowd' }>): void {
    for (let i = 0; i < count; i++) {
      const worker = this.#stage.worker(number + i)
      if (worker === undefined) return
      const visitor = this.#newVisitor(visitorCount + this.#crowd++)
      const { request } = worker.begin(headOf(visitor, 'document'))
      if (request === null) continue
      this.#rules.route(visitor, request, { kind: 'document', wasLive: false })
      this.#countBirth(request)
      worker.answer(request, 'page')
    }
  }

  #countBirth({ worker, route }: OpenRequest): void {
    const accepting = worker.state.table?.sites[0]?.releases.filter(({ share }) => share > 0) ?? []
    const [first] = accepting
    if (accepting.length !== 2 || first === undefined || accepting.some(({ isHealthy }) => !isHealthy)) return
    const whole = accepting.reduce((sum, { share }) => sum + share, 0)
    this.#stage.births.add(first.share / whole, route.release === first)
  }

  // -- answers --------------------------------------------------------------------------------------------------------

  /** What is under way goes on by one step: its answer begins, or a stream ends. */
  goOn(number: number): void {
    const at = number % Math.max(1, this.#waiting.length)
    const waiting = this.#waiting[at]
    if (waiting === undefined) return
    const { request, visitor, answer, delivery } = waiting
    if (request.isLong || !isOpen(request)) {
      this.#waiting.splice(at, 1)
      if (request.isLong && isOpen(request)) this.#see(visitor, request.worker)
      return request.worker.end(request)
    }
    const given = request.worker.answer(request, answer)
    if (!request.isLong) this.#waiting.splice(at, 1)
    this.#receive(waiting, given)
    if (delivery === 'lost' && request.isLong) request.worker.end(request)
  }

  /** Every answer comes, every stream ends. */
  finish(): void {
    while (this.#waiting.length > 0) this.goOn(0)
  }

  /** Every connection has broken. */
  breakOff(): void {
    this.#waiting.length = 0
  }

  #receive({ request, visitor, delivery }: Waiting, { issued, ended, lines }: Handout): void {
    const { truth, machine } = this.#stage
    if (ended !== null) {
      truth.ended.add(ended)
      truth.everEnded.add(ended)
    }
    if (issued !== null) {
      truth.ended.delete(issued.id)
      const { token } = visitor
      if (token !== null && token.id === issued.id && token.release !== issued.release) {
        truth.moved(issued.id, token.release, issued.release)
      }
    }
    if (delivery === 'lost') return
    if (ended !== null) visitor.token = null
    if (issued === null) return
    const text = /amarre=([A-Za-z0-9_-]+)/.exec(lines)?.[1] ?? ''
    const promisedMs = issued.until - issued.issuedAt
    visitor.token = { ...issued, text, promisedMs, upAt: truth.up, monotonicAt: machine.monotonic }
    this.#see(visitor, request.worker)
    this.#rules.token(text, request.worker)
  }
}

function isOpen(request: OpenRequest): boolean {
  return request.worker.open.has(request)
}
