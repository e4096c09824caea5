// Cookies of a preview: the pass itself, and the application's cookies under other names, so that the previewed release
// and the visitor's own session never see each other's. Knows nothing of what a pass says.
import type { SessionPolicy } from '../domain/site-policy.js'

/** The cookie that carries the pass. */
export const passCookie = 'amarre-preview'
const renamedStart = 'amarre-pv-'
/** What both begin with, and what no header of a visitor without a preview has in it. */
export const previewMark = 'amarre-p'

/** Prefixes that make browsers hold a cookie to rules (RFC 6265bis section 4.1.3): they stay in front. */
const prefixPattern = /^__(?:Host-Http|Http|Host|Secure)-/i

/** What a Cookie header has of previews. */
export interface PreviewCookies {
  /** Texts of passes, in order. */
  readonly passes: readonly string[]
  /** Pairs of the previewed application under their own names, as a Cookie header; null for none. */
  readonly restored: string | null
  /** The names as the browser knows them. */
  readonly renamed: readonly string[]
}

export const noPreview: PreviewCookies = { passes: [], restored: null, renamed: [] }

/** Takes the cookies of previews out of a header's pairs: those, and what is left in its order. */
export function withoutPreview(pairs: readonly string[]): {
  readonly preview: PreviewCookies
  readonly rest: readonly string[]
} {
  const passes: string[] = []
  const restored: string[] = []
  const renamed: string[] = []
  const rest: string[] = []
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    const name = (equals < 0 ? pair : pair.slice(0, equals)).trim()
    const value = equals < 0 ? '' : pair.slice(equals + 1).trim()
    const own = ownName(name)
    if (name === passCookie) passes.push(value)
    else if (own === null) rest.push(pair)
    else {
      renamed.push(name)
      // A cookie without a name is a bare value (RFC 6265bis section 5.8.3).
      restored.push(own === '' ? value : `${own}=${value}`)
    }
  }
  return { preview: { passes, restored: restored.length === 0 ? null : restored.join('; '), renamed }, rest }
}

/** The application's own name for a renamed cookie; null for any other. */
function ownName(name: string): string | null {
  const prefix = prefixPattern.exec(name)?.[0] ?? ''
  if (!name.startsWith(renamedStart, prefix.length)) return null
  return prefix + name.slice(prefix.length + renamedStart.length)
}

/** The value of a Set-Cookie field under the name that it has during a preview; attributes stay as they are. */
export function renamedSetCookie(value: string): string {
  const semicolon = value.indexOf(';')
  const pair = semicolon < 0 ? value : value.slice(0, semicolon)
  const equals = pair.indexOf('=')
  const name = equals < 0 ? '' : pair.slice(0, equals).trim()
  const prefix = prefixPattern.exec(name)?.[0] ?? ''
  return `${prefix}${renamedStart}${name.slice(prefix.length)}=${value.slice(equals + 1)}`
}

/** A Set-Cookie line that hands out a pass. */
export function passCookieLine(
  policy: SessionPolicy,
  isSecure: boolean,
  text: string,
  maxAgeS: number,
): string {
  return `Set-Cookie: ${passCookie}=${text}; Max-Age=${maxAgeS}${attributes(policy, isSecure)}; HttpOnly`
}

/** Set-Cookie lines that take the pass away, and the application's cookies of the preview as far as they are known. */
export function clearPreviewLines(
  policy: SessionPolicy,
  isSecure: boolean,
  renamed: readonly string[],
): string {
  const lines = [passCookieLine(policy, isSecure, '', 0), ...clearRenamedLines(policy, isSecure, renamed)]
  return lines.join('\r\n')
}

/** A cookie is only taken away under the path and domain that it was set with: `/`, and the host or the site's domain. */
export function clearRenamedLines(
  policy: SessionPolicy,
  isSecure: boolean,
  renamed: readonly string[],
): readonly string[] {
  return renamed.flatMap((name) => {
    // A prefix asks for it whatever the connection: browsers take localhost for secure.
    const secure = isSecure || prefixPattern.test(name) ? '; Secure' : ''
    const line = `Set-Cookie: ${name}=; Max-Age=0; Path=/`
    const hasDomain = policy.domain !== null && !name.toLowerCase().startsWith('__host-')
    return hasDomain ? [line + secure, `${line}; Domain=${policy.domain}${secure}`] : [line + secure]
  })
}

/** As lasting as the token's own: a payment page that returns by a cross-site POST must find the previewed release. */
function attributes(policy: SessionPolicy, isSecure: boolean): string {
  const domain = policy.domain === null ? '' : `; Domain=${policy.domain}`
  const partitioned = policy.partitioned && isSecure ? '; Partitioned' : ''
  return `; Path=/${domain}${isSecure ? '; Secure; SameSite=None' : '; SameSite=Lax'}${partitioned}`
}
