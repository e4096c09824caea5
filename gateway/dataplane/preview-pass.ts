// Signing and verifying preview passes with the keys of the affinity tokens. A link and the cookie that it sets are
// written alike. Knows nothing of cookies, links or time's passing.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { SiteName } from '../domain/ids.js'
import {
  parsePassText,
  passMacBytes,
  passText,
  signedByPass,
  type PreviewPass,
} from '../domain/preview-pass.js'
import type { KeyRing, SigningKey, TokenRejection } from './affinity-token.js'

/** Why a pass is treated as none. */
export type PassRejection = Extract<TokenRejection, 'malformed' | 'signature' | 'key' | 'site'>

/** Longest text: names of 63 and 64 characters, numbers, a MAC. */
const longestText = 400
const textPattern = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/
/** Few people preview at a time. */
const maxRemembered = 1_000

/** The pass's text, signed. Throws when the ring lacks its signing key: that is a fault of the gateway. */
export function signPass(pass: PreviewPass, ring: KeyRing): string {
  const key = ring.keys.find((candidate) => candidate.id === ring.signsWith)
  if (key === undefined) throw new Error('the key ring lacks its signing key')
  const text = passText(pass, key.id)
  return `${Buffer.from(text).toString('base64url')}.${macOf(text, key).toString('base64url')}`
}

function macOf(text: string, key: SigningKey): Buffer {
  return createHmac('sha256', key.secret).update(signedByPass(text)).digest().subarray(0, passMacBytes)
}

function verify(signed: string, ring: KeyRing): PreviewPass | PassRejection {
  const [, body, mac] = signed.length > longestText ? [] : (textPattern.exec(signed) ?? [])
  if (body === undefined || mac === undefined) return 'malformed'
  const text = Buffer.from(body, 'base64url').toString('latin1')
  const said = parsePassText(text)
  if (said === null) return 'malformed'
  const key = ring.keys.find((candidate) => candidate.id === said.keyId)
  if (key === undefined) return 'key'
  const claimed = Buffer.from(mac, 'base64url')
  if (claimed.length !== passMacBytes || !timingSafeEqual(claimed, macOf(text, key))) return 'signature'
  return said.pass
}

/** Reads passes, remembering the verified ones, so that a preview costs a look-up a request and no crypto. */
export class PassReader {
  readonly #verified = new LRUCache<string, PreviewPass>({ max: maxRemembered })
  #ring: KeyRing | null = null

  /** The pass, over or not, or why it is none. Another ring empties the memory. */
  read(signed: string, site: SiteName, ring: KeyRing): PreviewPass | PassRejection {
    if (ring !== this.#ring) {
      this.#ring = ring
      this.#verified.clear()
    }
    const pass = this.#verified.get(signed) ?? this.#remember(signed, ring)
    if (typeof pass === 'string') return pass
    return pass.site === site ? pass : 'site'
  }

  #remember(signed: string, ring: KeyRing): PreviewPass | PassRejection {
    const pass = verify(signed, ring)
    if (typeof pass !== 'string') this.#verified.set(signed, pass)
    return pass
  }
}
