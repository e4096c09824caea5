// The connections of a uWebSockets.js front. The library tells of each that opens and that one closes, but neither which
// nor what it has refused by itself; what can be concluded from that is concluded here.
import type { TemplatedApp } from 'uWebSockets.js'
import type { Gate } from '../dataplane/gate.js'
import { canCount, usualText } from './kernel-connections.js'
import { UwsPeers } from './uws-peers.js'

const lookMs = 3_000

export class UwsConnections {
  /** Requests that have reached a handler. */
  requests = 0
  /** Whose they are, WebSockets included. */
  readonly peers = new UwsPeers()
  readonly #gate: Gate
  readonly #timer: NodeJS.Timeout
  #open = 0
  /** Since the last look. */
  #opened = 0
  #requestsThen = 0

  constructor(gate: Gate) {
    this.#gate = gate
    this.#timer = setInterval(() => this.#look(), lookMs).unref()
  }

  /** Before it listens. */
  watch(app: TemplatedApp): void {
    app.filter((res, count) => {
      if (count === -1) return this.closed()
      this.#open++
      const address = this.peers.opened(res)
      const isAdmitted = this.#gate.opened(isAddressWanted(this.#gate) ? usualText(address) : '')
      if (isAdmitted) this.#opened++
      // Here already, before a byte is read; its end is told before `close` returns.
      else res.close()
    })
  }

  /** The library tells of the end of a connection, but not when it has become a WebSocket. */
  closed(): void {
    this.#open--
    this.peers.closed()
    this.#gate.closed('')
  }

  /** Where no request came at all, whatever has opened and closed meanwhile was none. */
  #look(): void {
    const ended = this.#opened - this.#open
    if (this.requests === this.#requestsThen && ended > 0) this.#gate.refused('no-request', ended)
    this.#requestsThen = this.requests
    this.#opened = 0
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/** The end of a connection has no address: without a census an address's count would only grow. */
function isAddressWanted(gate: Gate): boolean {
  return canCount && gate.limits.connectionsPerAddress !== Infinity
}
