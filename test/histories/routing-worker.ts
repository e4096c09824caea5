// A worker in this process with the data plane's own routing, tokens and activity, and no sockets: what it is told
// waits until it takes it, what it saw goes up in reports as the real one composes them.
import { Activity } from '../../gateway/dataplane/activity.js'
import { TokenReader } from '../../gateway/dataplane/affinity-token.js'
import { AssetOrigins } from '../../gateway/dataplane/asset-origins.js'
import { TrustedProxies } from '../../gateway/dataplane/client-identity.js'
import { Gate, noLimits } from '../../gateway/dataplane/gate.js'
import type { Stay } from '../../gateway/dataplane/long-stay.js'
import { MovePace } from '../../gateway/dataplane/move-pace.js'
import { MovedSessions } from '../../gateway/dataplane/moved-sessions.js'
import { OpenExchanges } from '../../gateway/dataplane/open-exchanges.js'
import { PassReader } from '../../gateway/dataplane/preview-pass.js'
import type { RequestHead } from '../../gateway/dataplane/request-head.js'
import { routeRequest, type Route, type Routing } from '../../gateway/dataplane/routing.js'
import type { Handout } from '../../gateway/dataplane/session-handout.js'
import type { TargetPools } from '../../gateway/dataplane/target-pools.js'
import { Tombstones } from '../../gateway/dataplane/tombstones.js'
import { FieldNames } from '../../gateway/dataplane/upstream/field-names.js'
import { ParsedHead } from '../../gateway/dataplane/upstream/response-head.js'
import { composeReport } from '../../gateway/dataplane/worker-report.js'
import type { WorkerState } from '../../gateway/dataplane/worker-state.js'
import { responseFields } from '../../gateway/domain/headers.js'
import { buildRoutingTable } from '../../gateway/domain/routing-table.js'
import type { WorkerObserver } from '../../gateway/controlplane/worker-handle.js'
import type { Publication, ToWorker, WorkerReport } from '../../gateway/plane-protocol.js'
import { FakeWorker } from '../controlplane/harness.js'

/** What the application answers. */
export type AnswerKind = 'page' | 'shared' | 'login' | 'logout' | 'end' | 'stream' | 'failure'

const answerTexts: Readonly<Record<AnswerKind, string>> = {
  page: '200 OK\r\nContent-Type: text/html\r\nContent-Length: 0',
  shared: '200 OK\r\nCache-Control: public, max-age=60\r\nContent-Length: 0',
  login: '200 OK\r\nContent-Type: text/html\r\nSet-Cookie: sid=1; Path=/\r\nContent-Length: 0',
  logout: '200 OK\r\nContent-Type: text/html\r\nSet-Cookie: sid=; Max-Age=0; Path=/\r\nContent-Length: 0',
  end: '200 OK\r\nAmarre-Session: end\r\nContent-Length: 0',
  stream: '200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked',
  failure: '500 Internal Server Error\r\nContent-Type: text/html\r\nContent-Length: 0',
}

/** A request that has been sent to the application and is not over. */
export interface OpenRequest {
  readonly worker: RoutingWorker
  readonly route: Route
  /** The answer has begun, and goes on. */
  isLong: boolean
  /** How long it may. */
  stay: Stay | null
}

/** Of no use here, and too large to be made for every worker. */
const assetOrigins = new AssetOrigins()

/** What chance decides in a worker, from a seed. */
export type Chance = () => number

export class RoutingWorker extends FakeWorker {
  readonly state: WorkerState
  /** What has been told and not taken yet. */
  readonly #inbox: ToWorker[] = []
  /** It accepts connections. */
  isListening = false
  readonly open = new Set<OpenRequest>()
  readonly #monotonic: () => number
  /** Of its wall clock. */
  epochMs = 0

  constructor(pid: number, observer: WorkerObserver, monotonic: () => number, random: Chance) {
    super(pid, observer)
    this.#monotonic = monotonic
    const pools = { loadOf: () => 0, ejected: () => [], isTroubled: false }
    this.state = {
      table: null,
      trusted: new TrustedProxies([]),
      requestBodyBytes: Infinity,
      via: '',
      reader: new TokenReader({ keys: [], signsWith: 0 }, 100),
      passes: new PassReader(),
      activity: new Activity(),
      pools: pools as unknown as TargetPools,
      tombstones: new Tombstones(),
      assetOrigins,
      moved: new MovedSessions(),
      movePace: new MovePace(),
      gate: new Gate(noLimits),
      open: new OpenExchanges(),
      logAccess: null,
      isLeaving: false,
      clock: { now: () => this.now, monotonic },
      balancing: { loadOf: () => 0, random },
      endSession: (id, until) => {
        this.state.tombstones.add(id, until)
        this.observer.onMessage({ kind: 'ended', sessions: [{ id, until }] })
      },
      tellMoved: (moved) => this.observer.onMessage({ kind: 'moved', sessions: [moved] }),
    }
  }

