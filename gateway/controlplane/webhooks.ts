// Tells orchestrators what happened: every event of the log goes to every webhook that wants it, in order, at least
// once, over restarts too. A cursor for each webhook says up to which event it was told; the event log is the queue.
import { createHmac } from 'node:crypto'
import type { Clock, LifecycleStore, Log } from '../domain/ports.js'
import type { EventLog, SavedEvent } from './event-log.js'

/** One webhook, its secret read. */
export interface WebhookTarget {
  readonly url: string
  readonly secret: string
  /** Event types, or states for transitions (`retired`); null: all. */
  readonly events: readonly string[] | null
}

/** Posts a body; resolves with the status of the answer, rejects when there is none, or once it is called off. */
export type Post = (
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  calledOff: AbortSignal,
) => Promise<number>

export interface WebhookParts {
  readonly targets: readonly WebhookTarget[]
  readonly post: Post
  readonly events: EventLog
  readonly store: LifecycleStore
  readonly clock: Clock
  readonly log: Log
}

/** A gateway that stops waits so long for the answer to what it is telling. */
const lastWordMs = 1_000
const firstRetryMs = 2_000
const longestRetryMs = 300_000
const cursorsKey = 'webhook-cursors'

/** Last event told, by name. Its saved form. */
type Cursors = Readonly<Record<string, number>>

export class Webhooks {
  readonly #deliveries: readonly Delivery[]
  readonly #store: LifecycleStore
  #cursors: Cursors

  constructor(parts: WebhookParts) {
    this.#store = parts.store
    const saved = (parts.store.get(cursorsKey) as Cursors | undefined) ?? {}
    const newest = parts.events.list(1)[0]?.sequence ?? 0
    const names = namesOf(parts.targets)
    // A webhook that is new hears of what happens from now on.
    this.#cursors = Object.fromEntries(names.map((name) => [name, saved[name] ?? newest]))
    // Kept before the first event can follow, so that a restart does not take it for new again.
    parts.store.put(cursorsKey, this.#cursors).catch((error: unknown) => {
      parts.log.error('the state cannot be saved', { error: String(error) })
    })
    this.#deliveries = parts.targets.map((target, at) => {
      const name = names[at] ?? target.url
      return new Delivery(target, parts, {
        get: () => this.#cursors[name] ?? 0,
        set: (to) => this.#move(name, to),
      })
    })
  }

  /** Something was added to the event log. */
  wake(): void {
    for (const delivery of this.#deliveries) delivery.wake()
  }

  /** Nothing more is told; resolves when nobody is being told any more, soon. */
  async stop(): Promise<void> {
    await Promise.all(this.#deliveries.map((delivery) => delivery.stop()))
  }

  async #move(name: string, to: number): Promise<void> {
    this.#cursors = { ...this.#cursors, [name]: to }
    await this.#store.put(cursorsKey, this.#cursors)
  }
}

/** By what each is known: its address, with a number from the second of one address on. */
function namesOf(targets: readonly WebhookTarget[]): string[] {
  return targets.map(({ url }, at) => {
    const before = targets.slice(0, at).filter((each) => each.url === url).length
    return before === 0 ? url : `${url} ${before + 1}`
  })
}

interface Cursor {
  get(): number
  set(to: number): Promise<void>
}

/** One webhook's line of events: one at a time, the next only after the answer to the last. */
class Delivery {
  readonly #target: WebhookTarget
  readonly #parts: WebhookParts
  readonly #cursor: Cursor
  #isBusy = false
  #isAsked = false
  #failures = 0
  #retry: NodeJS.Timeout | null = null
  #isStopped = false
  readonly #calledOff = new AbortController()
  /** What is under way. */
  #draining: Promise<void> = Promise.resolve()

  constructor(target: WebhookTarget, parts: WebhookParts, cursor: Cursor) {
    this.#target = target
    this.#parts = parts
    this.#cursor = cursor
  }

  wake(): void {
    if (this.#retry !== null || this.#isStopped) return
    this.#isAsked = true
    if (this.#isBusy) return
    this.#isBusy = true
    this.#draining = this.#drainWhileAsked()
      .catch((error: unknown) => {
        this.#complain(String(error))
        this.#retryLater()
      })
      .finally(() => (this.#isBusy = false))
  }

  /** What is added while the last look comes back empty is not left behind. */
  async #drainWhileAsked(): Promise<void> {
    while (this.#isAsked && this.#retry === null) {
      this.#isAsked = false
      await this.#drain()
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    const patience = setTimeout(() => this.#calledOff.abort(), lastWordMs)
    await this.#draining
    clearTimeout(patience)
  }

  async #drain(): Promise<void> {
    const { events } = this.#parts
    while (!this.#isStopped) {
      const cursor = this.#cursor.get()
      const next = events.after(cursor)
      if (next === null) return
      this.#tellMissed(next.sequence - cursor - 1)
      if (this.#isWanted(next.event) && !(await this.#tell(next.event))) return this.#retryLater()
      await this.#cursor.set(next.sequence)
      this.#failures = 0
    }
  }

  /** The log keeps the newest events only: who did not take them for so long is not told of all. */
  #tellMissed(count: number): void {
    if (count === 0) return
    const { url } = this.#target
    this.#parts.log.warn('events were no longer kept when the webhook could be told', { url, count })
  }

  #isWanted(event: SavedEvent): boolean {
    const { events } = this.#target
    return events === null || events.includes(event.type) || (event.to !== null && events.includes(event.to))
  }

  async #tell(event: SavedEvent): Promise<boolean> {
    const body = JSON.stringify({ ...event, at: new Date(event.at).toISOString() })
    const time = Math.floor(this.#parts.clock.now() / 1000)
    const mac = createHmac('sha256', this.#target.secret).update(`${time}.${body}`).digest('hex')
    const headers = { 'content-type': 'application/json', 'amarre-signature': `t=${time},v1=${mac}` }
    try {
      const status = await this.#parts.post(this.#target.url, body, headers, this.#calledOff.signal)
      if (status >= 200 && status < 300) return true
      this.#complain(`answered ${status}`)
    } catch (error) {
      this.#complain(error instanceof Error ? error.message : String(error))
    }
    return false
  }

  #complain(reason: string): void {
    // After the next start.
    if (this.#isStopped) return
    const { url } = this.#target
    this.#parts.log.warn('webhook was not delivered and is tried again', {
      url,
      reason,
      failures: this.#failures + 1,
    })
  }

  #retryLater(): void {
    if (this.#isStopped) return
    const delayMs = Math.min(firstRetryMs * 2 ** this.#failures, longestRetryMs)
    this.#failures++
    this.#retry = setTimeout(() => {
      this.#retry = null
      this.wake()
    }, delayMs)
  }
}
