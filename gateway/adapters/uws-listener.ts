// The front made of uWebSockets.js: listens, and lets go again. Everything that this library does otherwise than one
// expects is dealt with in the files named after it, nowhere else.
import uWS from 'uWebSockets.js'
import type { FrontAbilities, Listener } from '../dataplane/downstream.js'
import type { FrontCalls } from '../dataplane/downstream-socket.js'
import type { TlsMaterial } from '../plane-protocol.js'
import { secureApp } from './uws-secure.js'
import { UwsConnections } from './uws-connections.js'
import { openElsewhere } from './uws-elsewhere.js'
import { UwsRoutes } from './uws-routes.js'
import { SlowBodies } from './slow-bodies.js'
import { SlowClients } from './uws-slow-clients.js'

export const uwsAbilities: FrontAbilities = {
  engine: 'uws',
  http10: false,
  http2: false,
  pipelining: false,
  halfClose: false,
  trailers: false,
  interimResponses: false,
  writesDate: true,
}

export interface UwsListenOptions extends FrontCalls {
  /** A client silent for so long in the middle of a request's body gives it up; half a minute unless told otherwise. */
  readonly bodySilenceMs?: number
  readonly host: string
  readonly port: number
  /** Null: plain HTTP. */
  readonly tls: TlsMaterial | null
}

/**
 * Listens with SO_REUSEPORT, so that every worker may; the main process has made sure that nobody else holds the
 * port. Rejects when the address cannot be bound. `UWS_HTTP_MAX_HEADERS_SIZE` must be set before this module loads.
 */
export async function listenWithUws(options: UwsListenOptions): Promise<Listener> {
  // Without this every answer would say `uWebSockets: 20`.
  ;(uWS as unknown as { _cfg(option: string): void })._cfg('silent')
  const slowBodies = new SlowBodies(options.gate, options.bodySilenceMs)
  const slowClients = new SlowClients(slowBodies)
  const elsewhere = await openElsewhere()
  const connections = new UwsConnections(options.gate)
  const routes = new UwsRoutes({
    calls: options,
    isSecure: options.tls !== null,
    slowClients,
    connections,
    elsewhere,
  })
  const serve = (app: uWS.TemplatedApp): void => routes.addTo(app)
  const app = options.tls === null ? uWS.App() : secureApp(options.tls, serve)
  if (options.tls === null) serve(app)
  connections.watch(app)
  const socket = await bind(app, options)
  let isAccepting = true
  return {
    abilities: uwsAbilities,
    port: uWS.us_socket_local_port(socket),
    stopAccepting() {
      if (isAccepting) uWS.us_listen_socket_close(socket)
      isAccepting = false
    },
    close() {
      slowClients.stop()
      slowBodies.stop()
      elsewhere.close()
      connections.stop()
      app.close()
    },
  }
}

function bind(app: uWS.TemplatedApp, options: UwsListenOptions): Promise<uWS.us_listen_socket> {
  return new Promise((resolve, reject) => {
    app.listen(options.host, options.port, (socket) => {
      if (socket === false) reject(new Error(`cannot listen on ${options.host}:${options.port}`))
      else resolve(socket)
    })
  })
}
