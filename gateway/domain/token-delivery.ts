// Whether a response may carry our token, and what that does to its cacheability. A token in a shared cache would hand
// one visitor's route to another, and a cookie makes some caches drop a page: both are avoided here.

export interface DeliveryFacts {
  readonly status: number
  /** Values of all Cache-Control fields joined by commas, lower case; empty for none. */
  readonly cacheControl: string
  /** The value of CDN-Cache-Control and that of Surrogate-Control, lower case; empty ones count as none. */
  readonly cdnCacheControl: readonly string[]
  /** The visitor has a token already and less than half of its idle time is left. */
  readonly isUrgent: boolean
}

export type Delivery =
  /** No token on this response: it waits for the next one. */
  | { readonly kind: 'withhold' }
  /** The token, and the response as it is. */
  | { readonly kind: 'attach' }
  /** The token, and this Cache-Control in place of the response's own and of its CDN fields. */
  | { readonly kind: 'attach-private'; readonly cacheControl: string }

const withhold: Delivery = { kind: 'withhold' }
const attach: Delivery = { kind: 'attach' }

/** Decides by RFC 9111: explicit sharing withholds, `private` and `no-store` attach, silence attaches and says `private`. */
export function tokenDelivery(facts: DeliveryFacts): Delivery {
  if (facts.status === 304) return withhold
  const directives = directivesOf(facts.cacheControl)
  const isUnshared = directives.some((directive) => directive === 'private' || directive === 'no-store')
  const isShared = directives.some(isSharing) || facts.cdnCacheControl.some(isSharedByCdn)
  if (isShared) return facts.isUrgent ? asPrivate(directives) : withhold
  return isUnshared ? attach : asPrivate(directives)
}

function asPrivate(directives: readonly string[]): Delivery {
  const kept = directives.filter((directive) => !isSharing(directive) && directive !== 'proxy-revalidate')
  return { kind: 'attach-private', cacheControl: [...new Set([...kept, 'private'])].join(', ') }
}

function isSharing(directive: string): boolean {
  return directive === 'public' || directive.startsWith('s-maxage')
}

function isSharedByCdn(value: string): boolean {
  return value !== '' && !directivesOf(value).some((name) => name === 'private' || name === 'no-store')
}

function directivesOf(value: string): readonly string[] {
  return value
    .split(',')
    .map((directive) => directive.trim())
    .filter((directive) => directive !== '')
}
