// Where a request goes: the rules of affinity, in order, as one pure function. What the ledger knows never decides
// here: the token and the table are enough, so any worker and any replica routes the same.
import type { ErrorCode } from './errors.js'
import { fnv1a32 } from './fnv.js'
import { isNavigation, isSubResource, type RequestFacts } from './request-facts.js'
import type { ReleaseRoute, SiteRoute } from './routing-table.js'
import { isHonoured, type Token } from './session.js'

/** Why a session is born. */
export type BirthCause = 'new' | 'expired' | 'restart'

export type Decision =
  /** Rules 3 and 4: the session's own release. `revives`: its promise has passed, this request renews it. */
  | {
      readonly kind: 'stay'
      readonly release: ReleaseRoute
      readonly token: Token
      readonly revives: boolean
    }
  /** Rule 4: an answer in flight of a session that ended: its own release, and nothing is handed out. */
  | { readonly kind: 'trail'; readonly release: ReleaseRoute; readonly token: Token }
  /** Rules 4 and 7: a session is born on this release. */
  | { readonly kind: 'board'; readonly release: ReleaseRoute; readonly because: BirthCause }
  /** Rule 6: an accepting release, without a session. */
  | { readonly kind: 'pass'; readonly release: ReleaseRoute }
  | { readonly kind: 'refuse'; readonly error: Extract<ErrorCode, 'release_gone' | 'no_release'> }

/**
 * Decides by the first rule that speaks: 3 the session's own release, 4 a session that is over or whose release is
 * gone, 6 requests that need no session, 7 birth. Rules 1 (preview pass) and 2 (page pin) stand before them, rule 5
 * (first adoption) between 4 and 6; their keys are not accepted yet.
 */
export function decide(facts: RequestFacts, site: SiteRoute, now: number): Decision {
  if (facts.token !== null) return own(facts, facts.token, site, now) ?? former(facts, facts.token, site, now)
  return sessionless(facts, site) ?? birth(facts, site, 'new')
}

/** Rule 3: a token that is still honoured and names a release that serves. */
function own(facts: RequestFacts, token: Token, site: SiteRoute, now: number): Decision | null {
  if (facts.hasEnded || !isHonoured(token, site.spans, now)) return null
  const release = site.release(token.release)
  return release === null ? null : { kind: 'stay', release, token, revives: false }
}

/** Rule 4: a token of ours that is no longer honoured, or whose release no longer serves. */
function former(facts: RequestFacts, token: Token, site: SiteRoute, now: number): Decision {
  const release = site.release(token.release)
  if (isNavigation(facts)) return atNavigation(facts, token, site, now)
  if (release === null) return { kind: 'refuse', error: 'release_gone' }
  return facts.hasEnded ? { kind: 'trail', release, token } : { kind: 'stay', release, token, revives: true }
}

function atNavigation(facts: RequestFacts, token: Token, site: SiteRoute, now: number): Decision {
  // A held token is honoured only while its release serves; here that is no longer so, or its time is over.
  const isOver = facts.hasEnded || token.held || !isHonoured(token, site.spans, now)
  if (isOver) return birth(facts, site, 'expired')
  if (site.session.onReleaseGone === 'restart') return birth(facts, site, 'restart')
  return { kind: 'refuse', error: 'release_gone' }
}

/** Rule 6: stateless paths, preflights and sub-resources of a visitor without a token. */
function sessionless(facts: RequestFacts, site: SiteRoute): Decision | null {
  if (facts.method !== 'OPTIONS' && !isSubResource(facts) && !site.stateless.has(facts.path)) return null
  const release = site.accepting(birthHash(facts, site))
  return release === null ? { kind: 'refuse', error: 'no_release' } : { kind: 'pass', release }
}

/** Rule 7. */
function birth(facts: RequestFacts, site: SiteRoute, because: BirthCause): Decision {
  const release = site.accepting(birthHash(facts, site))
  return release === null ? { kind: 'refuse', error: 'no_release' } : { kind: 'board', release, because }
}

/** No time in it: the parallel first requests of one page land together. */
function birthHash(facts: RequestFacts, site: SiteRoute): number {
  if (!site.isSplit) return 0
  return fnv1a32(`${facts.clientAddress}\n${facts.header('user-agent')}\n${site.name}\n${site.rolloutId}`)
}
