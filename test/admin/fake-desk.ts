// A desk in memory: what it was asked, in words, and answers of a fixed shape.
import type {
  ExplanationStatus,
  PreviewLink,
  ReleaseSessions,
} from '../../gateway/controlplane/admin-protocol-desk.js'
import type { ExplainQuestion } from '../../gateway/controlplane/explained-request.js'
import type { Desk } from '../../gateway/controlplane/operator-desk.js'
import type { PreviewOrder } from '../../gateway/controlplane/preview-link.js'
import type { RuleRefusal } from '../../gateway/controlplane/rule-refusal.js'
import { releaseStatus } from './fake-view.js'

export class FakeDesk implements Desk {
  readonly asked: string[] = []
  /** What previews and explanations are refused by; null: each is given. */
  refusal: RuleRefusal | null = null

  preview(site: string, version: string, { by, ttlMs, url }: PreviewOrder): Promise<PreviewLink> {
    if (this.refusal !== null) return Promise.reject(this.refusal)
    this.asked.push(`preview ${site} ${version} ${ttlMs} ${url} by ${by}`)
    const until = new Date(ttlMs).toISOString()
    return Promise.resolve({ site, version, url: `${url ?? 'http://localhost/'}?amarre-preview=x`, until })
  }

  sessions(site: string, version: string, limit: number): Promise<ReleaseSessions> {
    this.asked.push(`sessions ${site} ${version} ${limit}`)
    const instant = '2026-03-01T12:00:00.000Z'
    const one = { id: '0011223344556677', bornAt: instant, ageMs: 61_000, honouredUntil: instant }
    const { verdict } = releaseStatus({ version })
    const open = { exchangesOpen: 1, websocketsOpen: 2 }
    return Promise.resolve({ site, version, active: 3, sessions: [one], ...open, verdict })
  }

  explain(site: string, question: ExplainQuestion): Promise<ExplanationStatus> {
    if (this.refusal !== null) return Promise.reject(this.refusal)
    this.asked.push(`explain ${site} ${JSON.stringify(question)}`)
    return Promise.resolve({
      text: 'stays on "1.0.0", by rule 3 (own release)',
      site,
      outcome: 'stay',
      rule: { number: 3, name: 'own release' },
      release: '1.0.0',
      target: 'http://a:1',
      error: null,
      until: '2026-03-01T12:30:00.000Z',
      token: {
        session: '0011223344556677',
        release: '1.0.0',
        bornAt: '2026-03-01T12:00:00.000Z',
        issuedAt: '2026-03-01T12:00:00.000Z',
        until: null,
        held: true,
      },
      rejected: [],
      generation: 7,
    })
  }
}
