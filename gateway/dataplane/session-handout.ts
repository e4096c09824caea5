// What a response does to the visitor's token: hand one out, renew it, take it away, or leave it. Decided at the
// response head on the table in force then, so that a session which ended meanwhile is not revived by its last answer.
import type { SessionId } from '../domain/ids.js'
import type { MoveCause } from '../domain/moves.js'
import type { ReleaseRoute, TargetRoute } from '../domain/routing-table.js'
import {
  heldUntil,
  honouredUntil,
  isDueForReissue,
  isPastHalfIdle,
  promiseUntil,
  type IssuedToken,
  type Token,
} from '../domain/session.js'
import { tokenDelivery, type Delivery } from '../domain/token-delivery.js'
import { signToken, type KeyRing, type VerifiedToken } from './affinity-token.js'
import type { RequestIdentity } from './request-identity.js'
import { clearCookieLines, setCookieLine } from './token-cookie.js'

/** A session that changes its release with this answer. */
export interface MovingSession {
  readonly kind: 'moving'
  readonly verified: VerifiedToken
  /** Its former release; null where that no longer serves. */
  readonly from: ReleaseRoute | null
  readonly because: MoveCause
}

/** The session of one exchange, as decided. */
export type HandoutSession =
  | { readonly kind: 'none' }
  /** None yet: the application says when one begins. */
  | { readonly kind: 'unpinned' }
  /** Part of a page of another release: the visitor's own session is elsewhere and stays as it is. */
  | { readonly kind: 'page'; readonly token: Token | null }
  | { readonly kind: 'birth'; readonly id: SessionId; readonly bornAt: number }
  | { readonly kind: 'own'; readonly verified: VerifiedToken; readonly revives: boolean }
  | MovingSession
  /** Ended a moment ago; nothing is handed out. */
  | { readonly kind: 'trailing'; readonly token: Token }

export type SessionSignal = 'start' | 'end' | 'none'

/** What the response says that matters here. */
export interface ResponseFacts {
  readonly status: number
  /** The application begins or ends its session, by its word or by its cookie. */
  readonly signal: SessionSignal
  readonly cacheControl: string
  /** Of CDN-Cache-Control and of Surrogate-Control. */
  readonly cdnCacheControl: readonly string[]
  /** A `101` or an event stream: the exchange will be long. */
  readonly isHeld: boolean
}

export interface HandoutInput {
  readonly session: HandoutSession
  readonly identity: RequestIdentity
  readonly release: ReleaseRoute
  readonly target: TargetRoute
  readonly response: ResponseFacts
  /** By the current table and tombstones: the session has ended, or its release no longer serves. */
  readonly isOver: boolean
  readonly ring: KeyRing
  readonly issuer: string
  readonly now: number
}

export interface Handout {
  /** Lines for the response, joined by CRLF; empty for none. */
  readonly lines: string
  /** Replaces the response's own caching fields; null leaves them. */
  readonly cacheControl: string | null
  /** The token that was handed out. */
  readonly issued: IssuedToken | null
  /** The session that this response ends. */
  readonly ended: SessionId | null
}

const nothing: Handout = { lines: '', cacheControl: null, issued: null, ended: null }
/** Of an answer from another release than the session's: nothing, and its cookies are not for this visitor. */
export const elsewhere: Handout = { ...nothing }

export function handout(input: HandoutInput): Handout {
  if (input.response.signal === 'end') return farewell(input)
  if (input.isOver || !mayHandOut(input)) return nothing
  const token = nextToken(input)
  return token === null ? nothing : deliver(token, input)
}

/** The application's `end`: the session is over and its token goes in the same response, which no cache may share. */
function farewell(input: HandoutInput): Handout {
  const { session, identity } = input
  if (session.kind === 'none' || identity.token === null) return nothing
  const policy = input.release.site.session
  const lines = identity.isHeaderClient ? 'Amarre-Token: ' : clearCookieLines(policy, identity.isSecure)
  const delivery = deliveryOf(input, true)
  const cacheControl = delivery.kind === 'attach-private' ? delivery.cacheControl : null
  return { lines, cacheControl, issued: null, ended: identity.token.id }
}

