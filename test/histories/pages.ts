// The pages that visitors have open: which release each came from, and for how long that release has to be there for
// what the page loads. A session on the release keeps it as long as its token is promised; what the page loads, which
// names the release, keeps it for one idle time more, without one as long as a session may last.
import type { RoutingWorker } from './routing-worker.js'
import type { Stage } from './stage.js'
import type { RequestKind } from './steps.js'
import type { Page, Visitor } from './truth.js'

export class Pages {
  readonly #stage: Stage

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** The page that names its release in this request; null where nothing is named. */
  asking(visitor: Visitor, tab: number, kind: RequestKind): Page | null {
    if (!this.#stage.history.pagesName || kind === 'document' || kind === 'post') return null
    return visitor.pages[tab] ?? null
  }

  /** A document has come. */
  opened(visitor: Visitor, tab: number, release: Page['release']): void {
    visitor.pages[tab] = { release, sessionUpUntil: 0, loadedUpUntil: 0, monotonicAt: 0 }
    this.keptBySession(visitor)
  }

  /** He is on the release of his token: its pages can rely on it. */
  keptBySession({ token, pages, seenUpAt, seenIdleMs }: Visitor): void {
    if (token === null) return
    for (const page of pages) {
      if (page?.release !== token.release) continue
      const promised = token.upAt + token.promisedMs
      const upUntil = token.held ? Math.min(seenUpAt + seenIdleMs, promised) : promised
      if (upUntil <= page.sessionUpUntil) continue
      page.sessionUpUntil = upUntil
      page.monotonicAt = this.#stage.machine.monotonic
    }
  }

  /** What it loads came from the release that it names. */
  loaded(page: Page, { state }: RoutingWorker): void {
    const { idleTimeoutMs = 0, maxAgeMs = 0 } = state.table?.sites[0]?.session ?? {}
    const keptUpUntil = this.#stage.truth.up + Math.min(idleTimeoutMs, maxAgeMs)
    page.loadedUpUntil = Math.max(page.loadedUpUntil, keptUpUntil)
    page.monotonicAt = this.#stage.machine.monotonic
  }

  /** His session is over, by the application's word: nothing is kept for it. */
  sessionEnded({ pages }: Visitor): void {
    for (const page of pages) if (page !== null) page.sessionUpUntil = 0
  }
}
