// Which bytes may stand in a field's name and value (RFC 9110 sections 5.1 and 5.5), and which names are known. Works
// on bytes; knows nothing of what a name means to anyone else.

/** 1 for each byte of a token: the alphabet of field names. */
export const tokenBytes = Uint8Array.from({ length: 256 }, (_, byte) =>
  /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/.test(String.fromCharCode(byte)) ? 1 : 0,
)

/** Whether a field's value or a reason phrase may hold the byte: tab, space, visible characters, 128 and above. */
export function isValueByte(byte: number): boolean {
  return (byte >= 32 && byte !== 127) || byte === 9
}

/**
 * The offset of the first byte that no value may hold. Comparisons in the loop itself, no table and no call for each
 * byte: bench/micro/response-parser.ts measured 850 ns a head against 1010 for either.
 */
export function endOfValue(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end) {
    const byte = bytes[at]!
    if ((byte < 32 && byte !== 9) || byte === 127) break
    at++
  }
  return at
}

/** What a field does to the framing of the message or the life of the connection; `none` for most. */
export type FieldRole = 'none' | 'length' | 'coding' | 'connection' | 'keep-alive'

const framingFields: ReadonlyMap<string, FieldRole> = new Map([
  ['content-length', 'length'],
  ['transfer-encoding', 'coding'],
  ['connection', 'connection'],
  ['keep-alive', 'keep-alive'],
])

/** A known name: its bytes in lower case, the number its owner gave it, what it does to the framing. */
export interface KnownField {
  readonly name: Uint8Array
  readonly kind: number
  readonly role: FieldRole
}

const firstLetters = 32
const longestName = 64

/** Recognises names by length and first letter, then by the bytes themselves in any case. */
export class FieldNames {
  private readonly slots: (KnownField[] | null)[]

  constructor(known: readonly string[]) {
    if (known.length > 255) throw new Error('more than 255 known field names')
    this.slots = Array.from({ length: longestName * firstLetters }, () => null)
    known.forEach((name, index) => this.insert(name, index + 1))
    for (const name of framingFields.keys()) if (!known.includes(name)) this.insert(name, 0)
  }

  private insert(name: string, kind: number): void {
    if (name.length >= longestName) throw new Error(`the known field name "${name}" is too long`)
    const field = { name: Buffer.from(name, 'latin1'), kind, role: framingFields.get(name) ?? 'none' }
    const slot = name.length * firstLetters + (name.charCodeAt(0) & 31)
    this.slots[slot] = [...(this.slots[slot] ?? []), field]
  }

  /** The known field whose name is `bytes[start, end)` (a token), or null. */
  find(bytes: Uint8Array, start: number, end: number): KnownField | null {
    const length = end - start
    if (length >= longestName) return null
    const slot = this.slots[length * firstLetters + (bytes[start]! & 31)]
    if (slot === null || slot === undefined) return null
    for (const field of slot) if (matchesLowerCase(bytes, start, field.name)) return field
    return null
  }
}

/** Whether the bytes at `start` are `name`, which is in lower case, in any case. */
export function matchesLowerCase(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) {
    const byte = bytes[start + i]!
    const lower = byte >= 65 && byte <= 90 ? byte | 32 : byte
    if (lower !== name[i]) return false
  }
  return true
}
