// Where a request would go and why, without sending it: the same reading, the same rules, on the table in force. Leaves
// no trace: nothing is counted, and no session is told of.
import { decide, decidingRule, type Decision } from '../domain/affinity.js'
import type { ErrorCode } from '../domain/errors.js'
import type { SiteRoute } from '../domain/routing-table.js'
import { honouredUntil, promiseUntil } from '../domain/session.js'
import type { ExplainedRequest, Explanation } from '../plane-protocol.js'
import { Activity } from './activity.js'
import { answerAtDoor } from './preview-door.js'
import { readHead } from './request-head.js'
import type { RequestIdentity } from './request-identity.js'
import { identify, targetOf } from './routing.js'
import type { WorkerState } from './worker-state.js'

const nothing = {
  site: null,
  rule: null,
  release: null,
  target: null,
  error: null,
  until: null,
  revives: false,
  because: null,
  token: null,
  rejected: [],
}

export function explainRequest(
  state: WorkerState,
  { head: given, site: asked }: ExplainedRequest,
): Explanation {
  const head = { ...given, version: '1.1', clientCertificate: '' } as const
  const generation = state.table?.generation ?? 0
  const refused = (error: ErrorCode): Explanation => ({ ...nothing, generation, outcome: 'refuse', error })
  const reading = readHead(head)
  if (!reading.ok) return refused(reading.error)
  if (state.table === null) return refused('not_ready')
  const site = state.table.siteOf(reading.host.name)
  if (site === null) return refused('unknown_site')
  if (site.name !== asked) return { ...refused('unknown_site'), site: site.name }
  const now = state.clock.now()
  const unseen = { ...state, activity: new Activity() }
  const identity = identify(unseen, head, site, now)
  const decision = decide(identity, site, now)
  const atDoor = answerAtDoor(unseen, { head, site, identity, now })
  const found = {
    ...nothing,
    generation,
    site: site.name,
    token: tokenOf(identity, site),
    rejected: unseen.activity.rejected.list().map(([, reason]) => reason),
  }
  if (atDoor?.kind === 'refused') return { ...found, outcome: 'refuse', error: atDoor.error }
  if (atDoor !== null) return { ...found, outcome: 'link' }
  const rule = decidingRule(identity, site, now)
  return {
    ...found,
    rule: rule === null ? null : { number: rule.number, name: rule.name },
    ...outcomeOf(state, decision, site, now),
  }
}

function tokenOf({ token }: RequestIdentity, site: SiteRoute): Explanation['token'] {
  if (token === null) return null
  const { id, release, bornAt, issuedAt, held } = token
  return { session: id, release, bornAt, issuedAt, held, until: honouredUntil(token, site.spans) }
}

type Outcome = Pick<Explanation, 'outcome' | 'release'> & Partial<Explanation>

function outcomeOf(state: WorkerState, decision: Decision, site: SiteRoute, now: number): Outcome {
  if (decision.kind === 'refuse') return { outcome: 'refuse', release: null, error: decision.error }
  const { kind: outcome } = decision
  const release = decision.release.version
  switch (decision.kind) {
    case 'preview':
      return { outcome, release, until: decision.pass.until, target: settledOn(state, decision) }
    case 'stay': {
      const until = honouredUntil(decision.token, site.spans)
      return { outcome, release, until, revives: decision.revives, target: settledOn(state, decision) }
    }
    case 'board': {
      const until = promiseUntil(site, now, now, 0)
      return { outcome, release, until, because: decision.because }
    }
    case 'move': {
      const until = promiseUntil(site, decision.token.bornAt, now, honouredUntil(decision.token, site.spans))
      return { outcome, release, until, because: decision.because }
    }
    case 'trail':
    case 'page':
    case 'pass':
    case 'unpinned':
      return { outcome, release }
    default:
      return decision satisfies never
  }
}

/** The target that is no matter of chance; null where any of the release will do. */
function settledOn(
  state: WorkerState,
  decision: Extract<Decision, { readonly kind: 'preview' | 'stay' }>,
): string | null {
  const { affinity } = decision.release.site.session
  return affinity === 'target' ? (targetOf(state, decision)?.url ?? null) : null
}
