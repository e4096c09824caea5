// The front made of Node's own servers: HTTP/1.0, HTTP/1.1 and, under TLS, HTTP/2. Accepts connections and hands each
// request to the exchange; knows nothing of what becomes of it.
import { ServerResponse, type IncomingMessage, type Server } from 'node:http'
import type { ServerHttp2Session } from 'node:http2'
import type { Server as SecureServer } from 'node:https'
import { Server as NetServer, type AddressInfo, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { FrontAbilities, Listener } from '../dataplane/downstream.js'
import type { FrontCalls } from '../dataplane/downstream-socket.js'
import { errorKinds } from '../domain/errors.js'
import type { TlsMaterial } from '../plane-protocol.js'
import { Certificates } from './certificates.js'
import { serveHttp2 } from './http2-session.js'
import { admitThrough } from './node-admission.js'
import { NodeConnection } from './node-connection.js'
import { NodeDownstream } from './node-downstream.js'
import { limitationOf, refusalCode, type FrontRefusal, type ParserError } from './node-refusal.js'
import { createNodeServer, type NodeServerOptions } from './node-server.js'
import { SlowBodies } from './slow-bodies.js'
import { NodeUpgrade } from './ws-server.js'

/** What the front can do on a plain or secure listener. */
export function nodeAbilities(isSecure: boolean): FrontAbilities {
  return {
    engine: 'node',
    http10: true,
    http2: isSecure,
    pipelining: true,
    halfClose: true,
    trailers: true,
    interimResponses: true,
    writesDate: false,
  }
}

export interface NodeListenOptions extends FrontCalls, Omit<NodeServerOptions, 'idleMs'> {
  /** The socket bound by the main process that all workers share; null: one of our own is bound. */
  readonly shared: object | null
  readonly host: string
  readonly port: number
  /** A client silent for so long in the middle of a request's body gives it up; half a minute unless told otherwise. */
  readonly bodySilenceMs?: number
}

export interface NodeListener extends Listener {
  /** Certificates for connections to come; those that are open go on. */
  useCertificates(tls: TlsMaterial): void
}

/** Longer than usual load balancers keep idle connections (60 s): whoever sends closes first. */
const idleMs = 75_000

export async function listenWithNode(options: NodeListenOptions): Promise<NodeListener> {
  const front = new NodeFront(options)
  await front.listen()
  return front
}

class NodeFront implements NodeListener {
  readonly abilities: FrontAbilities
  readonly #options: NodeListenOptions
  readonly #server: Server | SecureServer
  readonly #certificates: Certificates | null
  readonly #slowBodies: SlowBodies
  readonly #sockets = new Set<Socket>()
  readonly #connections = new WeakMap<Socket, NodeConnection>()
  readonly #sessions = new Set<ServerHttp2Session>()
  #isAccepting = true

  constructor(options: NodeListenOptions) {
    this.#options = options
    this.abilities = nodeAbilities(options.tls !== null)
    this.#slowBodies = new SlowBodies(options.gate, options.bodySilenceMs)
    this.#certificates = options.tls === null ? null : new Certificates(options.tls)
    this.#server = createNodeServer({ ...options, idleMs }, this.#certificates, (socket) =>
      this.#serveHttp2(socket),
    )
    this.#follow(this.#server)
  }

  #serveHttp2(socket: TLSSocket): void {
    const certificates = this.#certificates
    const shown = certificates?.shownFor(socket.servername as string | false | null)
    const session = serveHttp2(socket, {
      maxHeadBytes: this.#options.maxHeadBytes,
      idleMs,
      begin: this.#options.begin,
      slowBodies: this.#slowBodies,
      maySpeakFor: (host) => shown === undefined || certificates?.maySpeakFor(host, shown) === true,
      onFault: (error) => this.#options.onFault(textOf(error)),
      onRefused: this.#options.onRefused,
      gate: this.#options.gate,
    })
    this.#sessions.add(session)
    session.on('close', () => this.#sessions.delete(session))
    if (!this.#isAccepting) session.close()
  }

  #follow(server: Server | SecureServer): void {
    // Fields are bounded by their bytes; beyond a number of them Node would drop some without a word.
    server.maxHeadersCount = 0
    // Not in the documents of Node; without it a client that closes its half loses its answer.
    ;(server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true
    const take = (request: IncomingMessage, response: ServerResponse): void => this.#take(request, response)
    server.on('request', take)
    server.on('checkContinue', take)
    server.on('checkExpectation', take)
    server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) =>
      this.#takeUpgrade(request, socket, head),
    )
    server.on('clientError', (error: ParserError, socket: Socket) => this.#refuse(error, socket))
    admitThrough(this.#options.gate, server, this.#sockets)
  }

  listen(): Promise<void> {
    const { shared, host, port } = this.#options
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(shared ?? { host, port, exclusive: true }, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  // -- requests -----------------------------------------------------------------------------------------------------------

  #take(request: IncomingMessage, response: ServerResponse): void {
    const downstream = new NodeDownstream(request, response, this.#slowBodies)
    this.#guard(request.socket, () =>
      this.#connectionOf(request.socket).take(downstream, this.#options.begin),
    )
  }

  #takeUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    // Behind an answer that is still on its way there is no room for another protocol.
    if (this.#connectionOf(socket).isBusy) return void socket.destroy()
    socket.on('error', ignoreLoss)
    const response = new ServerResponse(request)
    const upgrade = new NodeUpgrade({ request, response, head, slowBodies: this.#slowBodies })
    this.#guard(socket, () => upgrade.beginUpgrade(this.#options.beginUpgrade))
  }

  #guard(socket: Socket, begin: () => void): void {
    try {
      begin()
    } catch (error) {
      socket.destroy()
      this.#options.onFault(textOf(error))
    }
  }

  #refuse(error: ParserError, socket: Socket): void {
    const code = refusalCode(error)
    if (code === null) return void socket.destroy()
    this.#connectionOf(socket).refuse(code)
  }

  /** The connection that a socket carries. */
  #connectionOf(socket: Socket): NodeConnection {
    const known = this.#connections.get(socket)
    if (known !== undefined) return known
    const onRefused = (code: FrontRefusal): void => {
      this.#options.gate.refused(limitationOf[code])
      this.#options.onRefused(errorKinds[code].status)
    }
    const onFlood = (): void => this.#options.gate.refused('pipelining')
    const connection = new NodeConnection(socket, { onRefused, onFlood })
    this.#connections.set(socket, connection)
    return connection
  }

  // -- its end ------------------------------------------------------------------------------------------------------------

  useCertificates(tls: TlsMaterial): void {
    if (this.#certificates === null) return
    this.#certificates.use(tls)
    const ticketKeys = Buffer.from(tls.ticketKeys)
    // Other than the typings say, the keys of the tickets belong to the context.
    ;(this.#server as SecureServer).setSecureContext({ ...this.#certificates.first, ticketKeys } as object)
  }

  stopAccepting(): void {
    if (!this.#isAccepting) return
    this.#isAccepting = false
    // The HTTP server's own would cut idle connections as well, on which a request may be under way.
    NetServer.prototype.close.call(this.#server)
    for (const session of this.#sessions) session.close()
  }

  close(): void {
    this.stopAccepting()
    this.#slowBodies.stop()
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }
}

/** The socket's close event tells the exchange. */
function ignoreLoss(): void {}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
