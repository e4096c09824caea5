// Whether a birth is a pin that was lost: the visitor still has the application's session, but his token had expired
// and he met another release. Then the site's idle time is shorter than the application's.
import type { BirthCause } from '../domain/affinity.js'
import type { RequestFacts } from '../domain/request-facts.js'
import type { ReleaseRoute } from '../domain/routing-table.js'
import { endOfAge, honouredUntil } from '../domain/session.js'

/** Why the token was no longer honoured: nobody came, or its age. */
export type LostPin = 'idle' | 'age'

/** Null where nothing was lost, or where the site's file does not name the application's cookie. */
export function lostPin(because: BirthCause, facts: RequestFacts, release: ReleaseRoute): LostPin | null {
  const { token, hasEnded } = facts
  if (because !== 'expired' || token === null || hasEnded || token.release === release.version) return null
  const { site } = release
  const { applicationCookie: cookie, gone } = site
  // It did not come too late: its release came to its announced end.
  if (gone.hasEnded(token.release)) return null
  if (cookie === null || !facts.hasCookie(cookie)) return null
  return honouredUntil(token, site.spans) >= endOfAge(site, token.bornAt) ? 'age' : 'idle'
}
