// Who may change something: whoever has the admin token. Knows nothing of where the token is kept.
import { createHash, timingSafeEqual } from 'node:crypto'

/** Whether an Authorization field carries the token; the time it takes does not depend on what is wrong with it. */
export function hasToken(authorization: string | undefined, token: string): boolean {
  const given = /^bearer +(\S+) *$/i.exec(authorization ?? '')?.[1]
  if (given === undefined || token === '') return false
  return timingSafeEqual(digest(given), digest(token))
}

/** Of one length whatever the text, as the comparison demands. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
