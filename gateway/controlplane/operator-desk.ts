// What operators ask beside the state of releases: a link to try one out, who keeps it alive, where a request goes and
// why. Changes nothing.
import { isoText } from '../domain/instant-text.js'
import { parseSessionId, type SessionId } from '../domain/ids.js'
import type { Release } from '../domain/release.js'
import { endOfTime } from '../domain/session.js'
import type { ExplanationStatus, PreviewLink, ReleaseSessions, SessionStatus } from './admin-protocol-desk.js'
import type { ControlPlane } from './control-plane.js'
import { explainedRequest, type ExplainQuestion } from './explained-request.js'
import { explanationStatus } from './explanation-status.js'
import type { KnownSession } from './ledger/known-session.js'
import { previewLink, type PreviewOrder, type PublicUrls } from './preview-link.js'
import { knownRelease, knownSite } from './known-release.js'
import { verdictStatus } from './verdict-status.js'

/** What the admin API may ask here; the site and release have been looked up before. */
export interface Desk {
  /** A signed link by which one browser sees the release. Rejects with a RuleRefusal. */
  preview(site: string, version: string, order: PreviewOrder): Promise<PreviewLink>
  /** At most so many of the sessions of a release, those that are honoured longest first. */
  sessions(site: string, version: string, limit: number): Promise<ReleaseSessions>
  /** Where a request goes, by the word of a worker. Rejects with a RuleRefusal. */
  explain(site: string, question: ExplainQuestion): Promise<ExplanationStatus>
}

export interface DeskOptions {
  readonly plane: ControlPlane
  readonly urls: () => PublicUrls
  /** 8 random bytes. */
  readonly randomBytes: () => Uint8Array
}

/** A look through ten million rows stalls for 83 ms in one go: every so many segments others get a turn. */
const segmentsATurn = 16

export class OperatorDesk implements Desk {
  readonly #options: DeskOptions
  readonly #plane: ControlPlane

  constructor(options: DeskOptions) {
    this.#options = options
    this.#plane = options.plane
  }

  async preview(siteName: string, version: string, order: PreviewOrder): Promise<PreviewLink> {
    const { site, release } = knownRelease(this.#plane.register, siteName, version)
    const { publisher, events, keyKeeper } = this.#plane
    const { url, until } = previewLink(
      release,
      site.policy.hosts,
      { ...order, now: this.#now },
      {
        publisher,
        events,
        keys: () => keyKeeper.spec,
        urls: this.#options.urls,
        randomId: () => this.#randomId(),
      },
    )
    return { site: siteName, version, url, until: isoText(until) }
  }

  async sessions(siteName: string, version: string, limit: number): Promise<ReleaseSessions> {
    const { release } = knownRelease(this.#plane.register, siteName, version)
    const { traffic, controller, parts } = this.#plane
    const found = await this.#search(release, limit)
    const open = traffic.openOf(release.index)
    return {
      site: siteName,
      version,
      active: parts.ledger.of(release.index).active,
      sessions: found.map((session) => sessionStatus(session, this.#now)),
      exchangesOpen: open.exchanges,
      websocketsOpen: open.sockets,
      verdict: verdictStatus(controller.retirement.verdictOf(release), this.#now),
    }
  }

  async explain(siteName: string, question: ExplainQuestion): Promise<ExplanationStatus> {
    const { policy } = knownSite(this.#plane.register, siteName)
    const request = explainedRequest(policy.site, policy.hosts, question)
    const explanation = await this.#plane.parts.supervisor.explain(request)
    return explanationStatus(siteName, explanation, this.#now)
  }

  async #search(release: Release, limit: number): Promise<readonly KnownSession[]> {
    const found: KnownSession[] = []
    let segments = 0
    for (const some of this.#plane.parts.ledger.sessionsBySegment(release.index, limit)) {
      found.push(...some)
      if (++segments % segmentsATurn === 0) await new Promise<void>((resolve) => setImmediate(resolve))
    }
    return found.sort((a, b) => b.until - a.until)
  }

  get #now(): number {
    return this.#plane.parts.clock.now()
  }

  #randomId(): SessionId {
    const id = parseSessionId(Buffer.from(this.#options.randomBytes()).toString('hex'))
    if (id === null) throw new Error('an id is made of 8 bytes')
    return id
  }
}

function sessionStatus({ id, bornAt, until }: KnownSession, now: number): SessionStatus {
  return {
    id,
    bornAt: isoText(bornAt),
    ageMs: Math.max(0, now - bornAt),
    honouredUntil: until >= endOfTime ? null : isoText(until),
  }
}
