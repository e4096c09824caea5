// Beginning and ending a preview: what is answered to an address that asks for it, and what becomes of a pass that is
// over. The application never hears of any of this.
import type { ErrorCode } from '../domain/errors.js'
import type { PreviewPass } from '../domain/preview-pass.js'
import type { SiteRoute } from '../domain/routing-table.js'
import { redirectResponse, type ErrorResponse } from './error-response.js'
import { clearPreviewLines, clearRenamedLines, passCookieLine } from './preview-cookies.js'
import { previewAskedBy } from './preview-link.js'
import { signPass } from './preview-pass.js'
import type { RequestHead } from './request-head.js'
import type { RequestIdentity } from './request-identity.js'
import { newSessionId, type WorkerState } from './worker-state.js'

/** What the door says to a request, which then goes no further. */
export type DoorAnswer =
  | { readonly kind: 'answered'; readonly response: ErrorResponse }
  | { readonly kind: 'refused'; readonly error: ErrorCode }

/** One request at the door. */
export interface Caller {
  readonly head: RequestHead
  readonly site: SiteRoute
  readonly identity: RequestIdentity
  readonly now: number
}

/**
 * A browser keeps the cookie for so long after the pass is over, so that a form of the previewed page which is sent too
 * late is told so, and does not reach the visitor's own session.
 */
const lingerMs = 3_600_000

/** What an address with the parameter is answered; null for all others, and for what is no visit to a page. */
export function answerAtDoor(state: WorkerState, caller: Caller): DoorAnswer | null {
  const asked = previewAskedBy(caller.head.target, caller.head.path)
  if (asked === null || !isVisit(caller.identity)) return null
  const { identity, site } = caller
  if (asked.link === null)
    return { kind: 'answered', response: previewEnded(site, identity, asked.cleanTarget) }
  const pass = state.passes.read(asked.link, site.name, state.reader.ring)
  if (typeof pass === 'string') {
    state.activity.rejected.add(site.name, pass)
    return { kind: 'refused', error: 'preview_invalid' }
  }
  if (caller.now >= pass.until) return { kind: 'refused', error: 'preview_over' }
  if (site.release(pass.release) === null) return { kind: 'refused', error: 'preview_gone' }
  const lines = [
    passLine(state, caller, pass),
    ...(isGoingOn(caller, pass)
      ? []
      : clearRenamedLines(site.session, identity.isSecure, identity.preview.renamed)),
  ]
  return { kind: 'answered', response: redirectResponse(asked.cleanTarget, lines.join('\r\n')) }
}

/** No image or script of another page begins or ends a preview behind its visitor's back. */
function isVisit(identity: RequestIdentity): boolean {
  if (identity.method !== 'GET' && identity.method !== 'HEAD') return false
  const destination = identity.header('sec-fetch-dest')
  return destination === '' || destination === 'document'
}

/** The same release is already previewed: its session there goes on. */
function isGoingOn({ identity, now }: Caller, link: PreviewPass): boolean {
  return identity.pass !== null && now < identity.pass.until && identity.pass.release === link.release
}

/** Each browser gets a pass of its own, as good as the link. */
function passLine(state: WorkerState, caller: Caller, link: PreviewPass): string {
  const { identity, site, now } = caller
  const known = isGoingOn(caller, link) ? identity.pass : null
  const text = signPass({ ...link, id: known?.id ?? newSessionId() }, state.reader.ring)
  const maxAgeS = Math.ceil((link.until + lingerMs - now) / 1000)
  return passCookieLine(site.session, identity.isSecure, text, maxAgeS)
}

/** The preview's cookies are taken away; the visitor goes on at that address with what was his before. */
export function previewEnded(site: SiteRoute, identity: RequestIdentity, target: string): ErrorResponse {
  return redirectResponse(
    target,
    clearPreviewLines(site.session, identity.isSecure, identity.preview.renamed),
  )
}
