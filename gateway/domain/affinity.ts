// Where a request goes: the rules of affinity, in order, as one pure function. What the ledger knows never decides
// here: the token and the table are enough, so any worker and any replica routes the same.
import type { ErrorCode } from './errors.js'
import { fnv1a32 } from './fnv.js'
import { pageVersion } from './page-pin.js'
import { isNavigation, isPagePart, isSubResource, type RequestFacts } from './request-facts.js'
import { restartAskedBy } from './restart-link.js'
import type { ReleaseRoute, SiteRoute } from './routing-table.js'
import { isHonoured, type Token } from './session.js'

/** Why a session is born. */
export type BirthCause = 'new' | 'expired' | 'restart' | 'adoption'

export type Decision =
  /** Rule 2: the live release that the page itself names; the visitor's own pin stays as it is. */
  | { readonly kind: 'page'; readonly release: ReleaseRoute }
  /** Rules 3 and 4: the session's own release. `revives`: its promise has passed, this request renews it. */
  | {
      readonly kind: 'stay'
      readonly release: ReleaseRoute
      readonly token: Token
      readonly revives: boolean
    }
  /** Rule 4: an answer in flight of a session that ended: its own release, and nothing is handed out. */
  | { readonly kind: 'trail'; readonly release: ReleaseRoute; readonly token: Token }
  /** Rules 4, 5 and 7: a session is born on this release. */
  | { readonly kind: 'board'; readonly release: ReleaseRoute; readonly because: BirthCause }
  /** Rules 5 and 6: a release, without a session. */
  | { readonly kind: 'pass'; readonly release: ReleaseRoute }
  /** Rules 4, 6 and 7, where the application says when a session begins: one is born here if the answer says so. */
  | { readonly kind: 'unpinned'; readonly release: ReleaseRoute }
  | { readonly kind: 'refuse'; readonly error: Extract<ErrorCode, 'release_gone' | 'no_release'> }

/**
 * Decides by the first rule that speaks: 2 the release that a page names for its parts, 3 the session's own release,
 * 4 a session that is over or whose release is gone, 5 first adoption, 6 requests that need no session, 7 birth.
 */
export function decide(facts: RequestFacts, site: SiteRoute, now: number): Decision {
  const pinned = namedByPage(facts, site)
  if (pinned !== null) return pinned
  if (facts.token !== null) return own(facts, facts.token, site, now) ?? former(facts, facts.token, site, now)
  return adopted(facts, site, now) ?? sessionless(facts, site) ?? birth(facts, site, 'new')
}

/** Rule 2: part of a page of another release than the visitor's own, where releases share their sessions. */
function namedByPage(facts: RequestFacts, site: SiteRoute): Decision | null {
  if (site.pagePin === null || !isPagePart(facts)) return null
  const version = pageVersion(facts, site.pagePin)
  // Its own release needs no pin: the session slides there as ever.
  if (version === null || version === facts.token?.release) return null
  const release = site.release(version)
  return release?.isLive === true ? { kind: 'page', release } : null
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

/**
 * Rule 5: the application's own cookie without any token of ours, from before the gateway came. The parts of the page
 * that he has open come from its release too.
 */
function adopted(facts: RequestFacts, site: SiteRoute, now: number): Decision | null {
  const { adoption } = site
  if (adoption === null || now >= adoption.until || !facts.hasCookie(adoption.cookie)) return null
  const { release } = adoption
  if (needsNoSession(facts, site) || isSubResource(facts)) {
    return release === null ? null : { kind: 'pass', release }
  }
  if (release !== null) return { kind: 'board', release, because: 'adoption' }
  const asksForNewSession = isNavigation(facts) && restartAskedBy(facts.target) !== null
  return asksForNewSession ? null : { kind: 'refuse', error: 'release_gone' }
}

/** Rule 6: stateless paths, preflights and sub-resources of a visitor without a token. */
function sessionless(facts: RequestFacts, site: SiteRoute): Decision | null {
  const isPart = isSubResource(facts)
  if (!isPart && !needsNoSession(facts, site)) return null
  const release = site.accepting(birthHash(facts, site))
  if (release === null) return { kind: 'refuse', error: 'no_release' }
  // An image may be what the application begins its session with.
  const mayBegin = isPart && site.session.startsOn.on !== 'request' && !needsNoSession(facts, site)
  return mayBegin ? { kind: 'unpinned', release } : { kind: 'pass', release }
}

function needsNoSession(facts: RequestFacts, site: SiteRoute): boolean {
  return facts.method === 'OPTIONS' || site.stateless.has(facts.path)
}

/** Rule 7: a session is born, or will be when the application begins its own. */
function birth(facts: RequestFacts, site: SiteRoute, because: BirthCause): Decision {
  const release = site.accepting(birthHash(facts, site))
  if (release === null) return { kind: 'refuse', error: 'no_release' }
  return hasBegun(facts, site) ? { kind: 'board', release, because } : { kind: 'unpinned', release }
}

/** Whether there is a session to pin, as far as the request tells. One that has just ended is none. */
function hasBegun(facts: RequestFacts, site: SiteRoute): boolean {
  const { startsOn } = site.session
  switch (startsOn.on) {
    case 'request':
      return true
    case 'cookie':
      return !facts.hasEnded && facts.hasCookie(startsOn.name)
    case 'signal':
      // Who idled out too early for the application is in the middle of a session that it will not begin again.
      return !facts.hasEnded && facts.token !== null
    default:
      return startsOn satisfies never
  }
}

/** No time in it: the parallel first requests of one page land together. */
function birthHash(facts: RequestFacts, site: SiteRoute): number {
  if (!site.isSplit) return 0
  return fnv1a32(`${facts.clientAddress}\n${facts.header('user-agent')}\n${site.name}\n${site.rolloutId}`)
}
