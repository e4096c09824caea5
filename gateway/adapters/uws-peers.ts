// Who is at the other end of a connection of uWebSockets.js. The library keeps nothing with a connection, and each
// question is a system call and an ArrayBuffer: 1 to 2 µs of a request (docs/performance.md).
import type { HttpResponse } from 'uWebSockets.js'

/**
 * The addresses of one listener's clients. While all open connections come from one address, as behind a single load
 * balancer, it is asked for once a connection and not at every request.
 */
export class UwsPeers {
  #open = 0
  /** The address of every connection opened since there was none; null when there are several. */
  #sole: string | null = null

  /** A connection has been accepted: its address. */
  opened(res: HttpResponse): string {
    const address = addressOf(res)
    if (this.#open === 0) this.#sole = address
    else if (this.#sole !== address) this.#sole = null
    this.#open++
    return address
  }

  /** Exactly once for each that was opened. */
  closed(): void {
    this.#open--
  }

  /** The address of a request's client as text; empty where the system no longer knows it. */
  of(res: HttpResponse): string {
    return this.#open > 0 && this.#sole !== null ? this.#sole : addressOf(res)
  }
}

/** The text of each IPv4 address seen, by its four bytes; emptied when it has grown. */
const knownV4 = new Map<number, string>()
const mostKnownV4 = 10_000

/** The bytes of an address cost less than its text, which is known for those who come again. */
export function addressOf(res: HttpResponse): string {
  const bytes = new Uint8Array(res.getRemoteAddress())
  if (bytes.length !== 4) return addressText(Buffer.from(res.getRemoteAddressAsText()).toString('latin1'))
  const key = ((bytes[0] ?? 0) << 24) | ((bytes[1] ?? 0) << 16) | ((bytes[2] ?? 0) << 8) | (bytes[3] ?? 0)
  const known = knownV4.get(key)
  if (known !== undefined) return known
  if (knownV4.size >= mostKnownV4) knownV4.clear()
  const text = bytes.join('.')
  knownV4.set(key, text)
  return text
}

const mappedV4 = /^0000:0000:0000:0000:0000:ffff:([0-9a-f]{2})([0-9a-f]{2}):([0-9a-f]{2})([0-9a-f]{2})$/

/** IPv6 comes uncompressed, and IPv4 as IPv4-mapped IPv6 where the listener is bound to `::`. */
function addressText(text: string): string {
  if (!text.includes(':')) return text
  const mapped = mappedV4.exec(text)
  if (mapped !== null)
    return mapped
      .slice(1)
      .map((byte) => Number.parseInt(byte, 16))
      .join('.')
  const short = text.replace(/\b0+(?=[0-9a-f])/g, '')
  return short.replace(/(?:^|:)0(?::0)+(?::|$)/, '::')
}
