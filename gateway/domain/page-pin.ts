// How a page names the release from which its parts come: by a request header or by a query parameter.
import { parseReleaseVersion, type ReleaseVersion } from './ids.js'
import type { RequestFacts } from './request-facts.js'

/** Where a page names its release; a site whose releases share no sessions has none. */
export interface PagePin {
  /** Lower case; null for none. */
  readonly header: string | null
  readonly query: string | null
}

/** The version that the page names, the header before the parameter; null for none, or for what is no version. */
export function pageVersion(facts: RequestFacts, pin: PagePin): ReleaseVersion | null {
  const text = pin.header === null ? '' : facts.header(pin.header)
  if (text !== '') return parseReleaseVersion(text)
  return pin.query === null ? null : parseReleaseVersion(parameterOf(facts.target, pin.query))
}

/** The first value of a query parameter, percent-decoded; empty when absent or malformed. */
function parameterOf(target: string, name: string): string {
  const at = target.indexOf('?')
  if (at < 0) return ''
  const pair = target
    .slice(at + 1)
    .split('&')
    .find((each) => each.startsWith(`${name}=`))
  // A plus stands for itself: versions may contain one ("1.2.0+build"), and scripts that build queries encode it.
  return pair === undefined ? '' : decoded(pair.slice(name.length + 1))
}

function decoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return ''
  }
}
