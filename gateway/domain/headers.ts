// Header fields: which belong to one connection only (RFC 9110 section 7.6.1), which are ours, which the exchange must
// look at. Pure tables and functions over names and values.

/**
 * Response fields that the exchange looks at, lower case; a field's kind is its place in this list plus one, 0 for
 * any other field. Parsers classify once, everyone else compares numbers.
 */
export const responseFields = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'trailer',
  'te',
  'date',
  'set-cookie',
  'cache-control',
  'cdn-cache-control',
  'surrogate-control',
  'content-type',
  'amarre-session',
  'amarre-token',
  'proxy-authenticate',
  'strict-transport-security',
  'clear-site-data',
  'http2-settings',
  'content-encoding',
] as const

export type ResponseField = (typeof responseFields)[number]

/** The number that a parser gives to a known response field. */
export function fieldKindOf(name: ResponseField): number {
  return responseFields.indexOf(name) + 1
}

const hopByHopRequest = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
  'content-length',
  // What only a proxy says: written anew, from its peers by `trustedProxies`.
  'forwarded',
  // RFC 9440 section 4: a verified certificate is the front's to tell, and nobody else's.
  'client-cert',
  'client-cert-chain',
  // Applications that read fields as CGI does (RFC 3875 section 4.1.18) cannot tell `_` from `-`.
  'client_cert',
  'client_cert_chain',
  'client_cert-chain',
  'client-cert_chain',
  'x_request_id',
  'x_request-id',
  'x-request_id',
]

/** By length: no two are compared that cannot be equal, and nothing is hashed for names that are new each request. */
const hopByHopByLength: readonly (readonly string[])[] = Array.from({ length: 20 }, (_, length) =>
  hopByHopRequest.filter((name) => name.length === length),
)

/** Fields of a request that are never copied upstream as they are: of one connection, or written anew. */
export function isHopByHopRequest(name: string): boolean {
  const candidates = hopByHopByLength[name.length]
  if (candidates === undefined) return false
  for (let i = 0; i < candidates.length; i++) if (candidates[i] === name) return true
  return false
}
