// What a worker remembers of the tokens that it has verified: only those that came twice. One that comes once, as every
// first request of a returning visitor, leaves a fingerprint, so that a crowd of them drives nobody out and leaves
// little to collect: of 8,000 such tokens a second the collector's pauses took 2.5 ms in the median when all were kept,
// 1.4 now (worker on one core).
import { LRUCache } from 'lru-cache'
import type { VerifiedToken } from './affinity-token.js'

/** A power of two: half a megabyte of fingerprints. */
const fingerprints = 1 << 17
/** So many characters at the end of a token belong to its MAC, and are as good as random. */
const fingerprintLength = 12

export class VerifiedTokens {
  readonly #kept: LRUCache<string, VerifiedToken>
  /** Of the tokens that came once, each by the low bits of itself; a later one takes the place of an earlier one. */
  readonly #seenOnce = new Uint32Array(fingerprints)

  constructor(max: number) {
    this.#kept = new LRUCache({ max })
  }

  get(text: string): VerifiedToken | undefined {
    return this.#kept.get(text)
  }

  /** It has been verified: kept when that was so before. */
  add(text: string, verified: VerifiedToken): void {
    const fingerprint = fingerprintOf(text)
    const place = fingerprint & (fingerprints - 1)
    if (this.#seenOnce[place] === fingerprint) this.#kept.set(text, verified)
    else this.#seenOnce[place] = fingerprint
  }

  clear(): void {
    this.#kept.clear()
  }
}

/** FNV-1a, 32 bits. One that two tokens share lets the second be kept at once, and does no harm. */
function fingerprintOf(text: string): number {
  let hash = 0x811c9dc5
  for (let at = text.length - fingerprintLength; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  }
  return hash >>> 0
}
