// The front made of uWebSockets.js: accepts connections and hands each request to the exchange. Everything that this
// library does otherwise than one expects is dealt with here and in uws-downstream.ts, nowhere else.
import { Buffer } from 'node:buffer'
import uWS from 'uWebSockets.js'
import type { FrontAbilities, Listener } from '../dataplane/downstream.js'
import { asksForSocket, type FrontCalls } from '../dataplane/downstream-socket.js'
import type { RequestHead } from '../dataplane/request-head.js'
import type { TlsMaterial } from '../plane-protocol.js'
import { secureApp } from './uws-secure.js'
import { UwsConnections } from './uws-connections.js'
import { closeLength, UwsDownstream } from './uws-downstream.js'
import { openElsewhere } from './uws-elsewhere.js'
import { addressOf } from './uws-peers.js'
import { SlowBodies } from './slow-bodies.js'
import { SlowClients } from './uws-slow-clients.js'
import { socketBehavior, UwsUpgrade } from './uws-websocket.js'

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
  const isSecure = options.tls !== null
  const giveUp = (downstream: UwsDownstream, error: unknown): void => {
    downstream.giveUp()
    options.onFault(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  const connections = new UwsConnections(options.gate)
  // Whether the library tells of every end under TLS has not been measured: there each request asks.
  const address = isSecure ? addressOf : (res: uWS.HttpResponse) => connections.peers.of(res)
  const serve = (app: uWS.TemplatedApp): void => {
    app.ws(
      '/*',
      socketBehavior(connections, (res, req, context) => {
        const handshake = { key: req.getHeader('sec-websocket-key'), context, elsewhere }
        const upgrade = new UwsUpgrade(res, slowClients, handshake)
        res.onAborted(() => upgrade.aborted())
        connections.requests++
        try {
          const head = readRequest(req, 'GET', address(res), isSecure)
          // The library takes any GET with a key of 24 characters for a handshake; the ordinary route comes next.
          if (!asksForSocket(head) || closesAfter(req)) return void req.setYield(true)
          upgrade.begin(head, () => options.beginUpgrade(upgrade))
        } catch (error) {
          giveUp(upgrade, error)
        }
      }),
    )
    const take = (method: string, res: uWS.HttpResponse, req: uWS.HttpRequest): void => {
      const downstream = new UwsDownstream(res, slowClients)
      // Nothing may come before this: an exception with no abort handler attached ends the process.
      res.onAborted(() => downstream.aborted())
      connections.requests++
      try {
        downstream.begin(readRequest(req, method, address(res), isSecure), options.begin)
      } catch (error) {
        giveUp(downstream, error)
      }
    }
    // By its own route the usual method is known without asking.
    app.get('/*', (res, req) => take('GET', res, req))
    app.any('/*', (res, req) => take(req.getCaseSensitiveMethod(), res, req))
  }
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

/** The library takes the connection for one that it has to close behind the answer, a WebSocket's too. */
function closesAfter(req: uWS.HttpRequest): boolean {
  return req.getHeader('connection').length === closeLength
}

function bind(app: uWS.TemplatedApp, options: UwsListenOptions): Promise<uWS.us_listen_socket> {
  return new Promise((resolve, reject) => {
    app.listen(options.host, options.port, (socket) => {
      if (socket === false) reject(new Error(`cannot listen on ${options.host}:${options.port}`))
      else resolve(socket)
    })
  })
}

const beyondAscii = /[\x7f-\uffff]/

/** One native count of all bytes: looking at each value by an expression costs half as much again (bench/micro). */
function areAscii(values: readonly string[]): boolean {
  const all = values.join('')
  return Buffer.byteLength(all) === all.length && !all.includes('\x7f')
}

/** What `forEach` is giving: one function for all requests spares each of them a closure, compiled anew. */
let names: string[] = []
let values: string[] = []

function collect(name: string, value: string): void {
  names.push(name)
  values.push(value)
}

/** Copies what the request says; `req` is gone when the handler returns. */
function readRequest(
  req: uWS.HttpRequest,
  method: string,
  remoteAddress: string,
  isSecure: boolean,
): RequestHead {
  names = []
  values = []
  req.forEach(collect)
  if (!areAscii(values)) restoreBytes(req, names, values)
  const path = req.getUrl()
  // Undefined where there is no question mark at all, other than the typings say.
  const query = req.getQuery() as string | undefined
  return {
    method,
    target: query === undefined ? path : `${path}?${query}`,
    path,
    names,
    values,
    remoteAddress,
    isSecure,
    version: '1.1',
    clientCertificate: '',
  }
}

/**
 * `forEach` decodes values as UTF-8, which loses bytes that are none; `getHeader` decodes latin-1, one character a
 * byte as upstream needs it, but gives only the first of repeated fields. What cannot be restored is marked with an
 * empty name, which the exchange refuses.
 */
function restoreBytes(req: uWS.HttpRequest, names: string[], values: string[]): void {
  for (let i = 0; i < names.length; i++) {
    const name = names[i] ?? ''
    const value = values[i] ?? ''
    if (!beyondAscii.test(value)) continue
    // The one control character that the library lets through; a strict application would refuse the request.
    if (value.includes('\x7f')) names[i] = ''
    else if (names.indexOf(name) === names.lastIndexOf(name)) values[i] = req.getHeader(name)
    else if (value.includes('\ufffd')) names[i] = ''
    else values[i] = Buffer.from(value, 'utf8').toString('latin1')
  }
}
