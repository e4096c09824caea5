// Refusing early while a worker is too busy, so that those who are served are served as quickly as ever. Says once when
// that begins and once when it is over. What counts as too busy is domain/overload.ts.
import type { Decision } from '../domain/affinity.js'
import { afterBeat, exchangesAllowed, relaxed, type Strain } from '../domain/overload.js'
import type { ClientLimits } from '../plane-protocol.js'

/** An overload as the log has it. */
export interface OverloadNews {
  readonly message: 'overload begins: requests are refused' | 'overload is over'
  readonly fields: {
    /** Of the event loop, as of now. */
    readonly delayMs: number
    readonly exchangesOpen: number
    /** Since it began. */
    readonly refused: number
  }
}

/** It is over when so many beats brought no refusal. */
const quietBeats = 10

export class Overload {
  /** With more exchanges open `sheds` has to be asked: the one comparison of a usual request. */
  from = Infinity
  #strain: Strain = relaxed
  #limits: ClientLimits
  #refused = 0
  #beatsSince = 0
  readonly #tell: (news: OverloadNews) => void

  constructor(limits: ClientLimits, tell: (news: OverloadNews) => void) {
    this.#limits = limits
    this.#tell = tell
  }

  use(limits: ClientLimits): void {
    this.#limits = limits
    this.#follow()
  }

  /** Five times a second; `latenessMs`: how much later than that. */
  beat(latenessMs: number, exchangesOpen: number): void {
    this.#strain = afterBeat(this.#strain, latenessMs, this.#limits.overloadDelayMs)
    this.#follow()
    if (this.#refused === 0 || this.#beatsSince++ < quietBeats) return
    this.#say('overload is over', exchangesOpen)
    this.#refused = 0
  }

  #follow(): void {
    this.from = exchangesAllowed(this.#strain, this.#limits.exchanges, true)
  }

  /** Whether a request is refused that has so many open exchanges about it, itself among them. */
  sheds(exchangesOpen: number, isNewcomer: boolean): boolean {
    if (exchangesOpen <= exchangesAllowed(this.#strain, this.#limits.exchanges, isNewcomer)) return false
    this.#beatsSince = 0
    if (this.#refused++ === 0) this.#say('overload begins: requests are refused', exchangesOpen)
    return true
  }

  #say(message: OverloadNews['message'], exchangesOpen: number): void {
    const delayMs = Math.round(this.#strain.delayMs)
    this.#tell({ message, fields: { delayMs, exchangesOpen, refused: this.#refused } })
  }
}

/** Whoever loses nothing by coming back later: nobody's session goes with him. */
export function isNewcomer(decision: Decision): boolean {
  if (decision.kind === 'board') return decision.because === 'new'
  return decision.kind === 'pass' || decision.kind === 'unpinned'
}
