// Where a request goes: the rules of affinity, in order, as one pure function. What the ledger knows never decides
// here: the token and the table are enough, so any worker and any replica routes the same.
import type { ErrorCode } from './errors.js'
import { fnv1a32 } from './fnv.js'
import type { MoveCause } from './moves.js'
import { pageVersion } from './page-pin.js'
import type { PreviewPass } from './preview-pass.js'
import {
  isMoment,
  isNavigation,
  isPagePart,
  isSafeMethod,
  isSubResource,
  type RequestFacts,
} from './request-facts.js'
import { restartAskedBy } from './restart-link.js'
import type { ReleaseRoute, SiteRoute } from './routing-table.js'
import { isHonoured, type Token } from './session.js'

/** Why a session is born. */
export type BirthCause = 'new' | 'expired' | 'restart' | 'adoption'

export type Decision =
  /** Rule 1: the release that a preview pass names. Counts for nobody's session. */
  | { readonly kind: 'preview'; readonly release: ReleaseRoute; readonly pass: PreviewPass }
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
  /** Rule 4: the session changes its release. `from`: its former one; null where that no longer serves. */
  | {
      readonly kind: 'move'
      readonly release: ReleaseRoute
      readonly from: ReleaseRoute | null
      readonly token: Token
      readonly because: MoveCause
    }
  /** Rules 4, 5 and 7: a session is born on this release. */
  | { readonly kind: 'board'; readonly release: ReleaseRoute; readonly because: BirthCause }
  /** Rules 5 and 6: a release, without a session. */
  | { readonly kind: 'pass'; readonly release: ReleaseRoute }
  /** Rules 4, 6 and 7, where the application says when a session begins: one is born here if the answer says so. */
  | { readonly kind: 'unpinned'; readonly release: ReleaseRoute }
  | { readonly kind: 'refuse'; readonly error: RefusalCode }

/** Why a request reaches no release. */
export type RefusalCode = Extract<ErrorCode, 'release_gone' | 'no_release' | 'preview_over' | 'preview_gone'>

/** What goes to a release as part of a session, or of none. */
export type SessionDecision = Exclude<Decision, { readonly kind: 'refuse' | 'preview' }>

/** One rule of affinity: what it decides, null where it has nothing to say. */
export interface Rule {
  readonly number: number
  /** What it looks at; a word of explanations. */
  readonly name: string
  decide(facts: RequestFacts, site: SiteRoute, now: number): Decision | null
}

/** The rules in their order. */
export const rules: readonly Rule[] = [
  { number: 1, name: 'preview pass', decide: previewed },
  { number: 2, name: 'page pin', decide: namedByPage },
  { number: 3, name: 'own release', decide: own },
  { number: 4, name: 'former session', decide: former },
  { number: 5, name: 'first adoption', decide: adopted },
  { number: 6, name: 'no session needed', decide: sessionless },
  { number: 7, name: 'birth', decide: newcomer },
]

const nowhere: Decision = { kind: 'refuse', error: 'no_release' }

/** Decides by the first rule that speaks. */
export function decide(facts: RequestFacts, site: SiteRoute, now: number): Decision {
  for (let i = 0; i < rules.length; i++) {
    const decision = (rules[i] as Rule).decide(facts, site, now)
    if (decision !== null) return decision
  }
  return nowhere
}

/** The rule by which `decide` decides; null for none. */
export function decidingRule(facts: RequestFacts, site: SiteRoute, now: number): Rule | null {
  return rules.find((rule) => rule.decide(facts, site, now) !== null) ?? null
}

/**
 * Rule 1: a preview pass outranks everything while it lasts. Then the next navigation learns that it is over and ends
 * the preview; until that nothing unsafe passes: a form of the previewed page must not reach the visitor's own session.
 */
function previewed(facts: RequestFacts, site: SiteRoute, now: number): Decision | null {
  const { pass } = facts
  if (pass === null) return null
  if (now >= pass.until) {
    const mayPass = isSafeMethod(facts.method) && !isNavigation(facts)
    return mayPass ? null : { kind: 'refuse', error: 'preview_over' }
  }
  const release = site.release(pass.release)
  return release === null ? { kind: 'refuse', error: 'preview_gone' } : { kind: 'preview', release, pass }
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

/** Rule 3: a token that is still honoured and names a release that serves; unless something lets it leave. */
function own(facts: RequestFacts, site: SiteRoute, now: number): Decision | null {
  const { token } = facts
  if (token === null || facts.hasEnded || !isHonoured(token, site.spans, now)) return null
  const release = site.release(token.release)
  if (release === null) return null
  if (release.mayLose && departing(facts, token, release) !== null) return null
  return { kind: 'stay', release, token, revives: false }
}

/** Rule 4: a token of ours that is no longer honoured, or whose release is gone, dead, recalled or superseded. */
function former(facts: RequestFacts, site: SiteRoute, now: number): Decision | null {
  const { token } = facts
  if (token === null) return null
  const release = site.release(token.release)
  const isLive = !facts.hasEnded && isHonoured(token, site.spans, now)
  if (release !== null && isLive) return departing(facts, token, release)
  if (isNavigation(facts)) return atNavigation(facts, token, site, now)
  if (release === null) return { kind: 'refuse', error: 'release_gone' }
  if (facts.hasEnded) return { kind: 'trail', release, token }
  // Whom it revived now would find it gone at his next request.
  if (release.isClosing) return { kind: 'refuse', error: 'release_gone' }
  return { kind: 'stay', release, token, revives: true }
}

/** A live session leaves its release at the moment that is due; null: it stays. */
function departing(facts: RequestFacts, token: Token, from: ReleaseRoute): Decision | null {
  const { move, site } = from
  if (move !== null) {
    if (!isMoment(facts, move.at)) return null
    return { kind: 'move', release: move.to, from, token, because: move.because }
  }
  if (!from.startsOver || !isNavigation(facts)) return null
  const started = birth(facts, site, 'restart')
  // Where nothing else takes births the dead release is tried all the same.
  return started.kind !== 'refuse' && started.release !== from ? started : null
}

function atNavigation(facts: RequestFacts, token: Token, site: SiteRoute, now: number): Decision {
  // A held token is honoured only while its release serves; here that is no longer so, or its time is over.
  const isOver = facts.hasEnded || token.held || !isHonoured(token, site.spans, now)
  if (isOver || site.gone.hasEnded(token.release)) return birth(facts, site, 'expired')
  switch (site.session.onReleaseGone) {
    case 'restart':
      return birth(facts, site, 'restart')
    case 'move':
      return inherited(token, site)
    case 'refuse':
      return { kind: 'refuse', error: 'release_gone' }
    default:
      return site.session.onReleaseGone satisfies never
  }
}

/** Rule 4: the release is gone, and a compatible one takes the session; where none is, its visitor is told. */
function inherited(token: Token, site: SiteRoute): Decision {
  const heir = site.gone.heirOf(token.release)
  const release = heir === null ? null : site.release(heir)
  if (release === null) return { kind: 'refuse', error: 'release_gone' }
  return { kind: 'move', release, from: null, token, because: 'gone' }
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

/** Rule 7: a visitor without a session. */
function newcomer(facts: RequestFacts, site: SiteRoute): Decision {
  return birth(facts, site, 'new')
}

/** A session is born, or will be when the application begins its own. */
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