  /** By its own clock, which follows the wall clock with each publication. */
  get now(): number {
    return Math.floor(this.epochMs + this.#monotonic())
  }

  get isServing(): boolean {
    return this.isListening && !this.hasExited && this.state.table !== null
  }

  // -- what it is told ---------------------------------------------------------------------------------------------------

  override send(message: ToWorker): void {
    this.#inbox.push(message)
    if (this.isPrompt) queueMicrotask(() => this.takeAll())
  }

  /** In the order in which it came. */
  takeAll(): void {
    for (const message of this.#inbox.splice(0)) if (!this.hasExited) this.#follow(message)
  }

  #follow(message: ToWorker): void {
    switch (message.kind) {
      case 'publish':
        return this.take(message.publication)
      case 'listen':
        this.isListening = true
        return this.observer.onMessage({ kind: 'listening', ports: [1] })
      case 'ended':
        for (const { id, until } of message.sessions) this.state.tombstones.add(id, until)
        return
      case 'moved':
        for (const moved of message.sessions) this.state.moved.add(moved)
        return
      default:
    }
  }

  override take(publication: Publication): void {
    const { state } = this
    const latest = state.table?.spans.at(-1)?.from ?? -Infinity
    const spans = publication.table.spans.filter(({ from }) => from > latest)
    this.epochMs = publication.epochMs
    if (state.table !== null) state.activity.extend(spans)
    state.table = buildRoutingTable(publication.table)
    state.reader.useRing(publication.keys)
    this.publication = publication
    this.observer.onMessage({ kind: 'acknowledged', generation: publication.table.generation })
  }

  override report(_madeAt: number, { isLast = false }: Partial<WorkerReport> = {}): void {
    const { state } = this
    if (this.hasExited || state.table === null) return
    state.tombstones.sweep(this.now)
    state.moved.sweep(this.now)
    for (const request of this.open) {
      if (request.stay?.isOver(this.now) === true) this.end(request)
      else if (request.isLong) request.route.session.refresh(this.now)
    }
    const { parts, report } = composeReport(state, isLast)
    for (const part of parts) this.observer.onMessage({ kind: 'touched', part })
    this.observer.onMessage({ kind: 'report', report })
    const served = new Set(state.table.sites.flatMap((site) => site.releases.map(({ index }) => index)))
    for (const { index, exchangesOpen, socketsOpen } of state.activity.releases()) {
      if (!served.has(index) && exchangesOpen === 0 && socketsOpen === 0) state.activity.forget(index)
    }
  }

  override exit(how: string): void {
    this.isListening = false
    this.open.clear()
    super.exit(how)
  }

  // -- requests ---------------------------------------------------------------------------------------------------------

  /** Reads and decides; what goes to the application is open from then on. */
  begin(head: RequestHead): { readonly routing: Routing; readonly request: OpenRequest | null } {
    const routing = routeRequest(this.state, { head, requestId: 'r', isUpgrade: false })
    if (routing.kind !== 'routed') return { routing, request: null }
    routing.route.account.opened()
    const request: OpenRequest = { worker: this, route: routing.route, isLong: false, stay: null }
    this.open.add(request)
    return { routing, request }
  }

  /** The head of the answer has come; what it does to the visitor's token. */
  answer(request: OpenRequest, kind: AnswerKind): Handout {
    const { session, target } = request.route
    const given = session.handOut(headOf(answerTexts[kind]), target, this.now)
    if (kind === 'stream') {
      request.stay = session.stayFrom(this.now)
      request.isLong = !request.stay.isTooLate(this.now)
    }
    if (!request.isLong) this.end(request, kind === 'failure' ? 500 : 200)
    return given
  }

  /** The answer is complete, or its visitor has gone. */
  end(request: OpenRequest, status = 200): void {
    if (!this.open.delete(request)) return
    const { account, session } = request.route
    account.closed()
    account.answered(status, 5)
    session.close(this.now)
  }
}

const fieldNames = new FieldNames(responseFields)

function headOf(text: string): ParsedHead {
  const head = new ParsedHead(fieldNames)
  const bytes = Buffer.from(`HTTP/1.1 ${text}\r\n\r\n`, 'latin1')
  head.parse(bytes, 0, bytes.length, false)
  return head
}
