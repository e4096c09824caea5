// The affinity token as a cookie: which cookies are ours, how they are read, taken out and set. Attributes follow
// RFC 6265bis; why they are what they are stands in docs/architecture.md, "cookies".
import type { SessionPolicy } from '../domain/site-policy.js'
import { previewMark, withoutPreview, type PreviewCookies } from './preview-cookies.js'

/** `__Host-` binds to one host and `Path=/`; with a domain only `__Secure-` is possible; plain HTTP has no prefix. */
function cookieName(policy: SessionPolicy, isSecure: boolean): string {
  if (!isSecure) return policy.cookie
  return policy.domain === null ? `__Host-${policy.cookie}` : `__Secure-${policy.cookie}`
}

/** A Cookie header taken apart: the texts of our cookies (prefixed names first) and what is left for the application. */
export interface CookieReading {
  readonly tokens: readonly string[]
  readonly rest: string
  /** Null in every header but those of browsers that preview, or did. */
  readonly preview: PreviewCookies | null
}

const usualName = 'amarre'
const semicolonCode = 59
const noTokens: readonly string[] = []

/** Finds our cookies in a Cookie header. Empty values count as none; everything else stays byte for byte. */
export function readCookies(header: string, name: string): CookieReading {
  // Most requests of the first page, and all of crawlers, have none: one search settles it.
  const at = header.indexOf(name)
  if (at < 0) {
    return hasPreview(header, name)
      ? readEach(header, name)
      : { tokens: noTokens, rest: header, preview: null }
  }
  // Nearly all others have one, whose pair is cut out without looking at the rest (bench/micro/request.ts).
  return header.indexOf(name, at + 1) < 0 ? readSolePair(header, name, at) : readEach(header, name)
}

/** With the usual name there is nothing to search: what has none of it has no cookie of a preview either. */
function hasPreview(header: string, name: string): boolean {
  return name !== usualName && header.includes(previewMark)
}

function readEach(header: string, name: string): CookieReading {
  const prefixed: string[] = []
  const plain: string[] = []
  const rest: string[] = []
  const hasMark = header.includes(previewMark)
  const { preview, rest: others } = hasMark
    ? withoutPreview(header.split(';'))
    : { preview: null, rest: header.split(';') }
  for (const pair of others) {
    const at = pair.indexOf('=')
    const found = at < 0 ? '' : pair.slice(0, at).trim()
    if (found === `__Host-${name}` || found === `__Secure-${name}`) addToken(prefixed, pair.slice(at + 1))
    else if (found === name) addToken(plain, pair.slice(at + 1))
    else rest.push(pair)
  }
  return { tokens: prefixed.concat(plain), rest: rest.join(';').trimStart(), preview }
}

/** The name stands at one place only: no other pair can be ours. */
function readSolePair(header: string, name: string, nameAt: number): CookieReading {
  let start = nameAt
  // `lastIndexOf` looks further and costs a call into the engine's runtime.
  while (start > 0 && header.charCodeAt(start - 1) !== semicolonCode) start--
  const semicolon = header.indexOf(';', nameAt)
  const end = semicolon < 0 ? header.length : semicolon
  const equals = header.indexOf('=', start)
  if (equals < 0 || equals > end || !isOurs(header.slice(start, equals).trim(), name)) {
    // The name may be part of a preview's.
    if (header.includes(previewMark)) return readEach(header, name)
    return { tokens: noTokens, rest: header.trimStart(), preview: null }
  }
  if (hasPreview(header, name)) return readEach(header, name)
  const tokens: string[] = []
  addToken(tokens, header.slice(equals + 1, end))
  const rest = start === 0 ? header.slice(end + 1) : header.slice(0, start - 1) + header.slice(end)
  return { tokens, rest: rest.trimStart(), preview: null }
}

function isOurs(found: string, name: string): boolean {
  return found === name || found === `__Host-${name}` || found === `__Secure-${name}`
}

function addToken(tokens: string[], value: string): void {
  const trimmed = value.trim()
  const text = trimmed.startsWith('"') ? trimmed.replace(/^"(.*)"$/, '$1') : trimmed
  if (text !== '') tokens.push(text)
}

/** How long browsers keep the cookie, in seconds: beyond any promise, the instant inside the token decides. */
const browserLifeS = 400 * 86_400

/** A Set-Cookie line that hands out a token. */
export function setCookieLine(policy: SessionPolicy, isSecure: boolean, text: string): string {
  return `Set-Cookie: ${cookieName(policy, isSecure)}=${text}; Max-Age=${browserLifeS}${attributes(policy, isSecure)}`
}

/** Set-Cookie lines that take our cookies away, under each name that this client may have one. */
export function clearCookieLines(policy: SessionPolicy, isSecure: boolean): string {
  const plain = `Set-Cookie: ${policy.cookie}=; Max-Age=0${attributes(policy, false)}`
  if (!isSecure) return plain
  return `Set-Cookie: ${cookieName(policy, true)}=; Max-Age=0${attributes(policy, true)}\r\n${plain}`
}

function attributes(policy: SessionPolicy, isSecure: boolean): string {
  const domain = policy.domain === null ? '' : `; Domain=${policy.domain}`
  const secure = isSecure ? '; Secure' : ''
  const partitioned = policy.partitioned && isSecure ? '; Partitioned' : ''
  return `; Path=/${domain}; HttpOnly${secure}; SameSite=${sameSite(policy, isSecure)}${partitioned}`
}

/** `SameSite=None` needs `Secure`; on plain HTTP it would make browsers drop the cookie. */
function sameSite(policy: SessionPolicy, isSecure: boolean): string {
  switch (policy.sameSite) {
    case 'auto':
    case 'none':
      return isSecure ? 'None' : 'Lax'
    case 'lax':
      return 'Lax'
    case 'strict':
      return 'Strict'
    default:
      return policy.sameSite satisfies never
  }
}
