// Looks for a part of a page in the other live releases when the visitor's own answers 404. To the exchange it is one
// request with one answer; the answer of another release says nothing of the visitor's session.
import { freeTarget } from '../domain/balancing.js'
import { countsAgainstTarget } from '../domain/ejection.js'
import type { GatewayError } from '../domain/errors.js'
import { fieldKindOf } from '../domain/headers.js'
import { isNavigation } from '../domain/request-facts.js'
import type { ReleaseRoute } from '../domain/routing-table.js'
import { AssetAttempt, type AssetJudge, type AssetPlace } from './asset-attempt.js'
import type { ExchangeSession } from './exchange-session.js'
import { encodeUpstreamHead, type UpstreamHeadInput } from './request-encoder.js'
import { fieldValues } from './response-fields.js'
import type {
  ResponseHead,
  UpstreamCall,
  UpstreamHandler,
  UpstreamPool,
  UpstreamRequest,
} from './upstream/upstream.js'
import type { WorkerState } from './worker-state.js'

/** The search for a request; null for one that is answered by its own release alone. */
export function assetSearchFor(
  state: WorkerState,
  input: UpstreamHeadInput,
  session: ExchangeSession,
): AssetSearch | null {
  const { identity, framing, release } = input
  const { assets, releases } = release.site
  if (assets === null || framing !== 'none' || !assets.has(identity.path)) return null
  if ((identity.method !== 'GET' && identity.method !== 'HEAD') || isNavigation(identity)) return null
  const others = releases.filter((other) => other.isLive && other !== release)
  return others.length === 0 ? null : new AssetSearch(state, input, session, others)
}

const contentTypeKind = fieldKindOf('content-type')

/** What the exchange has sent, and where its own release is asked. */
interface Sent {
  readonly request: UpstreamRequest
  readonly handler: UpstreamHandler
  readonly own: UpstreamPool
}

/** Whether the answer is what was looked for: an application that answers unknown paths with its page has it not. */
function isAsset(head: ResponseHead, path: string): boolean {
  if (head.status !== 200 && head.status !== 206 && head.status !== 304) return false
  const isPage = fieldValues(head, contentTypeKind).toLowerCase().startsWith('text/html')
  return !isPage || /\.html?$/i.test(path)
}

export class AssetSearch implements UpstreamCall, AssetJudge {
  readonly #state: WorkerState
  readonly #input: UpstreamHeadInput
  readonly #session: ExchangeSession
  /** Releases that have not been asked, newest first. */
  #others: readonly ReleaseRoute[]
  #sent: Sent | null = null
  #hasBegun = false
  #hasAskedOwn = false
  #hasAskedOthers = false
  /** Somebody who was asked has not said whether he has it. */
  #hasDoubt = false
  /** The 404 of the visitor's own release. */
  #kept: AssetAttempt | null = null
  #current: AssetAttempt | null = null

  constructor(
    state: WorkerState,
    input: UpstreamHeadInput,
    session: ExchangeSession,
    others: readonly ReleaseRoute[],
  ) {
    this.#state = state
    this.#input = input
    this.#session = session
    this.#others = others
  }

  /** Asks the visitor's own release by that pool, or at once the one where it was found before. */
  send(request: UpstreamRequest, handler: UpstreamHandler, own: UpstreamPool): UpstreamCall {
    this.#sent = { request, handler, own }
    const origin = this.#hasBegun ? null : this.#remembered()
    this.#hasBegun = true
    if (origin === null) this.#askOwn()
    else this.#ask(origin)
    return this
  }

  /** The other release to ask first; where nobody is known to have it, nobody is asked. */
  #remembered(): ReleaseRoute | null {
    const { release, head } = this.#input
    const origin = this.#state.assetOrigins.find(this.#state.table, release, head.target)
    if (origin === null) return null
    const known = this.#others.find(({ version }) => version === origin.release) ?? null
    if (origin.release === null) this.#others = []
    // What is sent to a target and what it answers is its standing: a troubled one is not passed by.
    if (known === null || this.#state.pools.isTroubled) return null
    this.#others = this.#others.filter((other) => other !== known)
    return known
  }

  #askOwn(): void {
    const sent = this.#sent
    if (sent === null) return
    this.#hasAskedOwn = true
    const attempt = new AssetAttempt(this, null, sent.handler)
    this.#current = attempt
    attempt.call = sent.own.send(sent.request, attempt)
  }

  #ask(release: ReleaseRoute): void {
    const { pools, balancing, activity, clock } = this.#state
    const target = freeTarget(release, balancing)
    const sent = this.#sent
    if (target === null || sent === null) return this.#next()
    this.#hasAskedOthers = true
    const place = { release, target, activity: activity.of(release.index) }
    const attempt = new AssetAttempt(this, place, sent.handler)
    this.#current = attempt
    if (pools.isTroubled) pools.sent(target, clock.monotonic())
    const head = encodeUpstreamHead({ ...this.#input, release, session: null })
    attempt.call = pools.of(target).send({ ...sent.request, head, fresh: false }, attempt)
  }

  #next(): void {
    if (!this.#hasAskedOwn) return this.#askOwn()
    const [next, ...rest] = this.#others
    if (next === undefined) return this.#giveUp()
    this.#others = rest
    this.#ask(next)
  }

  /** Nobody has it: what the visitor's own release said is the answer. */
  #giveUp(): void {
    if (!this.#hasDoubt) this.#remember(null)
    this.#current = this.#kept
    this.#kept = null
    this.#current?.release()
  }

  #remember(release: ReleaseRoute | null): void {
    const { assetOrigins, table } = this.#state
    const { head, release: own } = this.#input
    assetOrigins.remember(table, own, head.target, { release: release?.version ?? null })
  }

  // -- what attempts say ----------------------------------------------------------------------------------------------

  isOwnAnswer(attempt: AssetAttempt, head: ResponseHead): boolean {
    if (head.status === 404 && this.#others.length > 0) {
      this.#kept = attempt
      return false
    }
    // What was remembered of another release is no longer so.
    if (head.status !== 404 && this.#hasAskedOthers) this.#remember(this.#input.release)
    if (head.status === 404 && this.#hasAskedOthers && !this.#hasDoubt) this.#remember(null)
    return true
  }

  isFound(place: AssetPlace, head: ResponseHead): boolean {
    const { pools, clock } = this.#state
    if (pools.isTroubled) pools.answered(place.target, clock.monotonic())
    if (!isAsset(head, this.#input.identity.path)) {
      this.#hasDoubt ||= head.status >= 500
      return false
    }
    this.#remember(place.release)
    this.#kept?.drop()
    this.#kept = null
    this.#session.standAside()
    return true
  }

  goOn(): void {
    this.#next()
  }

  failed(place: AssetPlace, error: GatewayError): void {
    const { pools, clock } = this.#state
    this.#hasDoubt = true
    place.activity.failed(error.code)
    if (countsAgainstTarget(error)) pools.failed(place.target, place.release, clock.monotonic())
    this.#next()
  }

  // -- the request as the exchange holds it -----------------------------------------------------------------------------

  get isWritten(): boolean {
    return this.#current?.call?.isWritten ?? false
  }

  /** Only requests without a body are looked for. */
  write(): boolean {
    return true
  }

  end(): void {}

  pause(): void {
    this.#current?.call?.pause()
  }

  resume(): void {
    this.#current?.call?.resume()
  }

  cancel(): void {
    this.#kept?.drop()
    this.#current?.drop()
    this.#kept = null
    this.#current = null
  }
}
