// What visitors do in a history: they come with what is in their jar and their tabs, wait for answers, keep what they
// are handed. Each request and each token is judged on the spot.
import type { Handout } from '../../gateway/dataplane/session-handout.js'
import { honouredUntil } from '../../gateway/domain/session.js'
import { Pages } from './pages.js'
import type { Previews } from './previews.js'
import { headOf } from './request-head.js'
import { isLoadedByPage, type Asked, type RequestRules } from './request-rules.js'
import type { AnswerKind, OpenRequest, RoutingWorker } from './routing-worker.js'
import { BrokenRule, type Stage } from './stage.js'
import { tabCount, visitorCount, type Delivery, type RequestKind, type Step } from './steps.js'
import type { Page, Visitor } from './truth.js'

/** A visitor asks for something. */
export type VisitStep = Extract<Step, { readonly do: 'visit' }>

/** A request under way, and who waits for its answer. */
interface Waiting {
  readonly request: OpenRequest
  readonly visitor: Visitor
  readonly kind: RequestKind
  readonly tab: number
  readonly answer: AnswerKind
  readonly delivery: Delivery
  /** The page that was served by the release that it names. */
  readonly loadedBy: Page | null
  /** He came with the token of this session. */
  readonly isReturn: boolean
}

const newcomer: Asked = { kind: 'document', wasLive: false, page: null, wasKept: false }

export class Visits {
  readonly #stage: Stage
  readonly #rules: RequestRules
  readonly #pages: Pages
  readonly #previews: Previews
  readonly #waiting: Waiting[] = []
  #crowd = 0

  constructor(stage: Stage, rules: RequestRules, previews: Previews) {
    this.#stage = stage
    this.#rules = rules
    this.#pages = new Pages(stage)
    this.#previews = previews
    for (let number = 0; number < visitorCount; number++) {
      // Every other one was there before the gateway.
      stage.truth.visitors.push(this.#newVisitor(number, stage.legacy !== null && number % 2 === 1))
    }
  }

  #newVisitor(number: number, hasApplicationCookie = false): Visitor {
    const address = Array.from({ length: 4 }, () => Math.floor(this.#stage.chance() * 256)).join('.')
    const pages = Array.from({ length: tabCount }, () => null)
    const seen = {
      confirmed: null,
      longestUntil: 0,
      elsewhereUntil: 0,
      seenUpAt: 0,
      returnedUpUntil: 0,
      seenIdleMs: 0,
      seenAt: 0,
    }
    return { number, address, token: null, pass: null, hasApplicationCookie, pages, ...seen }
  }

  visit(step: VisitStep): void {
    const visitor = this.#stage.truth.visitors[step.visitor]
    const worker = this.#stage.worker(step.worker)
    if (visitor === undefined || worker === undefined) return
    if (this.#previews.visit(visitor, worker, step.kind, step.answer)) return
    const page = this.#pages.asking(visitor, step.tab, step.kind)
    const asked = this.#asked(visitor, worker, step.kind, page)
    const { routing, request } = worker.begin(headOf(visitor, step.kind, page))
    if (routing.kind === 'refused') this.#rules.refused(visitor, worker, routing.error, asked)
    if (request === null) return
    this.#rules.route(visitor, request, asked)
    const isAside = isLoadedByPage(visitor, request.route.release.version, asked)
    if (!isAside) this.#confirm(visitor, request)
    const isReturn = visitor.token !== null && visitor.token.id === request.route.session.id
    this.#wait({ ...step, visitor, request, loadedBy: isAside ? page : null, isReturn })
  }

  openPreview(
    step: Extract<Step, { readonly do: 'preview' }>,
    link: { readonly url: string; readonly until: number },
  ): void {
    const visitor = this.#stage.truth.visitors[step.visitor]
    const worker = this.#stage.worker(step.worker)
    if (visitor !== undefined && worker !== undefined) this.#previews.open(visitor, worker, link)
  }

  endPreview(step: Extract<Step, { readonly do: 'end-preview' }>): void {
    const visitor = this.#stage.truth.visitors[step.visitor]
    const worker = this.#stage.worker(step.worker)
    if (visitor !== undefined && worker !== undefined && visitor.pass !== null)
      this.#previews.end(visitor, worker)
  }

  /** Whoever comes back with his token is counted from then on. */
  #confirm(visitor: Visitor, { route }: OpenRequest): void {
    const { id } = route.session
    const { version } = route.release
    if (id === null || id !== visitor.token?.id || version !== visitor.token.release) return
    const { truth, machine } = this.#stage
    if (!truth.everEnded.has(id)) visitor.confirmed = { id, release: version, monotonicAt: machine.monotonic }
  }

  /** Who came back for the first time since then is not counted: nobody knows of it any more. */
  forgetUnreported(since: number): void {
    for (const visitor of this.#stage.truth.visitors) {
      if (visitor.confirmed !== null && visitor.confirmed.monotonicAt >= since) visitor.confirmed = null
    }
  }

  #asked(visitor: Visitor, worker: RoutingWorker, kind: RequestKind, page: Page | null): Asked {
    const { truth } = this.#stage
    const wasLive = truth.isLive(visitor) && !this.#isEndedFor(worker, visitor)
    return { kind, wasLive, page, wasKept: page !== null && truth.isKept(page) }
  }

  /**
   * A worker that has not heard of an end yet hands the session's token out again; those who have heard keep to the
   * application's word for a moment.
   */
  #isEndedFor({ state, now }: RoutingWorker, { token }: Visitor): boolean {
    const { everEnded } = this.#stage.truth
    return token !== null && everEnded.has(token.id) && state.tombstones.has(token.id, now)
  }

