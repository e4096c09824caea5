// When a session is provisional, confirmed and over, and until when a token for it is honoured. All instants are
// wall-clock ms; `never` is Infinity. See docs/architecture.md, "promises".
import type { ReleaseVersion, SessionId, SiteName } from './ids.js'
import type { SessionPolicy } from './site-policy.js'

/** Why a session is over: nobody came, its age, the application's or the visitor's word, or the cap on releases. */
export type SessionEnd = 'idle' | 'age' | 'signal' | 'overflow'

/** What a verified token says. */
export interface Token {
  readonly site: SiteName
  readonly release: ReleaseVersion
  /** Tag of the target on which the session lives; 0 when it has none. */
  readonly targetTag: number
  readonly id: SessionId
  readonly bornAt: number
  /** When this token was handed out. */
  readonly issuedAt: number
  /** The promise: until this instant the token is honoured. */
  readonly until: number
  /** Handed out on a long exchange: honoured until `until`, but only while its release serves. */
  readonly held: boolean
  /** Which gateway's state issued it. */
  readonly issuer: string
  /** Which key signed it. */
  readonly keyId: number
}

/** What a token says that is handed out; which key signs it is nobody's matter but the signer's. */
export type IssuedToken = Omit<Token, 'keyId'>

/** Sessions touched, as parallel columns: small to send, cheap to write to the journal. */
export interface SessionBatch {
  /** Two 32-bit halves an id, high half first. */
  readonly ids: Uint32Array
  readonly releases: Uint16Array
  readonly bornAt: Float64Array
  /** Until when each session counts. */
  readonly until: Float64Array
}

/** A span in which the gateway was down or the wall clock jumped ahead: it does not count as idling. */
export interface TimeSpan {
  readonly from: number
  readonly lengthMs: number
}

/** By what a site's promises are made: its policy, and all spans that are known when the promise is made. */
export interface PromiseTerms {
  readonly session: SessionPolicy
  /** In order of time. */
  readonly spans: readonly TimeSpan[]
}

/** Latest instant that a token can carry: six bytes of milliseconds. Stands for `never`. */
export const endOfTime = 2 ** 48 - 1

/** An eighth of the idle time: how old a token gets before it is issued anew. Infinity without an idle time. */
export function grainMs(policy: SessionPolicy): number {
  return policy.idleTimeoutMs / 8
}

/** The longest that a token issued now can be honoured: idle time and one grain, or the maximum age. */
export function promiseSpanMs(policy: SessionPolicy): number {
  return Math.min(policy.idleTimeoutMs + grainMs(policy), policy.maxAgeMs)
}

/**
 * Until when a token issued at `now` is honoured, and its session counts: `now` + idle + grain, never past the end of its
 * age. `promised`: until when the token in hand is honoured, 0 without one; a maximum age that was cut takes none of it back.
 */
export function promiseUntil(terms: PromiseTerms, bornAt: number, now: number, promised: number): number {
  const idleEnd = now + terms.session.idleTimeoutMs + grainMs(terms.session)
  return Math.min(Math.ceil(idleEnd), heldUntil(terms, bornAt, promised))
}

/** Until when a `held` token is honoured while its release serves: the end of its age; `promised` as above. */
export function heldUntil(terms: PromiseTerms, bornAt: number, promised: number): number {
  return Math.min(Math.max(endOfAge(terms, bornAt), promised), endOfTime)
}

/**
 * Birth + maximum age, and the spans since the birth. As nobody idles in them, nobody grows older; were it otherwise, the
 * first visit after a span would be answered with a token that is over already.
 */
export function endOfAge({ session, spans }: PromiseTerms, bornAt: number): number {
  return Math.min(extendPromise(bornAt + session.maxAgeMs, spans, bornAt), endOfTime)
}

/**
 * A promise made at `madeAt` with the spans added that came after it, during which it was alive and nobody could have used
 * it. Nothing is promised during a span, so what was made before its end was alive when it began. Spans in order of time.
 */
export function extendPromise(until: number, spans: readonly TimeSpan[], madeAt = -Infinity): number {
  let extended = until
  for (const { from, lengthMs } of spans) {
    if (madeAt < from + lengthMs && extended >= from) extended += lengthMs
  }
  return extended
}

/** Until when a token is honoured: its instant, and the spans that came after it was handed out. */
export function honouredUntil(token: IssuedToken, spans: readonly TimeSpan[]): number {
  return extendPromise(token.until, spans, token.issuedAt)
}

/** Whether a token is still honoured at `now`, as far as time goes. */
export function isHonoured(token: Token, spans: readonly TimeSpan[], now: number): boolean {
  return now < token.until || now < honouredUntil(token, spans)
}

/**
 * Until when a long exchange may stay on a release that has taken no births since `drainingSince`: until the end of its
 * session's age, and as long as its token is honoured; without one (null) as long as any promise made before lasts.
 */
export function stayUntil(terms: PromiseTerms, token: IssuedToken | null, drainingSince: number): number {
  if (token === null) return drainingSince + promiseSpanMs(terms.session)
  return heldUntil(terms, token.bornAt, honouredUntil(token, terms.spans))
}

/**
 * Whether a grain has passed since the token was issued, and a new one would say anything new. Sooner where less than
 * the idle time is left: the token is from a policy with a shorter one, and the grain of the present one comes too late.
 */
export function isDueForReissue(token: Token, terms: PromiseTerms, now: number): boolean {
  if (token.held) return false
  const { session } = terms
  const isYoung = now - token.issuedAt < grainMs(session)
  if (isYoung && token.until >= now + session.idleTimeoutMs) return false
  const promised = honouredUntil(token, terms.spans)
  if (isYoung && token.until >= heldUntil(terms, token.bornAt, promised)) return false
  return promiseUntil(terms, token.bornAt, now, promised) !== token.until
}

/** Whether less than half the idle time is left: a slide is then worth more than a shared cache. */
export function isPastHalfIdle(token: Token, policy: SessionPolicy, now: number): boolean {
  return token.until - now < policy.idleTimeoutMs / 2
}
