// What the decision asks of a request, and what kind of request it is: a document navigation, a sub-resource, safe.
import type { MoveMoment } from './moves.js'
import type { PreviewPass } from './preview-pass.js'
import type { Token } from './session.js'

export interface RequestFacts {
  readonly method: string
  /** As sent, without the query. */
  readonly path: string
  /** Path and query as sent. */
  readonly target: string
  readonly clientAddress: string
  /** The client carries its token in a header, not in a cookie. */
  readonly isHeaderClient: boolean
  /** A verified preview pass of this site, over or not; null for none. */
  readonly pass: PreviewPass | null
  /** A verified token of this site, honoured or not; null for none. */
  readonly token: Token | null
  /** The token's session ended by signal a moment ago. */
  readonly hasEnded: boolean
  /** The value of a request header by its lower-case name; empty when absent. */
  header(name: string): string
  /** A cookie of the application's own, with a value. */
  hasCookie(name: string): boolean
}

const subResourceDestinations: ReadonlySet<string> = new Set([
  'audio',
  'font',
  'image',
  'manifest',
  'paintworklet',
  'audioworklet',
  'script',
  'serviceworker',
  'sharedworker',
  'style',
  'track',
  'video',
  'worker',
  'xslt',
])

/** RFC 9110 section 9.2.1. */
export function isSafeMethod(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' || method === 'TRACE'
}

/** RFC 9110 section 9.2.2. */
export function isIdempotentMethod(method: string): boolean {
  return isSafeMethod(method) || method === 'PUT' || method === 'DELETE'
}

/**
 * A document navigation: the only moment at which a session changes release. By `Sec-Fetch-Dest` where the browser
 * sends it, else a GET or HEAD that accepts HTML; for a client that carries its token in a header any safe request.
 */
export function isNavigation(facts: RequestFacts): boolean {
  if (!isSafeMethod(facts.method) || asksForUpgrade(facts)) return false
  if (facts.isHeaderClient) return true
  const destination = facts.header('sec-fetch-dest')
  if (destination !== '') return destination === 'document'
  return (facts.method === 'GET' || facts.method === 'HEAD') && facts.header('accept').includes('text/html')
}

/**
 * What a page that is already there asks for: its parts, what its scripts fetch or send, its sockets. A form that is
 * sent is a document of its own.
 */
export function isPagePart(facts: RequestFacts): boolean {
  if (isNavigation(facts)) return false
  const destination = facts.header('sec-fetch-dest')
  if (destination !== '') return destination !== 'document'
  return asksForUpgrade(facts) || !facts.header('accept').includes('text/html')
}

/** A page that is already there opens a socket, whatever else the request accepts. */
function asksForUpgrade(facts: RequestFacts): boolean {
  return facts.header('upgrade').toLowerCase() === 'websocket'
}

/** Whether a session may move at this request, where the move asks for that moment. */
export function isMoment(facts: RequestFacts, at: MoveMoment): boolean {
  return at === 'safe' ? isSafeMethod(facts.method) : isNavigation(facts)
}

/** A script, style sheet, image, font or the like, by `Sec-Fetch-Dest`. */
export function isSubResource(facts: RequestFacts): boolean {
  return subResourceDestinations.has(facts.header('sec-fetch-dest'))
}
