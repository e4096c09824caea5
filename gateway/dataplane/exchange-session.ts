// The session's part in one exchange: what is told to the ledger when the request comes, when a token is handed out,
// while a long exchange lasts and when it ends. Knows nothing of sockets.
import type { SessionDecision } from '../domain/affinity.js'
import { fieldKindOf } from '../domain/headers.js'
import type { SessionId } from '../domain/ids.js'
import type { ReleaseRoute, TargetRoute } from '../domain/routing-table.js'
import { countedUntil, grainMs, honouredUntil, promiseSpanMs } from '../domain/session.js'
import type { SessionPolicy } from '../domain/site-policy.js'
import { LongStay, type Stay } from './long-stay.js'
import { lostPin, type LostPin } from './lost-pin.js'
import type { RequestIdentity } from './request-identity.js'
import { fieldValues, isEventStream } from './response-fields.js'
import {
  elsewhere,
  handout,
  type Handout,
  type HandoutSession,
  type ResponseFacts,
} from './session-handout.js'
import { sessionSignal } from './session-signal.js'
import type { ResponseHead } from './upstream/upstream.js'
import { newSessionId, type WorkerState } from './worker-state.js'

const kinds = {
  cacheControl: fieldKindOf('cache-control'),
  cdnCacheControl: fieldKindOf('cdn-cache-control'),
  surrogateControl: fieldKindOf('surrogate-control'),
}

/** A session's promise has this many units; the ledger hears of a busy session once a unit. */
const unitsPerPromise = 64

/** A tombstone lasts a grain; without an idle time, or with a very long one, it lasts this. */
const longestTombstoneMs = 3_600_000

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
  /** One that is unpinned may be born when the answer comes. */
  #session: HandoutSession
  readonly #lost: LostPin | null
  readonly #startedAt: number
  #nextRefreshAt: number
  /** A birth whose token was handed out. */
  #isBorn = false
  #isAside = false

  constructor(state: WorkerState, identity: RequestIdentity, decision: SessionDecision, now: number) {
    this.#state = state
    this.#identity = identity
    this.#release = decision.release
    this.#session = sessionOf(decision, identity, now)
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

  /** When the session was born whose token the visitor has; null when he has none. */
  get #bornAt(): number | null {
    if (this.#session.kind === 'own') return this.#session.verified.token.bornAt
    return this.#isBorn ? this.#startedAt : null
  }

  stayFrom(now: number): Stay {
    return new LongStay(this.#state, this.#release, this.#bornAt, now)
  }

  /** A confirmed session came: the ledger hears of it once a unit. A page that names the release may go on doing so. */
  #reportArrival(now: number): void {
    if (this.#session.kind === 'page') return this.#touch(this.#countedUntil(now))
    if (this.#session.kind !== 'own') return
    const { verified, revives } = this.#session
    if (now < verified.nextReportAt) return
    const { token } = verified
    const policy = this.#release.site.session
    verified.nextReportAt = now + unitMs(policy)
    const until =
      token.held || revives
        ? countedUntil(policy, token.bornAt, now)
        : honouredUntil(token, this.#release.site.spans)
    this.#state.activity.touched(token.id, this.#release.index, token.bornAt, until)
  }

  /** The answer comes from another release: it says nothing of this session, and does nothing to it. */
  standAside(): void {
    this.#isAside = true
  }

  /** The response's head has come: decides what it does to the visitor's token, and accounts for it. */
  handOut(head: ResponseHead, target: TargetRoute, now: number): Handout {
    if (this.#isAside) return elsewhere
    const response = this.#facts(head, now)
    if (this.#session.kind === 'unpinned' && response.signal === 'start') {
      this.#session = { kind: 'birth', id: newSessionId(), bornAt: this.#startedAt }
    }
    const given = handout({
      session: this.#session,
      identity: this.#identity,
      release: this.#current() ?? this.#release,
      target,
      response,
      isOver: this.#isOver(now),
      ring: this.#state.reader.ring,
      issuer: this.#state.table?.issuer ?? '',
      now,
    })
    if (given.ended !== null) {
      const tombstoneMs = Math.min(grainMs(this.#release.site.session), longestTombstoneMs)
      this.#state.endSession(given.ended, now + tombstoneMs)
    }
    if (given.issued !== null) this.#countIssued(given.issued.until, given.issued.held, now)
    return given
  }

  #facts(head: ResponseHead, now: number): ResponseFacts {
    return {
      status: head.status,
      signal: sessionSignal(head, this.#release.site, this.#identity.path, now),
      cacheControl: fieldValues(head, kinds.cacheControl),
      cdnCacheControl: [fieldValues(head, kinds.cdnCacheControl), fieldValues(head, kinds.surrogateControl)],
      isHeld: head.status === 101 || (head.status === 200 && isEventStream(head)),
    }
  }

  /** The release by the table in force now, whose policy rules what is handed out; null when it serves no more. */
  #current(): ReleaseRoute | null {
    const site = this.#state.table?.siteNamed(this.#release.site.name) ?? null
    return site?.release(this.#release.version) ?? null
  }

  /** By the table in force now and the tombstones: nothing may be handed out any more. */
  #isOver(now: number): boolean {
    if (this.#current() === null) return true
    return this.id !== null && this.#state.tombstones.has(this.id, now)
  }

  #countIssued(until: number, held: boolean, now: number): void {
    if (this.#session.kind === 'birth') {
      this.#isBorn = true
      if (this.#lost !== null) this.#state.activity.pinsLost.add(this.#release.site.name, this.#lost)
      const activity = this.#state.activity.of(this.#release.index)
      activity.births++
      activity.promised(held ? this.#countedUntil(now) : until)
    } else {
      this.#touch(held ? this.#countedUntil(now) : until)
    }
  }

  /** A long exchange is activity for as long as it is open: called again and again while it lasts. */
  refresh(now: number): void {
    if (now < this.#nextRefreshAt) return
    this.#nextRefreshAt = now + this.#refreshMs()
    this.#touch(this.#countedUntil(now))
  }

  /** The exchange is over; one that lasted counts until its end + idle + grain. */
  close(now: number): void {
    if (now - this.#startedAt < unitMs(this.#release.site.session)) return
    this.#touch(this.#countedUntil(now))
  }

  #touch(until: number): void {
    if (this.#session.kind === 'own') {
      const { token } = this.#session.verified
      if (this.#state.tombstones.has(token.id, this.#state.clock.now())) return
      this.#state.activity.touched(token.id, this.#release.index, token.bornAt, until)
    } else if (this.#isBorn || this.#session.kind === 'page') {
      this.#state.activity.of(this.#release.index).promised(until)
    }
  }

  #countedUntil(now: number): number {
    const bornAt = this.#session.kind === 'own' ? this.#session.verified.token.bornAt : this.#startedAt
    return countedUntil(this.#release.site.session, bornAt, now)
  }

  /** Half a grain, so that a refresh that comes late is still in time. */
  #refreshMs(): number {
    return grainMs(this.#release.site.session) / 2
  }
}

/** Never longer than a tombstone, so that a session which outlives its end is heard of after it. */
function unitMs(policy: SessionPolicy): number {
  return Math.min(promiseSpanMs(policy) / unitsPerPromise, longestTombstoneMs)
}

function sessionOf(decision: SessionDecision, identity: RequestIdentity, now: number): HandoutSession {
  switch (decision.kind) {
    case 'stay':
      if (identity.verified === null) return { kind: 'none' }
      return { kind: 'own', verified: identity.verified, revives: decision.revives }
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
