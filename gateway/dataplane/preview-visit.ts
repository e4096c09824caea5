// A preview's part in one exchange, in place of a session's: the application's cookies under other names, nothing that
// a cache may keep, and no word to the ledger. Knows nothing of links.
import type { Decision } from '../domain/affinity.js'
import { fieldKindOf } from '../domain/headers.js'
import type { SessionId } from '../domain/ids.js'
import type { PreviewPass } from '../domain/preview-pass.js'
import type { ReleaseRoute } from '../domain/routing-table.js'
import type { RouteSession } from './exchange-session.js'
import type { Stay } from './long-stay.js'
import { renamedSetCookie } from './preview-cookies.js'
import type { Handout } from './session-handout.js'
import type { ResponseHead } from './upstream/upstream.js'
import type { WorkerState } from './worker-state.js'

const setCookieKind = fieldKindOf('set-cookie')

export class PreviewVisit implements RouteSession {
  readonly #state: WorkerState
  readonly #release: ReleaseRoute
  readonly #pass: PreviewPass

  constructor(state: WorkerState, { release, pass }: Extract<Decision, { readonly kind: 'preview' }>) {
    this.#state = state
    this.#release = release
    this.#pass = pass
  }

  get id(): SessionId {
    return this.#pass.id
  }

  /** Neither a shared cache nor the browser's own may show this release to anybody at its usual address. */
  handOut(head: ResponseHead): Handout {
    const lines = ['Cache-Control: private, no-store', ...renamedCookieLines(head)].join('\r\n')
    return { lines, cacheControl: null, issued: null, ended: null }
  }

  stayFrom(): Stay {
    return new PreviewStay(this.#state, this.#release, this.#pass)
  }

  refresh(): void {}

  close(): void {}
}

function renamedCookieLines(head: ResponseHead): readonly string[] {
  const lines: string[] = []
  for (let i = 0; i < head.fields; i++) {
    if (head.fieldKind[i] !== setCookieKind) continue
    const value = head.bytes.toString('latin1', head.valueStart[i] ?? 0, head.valueEnd[i] ?? 0)
    lines.push(`Set-Cookie: ${renamedSetCookie(value)}`)
  }
  return lines
}

/** What lasts ends with its pass, or with its release. */
class PreviewStay implements Stay {
  readonly #state: WorkerState
  readonly #release: ReleaseRoute
  readonly #until: number
  #leaveAt = Infinity

  constructor(state: WorkerState, release: ReleaseRoute, pass: PreviewPass) {
    this.#state = state
    this.#release = release
    this.#until = pass.until
  }

  isTooLate(now: number): boolean {
    return now >= this.#until
  }

  isOver(now: number): boolean {
    if (now >= this.#until || now >= this.#leaveAt) return true
    const site = this.#state.table?.siteNamed(this.#release.site.name) ?? null
    return site === null || site.release(this.#release.version) === null
  }

  leaveWithin(windowMs: number, now: number): void {
    this.#leaveAt = Math.min(this.#leaveAt, now + this.#state.balancing.random() * windowMs)
  }
}
