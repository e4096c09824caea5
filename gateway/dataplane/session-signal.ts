// What a response says of the visitor's session: that it begins or ends, by the application's word, by its own cookie
// or by the path of a logout. What follows from that is decided elsewhere.
import { fieldKindOf } from '../domain/headers.js'
import type { SiteRoute } from '../domain/routing-table.js'
import { applicationCookieEffect } from './application-cookie.js'
import { fieldValues } from './response-fields.js'
import type { SessionSignal } from './session-handout.js'
import type { ResponseHead } from './upstream/upstream.js'

const signalKind = fieldKindOf('amarre-session')

/** The response's word on the session; an end goes before a beginning. `now` in wall-clock ms. */
export function sessionSignal(head: ResponseHead, site: SiteRoute, path: string, now: number): SessionSignal {
  const given = fieldValues(head, signalKind)
  const word = given === '' ? '' : given.trim().toLowerCase()
  if (word === 'end') return 'end'
  // A logout path that succeeds says the same.
  if (head.status < 400 && site.endsOn.has(path)) return 'end'
  const { startsOn } = site.session
  if (startsOn.on === 'signal' && word === 'start') return 'start'
  if (site.applicationCookie === null) return 'none'
  const effect = applicationCookieEffect(head, site.applicationCookie, now)
  if (effect === 'deletes') return 'end'
  return effect === 'sets' && startsOn.on === 'cookie' ? 'start' : 'none'
}
