// The session's part in one exchange: what is told to the ledger when the request comes, when a token is handed out,
// while a long exchange lasts and when it ends. Knows nothing of sockets.
import type { SessionDecision } from '../domain/affinity.js'
import type { VerifiedToken } from './affinity-token.js'
import type { SessionId } from '../domain/ids.js'
import type { ReleaseRoute, RoutingTable, TargetRoute } from '../domain/routing-table.js'
import { grainMs, honouredUntil, promiseUntil, type IssuedToken, type TimeSpan } from '../domain/session.js'
import type { SessionPolicy } from '../domain/site-policy.js'
import { HeadFacts } from './head-facts.js'
import { LongStay, type Stay } from './long-stay.js'
import { lostPin, type LostPin } from './lost-pin.js'
import type { RequestIdentity } from './request-identity.js'
import { isTooSoon, tombstoneMs, unitMs } from './report-pace.js'
import {
  elsewhere,
  handout,
  type Handout,
  type HandoutSession,
  type MovingSession,
} from './session-handout.js'
import { sessionSignal } from './session-signal.js'
import type { ResponseHead } from './upstream/upstream.js'
import { newSessionId, type WorkerState } from './worker-state.js'

/** On whose behalf an exchange is made: a session or a preview. */
export interface RouteSession {
  /** What the application is told; null for nobody. */
  readonly id: SessionId | null
  /** The response's head has come: what it does to the visitor's cookies. */
  handOut(head: ResponseHead, target: TargetRoute, now: number): Handout
  /** How long the exchange may go on if it lasts. */
  stayFrom(now: number): Stay
  /** Called again and again while it lasts. */
  refresh(now: number): void
  close(now: number): void
}

export class ExchangeSession implements RouteSession {
  readonly #state: WorkerState
  readonly #identity: RequestIdentity
  readonly #release: ReleaseRoute
  /** By which it was routed. */
  readonly #table: RoutingTable | null
  /** One that is unpinned may be born when the answer comes. */
  #session: HandoutSession
  readonly #lost: LostPin | null
  readonly #startedAt: number
  #nextRefreshAt: number
  /** The one that the visitor has, or was handed, that is honoured for longest; null: none. */
  #token: IssuedToken | null
  /** A birth whose token was handed out. */
  #isBorn = false
  #isAside = false
  /** A move whose token was handed out. */
  #hasMoved = false

  constructor(state: WorkerState, identity: RequestIdentity, decision: SessionDecision, now: number) {
    this.#state = state
    this.#identity = identity
    this.#release = decision.release
    this.#table = state.table
    this.#session = sessionOf(decision, identity, now)
    this.#token = tokenOf(this.#session)
    this.#lost = decision.kind === 'board' ? lostPin(decision.because, identity, decision.release) : null
    this.#startedAt = now
    this.#nextRefreshAt = now + this.#refreshMs()
    state.activity.of(decision.release.index).lastTouchAt = now
    this.#reportArrival(now)
  }

  /** What the application is told of the session; null without one. */
  get id(): SessionId | null {
    const session = this.#session
    switch (session.kind) {
      case 'birth':
        return session.id
      case 'own':
      case 'moving':
        return session.verified.token.id
      case 'trailing':
        return session.token.id
      case 'page':
        return session.token?.id ?? null
      case 'unpinned':
      case 'none':
        return null
      default:
        return session satisfies never
    }
  }

  stayFrom(now: number): Stay {
    return new LongStay(this.#state, this.#release, this.#token, now)
  }

  /** A confirmed session came: the ledger hears of it once a unit. A page that names the release may go on doing so. */
  #reportArrival(now: number): void {
    const session = this.#session
    if (session.kind === 'page') this.#touch(this.#countedUntil(now))
    else if (session.kind === 'own') this.#reportOn(this.#release, session.verified, session.revives, now)
    // Until it has its new token it lives where the one in hand says.
    else if (session.kind === 'moving' && session.from !== null) {
      this.#reportOn(session.from, session.verified, false, now)
    }
  }

