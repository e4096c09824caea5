// What a client gets whose request does not reach the application: an error page with a way out where there is one,
// or the restart that he asked for there.
import type { ErrorCode, GatewayError } from '../domain/errors.js'
import { isNavigation, isSafeMethod } from '../domain/request-facts.js'
import type { ReleaseRoute, SiteRoute } from '../domain/routing-table.js'
import { errorResponse, redirectResponse, type ErrorResponse, type WayOut } from './error-response.js'
import { previewEnded } from './preview-door.js'
import { withPreviewOff } from './preview-link.js'
import { headerOf, type RequestHead } from './request-head.js'
import type { RequestIdentity } from './request-identity.js'
import { onThisHost, restartAskedBy, withRestart } from '../domain/restart-link.js'
import { clearCookieLines } from './token-cookie.js'

export interface Refused {
  readonly head: RequestHead
  readonly requestId: string
  /** Null where the request was refused before it was known. */
  readonly site: SiteRoute | null
  readonly identity: RequestIdentity | null
}

/** The answer to a refused request. */
export function refusalOf(code: ErrorCode, { head, requestId, site, identity }: Refused): ErrorResponse {
  const canRestart = code === 'release_gone' && identity !== null && isNavigation(identity)
  const cleanTarget = canRestart ? restartAskedBy(head.target) : null
  if (cleanTarget !== null && identity !== null && site !== null) {
    const clear = identity.isHeaderClient
      ? 'Amarre-Token: '
      : clearCookieLines(site.session, identity.isSecure)
    return redirectResponse(cleanTarget, clear)
  }
  if (code === 'preview_over' && site !== null && isLatePreview(identity)) {
    return previewEnded(site, identity, onThisHost(head.target))
  }
  const wayOut = canRestart
    ? { target: withRestart(head.target), text: 'Start a new session' }
    : previewWayOut(code, head)
  const page = site?.errorPages.templateOf(code) ?? null
  const answer = errorResponse(code, { accept: headerOf(head, 'accept'), requestId, wayOut, page })
  const isSecure = identity?.isSecure ?? head.isSecure
  if (site === null || site.transportSecurity === '' || !isSecure) return answer
  return { ...answer, lines: `${answer.lines}\r\n${site.transportSecurity}` }
}

/** A navigation whose pass is over: the same address again, without it. */
function isLatePreview(identity: RequestIdentity | null): identity is RequestIdentity {
  return identity !== null && identity.pass !== null && isNavigation(identity)
}

function previewWayOut(code: ErrorCode, head: RequestHead): WayOut | null {
  const isOfPreview = code === 'preview_invalid' || code === 'preview_over' || code === 'preview_gone'
  return isOfPreview ? { target: withPreviewOff(head.target), text: 'Leave the preview' } : null
}

/**
 * A session whose release is dead gets a way out, one that may not leave its target is told to come back; everybody
 * else learns what failed.
 */
export function publicError(error: GatewayError, route: FailedRoute): ErrorCode {
  const isUnreached = error.code === 'connect_refused' || error.code === 'connect_timeout'
  const isOfDead = route.release.isDead && route.identity.token !== null && error.side !== 'downstream'
  // What may have been carried out before it failed is not to be tried again by who reads `Retry-After`.
  if (isOfDead && (isUnreached || isSafeMethod(route.identity.method))) return 'release_gone'
  return isUnreached && !route.mayLeaveTarget ? 'target_gone' : error.code
}

/** Where a request went that failed. */
export interface FailedRoute {
  readonly release: ReleaseRoute
  readonly identity: RequestIdentity
  readonly mayLeaveTarget: boolean
}
