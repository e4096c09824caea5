// The affinity token: signing, verifying, and the key ring. A token names site, release, target, session and the
// instant until which it is honoured; it grants nothing but a route. Knows nothing of cookies or of time's passing
// but the one rule against births in the future.
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ReleaseVersion, SessionId, SiteName } from '../domain/ids.js'
import type { Token } from '../domain/session.js'
import { VerifiedTokens } from './verified-tokens.js'

/*
 * Layout, then base64url without padding (numbers big-endian, instants in ms since the epoch):
 *
 *   0 version 1 | 1 flags | 2 key id (4) | 6 issuer (8) | 14 birth (6) | 20 issue (6) | 26 until (6)
 *   32 session (8) | 40 target tag (4) | 44 n, site (n) | m, release (m) | MAC (16)
 *
 * The MAC is HMAC-SHA256 over everything before it, cut to 128 bits (RFC 2104 section 5: not less than half).
 */
const formatVersion = 1
const flagHeld = 1
const fixedBytes = 44
const macBytes = 16
/** Longest text of a token: all fixed parts, 63 characters of site and 64 of release. */
const longestText = Math.ceil(((fixedBytes + 2 + 63 + 64 + macBytes) * 4) / 3)
const textPattern = /^[A-Za-z0-9_-]+$/

export interface SigningKey {
  /** 1 to 2^32 - 1. */
  readonly id: number
  /** 32 bytes. */
  readonly secret: Uint8Array
}

/** The keys a worker knows: all verify, one signs. */
export interface KeyRing {
  readonly keys: readonly SigningKey[]
  readonly signsWith: number
}

/** Why a token is treated as none. `expired` is counted where the decision is made. */
export type TokenRejection = 'malformed' | 'signature' | 'key' | 'site' | 'expired' | 'future'

/** A verified token and what its worker remembers of it, from the second time on that it comes. */
export interface VerifiedToken {
  readonly token: Token
  /** When the ledger is to hear of this session again; 0: at once. */
  nextReportAt: number
  /** Until when the ledger counts it, as it was told last. */
  reportedUntil: number
}

/** The token's text, signed. Throws when the ring lacks its signing key: that is a fault of the gateway. */
export function signToken(token: Omit<Token, 'keyId'>, ring: KeyRing): string {
  const key = ring.keys.find((candidate) => candidate.id === ring.signsWith)
  if (key === undefined) throw new Error('the key ring lacks its signing key')
  const bytes = Buffer.allocUnsafe(fixedBytes + 2 + token.site.length + token.release.length + macBytes)
  bytes[0] = formatVersion
  bytes[1] = token.held ? flagHeld : 0
  bytes.writeUInt32BE(key.id, 2)
  bytes.write(token.issuer, 6, 8, 'hex')
  bytes.writeUIntBE(token.bornAt, 14, 6)
  bytes.writeUIntBE(token.issuedAt, 20, 6)
  bytes.writeUIntBE(token.until, 26, 6)
  bytes.write(token.id, 32, 8, 'hex')
  bytes.writeUInt32BE(token.targetTag, 40)
  let at = writeName(bytes, fixedBytes, token.site)
  at = writeName(bytes, at, token.release)
  macOf(bytes.subarray(0, at), key).copy(bytes, at)
  return bytes.toString('base64url')
}

function writeName(bytes: Buffer, at: number, name: string): number {
  bytes[at] = name.length
  return at + 1 + bytes.write(name, at + 1, 'latin1')
}

function macOf(signed: Uint8Array, key: SigningKey): Buffer {
  return createHmac('sha256', key.secret).update(signed).digest().subarray(0, macBytes)
}

function verify(text: string, ring: KeyRing): Token | TokenRejection {
  if (text.length > longestText || !textPattern.test(text)) return 'malformed'
  const bytes = Buffer.from(text, 'base64url')
  // One text a token: the last character may carry bits that no byte takes up.
  if (bytes.toString('base64url') !== text) return 'malformed'
  if (bytes.length < fixedBytes + 4 + macBytes || bytes[0] !== formatVersion) return 'malformed'
  const siteEnd = fixedBytes + 1 + (bytes[fixedBytes] ?? 0)
  const releaseEnd = siteEnd + 1 + (bytes[siteEnd] ?? 0)
  if (releaseEnd + macBytes !== bytes.length) return 'malformed'
  const keyId = bytes.readUInt32BE(2)
  const key = ring.keys.find((candidate) => candidate.id === keyId)
  if (key === undefined) return 'key'
  const mac = macOf(bytes.subarray(0, releaseEnd), key)
  if (!timingSafeEqual(mac, bytes.subarray(releaseEnd))) return 'signature'
  // Signed by a key of ours: what follows was written by a gateway, so names need no second parsing.
  return {
    site: bytes.toString('latin1', fixedBytes + 1, siteEnd) as SiteName,
    release: bytes.toString('latin1', siteEnd + 1, releaseEnd) as ReleaseVersion,
    targetTag: bytes.readUInt32BE(40),
    id: bytes.toString('hex', 32, 40) as SessionId,
    bornAt: bytes.readUIntBE(14, 6),
    issuedAt: bytes.readUIntBE(20, 6),
    until: bytes.readUIntBE(26, 6),
    held: ((bytes[1] ?? 0) & flagHeld) !== 0,
    issuer: bytes.toString('hex', 6, 14),
    keyId,
  }
}

/** Where a token is to be valid, and when. */
export interface TokenContext {
  readonly site: SiteName
  readonly now: number
  /** How far ahead of `now` a birth may lie, ms. */
  readonly futureToleranceMs: number
}

/**
 * Reads tokens, remembering the verified ones by their text, so that the usual request costs a look-up and no crypto.
 * Time and site are checked on every hit; another key ring empties the memory.
 */
export class TokenReader {
  #ring: KeyRing
  readonly #verified: VerifiedTokens

  constructor(ring: KeyRing, maxRemembered = 100_000) {
    this.#ring = ring
    this.#verified = new VerifiedTokens(maxRemembered)
  }

  get ring(): KeyRing {
    return this.#ring
  }

  useRing(ring: KeyRing): void {
    if (isSameRing(this.#ring, ring)) return
    this.#ring = ring
    this.#verified.clear()
  }

  /** The token with its worker's memory of it, or why it is none. An expired one is still a token. */
  read(text: string, context: TokenContext): VerifiedToken | Exclude<TokenRejection, 'expired'> {
    const entry = this.#verified.get(text) ?? this.#verify(text)
    if (typeof entry === 'string') return entry
    if (entry.token.site !== context.site) return 'site'
    if (entry.token.bornAt > context.now + context.futureToleranceMs) return 'future'
    return entry
  }

  #verify(text: string): VerifiedToken | Exclude<TokenRejection, 'expired'> {
    const token = verify(text, this.#ring)
    if (typeof token === 'string') return token as Exclude<TokenRejection, 'expired'>
    const entry: VerifiedToken = { token, nextReportAt: 0, reportedUntil: 0 }
    this.#verified.add(text, entry)
    return entry
  }
}

function isSameRing(a: KeyRing, b: KeyRing): boolean {
  if (a.signsWith !== b.signsWith || a.keys.length !== b.keys.length) return false
  return a.keys.every(
    (key, i) => key.id === b.keys[i]?.id && Buffer.compare(key.secret, b.keys[i].secret) === 0,
  )
}
