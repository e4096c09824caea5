// One HTTP/1 connection of the Node front: its requests one after the other, and what its parser refuses. Knows nothing
// of exchanges but that they begin and end.
import type { Duplex } from 'node:stream'
import type { BeginExchange } from '../dataplane/downstream.js'
import type { NodeDownstream } from './node-downstream.js'
import { refusalText, type FrontRefusal } from './node-refusal.js'

/**
 * Requests that may wait behind the one that is being answered. Node's parser takes one read of the socket apart at
 * once, 64 KiB, before reading can be stopped.
 */
const maxWaiting = 2_048

/** What a connection tells of its client. */
export interface ConnectionObserver {
  /** What came was no request, and was answered so. */
  onRefused(code: FrontRefusal): void
  /** Too many requests wait for their turn: the connection is cut. */
  onFlood(): void
}

export class NodeConnection {
  readonly #socket: Duplex
  #current: NodeDownstream | null = null
  readonly #waiting: (() => void)[] = []
  #refusal: FrontRefusal | null = null
  /** The connection ends with an answer that was given. */
  #isClosing = false

  readonly #observer: ConnectionObserver

  constructor(socket: Duplex, observer: ConnectionObserver) {
    this.#socket = socket
    // A head that goes out before its body is written in the socket's own encoding, and may hold bytes above 127.
    socket.setDefaultEncoding('latin1')
    this.#observer = observer
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
    if (this.#waiting.length === maxWaiting) return this.#cutFlood()
    this.#waiting.push(() => this.#begin(downstream, begin))
    this.#socket.pause()
  }

  #cutFlood(): void {
    this.#observer.onFlood()
    this.#socket.destroy()
  }

  #begin(downstream: NodeDownstream, begin: BeginExchange): void {
    this.#current = downstream
    downstream.begin(begin, () => this.#gone())
  }

  #gone(): void {
    this.#current = null
    if (this.#socket.destroyed) return
    // RFC 9112 section 9.6: what follows an answer with which the connection ends is not a request any more. Node ends it
    // behind those that say `close`, and behind those of HTTP/1.0 that have no length.
    if (this.#socket.writableEnded) {
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
  refuse(code: FrontRefusal): void {
    if (this.#refusal !== null || this.#socket.destroyed) return
    this.#refusal = code
    if (this.#current === null) this.#answer(code)
    else if (!this.#current.isReceived) this.#current.bodyFailed('bad_request')
  }

  #answer(code: FrontRefusal): void {
    if (!this.#socket.writable) return void this.#socket.destroy()
    this.#observer.onRefused(code)
    this.#socket.end(refusalText(code))
    this.#socket.once('finish', () => this.#socket.destroy())
  }
}