function mayHandOut(input: HandoutInput): boolean {
  switch (input.session.kind) {
    case 'birth':
      return !isForeignPostInClear(input.identity)
    case 'own':
      return true
    case 'moving':
      // Where the new release fails its visitor keeps the old one.
      return input.response.status < 500
    case 'none':
    case 'unpinned':
    case 'page':
    case 'trailing':
      return false
    default:
      return input.session satisfies never
  }
}

/**
 * A POST from another site without our cookie, on plain HTTP: the browser withheld the Lax cookie of a session that
 * may well exist (a payment page that returns), so nothing may overwrite it.
 */
function isForeignPostInClear(identity: RequestIdentity): boolean {
  if (
    identity.isSecure ||
    identity.isHeaderClient ||
    identity.method === 'GET' ||
    identity.method === 'HEAD'
  ) {
    return false
  }
  const site = identity.header('sec-fetch-site')
  if (site !== '') return site === 'cross-site'
  const origin = identity.header('origin')
  return origin !== '' && origin.slice(origin.indexOf('//') + 2) !== identity.header('host')
}

/** The token that the visitor should have after this response; null when the one in hand will do. */
function nextToken(input: HandoutInput): IssuedToken | null {
  const { session, release, now, response } = input
  if (session.kind === 'birth') return compose(input, session, response.isHeld, 0)
  if (session.kind !== 'own' && session.kind !== 'moving') return null
  const { token } = session.verified
  const held = token.held || response.isHeld
  const promised = honouredUntil(token, release.site.spans)
  if (session.kind === 'moving') return compose(input, token, held, promised)
  const isOutdated =
    session.revives ||
    held !== token.held ||
    token.targetTag !== tagOf(input) ||
    token.keyId !== input.ring.signsWith ||
    token.issuer !== input.issuer
  if (!isOutdated && !isDueForReissue(token, release.site, now)) return null
  return compose(input, token, held, promised)
}

/** With `affinity: release` a session lives on no target; else every other target would mean another token. */
function tagOf({ release, target }: HandoutInput): number {
  return release.site.session.affinity === 'target' ? target.tag : 0
}

/** Null where it would be over already: a session that is used beyond its age. */
function compose(
  input: HandoutInput,
  { id, bornAt }: Pick<Token, 'id' | 'bornAt'>,
  held: boolean,
  promised: number,
): IssuedToken | null {
  const { release, issuer, now } = input
  const until = held
    ? heldUntil(release.site, bornAt, promised)
    : promiseUntil(release.site, bornAt, now, promised)
  if (until <= now) return null
  return {
    site: release.site.name,
    release: release.version,
    targetTag: tagOf(input),
    id,
    bornAt,
    issuedAt: now,
    until,
    held,
    issuer,
  }
}

function deliver(token: IssuedToken, input: HandoutInput): Handout {
  const { release } = input
  const delivery = deliveryOf(input, isUrgent(input))
  if (delivery.kind === 'withhold') return nothing
  const text = signToken(token, input.ring)
  const policy = release.site.session
  const lines = input.identity.isHeaderClient
    ? `Amarre-Token: ${text}`
    : setCookieLine(policy, input.identity.isSecure, text)
  const cacheControl = delivery.kind === 'attach-private' ? delivery.cacheControl : null
  return { lines, cacheControl, issued: token, ended: null }
}

/** Its token cannot wait for a response that is for this visitor alone: time runs out, or this is what begins it. */
function isUrgent({ session, release, response, now }: HandoutInput): boolean {
  if (session.kind === 'birth') return response.signal === 'start'
  // A page of the new release must not be followed by parts of the old one.
  if (session.kind === 'moving') return true
  return session.kind === 'own' && isPastHalfIdle(session.verified.token, release.site.session, now)
}

function deliveryOf({ response }: HandoutInput, isUrgent: boolean): Delivery {
  return tokenDelivery({
    status: response.status,
    cacheControl: response.cacheControl.toLowerCase(),
    cdnCacheControl: response.cdnCacheControl.map((value) => value.toLowerCase()),
    isUrgent,
  })
}
