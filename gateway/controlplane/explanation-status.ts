// An explanation as the JSON of the admin API, and as a sentence. Knows nothing of who asks.
import { errorKinds, type ErrorCode } from '../domain/errors.js'
import { isoText, minuteText } from '../domain/instant-text.js'
import { endOfTime } from '../domain/session.js'
import type { Explanation } from '../plane-protocol.js'
import type { ExplanationStatus } from './admin-protocol-desk.js'

/** An explanation for the API. `site` is the one that was asked. */
export function explanationStatus(site: string, found: Explanation, now: number): ExplanationStatus {
  return {
    text: sentenceOf(site, found, now),
    site: found.site,
    outcome: found.outcome,
    rule: found.rule,
    release: found.release,
    target: found.target,
    error: found.error,
    until: instantOrNull(found.until),
    token:
      found.token === null
        ? null
        : {
            ...found.token,
            bornAt: isoText(found.token.bornAt),
            issuedAt: isoText(found.token.issuedAt),
            until: instantOrNull(found.token.until),
          },
    rejected: found.rejected,
    generation: found.generation,
  }
}

/** Null for no end. */
function instantOrNull(at: number | null): string | null {
  return at === null || at >= endOfTime ? null : isoText(at)
}

function sentenceOf(site: string, found: Explanation, now: number): string {
  if (found.site !== null && found.site !== site) return `this host is answered by the site "${found.site}"`
  const because = found.rule === null ? '' : `, by rule ${found.rule.number} (${found.rule.name})`
  const rejected = found.rejected.map((reason) => `; ${rejections[reason] ?? reason}`).join('')
  return `${outcomeText(found, now)}${because}${rejected}`
}

function outcomeText(found: Explanation, now: number): string {
  const { outcome, release, error } = found
  const until =
    found.until === null || found.until >= endOfTime ? '' : `, until ${minuteText(found.until, now)}`
  switch (outcome) {
    case 'preview':
      return `previews "${release}"${until}`
    case 'link':
      return 'begins or ends a preview, and is redirected'
    case 'page':
      return `goes to "${release}", which its page names; the session stays where it is`
    case 'stay':
      return found.revives
        ? `goes to its own release "${release}", which renews it`
        : `stays on "${release}"${until}`
    case 'trail':
      return `goes to "${release}", where its session has just ended; gets no token`
    case 'move':
      return `moves from "${found.token?.release}" to "${release}" (${found.because})${until}`
    case 'board':
      return `begins a session on "${release}" (${found.because})${until}`
    case 'unpinned':
      return `goes to "${release}"; a session begins there when the application says so`
    case 'pass':
      return `goes to "${release}" without a session`
    case 'refuse':
      return `is refused with ${statusOf(error)}`
    default:
      return outcome satisfies never
  }
}

function statusOf(error: ErrorCode | null): string {
  return error === null ? 'an error' : `${errorKinds[error].status} (${error}): ${errorKinds[error].message}`
}

/** Why a token or a pass counted as none, in words. */
const rejections: Readonly<Record<string, string>> = {
  malformed: 'a token is malformed: cut short, or none of ours',
  signature: 'the signature of a token does not hold',
  key: 'a token was signed with a key that is not known, or was dropped',
  site: 'a token is of another site',
  expired: 'a token is no longer honoured',
  future: 'a token comes from the future: clocks differ',
}
