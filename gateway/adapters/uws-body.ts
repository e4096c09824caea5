// The body of a request of the uWebSockets.js front: paused and read on, and kept from the library's own judgement of
// slow clients. Knows nothing of the answer, but whether it waits for the client.
import type { HttpResponse } from 'uWebSockets.js'
import type { ComingBody, SlowBodies } from './slow-bodies.js'

/**
 * Of a paused body the library goes on reading as long as its client sends as fast as it reads: seen from the same
 * machine only. More than this is in nobody's buffers any more; it would be taken from the other clients' memory.
 */
const mostOverrunBytes = 256 * 1024 * 1024

/** Whose body it is. */
export interface BodyOwner {
  /** The answer waits for its client. */
  readonly isSlow: boolean
  /** The body is paused while the answer waits, and the library tells of no room: it has to be asked for. */
  askOften(): void
  bodyStalled(): void
  bodyOverran(): void
}

export class UwsBody implements ComingBody {
  heardAt = performance.now()
  received = 0
  readonly #res: HttpResponse
  readonly #owner: BodyOwner
  readonly #slowBodies: SlowBodies
  #isPaused = false
  /** Bytes since the pause. */
  #overrun = 0
  #isComplete = false

  constructor(res: HttpResponse, owner: BodyOwner, slowBodies: SlowBodies) {
    this.#res = res
    this.#owner = owner
    this.#slowBodies = slowBodies
    slowBodies.add(this)
  }

  /** A piece has come; what was read before a pause still comes after it. */
  came(bytes: number, isLast: boolean): void {
    this.received += bytes
    if (!this.#isPaused) this.heardAt = performance.now()
    else if ((this.#overrun += bytes) > mostOverrunBytes) return this.#overran()
    if (isLast) this.over()
  }

  #overran(): void {
    this.#slowBodies.gate.refused('unstoppable-body')
    this.over()
    this.#owner.bodyOverran()
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  pause(): void {
    if (this.#isPaused || this.#isComplete) return
    this.#isPaused = true
    this.#overrun = 0
    this.heardAt = Infinity
    this.#res.pause()
    if (this.#owner.isSlow) this.#owner.askOften()
  }

  /** The library reads on by itself when a write has met a slow client. */
  stayPaused(): void {
    if (this.#isPaused && !this.#isComplete) this.#res.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.heardAt = performance.now()
    this.#res.resume()
  }

  /** The library closes what brings less than 160 KB in ten seconds; reading on anew begins these again (measured). */
  rearm(): void {
    if (this.#isPaused || this.#isComplete || this.#owner.isSlow) return
    this.#res.pause()
    this.#res.resume()
  }

  stalled(): void {
    this.#owner.bodyStalled()
  }

  /** It is complete, or nobody waits for it any more. */
  over(): void {
    if (this.#isComplete) return
    this.#isComplete = true
    this.#slowBodies.remove(this)
  }
}
