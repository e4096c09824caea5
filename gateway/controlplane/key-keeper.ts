// Keeps the key ring: publishes a new key to verify before any worker signs with it, and drops an old one when the
// last token that it signed can have expired. Each step is on disk before it is published.
import type { Clock, Log } from '../domain/ports.js'
import type { KeyRingSpec } from '../plane-protocol.js'
import type { EventLog } from './event-log.js'
import { signingKeyId, withNewestSigning, withNewKey, withoutExpired, type SavedKeyRing } from './key-ring.js'

export interface KeyKeeperParts {
  readonly clock: Clock
  readonly events: EventLog
  /** Writes the ring's file. */
  readonly write: (ring: SavedKeyRing) => Promise<void>
  /** 32 random bytes. */
  readonly randomSecret: () => Uint8Array
  readonly log: Log
  /** The longest that any token or preview pass can live, held ones included, by the policies of all sites. */
  readonly longestTokenMs: () => number
  /** Time that did not count as idling and lengthened tokens by so much at most. */
  readonly spannedMs: () => number
  /** The ring has changed: publish it. */
  readonly onChange: () => void
}

/** After a failed write. */
const retryMs = 60_000

export class KeyKeeper {
  readonly #parts: KeyKeeperParts
  #ring: SavedKeyRing
  #isWriting = false
  #lastTurn: Promise<void> = Promise.resolve()
  /** Monotonic. */
  #retryAt = 0
  /** Those who wait for the rotation under way. */
  #waiting: (() => void)[] = []

  constructor(ring: SavedKeyRing, parts: KeyKeeperParts) {
    this.#ring = ring
    this.#parts = parts
  }

  /** What workers verify and sign with. */
  get spec(): KeyRingSpec {
    const keys = this.#ring.keys.map((key) => ({ id: key.id, secret: Buffer.from(key.secret, 'base64') }))
    return { keys, signsWith: signingKeyId(this.#ring) }
  }

  /** A key that only verifies waits for every worker to know it. */
  get isRotating(): boolean {
    return isRotating(this.#ring)
  }

  /** Adds a key; resolves with its id when it signs. Calls during a rotation share it. */
  async rotate(by: string): Promise<{ readonly keyId: number }> {
    const { clock, randomSecret } = this.#parts
    await this.#change((ring) => (isRotating(ring) ? ring : withNewKey(ring, randomSecret(), clock.now())))
    const keyId = this.#ring.keys.at(-1)?.id ?? 0
    const done = new Promise<void>((resolve) => this.#waiting.push(resolve))
    this.#parts.onChange()
    await done
    this.#parts.events.add('keys-rotated', `by ${by}: key ${keyId} signs`)
    return { keyId }
  }

  /** Every worker verifies with the ring as it is: the newest key may sign. Also ends a rotation that a stop cut. */
  async everyoneVerifies(): Promise<void> {
    if (!this.isRotating || !this.#mayWrite) return
    const { clock, longestTokenMs } = this.#parts
    const signing = (ring: SavedKeyRing): SavedKeyRing =>
      withNewestSigning(ring, longestTokenMs(), clock.now())
    if (!(await this.#tryChange(signing))) return
    for (const resolve of this.#waiting.splice(0)) resolve()
  }

  /** Drops keys whose last token can have expired; called now and then. */
  async dropExpired(): Promise<void> {
    const { clock, spannedMs, events } = this.#parts
    const dropping = (ring: SavedKeyRing): SavedKeyRing => withoutExpired(ring, clock.now() - spannedMs())
    if (dropping(this.#ring) === this.#ring || !this.#mayWrite) return
    if (await this.#tryChange(dropping))
      events.add('key-dropped', 'the last token that it signed has expired')
  }

  get #mayWrite(): boolean {
    return !this.#isWriting && this.#parts.clock.monotonic() >= this.#retryAt
  }

  /** False when the file cannot be written: said in the log, and tried again a minute later. */
  async #tryChange(change: (ring: SavedKeyRing) => SavedKeyRing): Promise<boolean> {
    try {
      await this.#change(change)
      return true
    } catch (error) {
      this.#retryAt = this.#parts.clock.monotonic() + retryMs
      this.#parts.log.error('the key ring cannot be written', { error: String(error) })
      return false
    }
  }

  /** One change after the other, each of the ring that the one before it left. */
  #change(change: (ring: SavedKeyRing) => SavedKeyRing): Promise<void> {
    const turn = this.#lastTurn.then(() => this.#write(change(this.#ring)))
    this.#lastTurn = turn.catch(() => {})
    return turn
  }

  async #write(ring: SavedKeyRing): Promise<void> {
    if (ring === this.#ring) return
    this.#isWriting = true
    try {
      await this.#parts.write(ring)
    } finally {
      this.#isWriting = false
    }
    this.#ring = ring
    this.#parts.onChange()
  }
}

function isRotating(ring: SavedKeyRing): boolean {
  return ring.keys.filter((key) => key.retired === null).length > 1
}
