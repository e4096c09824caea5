// The names of things, branded so that one is never taken for another. Each has one parser; inside the border
// nobody validates again. Knows nothing of what the names stand for.

declare const brand: unique symbol
type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/** A site's name: the folder's name under `sites/`; `[a-z0-9][a-z0-9-]{0,62}`. */
export type SiteName = Branded<string, 'SiteName'>
/** A release's version as written: `[A-Za-z0-9][A-Za-z0-9._+-]{0,63}`. */
export type ReleaseVersion = Branded<string, 'ReleaseVersion'>
/** An upstream address: `http://host:port`, `https://host:port` or `unix:/path`. */
export type TargetUrl = Branded<string, 'TargetUrl'>
/** A session's id: 8 random bytes as 16 lower-case hexadecimal digits. Opaque, says nothing of the visitor. */
export type SessionId = Branded<string, 'SessionId'>
/** A small number that stands for one (site, release) in tables, reports and the ledger; 0 to 65534, never reused while known. */
export type ReleaseIndex = Branded<number, 'ReleaseIndex'>

const sitePattern = /^[a-z0-9][a-z0-9-]{0,62}$/
const versionPattern = /^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/
const sessionPattern = /^[0-9a-f]{16}$/

export function parseSiteName(text: string): SiteName | null {
  return sitePattern.test(text) ? (text as SiteName) : null
}

export function parseReleaseVersion(text: string): ReleaseVersion | null {
  return versionPattern.test(text) ? (text as ReleaseVersion) : null
}

export function parseSessionId(text: string): SessionId | null {
  return sessionPattern.test(text) ? (text as SessionId) : null
}

/** `http://host[:port]`, `https://host[:port]` (no path, query, user or fragment) or `unix:/absolute/path`. */
export function parseTargetUrl(text: string): TargetUrl | null {
  if (text.startsWith('unix:/')) return text.length > 6 && !text.includes('\0') ? (text as TargetUrl) : null
  const match = /^(https?):\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?\/?$/.exec(text)
  if (match === null) return null
  const port = match[3] === undefined ? (match[1] === 'https' ? 443 : 80) : Number(match[3])
  if (port < 1 || port > 65535) return null
  return `${match[1]}://${match[2]?.toLowerCase()}:${port}` as TargetUrl
}

export function parseReleaseIndex(value: number): ReleaseIndex | null {
  return Number.isInteger(value) && value >= 0 && value < 65535 ? (value as ReleaseIndex) : null
}
