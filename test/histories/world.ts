// Plays a history: a whole control plane and workers that route as the real ones do, visitors with one jar each, and
// after every step the rules that no history may break. Throws when one is broken.
import type { RequestHead } from '../../gateway/dataplane/request-head.js'
import type { ReleaseVersion } from '../../gateway/domain/ids.js'
import { isHonoured } from '../../gateway/domain/session.js'
import type { Handout } from '../../gateway/dataplane/session-handout.js'
import type { Publication } from '../../gateway/plane-protocol.js'
import type { Order, RecallOrder } from '../../gateway/controlplane/gateway-view.js'
import { RuleRefusal } from '../../gateway/controlplane/rule-refusal.js'
import { Machine, shop, type Run } from '../controlplane/harness.js'
import { RoutingWorker, type AnswerKind, type OpenRequest } from './routing-worker.js'
import {
  visitorCount,
  type Declared,
  type Delivery,
  type History,
  type RequestKind,
  type Step,
} from './steps.js'
import { type BirthTally, Truth, type Visitor } from './truth.js'
import type { VirtualTimers } from './virtual-timers.js'

/** Something that must never happen has happened. */
export class BrokenRule extends Error {}

/** A request under way, and who waits for its answer. */
interface Waiting {
  readonly request: OpenRequest
  readonly visitor: Visitor | null
  readonly answer: AnswerKind
  readonly delivery: Delivery
  readonly isBirth: boolean
}

const fetchDestinations: Readonly<Record<RequestKind, string>> = {
  document: 'document',
  part: 'script',
  fetch: 'empty',
  post: 'document',
}

export class World {
  readonly history: History
  readonly timers: VirtualTimers
  readonly machine: Machine
  readonly truth = new Truth()
  /** What each release declares, as its file says. */
  readonly #floors: readonly Floors[]
  readonly #waiting: Waiting[] = []
  readonly #births: BirthTally
  #run: Run | null = null
  #checked = 0
  #idleMinutes = 8
  #random: number
  /** Releases that were retired when last looked at. */
  #retired = new Set<ReleaseVersion>()
  #crowd = 0
  /** So many steps are left until the saved sessions have been read; 0: they have been. */
  #readsFor = 0

