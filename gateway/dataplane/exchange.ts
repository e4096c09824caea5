// One proxied request, from its head to its account. The phases stand in the order in which they happen: read, decide,
// send, relay the request's body, relay the response, account (docs/architecture.md draws them).
import { anotherTarget } from '../domain/balancing.js'
import { countsAgainstTarget } from '../domain/ejection.js'
import { errorKinds, GatewayError, type ErrorCode } from '../domain/errors.js'
import { isIdempotentMethod } from '../domain/request-facts.js'
import { nextAttempt } from '../domain/retry.js'
import type { SiteRoute } from '../domain/routing-table.js'
import type { BodyFailure, Downstream, DownstreamEvents } from './downstream.js'
import { addedLines, answerFields } from './answer-fields.js'
import type { DownstreamUpgrade } from './downstream-socket.js'
import { EarlyBody } from './early-body.js'
import type { ErrorResponse } from './error-response.js'
import type { Stay } from './long-stay.js'
import type { OpenExchange } from './open-exchanges.js'
import { publicError, refusalOf } from './refusal.js'
import { headerOf, type RequestFraming, type RequestHead } from './request-head.js'
import type { RequestIdentity } from './request-identity.js'
import {
  framingOf,
  isCoded,
  isEventStream,
  keptRuns,
  type FieldMasks,
  type FrontMasks,
} from './response-fields.js'
import type { SocketEnd } from './socket-end.js'
import { routeRequest, type Route } from './routing.js'
import { openTunnel } from './tunnel.js'
import type { ResponseHead, UpstreamCall } from './upstream/upstream.js'
import type { ConnectSocket, SocketHandler } from './upstream/upstream-socket.js'
import { requestIdOf } from './request-id.js'
import type { WorkerState } from './worker-state.js'

/** Takes one request of a front through its phases. Never throws: what fails is answered and counted. */
export function beginExchange(
  state: WorkerState,
  masks: FrontMasks,
  downstream: Downstream,
): DownstreamEvents {
  const exchange = new Exchange(state, masks, downstream, null)
  exchange.begin()
  return exchange
}

/** A request for a WebSocket goes through the same phases; where the application agrees, a tunnel takes over. */
export function beginUpgrade(
  state: WorkerState,
  masks: FrontMasks,
  downstream: DownstreamUpgrade,
  connect: ConnectSocket,
): DownstreamEvents {
  const exchange = new Exchange(state, masks, downstream, { downstream, connect })
  exchange.begin()
  return exchange
}

/** What a request for a WebSocket has beside the others. */
interface Upgrade {
  readonly downstream: DownstreamUpgrade
  readonly connect: ConnectSocket
}

class Exchange implements DownstreamEvents, SocketHandler, OpenExchange {
  readonly #state: WorkerState
  readonly #masks: FrontMasks
  readonly #downstream: Downstream
  readonly #upgrade: Upgrade | null
  readonly #head: RequestHead
  readonly #startedAt: number
  readonly #requestId: string
  #framing: RequestFraming = 'none'
  #site: SiteRoute | null = null
  #route: Route | null = null
  #call: UpstreamCall | null = null
  /** Of a stream of events. */
  #stay: Stay | null = null
  #attempts = 0
  #received = 0
  readonly #early = new EarlyBody()
  #status = 0
  #error: ErrorCode | null = null
  #isAnswered = false
  #hasEnded = false
  #isOver = false
  before: OpenExchange | null = null
  after: OpenExchange | null = null

  constructor(state: WorkerState, masks: FrontMasks, downstream: Downstream, upgrade: Upgrade | null) {
    this.#state = state
    this.#masks = masks
    this.#downstream = downstream
    this.#upgrade = upgrade
    this.#head = downstream.head
    this.#requestId = requestIdOf(this.#head, state.trusted)
    this.#startedAt = state.clock.monotonic()
    state.open.add(this)
  }

  // -- read, decide ---------------------------------------------------------------------------------------------------

