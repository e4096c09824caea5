// One release that is asked for a part of a page: its answer goes on, is kept, or is dropped. What was acquired for it is
// given back once, whatever becomes of it. Knows nothing of who is asked next.
import type { GatewayError } from '../domain/errors.js'
import type { ReleaseRoute, TargetRoute } from '../domain/routing-table.js'
import type { ReleaseActivity } from './activity.js'
import { KeptAnswer } from './kept-answer.js'
import type { ResponseHead, UpstreamCall, UpstreamHandler } from './upstream/upstream.js'

/** Where another release than the visitor's own is asked. */
export interface AssetPlace {
  readonly release: ReleaseRoute
  readonly target: TargetRoute
  readonly activity: ReleaseActivity
}

/** Who decides what becomes of an answer, and who is asked next. */
export interface AssetJudge {
  /** The visitor's own release has answered; true: its answer goes on to him. */
  isOwnAnswer(attempt: AssetAttempt, head: ResponseHead): boolean
  /** Another release has answered; true: it has what was looked for. */
  isFound(place: AssetPlace, head: ResponseHead): boolean
  /** What was looked for is not there. */
  goOn(): void
  /** Another release could not be asked. */
  failed(place: AssetPlace, error: GatewayError): void
}

/** `asked`: nothing has come; `passing`: what comes goes on; `kept`: it may yet; `dropped`: nobody wants it. */
type Fate = 'asked' | 'passing' | 'kept' | 'dropped'

/** The rest of an unwanted answer is read so that its connection can be used again; a longer one is cut. */
const longestRestBytes = 65_536

export class AssetAttempt implements UpstreamHandler {
  call: UpstreamCall | null = null
  readonly #judge: AssetJudge
  /** Null for the visitor's own release. */
  readonly #place: AssetPlace | null
  readonly #handler: UpstreamHandler
  #fate: Fate = 'asked'
  #kept: KeptAnswer | null = null
  #restBytes = 0
  #isOpen = true

  constructor(judge: AssetJudge, place: AssetPlace | null, handler: UpstreamHandler) {
    this.#judge = judge
    this.#place = place
    this.#handler = handler
    // Its release is not to be taken away while it answers.
    if (place !== null) place.activity.exchangesOpen++
  }

  #giveBack(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    if (this.#place !== null) this.#place.activity.exchangesOpen--
  }

  /** Its answer is not wanted any more. */
  drop(): void {
    if (this.#fate === 'dropped') return
    this.#fate = 'dropped'
    this.#kept = null
    this.#giveBack()
    this.call?.cancel()
  }

  /** Its answer, which was kept, goes on after all. */
  release(): void {
    const kept = this.#kept
    if (kept === null) return
    this.#kept = null
    this.#fate = 'passing'
    this.call?.resume()
    this.#handler.onHead(kept.head)
    // By way of this attempt, which may have been dropped over its head.
    kept.replayBody(this)
  }

  // -- what its release answers -----------------------------------------------------------------------------------------

  /** Of another release only its answer is of interest. */
  onInterim(head: ResponseHead): void {
    if (this.#place === null && this.#fate === 'asked') this.#handler.onInterim(head)
  }

  onHead(head: ResponseHead): void {
    if (this.#fate !== 'asked') return
    if (this.#goesOn(head)) {
      this.#fate = 'passing'
      return this.#handler.onHead(head)
    }
    if (this.#place === null) {
      this.#fate = 'kept'
      this.#kept = new KeptAnswer(head)
      this.call?.pause()
    } else {
      this.#fate = 'dropped'
      this.#giveBack()
    }
    this.#judge.goOn()
  }

  #goesOn(head: ResponseHead): boolean {
    if (this.#place === null) return this.#judge.isOwnAnswer(this, head)
    return this.#judge.isFound(this.#place, head)
  }

  onData(chunk: Buffer): void {
    if (this.#fate === 'passing') return this.#handler.onData(chunk)
    if (this.#kept !== null) return this.#kept.add(chunk)
    this.#restBytes += chunk.length
    if (this.#restBytes > longestRestBytes) this.call?.cancel()
  }

  onReadEnd(): void {
    if (this.#fate === 'passing') this.#handler.onReadEnd()
  }

  onEnd(): void {
    this.#giveBack()
    if (this.#fate === 'passing') this.#handler.onEnd()
    else this.#kept?.complete()
  }

  onError(error: GatewayError): void {
    this.#giveBack()
    if (this.#kept !== null) return this.#kept.fail(error)
    if (this.#fate === 'dropped') return
    const isUnanswered = this.#fate === 'asked'
    if (isUnanswered) this.#fate = 'dropped'
    if (isUnanswered && this.#place !== null) this.#judge.failed(this.#place, error)
    else this.#handler.onError(error)
  }

  onDrain(): void {
    if (this.#fate !== 'dropped') this.#handler.onDrain()
  }
}