  constructor(history: History, timers: VirtualTimers, births: BirthTally) {
    this.history = history
    this.timers = timers
    this.#births = births
    this.#random = history.seed
    this.#floors = history.releases.map((declared, i) => floorsOf(declared, i))
    this.machine = new Machine({ teardown: () => {} })
    this.machine.newWorker = (pid, observer) =>
      new RoutingWorker(
        pid,
        observer,
        () => this.machine.monotonic,
        () => this.#chance(),
      )
    this.#writeSite()
    for (let number = 0; number < visitorCount; number++) this.truth.visitors.push(this.#newVisitor(number))
  }

  // -- the story ----------------------------------------------------------------------------------------------------------

  async play(): Promise<void> {
    await this.#boot()
    try {
      for (const step of this.history.steps) {
        await this.#take(step)
        if (this.#readsFor === 1) await this.#finishReading()
        else if (this.#readsFor > 0) this.#readsFor--
        this.#check(step.do === 'pass')
      }
    } finally {
      await this.run.end()
    }
  }

  async #take(step: Step): Promise<void> {
    switch (step.do) {
      case 'drop':
        this.#drop(step.release, step.note)
        return this.run.follow()
      case 'withdraw':
        this.machine.withdraw(versionOf(step.release))
        return this.run.follow()
      case 'activate':
      case 'rollback':
      case 'drain':
      case 'retire':
      case 'recall':
      case 'freeze':
      case 'unfreeze':
      case 'rotate':
        this.#order(step)
        return this.run.settled()
      case 'visit':
        return this.#visit(step)
      case 'crowd':
        return this.#comeTogether(step)
      case 'answer':
        return this.#goOn(step.request)
      case 'pass':
        return this.#pass(step)
      case 'worker-dies':
        this.#worker(step.worker)?.exit('killed')
        return this.#advance(200)
      case 'worker-stalls':
        return this.#stall(step.worker)
      case 'worker-wakes':
        this.#wake(step.worker)
        return this.run.settled()
      case 'crash':
      case 'stop':
        return this.#restart(step)
      case 'jump':
        this.machine.epochMs += step.ms
        return
      case 'targets-fail':
        this.machine.down.add(`http://${versionOf(step.release)}:1`)
        return
      case 'targets-heal':
        this.machine.down.delete(`http://${versionOf(step.release)}:1`)
        return
      case 'idle-time':
        this.#idleMinutes = step.minutes
        this.#writeSite()
        return this.run.follow()
      default:
        step satisfies never
    }
  }

  get run(): Run {
    if (this.#run === null) throw new Error('the gateway has not been started')
    return this.#run
  }

  get #workers(): readonly RoutingWorker[] {
    return (this.run.workers as RoutingWorker[]).filter((worker) => worker.isServing)
  }

  #worker(number: number): RoutingWorker | undefined {
    const workers = this.#workers
    return workers[number % Math.max(1, workers.length)]
  }

  #chance(): number {
    // xorshift32 (Marsaglia, "Xorshift RNGs", 2003).
    this.#random ^= this.#random << 13
    this.#random ^= this.#random >>> 17
    this.#random ^= this.#random << 5
    return (this.#random >>> 0) / 2 ** 32
  }

  // -- files and orders ---------------------------------------------------------------------------------------------------

  #writeSite(): void {
    const { onReleaseGone, affinity, retain } = this.history
    this.machine.site({
      hosts: ['*'],
      session: { idleTimeout: `${this.#idleMinutes}m`, onReleaseGone, affinity },
      retain,
    })
  }

