// The fields of an answer on its way to the client: the application's, the visitor's token, and what gateway and site
// add to every answer. Knows nothing of bodies.
import { fieldKindOf } from '../domain/headers.js'
import type { FieldBlock } from './downstream.js'
import { hasField, keptRuns, type FieldMasks } from './response-fields.js'
import type { Route } from './routing.js'
import { elsewhere, type Handout } from './session-handout.js'
import type { ResponseHead } from './upstream/upstream.js'

const transportKind = fieldKindOf('strict-transport-security')

/** What the client gets; `added` as `addedLines` gives it. */
export function answerFields(
  head: ResponseHead,
  given: Handout,
  masks: FieldMasks,
  added: string,
): FieldBlock {
  const usual = given === elsewhere ? masks.withoutCookies : masks.usual
  const mask = given.cacheControl === null ? usual : masks.withoutCaching
  const caching = given.cacheControl === null ? '' : `Cache-Control: ${given.cacheControl}`
  const lines = joinLines(joinLines(given.lines, caching), added)
  return { bytes: head.bytes, runs: keptRuns(head, mask), lines }
}

/** `Via` (RFC 9110 section 7.6.3) and, under TLS, the site's `Strict-Transport-Security`; empty for neither. */
export function addedLines(via: string, route: Route, head: ResponseHead): string {
  const { transportSecurity } = route.release.site
  // Answers come by HTTP/1.1: of an older application no other version is known.
  const viaLine = via === '' ? '' : `Via: 1.1 ${via}`
  if (transportSecurity === '' || !route.identity.isSecure) return viaLine
  // RFC 6797 section 6.1: the application's own policy stands, and there may be only one.
  return hasField(head, transportKind) ? viaLine : joinLines(viaLine, transportSecurity)
}

function joinLines(one: string, other: string): string {
  if (one === '') return other
  return other === '' ? one : `${one}\r\n${other}`
}
