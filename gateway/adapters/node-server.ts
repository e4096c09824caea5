// Node's server for one listener: plain or under TLS, behind a balancer that says whose a connection is or not. Knows
// nothing of what becomes of requests.
import { createServer, type Server, type ServerOptions } from 'node:http'
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https'
import type { Server as NetServer, Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Gate } from '../dataplane/gate.js'
import { errorKinds } from '../domain/errors.js'
import type { TlsMaterial } from '../plane-protocol.js'
import type { Certificates } from './certificates.js'
import { noteHandshake } from './connection-facts.js'
import { NodeRequest } from './node-request.js'
import { takeProxyHeader, type ProxiedOptions } from './proxied-connections.js'

export interface NodeServerOptions {
  /** Null: plain HTTP. */
  readonly tls: TlsMaterial | null
  /** Connections begin with a header of the PROXY protocol; null: they do not. */
  readonly proxied: Pick<ProxiedOptions, 'isTrusted'> | null
  readonly maxHeadBytes: number
  readonly headerTimeoutMs: number
  /** A connection without requests is closed after this silence. */
  readonly idleMs: number
  /** What came was no request; answered with this status, or closed without a word where nobody could read it. */
  readonly onRefused: (status: number) => void
  readonly gate: Gate
}

/** How often heads are looked at that are not complete. */
const lookMs = 1_000
/** Where the flow is stopped, each way, on each connection. */
const highWaterMark = 64 * 1024

/** A server that does not listen yet; connections that speak HTTP/2 go to `serveHttp2`. */
export function createNodeServer(
  options: NodeServerOptions,
  certificates: Certificates | null,
  serveHttp2: (socket: TLSSocket) => void,
): Server | SecureServer {
  const server = create(options, certificates, serveHttp2)
  if (options.proxied !== null) takeHeaders(server, options.proxied, options)
  return server
}

function create(
  options: NodeServerOptions,
  certificates: Certificates | null,
  serveHttp2: (socket: TLSSocket) => void,
): Server | SecureServer {
  const plain = httpOptions(options)
  const { tls } = options
  if (tls === null || certificates === null) return createServer(plain)
  const secure = createSecureServer({
    ...plain,
    ...certificates.serverOptions(tls),
    handshakeTimeout: options.headerTimeoutMs,
  })
  speakHttp2(secure, options.gate, serveHttp2)
  return secure
}

/** By ALPN: HTTP/2 goes another way than the server's own. */
function speakHttp2(server: SecureServer, gate: Gate, serveHttp2: (socket: TLSSocket) => void): void {
  const speakHttp1 = server.listeners('secureConnection') as ((socket: TLSSocket) => void)[]
  server.removeAllListeners('secureConnection')
  server.on('secureConnection', (socket) => {
    noteHandshake(socket)
    if (socket.alpnProtocol === 'h2') return serveHttp2(socket)
    for (const speak of speakHttp1) speak.call(server, socket)
  })
  // A handshake that fails is the client's affair: a probe, a scanner, a certificate that it does not trust.
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code?.startsWith('ERR_') === true) gate.refused('tls-handshake')
    socket.destroy()
  })
}

/** The balancer's header goes before anything that the server reads itself. */
function takeHeaders(
  server: NetServer,
  proxied: Pick<ProxiedOptions, 'isTrusted'>,
  { headerTimeoutMs: timeoutMs, onRefused, gate }: NodeServerOptions,
): void {
  const refused = (): void => {
    gate.refused('proxy-header')
    onRefused(errorKinds.bad_request.status)
  }
  const options = { ...proxied, timeoutMs, onRefused: refused }
  const takers = server.listeners('connection') as ((socket: Socket) => void)[]
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) =>
    takeProxyHeader(socket, options, () => {
      for (const take of takers) take.call(server, socket)
    }),
  )
}

function httpOptions(options: NodeServerOptions): ServerOptions<typeof NodeRequest> {
  return {
    IncomingMessage: NodeRequest,
    insecureHTTPParser: false,
    // The exchange refuses a missing Host itself, with a page and an account.
    requireHostHeader: false,
    maxHeaderSize: options.maxHeadBytes,
    headersTimeout: options.headerTimeoutMs,
    // A whole request may take as long as it flows; silence is looked for by SlowBodies.
    requestTimeout: 0,
    keepAliveTimeout: options.idleMs,
    connectionsCheckingInterval: lookMs,
    highWaterMark,
    noDelay: true,
  }
}