  #drop(release: number, note: number): void {
    const declared = this.history.releases[release] as Declared
    const { compatibleFrom, rollbackTo } = this.#floors[release] as Floors
    this.machine.drop(versionOf(release), {
      ...(compatibleFrom === null ? {} : { compatibleFrom: versionOf(compatibleFrom) }),
      ...(rollbackTo === null ? {} : { rollbackTo: versionOf(rollbackTo) }),
      takeOver: declared.takeOver,
      onAbort: declared.onAbort,
      activate: planOf(declared.plan),
      notes: `note ${note}`,
    })
  }

  #order(step: OrderStep): void {
    const { controller, keyKeeper } = this.run.plane
    const { site } = this.run
    const order = { by: 'test', force: 'force' in step && step.force }
    const release = 'release' in step ? this.run.find(versionOf(step.release)) : null
    try {
      // It goes on when every worker has acknowledged, which may be never.
      if (step.do === 'rotate') void keyKeeper.rotate('test')
      else if (step.do === 'rollback') controller.orders.rollback(site, { ...order, to: null })
      else if (step.do === 'freeze') controller.orders.freeze(site, order)
      else if (step.do === 'unfreeze') controller.orders.unfreeze(site, order)
      else if (release === null) return
      else if (step.do === 'activate') controller.orders.activate(site, release, order)
      else if (step.do === 'drain') controller.orders.drain(site, release, order)
      else if (step.do === 'recall') controller.departures.recall(site, release, recallOf(step, order))
      else if (order.force) controller.departures.announceEnd(site, release, order)
      else controller.retirement.retire(release, 'test')
    } catch (error) {
      if (!(error instanceof RuleRefusal)) throw error
    }
  }

  // -- time, deaths and restarts --------------------------------------------------------------------------------------------

  async #advance(ms: number): Promise<void> {
    this.machine.monotonic += ms
    this.truth.up += ms
    this.timers.advance(ms)
    await this.run.settled()
    await this.#followClock()
  }

  /** As long as it takes for what follows of itself: workers report and verdicts are made several times. */
  async #pass({ ms, silent }: { readonly ms: number; readonly silent: number | null }): Promise<void> {
    await this.#advance(ms)
    // One that is silent for longer is killed.
    const quiet = silent === null || ms > 1000 ? undefined : this.#worker(silent)
    this.#seeStreams()
    for (let round = 0; round < 4; round++) {
      for (const worker of this.run.workers) {
        if (worker !== quiet) worker.report(this.machine.monotonic)
      }
      await this.#advance(250)
    }
  }

  /**
   * A worker that has not heard yet that the clock was set takes tokens born since then for hostile, if that was by more
   * than five minutes: a newcomer's second request, in the same moment. Left out here.
   */
  async #followClock(): Promise<void> {
    for (const worker of this.run.workers as RoutingWorker[]) {
      if (worker.epochMs === this.run.clock.epochMs) continue
      worker.takeAll()
      await this.run.settled()
    }
  }

  /** Who has a stream open is there. */
  #seeStreams(): void {
    for (const { request, visitor } of this.#waiting) {
      if (request.isLong && visitor !== null && this.#isOpen(request)) this.#see(visitor, request.worker)
    }
  }

  #isOpen(request: OpenRequest): boolean {
    return request.worker.open.has(request)
  }

  #stall(number: number): void {
    const worker = this.#worker(number)
    if (worker !== undefined) worker.isPrompt = false
  }

  #wake(number: number): void {
    const stalled = (this.run.workers as RoutingWorker[]).filter((each) => !each.isPrompt && !each.hasExited)
    const worker = stalled[number % Math.max(1, stalled.length)]
    if (worker === undefined) return
    worker.isPrompt = true
    worker.takeAll()
  }

  async #boot(readsFor = 0): Promise<void> {
    this.#checked = 0
    this.#run = await this.machine.boot({ workers: this.history.workers, restores: readsFor === 0 })
    await this.#advance(250)
    // This step counts as well.
    this.#readsFor = readsFor === 0 ? 0 : readsFor + 1
  }

  async #finishReading(): Promise<void> {
    if (this.#readsFor > 0) await this.run.restore()
    this.#readsFor = 0
  }

  async #restart(step: Extract<Step, { readonly do: 'crash' | 'stop' }>): Promise<void> {
    if (step.do === 'stop') {
      for (const worker of this.#workers) worker.takeAll()
      while (this.#waiting.length > 0) this.#goOn(0)
      for (const worker of this.run.workers as RoutingWorker[]) worker.isPrompt = true
      await this.run.stop()
    } else {
      this.#seeStreams()
      await this.run.kill()
    }
    this.#waiting.length = 0
    this.machine.monotonic += step.downMs
    this.machine.epochMs += step.jumpMs
    await this.#boot(step.readsFor)
  }

  // -- visitors -----------------------------------------------------------------------------------------------------------

  #newVisitor(number: number): Visitor {
    const address = Array.from({ length: 4 }, () => Math.floor(this.#chance() * 256)).join('.')
    return { number, address, token: null, seenUpAt: 0, seenIdleMs: 0 }
  }

  #visit(step: Extract<Step, { readonly do: 'visit' }>): void {
    const visitor = this.truth.visitors[step.visitor]
    const worker = this.#worker(step.worker)
    if (visitor === undefined || worker === undefined) return
    const wasLive = this.truth.isLive(visitor) && !this.#isEndedFor(worker, visitor)
    const { routing, request } = worker.begin(headOf(visitor, step.kind))
    if (request === null) {
      if (routing.kind === 'refused' && wasLive) this.#lost(visitor, `is refused with ${routing.error}`)
      return
    }
    const isBirth = this.#judgeRoute(visitor, request, { kind: step.kind, wasLive })
    this.#see(visitor, worker)
    this.#waiting.push({ request, visitor, answer: step.answer, delivery: step.delivery, isBirth })
    if (step.delivery !== 'later') this.#goOn(this.#waiting.length - 1)
  }

  /**
   * A worker that has not heard of an end yet hands the session's token out again; those who have heard keep to the
   * application's word for a moment.
   */
  #isEndedFor({ state, now }: RoutingWorker, { token }: Visitor): boolean {
    return token !== null && this.truth.everEnded.has(token.id) && state.tombstones.has(token.id, now)
  }

  #see(visitor: Visitor, worker: RoutingWorker): void {
    visitor.seenUpAt = this.truth.up
    visitor.seenIdleMs = worker.state.table?.sites[0]?.session.idleTimeoutMs ?? 0
  }

  /** New visitors all at once, who keep no cookie: they count for the shares. */
  #comeTogether({ count, worker: number }: Extract<Step, { readonly do: 'crowd' }>): void {
    for (let i = 0; i < count; i++) {
      const worker = this.#worker(number + i)
      if (worker === undefined) return
      const visitor = this.#newVisitor(visitorCount + this.#crowd++)
      const { request } = worker.begin(headOf(visitor, 'document'))
      if (request === null) continue
      this.#judgeRoute(visitor, request, { kind: 'document', wasLive: false })
      this.#countBirth(request)
      worker.answer(request, 'page')
    }
  }

  #countBirth({ worker, route }: OpenRequest): void {
    const accepting = worker.state.table?.sites[0]?.releases.filter(({ share }) => share > 0) ?? []
    const [first] = accepting
    if (accepting.length !== 2 || first === undefined || accepting.some(({ isHealthy }) => !isHealthy)) return
    const whole = accepting.reduce((sum, { share }) => sum + share, 0)
    this.#births.add(first.share / whole, route.release === first)
  }

  /** What is under way goes on by one step: its answer begins, or a stream ends. */
  #goOn(number: number): void {
    const at = number % Math.max(1, this.#waiting.length)
    const waiting = this.#waiting[at]
    if (waiting === undefined) return
    const { request, visitor, answer, delivery } = waiting
    if (request.isLong || !this.#isOpen(request)) {
      this.#waiting.splice(at, 1)
      if (request.isLong && this.#isOpen(request) && visitor !== null) this.#see(visitor, request.worker)
      return request.worker.end(request)
    }
    const given = request.worker.answer(request, answer)
    if (!request.isLong) this.#waiting.splice(at, 1)
    if (visitor !== null) this.#receive(visitor, waiting, given)
    if (delivery === 'lost' && request.isLong) request.worker.end(request)
  }

  #receive(visitor: Visitor, { request, delivery }: Waiting, { issued, ended, lines }: Handout): void {
    if (ended !== null) {
      this.truth.ended.add(ended)
      this.truth.everEnded.add(ended)
    }
    if (issued !== null) {
      this.truth.ended.delete(issued.id)
      const { token } = visitor
      if (token !== null && token.id === issued.id && token.release !== issued.release) {
        this.truth.moved(issued.id, token.release, issued.release)
      }
    }
    if (delivery === 'lost') return
    if (ended !== null) visitor.token = null
    if (issued === null) return
    const text = /amarre=([A-Za-z0-9_-]+)/.exec(lines)?.[1] ?? ''
    const promisedMs = issued.until - issued.issuedAt
    const { up } = this.truth
    visitor.token = { ...issued, text, promisedMs, upAt: up, monotonicAt: this.machine.monotonic }
    this.#see(visitor, request.worker)
    this.#judgeToken(text, request.worker)
  }

  // -- rules --------------------------------------------------------------------------------------------------------------

  /** Judges where a request went; true: a session is born there. */
  #judgeRoute(
    visitor: Visitor,
    { worker, route }: OpenRequest,
    { kind, wasLive }: { readonly kind: RequestKind; readonly wasLive: boolean },
  ): boolean {
    const { token } = visitor
    const to = route.release.version
    const isSame = token !== null && route.session.id === token.id
    if (isSame && to !== token.release) {
      this.#mayMove(token.release, to)
      if (kind === 'post') throw new BrokenRule(`a form of a session of ${token.release} was sent to ${to}`)
    }
    if (wasLive && !isSame) this.#lost(visitor, `is taken for somebody else on ${to} with a ${kind}`)
    const isBirth = !isSame && route.session.id !== null
    if (isBirth && token !== null && kind !== 'document')
      throw new BrokenRule(`a session began anew at a ${kind}`)
    if (isBirth) this.#judgeBirth(worker, to)
    return isBirth
  }

  #mayMove(from: ReleaseVersion, to: ReleaseVersion): void {
    if (!this.#mayServe(from, to)) throw new BrokenRule(`a session of ${from} was served by ${to}`)
  }

  /** The rule of compatibility in its own words: forwards from `compatibleFrom` on, backwards down to `rollbackTo`. */
  #mayServe(from: ReleaseVersion, to: ReleaseVersion): boolean {
    const [old, next] = [numberOf(from), numberOf(to)]
    const floor = old <= next ? this.#floors[next]?.compatibleFrom : this.#floors[old]?.rollbackTo
    return old <= next ? old >= (floor ?? next) : floor !== undefined && floor !== null && next >= floor
  }

  /** Two steps: whoever is born by one worker may come to any other. */
  #judgeBirth(worker: RoutingWorker, to: ReleaseVersion): void {
    for (const other of this.#workers) {
      if (other.state.table?.sites[0]?.release(to) === null)
        throw new BrokenRule(
          `worker ${worker.pid} lets sessions begin on ${to}, worker ${other.pid} does not serve it`,
        )
    }
  }

  /** Two steps: what one worker signs every other verifies. */
  #judgeToken(text: string, from: RoutingWorker): void {
    for (const other of this.#workers) {
      const found = other.state.reader.read(text, { site: shop, now: from.now, futureToleranceMs: Infinity })
      if (typeof found === 'string')
        throw new BrokenRule(`worker ${other.pid} finds "${found}" in a token of worker ${from.pid}`)
    }
  }

  #lost(visitor: Visitor, what: string): void {
    const { token } = visitor
    if (token === null || this.truth.hasLeft(token.id, token.release)) return
    if (this.#isExcused(token.release)) return
    throw new BrokenRule(`visitor ${visitor.number}, on ${token.release} and not away for long, ${what}`)
  }

  /** Its sessions end or start over for a reason that an event names: an announced end has come, it is dead. */
  #isExcused(version: ReleaseVersion): boolean {
    const told = this.machine.events.filter(({ release }) => release === version).map(({ type }) => type)
    const isDead = told.lastIndexOf('release-dead') > told.lastIndexOf('release-alive')
    return (isDead && this.history.onReleaseGone === 'restart') || this.#hasEnded(version)
  }

  /** Its announced end has come, a promise after it was announced. */
  #hasEnded(version: ReleaseVersion): boolean {
    const { ended, releases } = this.run.site
    if (!ended.some((each) => each.version === version)) return false
    const events = this.machine.events.filter(({ release }) => release === version)
    const announced = events.findLast(({ type }) => type === 'end-announced')
    if (announced === undefined) throw new BrokenRule(`${version} came to an end that nobody announced`)
    return releases.get(version)?.state.name !== 'active'
  }

  #check(isJudged: boolean): void {
    for (const publication of this.run.published.slice(this.#checked)) this.#checkPublication(publication)
    this.#checked = this.run.published.length
    const retired = new Set<ReleaseVersion>()
    for (const { registration, state } of this.run.site.releases.values()) {
      const { version } = registration
      if (state.name === 'retired') retired.add(version)
      const isNew = state.name === 'retired' && !this.#retired.has(version)
      if (isNew && !this.#hasEnded(version)) this.#nobodyOn(version, Infinity)
      if (state.name === 'retirable' && isJudged) this.#checkVerdict(version)
    }
    this.#retired = retired
  }

  #checkVerdict(version: ReleaseVersion): void {
    const verdict = this.run.verdict(version)
    if (verdict.kind !== 'retirable') return
    const asOf = verdict.asOf - this.run.clock.now() + this.machine.monotonic
    this.#nobodyOn(version, asOf)
  }

  /** Nobody whose token came by then may still use it, and nobody's request is under way there. */
  #nobodyOn(version: ReleaseVersion, asOf: number): void {
    for (const visitor of this.truth.visitors) {
      const { token } = visitor
      if (token === null || token.release !== version || token.monotonicAt > asOf) continue
      if (this.truth.ended.has(token.id) || this.truth.hasLeft(token.id, version)) continue
      const honours = token.held
        ? undefined
        : this.#workers.find((worker) => worker.isServing && isHonouredBy(worker, token))
      if (this.truth.isLive(visitor) || honours !== undefined)
        throw new BrokenRule(`${version} counts as empty, but visitor ${visitor.number} may come back to it`)
    }
  }

  #checkPublication({ table }: Publication): void {
    const [site] = table.sites
    for (const { version, move } of site?.releases ?? []) {
      if (move !== null && move !== undefined) this.#mayMove(version, move.to)
    }
    for (const { version, to } of site?.gone?.heirs ?? []) this.#mayMove(version, to)
  }
}