  #reportOn(release: ReleaseRoute, verified: VerifiedToken, revives: boolean, now: number): void {
    const { token } = verified
    const unit = unitMs(release.site.session)
    const isSoon = isTooSoon(verified.nextReportAt, unit, now)
    if (isSoon && !token.held) return
    const promised = honouredUntil(token, release.site.spans)
    const until = token.held || revives ? promiseUntil(release.site, token.bornAt, now, promised) : promised
    // A held one that counts for longer all at once: the idle time has been raised since.
    if (isSoon && until <= verified.reportedUntil + unit) return
    verified.nextReportAt = now + unit
    verified.reportedUntil = until
    this.#state.activity.touched(token.id, release.index, token.bornAt, until)
  }

  /** The answer comes from another release: it says nothing of this session, and does nothing to it. */
  standAside(): void {
    this.#isAside = true
  }

  /** The response's head has come: decides what it does to the visitor's token, and accounts for it. */
  handOut(head: ResponseHead, target: TargetRoute, now: number): Handout {
    if (this.#isAside) return elsewhere
    const signal = sessionSignal(head, this.#release.site, this.#identity.path, now)
    const response = new HeadFacts(head, signal)
    if (this.#session.kind === 'unpinned' && response.signal === 'start') {
      this.#session = { kind: 'birth', id: newSessionId(), bornAt: this.#startedAt }
    }
    const release = this.#current() ?? this.#release
    const given = handout({
      session: this.#session,
      identity: this.#identity,
      release,
      target,
      response,
      isOver: this.#isOver(now),
      ring: this.#state.reader.ring,
      issuer: this.#state.table?.issuer ?? '',
      now,
    })
    if (given.ended !== null) {
      this.#state.endSession(given.ended, now + tombstoneMs(this.#release.site.session))
    }
    if (given.issued !== null) this.#countIssued(given.issued, now)
    return release.endsLine === '' ? given : announced(given, release.endsLine)
  }

  /** The release by the table in force now, whose policy rules what is handed out; null when it serves no more. */
  #current(): ReleaseRoute | null {
    const { table } = this.#state
    if (table === this.#table) return this.#release
    const site = table?.siteNamed(this.#release.site.name) ?? null
    return site?.release(this.#release.version) ?? null
  }

  /** By the table in force now and the tombstones: nothing may be handed out any more. */
  #isOver(now: number): boolean {
    if (this.#current() === null) return true
    if (this.id === null) return false
    const { tombstones, moved } = this.#state
    return (
      tombstones.has(this.id, now) ||
      (this.#session.kind === 'own' && moved.hasLeft(this.id, this.#release.version, now))
    )
  }

  #countIssued(issued: IssuedToken, now: number): void {
    const { until, held } = issued
    if (this.#token === null || honouredUntil(this.#token, this.#spans) < until) this.#token = issued
    if (this.#session.kind === 'birth') {
      this.#isBorn = true
      if (this.#lost !== null) this.#state.activity.pinsLost.add(this.#release.site.name, this.#lost)
      const activity = this.#state.activity.of(this.#release.index)
      activity.births++
      activity.promised(held ? this.#countedUntil(now) : until)
    } else {
      if (this.#session.kind === 'moving') this.#countMove(this.#session, now)
      this.#touch(held ? this.#countedUntil(now) : until)
    }
  }

  /** Once a session and move, however many of its pages are handed the new token at the same time. */
  #countMove(session: MovingSession, now: number): void {
    this.#hasMoved = true
    const { token } = session.verified
    const { version, index, site } = this.#release
    const moved = { id: token.id, to: version, until: now + tombstoneMs(site.session) }
    if (!this.#state.moved.add(moved)) return
    this.#state.activity.of(index).tookOver(token.release, session.because)
    this.#state.tellMoved(moved)
  }

  /** A long exchange is activity for as long as it is open: called again and again while it lasts. */
  refresh(now: number): void {
    if (isTooSoon(this.#nextRefreshAt, this.#refreshMs(), now)) return
    this.#nextRefreshAt = now + this.#refreshMs()
    this.#touch(this.#countedUntil(now))
  }

  /** The exchange is over; one that lasted counts until its end + idle + grain. */
  close(now: number): void {
    if (now - this.#startedAt < unitMs(this.#release.site.session)) return
    this.#touch(this.#countedUntil(now))
  }

  #touch(until: number): void {
    if (this.#session.kind === 'own' || (this.#session.kind === 'moving' && this.#hasMoved)) {
      const { token } = this.#session.verified
      if (this.#state.tombstones.has(token.id, this.#state.clock.now())) return
      this.#state.activity.touched(token.id, this.#release.index, token.bornAt, until)
    } else if (this.#isBorn || this.#session.kind === 'page') {
      this.#state.activity.of(this.#release.index).promised(until)
    }
  }

  /**
   * By the policy of when the exchange began or by that of now, whichever lasts longer: the visitor may have a token by either,
   * from another exchange.
   */
  #countedUntil(now: number): number {
    const began = this.#release
    const policies = [began.site.session, (this.#current() ?? began).site.session]
    return Math.max(...policies.map((session) => this.#countedBy(session, now)))
  }

  #countedBy(session: SessionPolicy, now: number): number {
    const terms = { session, spans: this.#spans }
    const token = this.#token
    if (token === null) return promiseUntil(terms, this.#startedAt, now, 0)
    return promiseUntil(terms, token.bornAt, now, honouredUntil(token, terms.spans))
  }

  get #spans(): readonly TimeSpan[] {
    return this.#state.table?.spans ?? this.#release.site.spans
  }

  /** Half a grain, so that a refresh that comes late is still in time. */
  #refreshMs(): number {
    return grainMs(this.#release.site.session) / 2
  }
}

function announced(given: Handout, endsLine: string): Handout {
  return { ...given, lines: given.lines === '' ? endsLine : `${given.lines}\r\n${endsLine}` }
}

function tokenOf(session: HandoutSession): IssuedToken | null {
  return session.kind === 'own' || session.kind === 'moving' ? session.verified.token : null
}

function sessionOf(decision: SessionDecision, identity: RequestIdentity, now: number): HandoutSession {
  switch (decision.kind) {
    case 'stay':
      if (identity.verified === null) return { kind: 'none' }
      return { kind: 'own', verified: identity.verified, revives: decision.revives }
    case 'move':
      if (identity.verified === null) return { kind: 'none' }
      return {
        kind: 'moving',
        verified: identity.verified,
        from: decision.from,
        because: decision.because,
      }
    case 'trail':
      return { kind: 'trailing', token: decision.token }
    case 'board':
      return { kind: 'birth', id: newSessionId(), bornAt: now }
    case 'page':
      return { kind: 'page', token: identity.token }
    case 'unpinned':
      return { kind: 'unpinned' }
    case 'pass':
      return { kind: 'none' }
    default:
      return decision satisfies never
  }
}
