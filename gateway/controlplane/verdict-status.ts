// A verdict as the JSON of the admin API. Knows nothing of who asks.
import { isoText } from '../domain/instant-text.js'
import { verdictText } from '../domain/verdict-text.js'
import type { Blocker, Doubt, Verdict } from '../domain/verdict.js'
import type { VerdictStatus } from './admin-protocol.js'

/** A verdict for the API: instants as ISO 8601, null where there is no bound. */
export function verdictStatus(verdict: Verdict, now: number): VerdictStatus {
  const shared = { text: verdictText(verdict, now), asOf: isoText(verdict.asOf) }
  switch (verdict.kind) {
    case 'retirable':
      return { kind: verdict.kind, ...shared, at: instantOrNull(verdict.emptySince), reasons: [] }
    case 'blocked':
      return {
        kind: verdict.kind,
        ...shared,
        at: instantOrNull(verdict.emptyBy),
        reasons: verdict.by.map(reasonJson),
      }
    case 'unknown':
      return {
        kind: verdict.kind,
        ...shared,
        at: instantOrNull(verdict.until),
        reasons: verdict.why.map(reasonJson),
      }
    default:
      return verdict satisfies never
  }
}

function reasonJson(reason: Blocker | Doubt): Readonly<Record<string, string | number | null>> {
  return 'until' in reason ? { ...reason, until: instantOrNull(reason.until) } : { ...reason }
}

function instantOrNull(at: number | null): string | null {
  return at === null || !Number.isFinite(at) ? null : isoText(at)
}