  begin(): void {
    const isUpgrade = this.#upgrade !== null
    const routing = routeRequest(this.#state, { head: this.#head, requestId: this.#requestId, isUpgrade })
    this.#site = routing.site
    if (routing.kind === 'refused') return this.#refuse(routing.error, routing.identity)
    if (routing.kind === 'answered') return this.#answer(routing.response, false)
    this.#route = routing.route
    this.#framing = routing.route.framing
    routing.route.account.opened()
    this.#send(routing.route, false)
  }

  // -- send -----------------------------------------------------------------------------------------------------------

  #send(route: Route, fresh: boolean): void {
    this.#attempts++
    const { pools, clock } = this.#state
    if (pools.isTroubled) pools.sent(route.target, clock.monotonic())
    if (this.#upgrade !== null) return this.#sendUpgrade(this.#upgrade, route)
    const request = {
      head: route.upstreamHead,
      isHead: this.#head.method === 'HEAD',
      isIdempotent: isIdempotentMethod(this.#head.method),
      bodyFraming: this.#framing,
      fresh,
    }
    const own = pools.of(route.target)
    this.#call = route.search === null ? own.send(request, this) : route.search.send(request, this, own)
  }

  #sendUpgrade({ connect }: Upgrade, route: Route): void {
    const { connectTimeoutMs, upstreamTimeoutMs, maxHeadBytes } = this.#state.pools.limits
    const request = {
      url: route.target.url,
      head: route.upstreamHead,
      connectTimeoutMs,
      upstreamTimeoutMs,
      maxHeadBytes,
    }
    this.#call = connect(request, this)
  }

  // -- relay the request's body -----------------------------------------------------------------------------------------

  onBody(chunk: Buffer, isLast: boolean): void {
    if (this.#isOver || this.#call === null) return
    this.#received += chunk.length
    if (this.#received > this.#state.requestBodyBytes) return this.onError(new GatewayError('body_too_large'))
    this.#early.keep(chunk, isLast, this.#call.isWritten)
    const mayFlow = chunk.length === 0 || this.#call.write(chunk)
    if (isLast) this.#call.end()
    else if (!mayFlow) this.#downstream.pauseBody()
  }

  onDrain(): void {
    this.#downstream.resumeBody()
  }

  onBodyFailed(code: BodyFailure): void {
    this.onError(new GatewayError(code))
  }

  // -- relay the response -----------------------------------------------------------------------------------------------

  /** 100 belongs to one hop: the front says it itself where the client waits for it. */
  onInterim(head: ResponseHead): void {
    if (head.status === 100) return
    const runs = keptRuns(head, this.#fieldMasks.usual)
    this.#downstream.interim(head.status, { bytes: head.bytes, runs, lines: '' })
  }

  onHead(head: ResponseHead): void {
    const route = this.#route
    if (route === null) return
    this.#isAnswered = true
    this.#status = head.status
    this.#targetAnswered(route)
    const now = this.#state.clock.now()
    const given = route.session.handOut(head, route.target, now)
    if (isEventStream(head)) {
      this.#stay = route.session.stayFrom(now)
      if (this.#stay.isTooLate(now)) return this.#turnAway(route)
    }
    this.#downstream.start({
      status: head.status,
      fields: answerFields(head, given, this.#fieldMasks, addedLines(this.#state.via, route, head)),
      framing: framingOf(head),
      contentLength: head.contentLength,
      closes: this.#state.isLeaving,
      isEventStream: this.#stay !== null,
      isCoded: this.#stay !== null && isCoded(head),
    })
  }

  /** The application agreed to a socket: the tunnel takes over, and this exchange is over. */
  onSocket(head: ResponseHead, protocol: string, upstream: SocketEnd): void {
    const route = this.#route
    if (route === null || this.#upgrade === null) return
    this.#targetAnswered(route)
    const given = route.session.handOut(head, route.target, this.#state.clock.now())
    const fields = answerFields(head, given, this.#fieldMasks, addedLines(this.#state.via, route, head))
    const client = this.#upgrade.downstream.accept(fields, protocol)
    if (client === null) {
      upstream.terminate()
      return this.onAborted()
    }
    this.#status = head.status
    openTunnel(this.#state, { account: route.account, session: route.session, client, upstream })
    this.#finish()
  }

  #targetAnswered(route: Route): void {
    const { pools, clock } = this.#state
    if (pools.isTroubled) pools.answered(route.target, clock.monotonic())
  }

  get #fieldMasks(): FieldMasks {
    return this.#route?.isPreview === true ? this.#masks.preview : this.#masks
  }

  onData(chunk: Buffer): void {
    this.#downstream.write(chunk)
  }

  /** All that one read of the upstream socket brought has been given. */
  onReadEnd(): void {
    if (!this.#isAnswered || this.#isOver) return
    if (this.#downstream.flush()) return
    this.#call?.pause()
  }

  onDrained(): void {
    if (this.#hasEnded) return this.#finish()
    this.#call?.resume()
  }

  onEnd(): void {
    this.#call = null
    this.#endAnswer()
  }

  /** The answer is complete when the client has taken it, not when it was handed to the front. */
  #endAnswer(): void {
    this.#downstream.end()
    if (this.#downstream.flush()) return this.#finish()
    this.#hasEnded = true
  }

  // -- what fails -------------------------------------------------------------------------------------------------------

  onError(error: GatewayError): void {
    const route = this.#route
    if (this.#isOver || route === null) return
    this.#countFailure(error, route)
    this.#call?.cancel()
    if (this.#isAnswered) return this.#cut(error.code)
    const next = nextAttempt({
      advice: error.retry,
      isIdempotent: isIdempotentMethod(this.#head.method),
      // Of a body whose every byte is still here nothing is lost.
      hasBody: this.#framing !== 'none' && !this.#early.isWhole,
      mayLeaveTarget: route.mayLeaveTarget,
      attempts: this.#attempts,
    })
    if (next === 'none') return this.#refuse(publicError(error, route), route.identity)
    if (next === 'other-target') {
      route.target = anotherTarget(route.release, route.target, this.#state.balancing) ?? route.target
    }
    this.#send(route, true)
    // The attempt before may have asked the client to wait.
    if (this.#call !== null && this.#early.replay(this.#call)) this.#downstream.resumeBody()
  }

  /** What the client did wrong is no error of the application's. */
  #countFailure(error: GatewayError, { account, release, target }: Route): void {
    if (error.side === 'downstream') return
    const { pools, clock } = this.#state
    account.failed(error.code)
    if (countsAgainstTarget(error)) pools.failed(target, release, clock.monotonic())
  }

  onAborted(): void {
    if (this.#isOver) return
    this.#call?.cancel()
    this.#status = 499
    this.#error = 'client_aborted'
    this.#finish()
  }

  /** The worker's time is up. */
  abandon(): void {
    if (this.#isOver) return
    this.#call?.cancel()
    if (!this.#isAnswered) this.#status = errorKinds.not_ready.status
    this.#cut('not_ready')
  }

  #cut(code: ErrorCode): void {
    this.#error = code
    this.#downstream.cut()
    this.#finish()
  }

  /** A stream whose session's time is over: it would be ended at once, and come back at once. */
  #turnAway(route: Route): void {
    this.#call?.cancel()
    this.#refuse('release_gone', route.identity)
  }

  #refuse(code: ErrorCode, identity: RequestIdentity | null = null): void {
    this.#error = code
    const refused = { head: this.#head, requestId: this.#requestId, site: this.#site, identity }
    this.#answer(refusalOf(code, refused), errorKinds[code].side === 'downstream')
  }

  /** The gateway's own answer. */
  #answer({ lines, status, body }: ErrorResponse, closes: boolean): void {
    this.#isAnswered = true
    this.#status = status
    const hasBody = this.#head.method !== 'HEAD'
    this.#downstream.start({
      status,
      fields: { bytes: null, runs: [], lines },
      framing: 'length',
      contentLength: body.length,
      // A refused request may have left its body on the connection (RFC 9112 section 9.3).
      closes: closes || this.#framing !== 'none' || this.#state.isLeaving,
      isEventStream: false,
      isCoded: false,
    })
    if (hasBody) this.#downstream.write(body)
    this.#downstream.end()
    this.#downstream.flush()
    this.#finish()
  }

  // -- account ----------------------------------------------------------------------------------------------------------

  refresh(now: number, beganBefore: number): void {
    this.#route?.session.refresh(now)
    if (this.#stay?.isOver(now) === true) this.#endStream()
    else if (this.#startedAt < beganBefore && this.#stay === null)
      this.onError(new GatewayError('exchange_timeout'))
  }

  leaveWithin(windowMs: number, now: number): void {
    this.#stay?.leaveWithin(windowMs, now)
  }

  /** Cut, not completed: a client that waits for an answer's end must not take this for it. */
  #endStream(): void {
    this.#call?.cancel()
    this.#cut('release_gone')
  }

  #finish(): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#call = null
    const { clock, activity, open, logAccess } = this.#state
    open.remove(this)
    const durationMs = clock.monotonic() - this.#startedAt
    if (this.#route === null) {
      activity.unrouted.add(this.#site?.name ?? '', this.#status)
    } else {
      const { account, session } = this.#route
      account.closed()
      account.answered(this.#status, durationMs)
      session.close(clock.now())
    }
    if (logAccess !== null) logAccess(this.#accessRecord(durationMs))
  }

  #accessRecord(durationMs: number) {
    return {
      at: this.#state.clock.now(),
      requestId: this.#requestId,
      client: this.#route?.identity.clientAddress ?? this.#head.remoteAddress,
      method: this.#head.method,
      host: headerOf(this.#head, 'host'),
      target: this.#head.target,
      status: this.#status,
      durationMs,
      site: this.#site?.name ?? '',
      release: this.#route?.release.version ?? '',
      error: this.#error,
    }
  }
}
