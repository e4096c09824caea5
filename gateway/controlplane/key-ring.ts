// The key ring over time: which keys verify, which one signs, when an old one may go. Pure over its saved form; the
// file that holds it is an adapter's business.

/** One key as saved. Instants in ms since the epoch. */
export interface SavedKey {
  /** 1 to 2^32 - 1. */
  readonly id: number
  /** 32 bytes, base64. */
  readonly secret: string
  readonly createdAt: number
  /** Set once another key signs: until when a token that it signed can be honoured; null where that has no end. */
  readonly retired: { readonly verifiesUntil: number | null } | null
}

/** The file's content. The last key that is not retired signs. */
export interface SavedKeyRing {
  readonly version: 1
  readonly keys: readonly SavedKey[]
}

export class KeyRingError extends Error {}

/** Reads a key ring file's text; throws `KeyRingError` naming what is wrong. */
export function parseKeyRing(text: string): SavedKeyRing {
  const value = parseJson(text)
  if (typeof value !== 'object' || value === null || !('keys' in value) || !Array.isArray(value.keys)) {
    throw new KeyRingError('a key ring is { "version": 1, "keys": [...] }')
  }
  if (!('version' in value) || value.version !== 1)
    throw new KeyRingError('this version reads key rings of version 1')
  const ring: SavedKeyRing = { version: 1, keys: value.keys.map(parseKey) }
  if (!ring.keys.some((key) => key.retired === null)) throw new KeyRingError('no key of the ring may sign')
  if (new Set(ring.keys.map((key) => key.id)).size < ring.keys.length)
    throw new KeyRingError('two keys have one id')
  return ring
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new KeyRingError('not valid JSON')
  }
}

function parseKey(value: unknown, at: number): SavedKey {
  const key = value as Partial<SavedKey> | null
  const id = key?.id
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 1 || id >= 2 ** 32) {
    throw new KeyRingError(`keys[${at}].id must be a whole number from 1 to 4294967295`)
  }
  if (typeof key?.secret !== 'string' || Buffer.from(key.secret, 'base64').length < 32) {
    throw new KeyRingError(`keys[${at}].secret must be at least 32 bytes in base64`)
  }
  return {
    id,
    secret: key.secret,
    createdAt: key.createdAt ?? 0,
    retired: parseRetired(key.retired ?? null, at),
  }
}

/** Taken as it stands, a wrong word here would drop a key and with it every session that it signed. */
function parseRetired(retired: unknown, at: number): SavedKey['retired'] {
  if (retired === null) return null
  const until = typeof retired === 'object' && 'verifiesUntil' in retired ? retired.verifiesUntil : undefined
  if (until === null || typeof until === 'number') return { verifiesUntil: until }
  throw new KeyRingError(`keys[${at}].retired is null or { "verifiesUntil": an instant in ms, or null }`)
}

/** The ring with one key more, which does not sign yet while `signsWith` still names the former. */
export function withNewKey(ring: SavedKeyRing, secret: Uint8Array, now: number): SavedKeyRing {
  const id = Math.max(0, ...ring.keys.map((key) => key.id)) + 1
  const key: SavedKey = { id, secret: Buffer.from(secret).toString('base64'), createdAt: now, retired: null }
  return { version: 1, keys: [...ring.keys, key] }
}

/** Every key but the newest retires: it verifies until the last token that it signed can have expired. */
export function withNewestSigning(ring: SavedKeyRing, longestPromiseMs: number, now: number): SavedKeyRing {
  const verifiesUntil = longestPromiseMs === Infinity ? null : now + longestPromiseMs
  const keys = ring.keys.map((key, i) =>
    i === ring.keys.length - 1 || key.retired !== null ? key : { ...key, retired: { verifiesUntil } },
  )
  return { version: 1, keys }
}

/** The ring without the keys whose last token has expired; the same object when none has. */
export function withoutExpired(ring: SavedKeyRing, now: number): SavedKeyRing {
  const keys = ring.keys.filter((key) => {
    const until = key.retired?.verifiesUntil
    return until === undefined || until === null || until > now
  })
  return keys.length === ring.keys.length ? ring : { version: 1, keys }
}

/** The oldest key that is not retired: while two are not, the newer only verifies. */
export function signingKeyId(ring: SavedKeyRing): number {
  return ring.keys.find((key) => key.retired === null)?.id ?? 0
}
