// FNV-1a, 32 bits, over UTF-16 code units: spreads births over a split and names targets. Not for anything secret.

/** 0 to 2^32 - 1. http://www.isthe.com/chongo/tech/comp/fnv/ gives offset basis and prime. */
export function fnv1a32(text: string, seed = 0x811c9dc5): number {
  let hash = seed
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  }
  // One avalanche round (murmur3's finaliser): FNV's high bits are weak for short texts that differ at the end.
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
