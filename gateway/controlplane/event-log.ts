// The event log: every transition and everything else that an operator may want to know later, with time and cause,
// kept in the store and told to the log.
import { randomUUID } from 'node:crypto'
import type { Clock, LifecycleStore, Log } from '../domain/ports.js'

/** What kinds of events there are. */
export type EventType =
  | 'started'
  | 'stopped'
  | 'transition'
  | 'withdrawn'
  | 'restored'
  | 'registered'
  | 'updated'
  | 'removed'
  | 'policy'
  | 'config-rejected'
  | 'worker-lost'
  | 'state-lost'
  | 'unclean-stop'
  | 'clock-jump'
  | 'foreign-tokens'
  | 'retention-exceeded'
  | 'no-accepting-release'
  | 'forced'
  | 'move-ordered'
  | 'move-order-over'
  | 'end-announced'
  | 'end-cancelled'
  | 'release-dead'
  | 'release-alive'
  | 'network-suspected'
  | 'frozen'
  | 'unfrozen'
  | 'rollout-started'
  | 'rollout-step'
  | 'rollout-held'
  | 'rollout-finished'
  | 'rollout-aborted'
  | 'rollout-ended'
  | 'requirement-unmet'
  | 'births-given-back'
  | 'births-stranded'
  | 'preview-link'
  | 'keys-rotated'
  | 'key-dropped'

/** One event as kept. Its saved form has a version of its own. */
export interface SavedEvent {
  readonly version: 1
  readonly id: string
  readonly at: number
  readonly type: EventType
  readonly site: string | null
  readonly release: string | null
  readonly from: string | null
  readonly to: string | null
  readonly cause: string
  readonly hash: string | null
}

export type EventFields = Partial<Pick<SavedEvent, 'site' | 'release' | 'from' | 'to' | 'hash'>>

/** While the state cannot be saved. */
const mostUnkept = 1_000

export class EventLog {
  readonly #store: LifecycleStore
  readonly #clock: Clock
  readonly #log: Log
  /** Called after an event was kept. */
  onKept: () => void = () => {}
  /** What could not be kept, the oldest first. */
  readonly #unkept: SavedEvent[] = []
  #isTrying = false

  constructor(store: LifecycleStore, clock: Clock, log: Log) {
    this.#store = store
    this.#clock = clock
    this.#log = log
  }

  add(type: EventType, cause: string, fields: EventFields = {}): void {
    const none = { site: null, release: null, from: null, to: null, hash: null }
    const event: SavedEvent = {
      version: 1,
      id: randomUUID(),
      at: this.#clock.now(),
      type,
      cause,
      ...none,
      ...fields,
    }
    this.#log.info(type, { cause, ...fields })
    // One after the other, as they came.
    if (this.#unkept.length > 0) return this.#hold(event)
    this.#store.appendEvent(event).then(
      () => this.onKept(),
      (error: unknown) => {
        this.#log.error('event is not kept yet', { type, error: String(error) })
        this.#hold(event)
      },
    )
  }

  #hold(event: SavedEvent): void {
    this.#unkept.push(event)
    if (this.#unkept.length <= mostUnkept) return
    const lost = this.#unkept.shift()
    this.#log.error('event was not kept', { type: lost?.type })
  }

  /** Tries again with what could not be kept; to be called now and then. */
  async keepAgain(): Promise<void> {
    if (this.#isTrying) return
    this.#isTrying = true
    for (let next = this.#unkept[0]; next !== undefined; next = this.#unkept[0]) {
      const isKept = await this.#store.appendEvent(next).then(
        () => true,
        () => false,
      )
      if (!isKept) break
      if (this.#unkept[0] === next) this.#unkept.shift()
      this.onKept()
    }
    this.#isTrying = false
  }

  /** The oldest that is kept after that one; null when there is none. */
  after(sequence: number): { readonly sequence: number; readonly event: SavedEvent } | null {
    const found = this.#store.eventAfter(sequence)
    return found === null ? null : { sequence: found.sequence, event: found.event as SavedEvent }
  }

  /** Newest first. */
  list(limit: number, before?: number): readonly { readonly sequence: number; readonly event: SavedEvent }[] {
    return this.#store
      .events(limit, before)
      .map(({ sequence, event }) => ({ sequence, event: event as SavedEvent }))
  }
}
