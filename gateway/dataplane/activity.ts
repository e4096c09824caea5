// What this worker saw: for each release its counters and promises, sessions touched since the last report. Counting
// is a few additions to plain numbers; everything else happens when a report is made. Knows nothing of the ledger.
import type { ErrorCode } from '../domain/errors.js'
import type { ReleaseIndex, ReleaseVersion, SessionId, SiteName } from '../domain/ids.js'
import { latencyBoundsMs, latencyBucket } from '../domain/latency-buckets.js'
import type { MoveCause } from '../domain/moves.js'
import { extendPromise, type SessionBatch, type TimeSpan } from '../domain/session.js'
import type { TokenRejection } from './affinity-token.js'
import type { LostPin } from './lost-pin.js'

/** Sessions that came from one release for one cause. */
export interface TakenOver {
  readonly from: ReleaseVersion
  readonly because: MoveCause
  count: number
}

/** What an exchange tells of itself to whoever counts it. */
export interface ExchangeAccount {
  opened(): void
  closed(): void
  answered(status: number, durationMs: number): void
  failed(code: ErrorCode): void
  socketOpened(): void
  socketClosed(): void
}

/** The counters of one release in this worker. */
export class ReleaseActivity implements ExchangeAccount {
  readonly index: ReleaseIndex
  births = 0
  birthsUntil = 0
  lastTouchAt = 0
  exchangesOpen = 0
  socketsOpen = 0
  previewRequests = 0
  durationSumMs = 0
  readonly durations = new Array<number>(latencyBoundsMs.length + 1).fill(0)
  /** Answers of status 200, in the object itself: a table for each of 200 releases is out of the cache when it is needed. */
  #good = 0
  readonly #others = new Map<number, number>()
  readonly upstreamErrors = new Map<ErrorCode, number>()
  readonly takenOver: TakenOver[] = []

  constructor(index: ReleaseIndex) {
    this.index = index
  }

  /** A token was handed out at a birth, such a session's stream or a page that names the release seen: until then. */
  promised(until: number): void {
    if (until > this.birthsUntil) this.birthsUntil = until
  }

  opened(): void {
    this.exchangesOpen++
  }

  closed(): void {
    this.exchangesOpen--
  }

  socketOpened(): void {
    this.socketsOpen++
  }

  socketClosed(): void {
    this.socketsOpen--
  }

  /** Answers by status. */
  get requests(): ReadonlyMap<number, number> {
    return this.#good === 0 ? this.#others : new Map([[200, this.#good], ...this.#others])
  }

  answered(status: number, durationMs: number): void {
    if (status === 200) this.#good++
    else this.#others.set(status, (this.#others.get(status) ?? 0) + 1)
    this.durationSumMs += durationMs
    const bucket = latencyBucket(durationMs)
    this.durations[bucket] = (this.durations[bucket] ?? 0) + 1
  }

  /** A session came here from another release. */
  tookOver(from: ReleaseVersion, because: MoveCause): void {
    const known = this.takenOver.find((each) => each.from === from && each.because === because)
    if (known === undefined) this.takenOver.push({ from, because, count: 1 })
    else known.count++
  }

  failed(code: ErrorCode): void {
    this.upstreamErrors.set(code, (this.upstreamErrors.get(code) ?? 0) + 1)
  }
}

/** A preview is counted once, when it begins: it holds nothing open and is judged by nobody. */
export class PreviewAccount implements ExchangeAccount {
  readonly #release: ReleaseActivity

  constructor(release: ReleaseActivity) {
    this.#release = release
  }

  opened(): void {
    this.#release.previewRequests++
  }

  closed(): void {}
  answered(): void {}
  failed(): void {}
  socketOpened(): void {}
  socketClosed(): void {}
}

/** Sessions touched, collected column by column until the next report takes them. */
class TouchColumns {
  #ids: number[] = []
  #releases: number[] = []
  #bornAt: number[] = []
  #until: number[] = []

  add(id: SessionId, release: ReleaseIndex, bornAt: number, until: number): void {
    this.#ids.push(Number.parseInt(id.slice(0, 8), 16), Number.parseInt(id.slice(8), 16))
    this.#releases.push(release)
    this.#bornAt.push(bornAt)
    this.#until.push(until)
  }

  extend(spans: readonly TimeSpan[]): void {
    this.#until = this.#until.map((until) => extendPromise(until, spans))
  }

  take(): SessionBatch {
    const batch = {
      ids: Uint32Array.from(this.#ids),
      releases: Uint16Array.from(this.#releases),
      bornAt: Float64Array.from(this.#bornAt),
      until: Float64Array.from(this.#until),
    }
    this.#ids = []
    this.#releases = []
    this.#bornAt = []
    this.#until = []
    return batch
  }
}

/** Counts of a site's requests or tokens by a second label. */
class SiteCounts<Label> {
  readonly #counts = new Map<string, Map<Label, number>>()

  add(site: string, label: Label): void {
    let labels = this.#counts.get(site)
    if (labels === undefined) this.#counts.set(site, (labels = new Map()))
    labels.set(label, (labels.get(label) ?? 0) + 1)
  }

  list(): (readonly [site: string, label: Label, count: number])[] {
    return [...this.#counts].flatMap(([site, labels]) =>
      [...labels].map(([label, count]) => [site, label, count] as const),
    )
  }
}

/** Everything that one worker saw. */
export class Activity {
  /** By release index; dense enough for an array. */
  readonly #releases: (ReleaseActivity | undefined)[] = []
  readonly #touches = new TouchColumns()
  readonly unrouted = new SiteCounts<number>()
  readonly rejected = new SiteCounts<TokenRejection>()
  readonly pinsLost = new SiteCounts<LostPin>()
  readonly foreignSeen = new Map<SiteName, number>()

  of(index: ReleaseIndex): ReleaseActivity {
    return (this.#releases[index] ??= new ReleaseActivity(index))
  }

  /** A confirmed session was seen; it counts until then. */
  touched(id: SessionId, release: ReleaseIndex, bornAt: number, until: number): void {
    this.#touches.add(id, release, bornAt, until)
  }

  /** Spans that the worker did not know when it made the promises that are still to be reported. */
  extend(spans: readonly TimeSpan[]): void {
    if (spans.length === 0) return
    this.#touches.extend(spans)
    for (const release of this.releases()) release.birthsUntil = extendPromise(release.birthsUntil, spans)
  }

  takeTouches(): SessionBatch {
    return this.#touches.take()
  }

  releases(): ReleaseActivity[] {
    return this.#releases.filter((release) => release !== undefined)
  }

  /** A release whose index is about to stand for another one. */
  forget(index: ReleaseIndex): void {
    this.#releases[index] = undefined
  }
}
