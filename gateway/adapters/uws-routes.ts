// What uWebSockets.js calls for a request: begins an exchange, or a WebSocket where the request asks for one. Runs for
// every request, so it makes no closure but those that the library keeps.
import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t } from 'uWebSockets.js'
import { asksForSocket, type FrontCalls } from '../dataplane/downstream-socket.js'
import type { UwsConnections } from './uws-connections.js'
import { closeLength, UwsDownstream } from './uws-downstream.js'
import type { Elsewhere } from './uws-elsewhere.js'
import { addressOf } from './uws-peers.js'
import { readRequest } from './uws-request-head.js'
import type { SlowClients } from './uws-slow-clients.js'
import { socketBehavior, UwsUpgrade } from './uws-websocket.js'

export interface UwsRoutesParts {
  readonly calls: FrontCalls
  readonly isSecure: boolean
  readonly slowClients: SlowClients
  readonly connections: UwsConnections
  readonly elsewhere: Elsewhere
}

export class UwsRoutes {
  readonly #parts: UwsRoutesParts

  constructor(parts: UwsRoutesParts) {
    this.#parts = parts
  }

  /** All paths, to an app or to one of its names. */
  addTo(app: TemplatedApp): void {
    const upgrade = (res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void =>
      this.#upgrade(res, req, context)
    app.ws('/*', socketBehavior(this.#parts.connections, upgrade))
    // By its own route the usual method is known without asking.
    app.get('/*', (res, req) => this.#take('GET', res, req))
    app.any('/*', (res, req) => this.#take(req.getCaseSensitiveMethod(), res, req))
  }

  #take(method: string, res: HttpResponse, req: HttpRequest): void {
    const { calls, connections, isSecure, slowClients } = this.#parts
    const downstream = new UwsDownstream(res, slowClients)
    // Nothing may come before this: an exception with no abort handler attached ends the process.
    res.onAborted(() => downstream.aborted())
    connections.requests++
    try {
      const head = readRequest(req, { method, remoteAddress: this.#addressOf(res), isSecure })
      downstream.begin(head, calls.begin)
    } catch (error) {
      this.#giveUp(downstream, error)
    }
  }

  #upgrade(res: HttpResponse, req: HttpRequest, context: us_socket_context_t): void {
    const { calls, connections, elsewhere, isSecure, slowClients } = this.#parts
    const handshake = { key: req.getHeader('sec-websocket-key'), context, elsewhere }
    const upgrade = new UwsUpgrade(res, slowClients, handshake)
    res.onAborted(() => upgrade.aborted())
    connections.requests++
    try {
      const head = readRequest(req, { method: 'GET', remoteAddress: this.#addressOf(res), isSecure })
      // The library takes any GET with a key of 24 characters for a handshake; the ordinary route comes next.
      if (!asksForSocket(head) || closesAfter(req)) return void req.setYield(true)
      upgrade.begin(head, () => calls.beginUpgrade(upgrade))
    } catch (error) {
      this.#giveUp(upgrade, error)
    }
  }

  /** Whether the library tells of every end under TLS has not been measured: there each request asks. */
  #addressOf(res: HttpResponse): string {
    return this.#parts.isSecure ? addressOf(res) : this.#parts.connections.peers.of(res)
  }

  #giveUp(downstream: UwsDownstream, error: unknown): void {
    downstream.giveUp()
    this.#parts.calls.onFault(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
}

/** The library takes the connection for one that it has to close behind the answer, a WebSocket's too. */
function closesAfter(req: HttpRequest): boolean {
  return req.getHeader('connection').length === closeLength
}
