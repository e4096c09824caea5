// Preview passes: who may see a release before it is open to everybody, and until when. What a pass says and how that
// is written; the signature is added by whoever holds the keys. Knows nothing of cookies, links or time's passing.
import {
  parseReleaseVersion,
  parseSessionId,
  parseSiteName,
  type ReleaseVersion,
  type SessionId,
  type SiteName,
} from './ids.js'

/** What a verified link or pass says. */
export interface PreviewPass {
  readonly site: SiteName
  readonly release: ReleaseVersion
  /** Told to the application in place of a session's id; stands in no ledger. */
  readonly id: SessionId
  /** Wall-clock ms: from here on it is over. */
  readonly until: number
}

/** The longest that a link may be good for. A key that has signed one is kept for so long after it ceased to sign. */
export const longestPreviewMs = 7 * 86_400_000
export const shortestPreviewMs = 1_000
/** Unless told otherwise. */
export const usualPreviewMs = 3_600_000

/** How many bytes of its HMAC-SHA256 a pass carries (RFC 2104 section 5: not less than half). */
export const passMacBytes = 16

/** No name, version or number has it, and no address or cookie needs it escaped. */
const separator = '~'

/** What a pass says, as text. */
export function passText({ site, release, id, until }: PreviewPass, keyId: number): string {
  return [keyId, site, release, until, id].join(separator)
}

/**
 * What is signed. An affinity token is signed with the same keys and begins with its format's number, a byte of 1:
 * neither is ever taken for the other.
 */
export function signedByPass(text: string): string {
  return `amarre-preview-1\n${text}`
}

/** A pass out of its text, with the key that is said to have signed it; null where the text is none. */
export function parsePassText(text: string): { readonly pass: PreviewPass; readonly keyId: number } | null {
  const parts = text.split(separator)
  const [keyId = '', site = '', release = '', until = '', id = ''] = parts
  if (parts.length !== 5 || !/^\d{1,10}$/.test(keyId) || !/^\d{1,15}$/.test(until)) return null
  const pass = {
    site: parseSiteName(site),
    release: parseReleaseVersion(release),
    id: parseSessionId(id),
    until: Number(until),
  }
  if (pass.site === null || pass.release === null || pass.id === null) return null
  return { pass: pass as PreviewPass, keyId: Number(keyId) }
}
