// What is true of the visitors, kept apart from what the gateway believes: who holds which token and since when, and
// what must never be done to him. Knows time only as it passes in this world, never the gateway's clocks or spans.
import type { ReleaseVersion, SessionId } from '../../gateway/domain/ids.js'
import type { Token } from '../../gateway/domain/session.js'

/** A token in a visitor's jar. */
export interface HeldToken extends Omit<Token, 'keyId'> {
  readonly text: string
  /** When it came, by the time in which the gateway was up. */
  readonly upAt: number
  /** When it came, by the time of the machine. */
  readonly monotonicAt: number
  /** How long its visitor may be away. */
  readonly promisedMs: number
}

/** A pass to a preview in a visitor's jar; over at that instant of the wall clock. */
export interface HeldPass {
  readonly text: string
  readonly release: ReleaseVersion
  readonly until: number
}

/** A session that came back with its token and was let in, when it last did, by the time of the machine. */
export interface Confirmed {
  readonly id: SessionId
  readonly release: ReleaseVersion
  readonly monotonicAt: number
}

/** A page that a visitor has open: what it loads names the release that it came from. */
export interface Page {
  readonly release: ReleaseVersion
  /** Until when a session on its release, or what it loaded from there, keeps that release; in time of being up. */
  sessionUpUntil: number
  loadedUpUntil: number
  /** When it last did, by the time of the machine. */
  monotonicAt: number
}

export interface Visitor {
  readonly number: number
  readonly address: string
  token: HeldToken | null
  confirmed: Confirmed | null
  /** The longest promise of the tokens that his session has had, by the gateway's clock. */
  longestUntil: number
  /** Until when tokens for other releases than his own are promised, by the gateway's clock. */
  elsewhereUntil: number
  pass: HeldPass | null
  /** He has the application's own session cookie. */
  hasApplicationCookie: boolean
  /** In his tabs. */
  readonly pages: (Page | null)[]
  /** When he was last seen, by the time in which the gateway was up, and the idle time then. */
  seenUpAt: number
  seenIdleMs: number
  /** One idle time after he was last there with his token, not only by a stream with which his session began. */
  returnedUpUntil: number
  /** The same by the time of the machine. */
  seenAt: number
}

/** Births of one release against what its share lets expect. */
export class BirthTally {
  births = 0
  #excess = 0
  #variance = 0

  /** A visitor was born where this release's share is that. */
  add(share: number, isHere: boolean): void {
    this.births++
    this.#excess += (isHere ? 1 : 0) - share
    this.#variance += share * (1 - share)
  }

  /** How many standard deviations the births are from their shares. */
  get deviations(): number {
    return this.#variance === 0 ? 0 : Math.abs(this.#excess) / Math.sqrt(this.#variance)
  }
}

/** What the gateway was told, or has said itself, about the end of sessions. */
export class Truth {
  /** Time in which the gateway was up, ms. */
  up = 0
  readonly visitors: Visitor[] = []
  /** The gateway's clock has shown that visitors from before the gateway are not awaited any more. */
  wasAdoptionOver = false
  /** Ended by the application's word; one that is used again has begun anew. */
  readonly ended = new Set<SessionId>()
  /** Those that are used again as well. */
  readonly everEnded = new Set<SessionId>()
  /** Sessions that were handed a token for another release, whether it arrived or not: what each left. */
  readonly #left = new Map<SessionId, Set<ReleaseVersion>>()

  moved(id: SessionId, from: ReleaseVersion, to: ReleaseVersion): void {
    const left = this.#left.get(id) ?? new Set()
    left.delete(to)
    this.#left.set(id, left.add(from))
  }

  hasLeft(id: SessionId, from: ReleaseVersion): boolean {
    return this.#left.get(id)?.has(from) === true
  }

  /** He was handed a token for another release, which has not come. */
  isLeaving({ token }: Visitor): boolean {
    return token !== null && this.hasLeft(token.id, token.release)
  }

  /**
   * He counts on his own release: a session that has moved counts where its latest promise is. An idle time that was cut
   * or a clock that was set back meanwhile may leave that with the release of before.
   */
  countsAtHome({ token, elsewhereUntil }: Visitor, now: number): boolean {
    // A held one counts less long than it is promised.
    return token !== null && (token.held ? now : token.until) >= elsewhereUntil
  }

  /** A session that began with a stream, and of which nothing else is heard, keeps its release but is not counted. */
  hasReturned({ token, returnedUpUntil }: Visitor): boolean {
    return token?.held !== true || this.up < returnedUpUntil
  }

  /** A page that is open may load its parts from the release that it names. */
  isKept({ sessionUpUntil, loadedUpUntil }: Page): boolean {
    return this.up < Math.max(sessionUpUntil, loadedUpUntil)
  }

  /** Nobody may take this token for anything but its session: its visitor was away for less than he was promised. */
  isLive({ token, seenUpAt, seenIdleMs }: Visitor): boolean {
    if (token === null || this.ended.has(token.id)) return false
    // A held one is promised its session's whole age, and lasts no longer than his last visit or stream counts.
    return this.up - token.upAt < token.promisedMs && (!token.held || this.up - seenUpAt < seenIdleMs)
  }
}
