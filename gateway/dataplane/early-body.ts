// The beginning of a request's body, kept while nothing of the request has reached a socket: so long another attempt
// may be made without loss. Usually the connection is there already, and nothing is kept at all.
import type { UpstreamCall } from './upstream/upstream.js'

/** Forms and small documents; more than that is not worth the memory. */
const mostBytes = 64 * 1024

export class EarlyBody {
  #pieces: Buffer[] | null = null
  #bytes = 0
  #isWhole = true
  #isComplete = false

  /** Every byte that came so far is kept. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** A piece has come; `isWritten`: the request has reached a socket, and will not be made again with its body. */
  keep(chunk: Buffer, isLast: boolean, isWritten: boolean): void {
    if (isLast) this.#isComplete = true
    if (chunk.length === 0 || !this.#isWhole) return
    this.#bytes += chunk.length
    if (isWritten || this.#bytes > mostBytes) {
      this.#isWhole = false
      this.#pieces = null
    } else {
      this.#pieces = [...(this.#pieces ?? []), Buffer.from(chunk)]
    }
  }

  /** Gives another attempt what came before it; false: more has to wait until the attempt says so. */
  replay(call: UpstreamCall): boolean {
    let mayFlow = true
    for (const piece of this.#pieces ?? []) mayFlow = call.write(piece)
    if (this.#isComplete) call.end()
    return mayFlow
  }
}