function isHonouredBy(worker: RoutingWorker, token: Visitor['token']): boolean {
  const spans = worker.state.table?.spans ?? []
  return token !== null && isHonoured({ ...token, keyId: 0 }, spans, worker.now)
}

function versionOf(release: number): ReleaseVersion {
  return `${release + 1}.0.0` as ReleaseVersion
}

type OrderStep = Extract<
  Step,
  { readonly do: 'activate' | 'rollback' | 'drain' | 'retire' | 'recall' | 'freeze' | 'unfreeze' | 'rotate' }
>

function recallOf({ to, rate }: Extract<Step, { readonly do: 'recall' }>, order: Order): RecallOrder {
  return { ...order, to: versionOf(to), perSecond: rate }
}

function numberOf(version: ReleaseVersion): number {
  return Number.parseInt(version, 10) - 1
}

/** Oldest versions, as numbers of releases. */
interface Floors {
  readonly compatibleFrom: number | null
  readonly rollbackTo: number | null
}

function floorsOf({ compatibleFrom, rollbackTo, plan }: Declared, release: number): Floors {
  const atMost = (other: number | null): number | null => (other === null ? null : Math.min(other, release))
  // Steps need somebody to give births back to.
  const isAlone = (plan === 'steps' || plan === 'abortable') && rollbackTo !== null && rollbackTo >= release
  return { compatibleFrom: atMost(compatibleFrom), rollbackTo: isAlone ? null : atMost(rollbackTo) }
}

function planOf(plan: Declared['plan']): unknown {
  const steps = [
    { share: '20%', hold: '1m' },
    { share: '60%', hold: '10m' },
  ]
  if (plan === 'steps') return { steps }
  if (plan === 'abortable') return { steps, abortOn: { errorRate: '20%', minRequests: 5, window: '20m' } }
  return plan
}

function headOf(visitor: Visitor, kind: RequestKind): RequestHead {
  const fields: (readonly [name: string, value: string])[] = [
    ['host', 'shop.test'],
    ['user-agent', 'history'],
    ['sec-fetch-dest', fetchDestinations[kind]],
  ]
  if (visitor.token !== null) fields.push(['cookie', `amarre=${visitor.token.text}`])
  return {
    method: kind === 'post' ? 'POST' : 'GET',
    target: '/page',
    path: '/page',
    names: fields.map(([name]) => name),
    values: fields.map(([, value]) => value),
    remoteAddress: visitor.address,
    isSecure: false,
    version: '1.1',
    clientCertificate: '',
  }
}
