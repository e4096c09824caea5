// The links of an interim answer 103, one by one as Node wants them. Knows nothing of who preloads what.
import type { FieldBlock } from '../dataplane/downstream.js'
import { fieldPairs } from './field-pairs.js'

/**
 * RFC 8288 section 3, at least as strict as Node's own check, which throws at what it does not like: such a hint is left
 * out. A name ends at its first `=`: with several places where it might, a line that fails is tried in all their ways.
 */
const link = /^<[^>]*>(?:\s*;\s*[^;="\s]+(?:=(")?[^;"\s]*\1)?)*$/

/** All that the Link fields hold; usable ones only, since a hint is never needed. */
export function linkHints(fields: FieldBlock): string[] {
  const pairs = fieldPairs(fields)
  return pairs
    .filter((_, i) => i % 2 === 1 && pairs[i - 1]?.toLowerCase() === 'link')
    .flatMap((value) => value.split(/,\s*(?=<)/))
    .filter((value) => link.test(value))
}
