// The fields of a response as the lists that Node's servers take. Every character is one byte, so nothing is lost.
// Knows nothing of which fields go to the client.
import type { FieldBlock } from '../dataplane/downstream.js'

/** Names and values in turn, in the order of the block, names in the case in which they came. */
export function fieldPairs({ bytes, runs, lines }: FieldBlock): string[] {
  const pairs: string[] = []
  for (let i = 0; i < runs.length; i += 3) {
    addLines(pairs, bytes?.toString('latin1', runs[i], runs[i + 2]) ?? '')
  }
  if (lines !== '') addLines(pairs, lines)
  return pairs
}

function addLines(pairs: string[], lines: string): void {
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':')
    pairs.push(line.slice(0, colon), line.slice(colon + 1).trim())
  }
}

/** What HTTP/2 sends: names in lower case; repeated values joined (RFC 9110 section 5.3), but for Set-Cookie. */
export function fieldMap(block: FieldBlock): Record<string, string | string[]> {
  const map: Record<string, string | string[]> = Object.create(null) as Record<string, string | string[]>
  const cookies: string[] = []
  const pairs = fieldPairs(block)
  for (let i = 0; i < pairs.length; i += 2) {
    const name = (pairs[i] ?? '').toLowerCase()
    const value = pairs[i + 1] ?? ''
    if (name === 'set-cookie') cookies.push(value)
    else map[name] = map[name] === undefined ? value : `${String(map[name])}, ${value}`
  }
  if (cookies.length > 0) map['set-cookie'] = cookies
  return map
}
