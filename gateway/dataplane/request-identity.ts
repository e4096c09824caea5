// One request as the decision sees it: its client, its token, its cookies without ours. Built once a request, before
// the decision, while the front's bytes are still valid.
import type { PreviewPass } from '../domain/preview-pass.js'
import type { RequestFacts } from '../domain/request-facts.js'
import type { SiteRoute } from '../domain/routing-table.js'
import { isHonoured, type Token } from '../domain/session.js'
import type { Activity } from './activity.js'
import type { TokenReader, VerifiedToken } from './affinity-token.js'
import { hasCookie } from './application-cookie.js'
import type { ClientIdentity } from './client-identity.js'
import { noPreview, type PreviewCookies } from './preview-cookies.js'
import type { PassReader } from './preview-pass.js'
import { headerOf, type RequestHead } from './request-head.js'
import { readCookies } from './token-cookie.js'
import type { Tombstones } from './tombstones.js'

export interface IdentitySources {
  readonly reader: TokenReader
  readonly passes: PassReader
  readonly activity: Activity
  readonly tombstones: Tombstones
  readonly issuer: string
  readonly futureToleranceMs: number
  readonly now: number
}

export class RequestIdentity implements RequestFacts {
  readonly method: string
  readonly path: string
  readonly target: string
  readonly clientAddress: string
  readonly isSecure: boolean
  readonly isHeaderClient: boolean
  readonly verified: VerifiedToken | null
  readonly token: Token | null
  readonly hasEnded: boolean
  readonly pass: PreviewPass | null
  readonly preview: PreviewCookies
  /** The Cookie header for the application; null when it had only ours, or none. In a preview only the preview's own. */
  readonly cookie: string | null
  readonly client: ClientIdentity
  readonly #head: RequestHead

  constructor(head: RequestHead, site: SiteRoute, client: ClientIdentity, from: IdentitySources) {
    this.#head = head
    this.method = head.method
    this.path = head.path
    this.target = head.target
    this.client = client
    this.clientAddress = client.address
    this.isSecure = client.isSecure
    const headerAt = head.names.indexOf('amarre-token')
    this.isHeaderClient = headerAt >= 0
    const cookies = readCookies(cookieHeader(head), site.session.cookie)
    this.preview = cookies.preview ?? noPreview
    this.pass = cookies.preview === null ? null : firstPass(cookies.preview.passes, site, from)
    const isPreview = this.pass !== null && from.now < this.pass.until
    const rest = cookies.rest === '' ? null : cookies.rest
    this.cookie = isPreview ? this.preview.restored : rest
    const headerToken = headerAt >= 0 ? (head.values[headerAt] ?? '') : ''
    const texts = headerToken === '' ? cookies.tokens : [headerToken, ...cookies.tokens]
    this.verified = texts.length === 0 ? null : firstVerified(texts, site, from)
    this.token = this.verified?.token ?? null
    this.hasEnded = this.token !== null && from.tombstones.has(this.token.id, from.now)
  }

  header(name: string): string {
    return headerOf(this.#head, name)
  }

  hasCookie(name: string): boolean {
    return this.cookie !== null && hasCookie(this.cookie, name)
  }
}

/** HTTP/1.1 clients send one Cookie field; several are joined as HTTP/2 would (RFC 9113 section 8.2.3). */
function cookieHeader(head: RequestHead): string {
  const at = head.names.indexOf('cookie')
  if (at < 0) return ''
  if (head.names.indexOf('cookie', at + 1) < 0) return head.values[at] ?? ''
  return head.values.filter((_, i) => head.names[i] === 'cookie').join('; ')
}

/** Of several copies the first that verifies wins; each that does not is counted by its reason. */
function firstVerified(
  texts: readonly string[],
  site: SiteRoute,
  from: IdentitySources,
): VerifiedToken | null {
  const context = { site: site.name, now: from.now, futureToleranceMs: from.futureToleranceMs }
  for (const text of texts) {
    const reading = from.reader.read(text, context)
    if (typeof reading === 'string') {
      from.activity.rejected.add(site.name, reading)
      continue
    }
    if (!isHonoured(reading.token, site.spans, from.now)) from.activity.rejected.add(site.name, 'expired')
    if (reading.token.issuer !== from.issuer) from.activity.foreignSeen.set(site.name, from.now)
    return reading
  }
  return null
}

/** Of several passes the first that is not over, else any that verifies; each that does not is counted by its reason. */
function firstPass(texts: readonly string[], site: SiteRoute, from: IdentitySources): PreviewPass | null {
  let over: PreviewPass | null = null
  for (const text of texts) {
    if (text === '') continue
    const pass = from.passes.read(text, site.name, from.reader.ring)
    if (typeof pass === 'string') from.activity.rejected.add(site.name, pass)
    else if (from.now < pass.until) return pass
    else over ??= pass
  }
  if (over !== null) from.activity.rejected.add(site.name, 'expired')
  return over
}
