// One HTTP/1 connection of the Node front: its requests one after the other, and what its parser refuses. Knows nothing
// of exchanges but that they begin and end.
import type { Duplex } from 'node:stream'
import type { BeginExchange } from '../dataplane/downstream.js'
import type { ErrorCode } from '../domain/errors.js'
import type { NodeDownstream } from './node-downstream.js'
import { refusalText } from './node-refusal.js'

/**
 * Requests that may wait behind the one that is being answered. Node's parser takes one read of the socket apart at
 * once, 64 KiB, before reading can be stopped.
 */
const maxWaiting = 2_048

export class NodeConnection {
  readonly #socket: Duplex
  #current: NodeDownstream | null = null
  readonly #waiting: (() => void)[] = []
  #refusal: ErrorCode | null = null
  /** An answer has said `close`. */
  #isClosing = false

  readonly #onRefused: (code: ErrorCode) => void

  /** `onRefused`: what came was no request, and was answered so. */
  constructor(socket: Duplex, onRefused: (code: ErrorCode) => void) {
    this.#socket = socket
    this.#onRefused = onRefused
  }

  get isBusy(): boolean {
    return this.#current !== null
  }

  /**
   * Begins a request when those before it on the connection have been answered: a pipelined request may depend on what
   * the one before it did (RFC 9112 section 9.3.2).
   */
  take(downstream: NodeDownstream, begin: BeginExchange): void {
    if (this.#isClosing) return
    if (this.#current === null) return this.#begin(downstream, begin)
    if (this.#waiting.length === maxWaiting) return void this.#socket.destroy()
    this.#waiting.push(() => this.#begin(downstream, begin))
    this.#socket.pause()
  }

  #begin(downstream: NodeDownstream, begin: BeginExchange): void {
    this.#current = downstream
    downstream.begin(begin, () => this.#gone())
  }

  #gone(): void {
    const isLast = this.#current?.saysClose === true
    this.#current = null
    if (this.#socket.destroyed) return
    // RFC 9112 section 9.6: what follows an answer that says `close` is not a request any more.
    if (isLast) {
      this.#isClosing = true
      this.#waiting.length = 0
      return
    }
    const next = this.#waiting.shift()
    if (next !== undefined) return next()
    if (this.#refusal !== null) this.#answer(this.#refusal)
    else this.#socket.resume()
  }

  /** The parser refuses what came: the request whose body it was fails, or the connection ends after the last answer. */
  refuse(code: ErrorCode): void {
    if (this.#refusal !== null || this.#socket.destroyed) return
    this.#refusal = code
    if (this.#current === null) this.#answer(code)
    else if (!this.#current.isReceived) this.#current.bodyFailed('bad_request')
  }

  #answer(code: ErrorCode): void {
    if (!this.#socket.writable) return void this.#socket.destroy()
    this.#onRefused(code)
    this.#socket.end(refusalText(code))
    this.#socket.once('finish', () => this.#socket.destroy())
  }
}