  #wait(waiting: Waiting): void {
    this.#seeAsking(waiting)
    this.#waiting.push(waiting)
    if (waiting.delivery !== 'later') this.goOn(this.#waiting.length - 1)
  }

  /** Who asks is there: his session, or the page that names another release. */
  #seeAsking({ request, visitor, loadedBy, isReturn }: Waiting): void {
    const { worker, route } = request
    if (loadedBy !== null) return this.#pages.loaded(loadedBy, worker)
    // Of another session he has no token, yet or any more.
    if (visitor.token?.id !== route.session.id) return
    // By the policy of when it began.
    const { idleTimeoutMs } = route.release.site.session
    this.#see(visitor, idleTimeoutMs)
    if (isReturn) visitor.returnedUpUntil = this.#stage.truth.up + idleTimeoutMs
  }

  #see(visitor: Visitor, idleMs: number): void {
    visitor.seenUpAt = this.#stage.truth.up
    visitor.seenAt = this.#stage.machine.monotonic
    visitor.seenIdleMs = idleMs
    this.#pages.keptBySession(visitor)
  }

  /** Somebody has a stream open. */
  get hasStreams(): boolean {
    return this.#waiting.some(({ request }) => request.isLong && isOpen(request))
  }

  /** Who has a stream open is there. */
  seeStreams(): void {
    for (const waiting of this.#waiting) {
      if (waiting.request.isLong && isOpen(waiting.request)) this.#seeStream(waiting)
    }
  }

  /** One that stays behind on a release which its session has left keeps that release, not the one of the session. */
  #seeStream(waiting: Waiting): void {
    const { request, visitor, loadedBy } = waiting
    const isAtHome = visitor.token?.release === request.route.release.version
    if (loadedBy !== null || isAtHome) this.#seeAsking(waiting)
  }

  /** New visitors all at once, who keep no cookie: they count for the shares. */
  comeTogether({ count, worker: number }: Extract<Step, { readonly do: 'crowd' }>): void {
    for (let i = 0; i < count; i++) {
      const worker = this.#stage.worker(number + i)
      if (worker === undefined) return
      const visitor = this.#newVisitor(visitorCount + this.#crowd++)
      const { routing, request } = worker.begin(headOf(visitor, 'document'))
      if (routing.kind === 'refused') this.#rules.refused(visitor, worker, routing.error, newcomer)
      if (request === null) continue
      this.#rules.route(visitor, request, newcomer)
      this.#countBirth(request)
      worker.answer(request, 'login')
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
    const { request, answer, delivery } = waiting
    if (request.isLong || !isOpen(request)) {
      this.#waiting.splice(at, 1)
      if (request.isLong && isOpen(request)) this.#seeStream(waiting)
      return request.worker.end(request)
    }
    const given = request.worker.answer(request, answer)
    if (!request.isLong) this.#waiting.splice(at, 1)
    this.#note(waiting, given)
    if (delivery !== 'lost') this.#receive(waiting, given)
    else if (request.isLong) request.worker.end(request)
  }

  /** Every answer comes, every stream ends. */
  finish(): void {
    while (this.#waiting.length > 0) this.goOn(0)
  }

  /** Every connection has broken. */
  breakOff(): void {
    this.#waiting.length = 0
  }

  /** What is true from here on, whether the answer arrives or not. */
  #note({ visitor, loadedBy }: Waiting, { issued, ended }: Handout): void {
    const { truth } = this.#stage
    if (loadedBy !== null && issued !== null)
      throw new BrokenRule(`what a page of ${loadedBy.release} loaded brought a token of ${issued.release}`)
    if (ended !== null) {
      truth.ended.add(ended)
      truth.everEnded.add(ended)
      this.#pages.sessionEnded(visitor)
    }
    if (issued === null) return
    truth.ended.delete(issued.id)
    const { token } = visitor
    if (token !== null && token.id === issued.id && token.release !== issued.release) {
      truth.moved(issued.id, token.release, issued.release)
    }
  }

  /** The answer has arrived. */
  #receive(waiting: Waiting, { issued, ended, lines }: Handout): void {
    const { request, visitor, answer } = waiting
    if (answer === 'login') visitor.hasApplicationCookie = true
    else if (answer === 'logout' || answer === 'end') visitor.hasApplicationCookie = false
    if (ended !== null) visitor.token = null
    if (issued !== null) this.#keepToken(waiting, issued, lines)
    if (isPage(waiting)) this.#pages.opened(visitor, waiting.tab, request.route.release.version)
  }

  #keepToken(
    { visitor, request }: Waiting,
    issued: NonNullable<Handout['issued']>,
    lines: Handout['lines'],
  ): void {
    const { truth, machine } = this.#stage
    const text = /amarre=([A-Za-z0-9_-]+)/.exec(lines)?.[1] ?? ''
    const promisedMs = issued.until - issued.issuedAt
    const { token } = visitor
    if (token !== null) {
      const spans = request.worker.state.table?.spans ?? []
      const until = token.held ? Infinity : honouredUntil(token, spans)
      visitor.longestUntil = Math.max(token.id === issued.id ? visitor.longestUntil : 0, until)
      if (token.release !== issued.release) visitor.elsewhereUntil = visitor.longestUntil
    }
    visitor.token = { ...issued, text, promisedMs, upAt: truth.up, monotonicAt: machine.monotonic }
    this.#see(visitor, request.worker.state.table?.sites[0]?.session.idleTimeoutMs ?? 0)
    this.#rules.token(text, request.worker)
  }
}

function isPage({ kind, answer }: Waiting): boolean {
  return kind === 'document' && (answer === 'page' || answer === 'login' || answer === 'shared')
}

function isOpen(request: OpenRequest): boolean {
  return request.worker.open.has(request)
}
