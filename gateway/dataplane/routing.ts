// From a request's head to where it goes: read, identify, decide, choose a target. Every guard has one reason; what
// passes them all is ready to be sent.
import { decide, type Decision, type SessionDecision } from '../domain/affinity.js'
import { freeTarget, newHomeTarget, previewTarget, sessionTarget } from '../domain/balancing.js'
import type { ErrorCode } from '../domain/errors.js'
import type { ReleaseRoute, SiteRoute, TargetRoute } from '../domain/routing-table.js'
import { assetSearchFor, type AssetSearch } from './asset-search.js'
import { identifyClient } from './client-identity.js'
import { PreviewAccount, type ExchangeAccount } from './activity.js'
import type { ErrorResponse } from './error-response.js'
import { ExchangeSession, type RouteSession } from './exchange-session.js'
import { LongStay } from './long-stay.js'
import { answerAtDoor } from './preview-door.js'
import { PreviewVisit } from './preview-visit.js'
import { isNewcomer } from './overload.js'
import { encodeUpstreamHead, type UpstreamHeadInput } from './request-encoder.js'
import { readHead, type RequestFraming, type RequestHead } from './request-head.js'
import { RequestIdentity } from './request-identity.js'
import type { WorkerState } from './worker-state.js'

export interface RoutedRequest {
  readonly head: RequestHead
  readonly requestId: string
  /** It asks for a WebSocket. */
  readonly isUpgrade: boolean
}

/** A request that goes to the application. */
export interface Route {
  readonly identity: RequestIdentity
  readonly release: ReleaseRoute
  readonly session: RouteSession
  readonly account: ExchangeAccount
  readonly isPreview: boolean
  readonly framing: RequestFraming
  /** The whole head for the application, one character a byte. */
  readonly upstreamHead: string
  /** The session may be served by another target than the one chosen first. */
  readonly mayLeaveTarget: boolean
  /** What it asks for may be looked for in other releases; null nearly always. */
  readonly search: AssetSearch | null
  target: TargetRoute
}

export type Routing =
  | { readonly kind: 'routed'; readonly site: SiteRoute; readonly route: Route }
  /** The gateway's own business: a preview begins or ends. */
  | { readonly kind: 'answered'; readonly site: SiteRoute; readonly response: ErrorResponse }
  | {
      readonly kind: 'refused'
      readonly error: ErrorCode
      /** Null where the request was refused before they were known. */
      readonly site: SiteRoute | null
      readonly identity: RequestIdentity | null
    }

export function routeRequest(state: WorkerState, request: RoutedRequest): Routing {
  const reading = readHead(request.head)
  if (!reading.ok) return refused(reading.error)
  if (state.table === null) return refused('not_ready')
  const site = state.table.siteOf(reading.host.name)
  if (site === null) return refused('unknown_site')
  if (reading.contentLength > state.requestBodyBytes) return refused('body_too_large', site)
  const now = state.clock.now()
  const identity = identify(state, request.head, site, now)
  const hasQuery = request.head.target.length > request.head.path.length
  const atDoor = hasQuery ? answerAtDoor(state, { head: request.head, site, identity, now }) : null
  if (atDoor?.kind === 'refused') return refused(atDoor.error, site, identity)
  if (atDoor !== null) return { ...atDoor, site }
  const decision = inTurn(state, decide(identity, site, now))
  if (decision.kind === 'refuse') return refused(decision.error, site, identity)
  if (isTooBusyFor(state, decision)) return refused('overloaded', site, identity)
  const target = targetOf(state, decision)
  if (target === null) return refused('target_gone', site, identity)
  if (request.isUpgrade && isTooLate(state, decision, now)) return refused('release_gone', site, identity)
  const session = sessionOf(state, identity, decision, now)
  const { release } = decision
  const { framing, contentLength, host } = reading
  const { head, requestId } = request
  const input = {
    head,
    host,
    identity,
    framing,
    contentLength,
    release,
    session: session.id,
    requestId,
    via: state.via,
  }
  const isPreview = decision.kind === 'preview'
  const seen = state.activity.of(release.index)
  const account = isPreview ? new PreviewAccount(seen) : seen
  const mayLeaveTarget = !(isPreview || isOwn(decision)) || release.site.session.affinity === 'release'
  const route = {
    identity,
    release,
    session,
    account,
    isPreview,
    framing,
    upstreamHead: encodeUpstreamHead(input),
    mayLeaveTarget,
    search: site.assets === null ? null : searchFor(state, input, session),
    target,
  }
  return { kind: 'routed', site, route }
}

/** A preview shows what is missing. */
function searchFor(state: WorkerState, input: UpstreamHeadInput, session: RouteSession): AssetSearch | null {
  return session instanceof ExchangeSession ? assetSearchFor(state, input, session) : null
}

function isTooBusyFor({ open, gate }: WorkerState, decision: Decision): boolean {
  return open.size > gate.overload.from && gate.sheds(open.size, isNewcomer(decision))
}

function refused(
  error: ErrorCode,
  site: SiteRoute | null = null,
  identity: RequestIdentity | null = null,
): Routing {
  return { kind: 'refused', error, site, identity }
}

/** Who asks, and with which token; what is wrong with it is counted in the state's activity. */
export function identify(
  state: WorkerState,
  head: RequestHead,
  site: SiteRoute,
  now: number,
): RequestIdentity {
  const { reader, passes, activity, tombstones, trusted, table } = state
  const issuer = table?.issuer ?? ''
  const futureToleranceMs = table?.futureToleranceMs ?? 0
  const sources = { reader, passes, activity, tombstones, issuer, futureToleranceMs, now }
  return new RequestIdentity(head, site, identifyClient(head, trusted), sources)
}

type Going = SessionDecision | Extract<Decision, { readonly kind: 'preview' }>

function isOwn(decision: Going): decision is Extract<Going, { readonly kind: 'stay' | 'trail' }> {
  return decision.kind === 'stay' || decision.kind === 'trail'
}

/** A move whose release has had its share of moves for this moment waits for a later document. */
function inTurn(state: WorkerState, decision: Decision): Decision {
  if (decision.kind !== 'move' || decision.from === null) return decision
  const { from, token } = decision
  if (state.movePace.admits(from, state.clock.monotonic())) return decision
  return { kind: 'stay', release: from, token, revives: false }
}

/** The target of what was decided; null: the session may not leave its own, and that one is no longer registered. */
export function targetOf({ balancing }: WorkerState, decision: Going): TargetRoute | null {
  if (decision.kind === 'preview') return previewTarget(decision.release, decision.pass, balancing)
  if (decision.kind === 'move') return newHomeTarget(decision.release, decision.token, balancing)
  return isOwn(decision)
    ? sessionTarget(decision.release, decision.token, balancing)
    : freeTarget(decision.release, balancing)
}

function sessionOf(
  state: WorkerState,
  identity: RequestIdentity,
  decision: Going,
  now: number,
): RouteSession {
  return decision.kind === 'preview'
    ? new PreviewVisit(state, decision)
    : new ExchangeSession(state, identity, decision, now)
}

/** A socket that would be closed at once is not opened. */
function isTooLate(state: WorkerState, decision: Going, now: number): boolean {
  if (!isOwn(decision)) return false
  return new LongStay(state, decision.release, decision.token, now).isTooLate(now)
}
