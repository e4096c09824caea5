// The front made of uWebSockets.js: accepts connections and hands each request to the exchange. Everything that this
// library does otherwise than one expects is dealt with here and in uws-downstream.ts, nowhere else.
import uWS from 'uWebSockets.js'
import type { FrontAbilities, Listener } from '../dataplane/downstream.js'
import { asksForSocket, type FrontCalls } from '../dataplane/downstream-socket.js'
import type { RequestHead } from '../dataplane/request-head.js'
import type { TlsMaterial } from '../plane-protocol.js'
import { secureApp } from './uws-secure.js'
import { UwsConnections } from './uws-connections.js'
import { closeLength, SlowClients, UwsDownstream } from './uws-downstream.js'
import { openElsewhere } from './uws-elsewhere.js'
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
  const slowClients = new SlowClients()
  const elsewhere = await openElsewhere()
  const isSecure = options.tls !== null
  const take = (downstream: UwsDownstream, res: uWS.HttpResponse, begin: () => void): void => {
    // Nothing may come before this: an exception with no abort handler attached ends the process.
    res.onAborted(() => downstream.aborted())
    connections.requests++
    try {
      begin()
    } catch (error) {
      downstream.giveUp()
      options.onFault(error instanceof Error ? (error.stack ?? error.message) : String(error))
    }
  }
  const connections = new UwsConnections(options.gate, remoteAddress)
  const serve = (app: uWS.TemplatedApp): void => {
    app.ws(
      '/*',
      socketBehavior(connections, (res, req, context) => {
        const handshake = { key: req.getHeader('sec-websocket-key'), context, elsewhere }
        const upgrade = new UwsUpgrade(res, slowClients, handshake)
        take(upgrade, res, () => {
          const head = readRequest(res, req, isSecure)
          // The library takes any GET with a key of 24 characters for a handshake; the ordinary route comes next.
          if (!asksForSocket(head) || closesAfter(req)) return void req.setYield(true)
          upgrade.begin(head, () => options.beginUpgrade(upgrade))
        })
      }),
    )
    app.any('/*', (res, req) => {
      const downstream = new UwsDownstream(res, slowClients)
      take(downstream, res, () => downstream.begin(readRequest(res, req, isSecure), options.begin))
    })
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

const beyondAscii = /[^\t\x20-\x7e]/

/** Copies what the request says; `req` is gone when the handler returns. */
function readRequest(res: uWS.HttpResponse, req: uWS.HttpRequest, isSecure: boolean): RequestHead {
  const names: string[] = []
  const values: string[] = []
  let isAscii = true
  req.forEach((name, value) => {
    names.push(name)
    values.push(value)
    if (beyondAscii.test(value)) isAscii = false
  })
  if (!isAscii) restoreBytes(req, names, values)
  const path = req.getUrl()
  // Undefined where there is no question mark at all, other than the typings say.
  const query = req.getQuery() as string | undefined
  return {
    method: req.getCaseSensitiveMethod(),
    target: query === undefined ? path : `${path}?${query}`,
    path,
    names,
    values,
    remoteAddress: remoteAddress(res),
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

/** The text of each IPv4 address seen, by its four bytes; emptied when it has grown. */
const knownV4 = new Map<number, string>()
const mostKnownV4 = 10_000

/** The bytes of an address cost less than its text, which is known for those who come again. */
function remoteAddress(res: uWS.HttpResponse): string {
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
