// The upstream's side of a WebSocket, made of `ws`: the handshake with an application, and the socket that comes of it
// as one end of a tunnel. Knows nothing of releases or sessions.
import type { ClientRequest, IncomingMessage } from 'node:http'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { ClientOptions, WebSocket } from 'ws'
import { GatewayError } from '../domain/errors.js'
import { responseFields } from '../domain/headers.js'
import { maxMessageBytes } from '../dataplane/socket-end.js'
import { addressOf, dialStream, readyEvent } from '../dataplane/upstream/dial.js'
import { lossError, silenceError, type Stage } from '../dataplane/upstream/failures.js'
import { FieldNames } from '../dataplane/upstream/field-names.js'
import type { ResponseHead, UpstreamCall } from '../dataplane/upstream/upstream.js'
import { composeHead, type SocketHandler, type SocketRequest } from '../dataplane/upstream/upstream-socket.js'
import { applicationFaults, WsEnd } from './ws-end.js'

const names = new FieldNames(responseFields)

/** A peer that has vanished without a word is noticed by the system after about this time and ten seconds. */
const keepAliveMs = 30_000

const requireHere = createRequire(import.meta.url)
let library: typeof WebSocket | null = null

/**
 * Loaded at the first handshake of a process, once: `ws` and Node's HTTP are a fifth of the code of a worker (40 ms of
 * its start), and most sites have no WebSocket.
 */
function webSocket(): typeof WebSocket {
  return (library ??= requireHere('ws') as typeof WebSocket)
}

/** Begins a handshake with a target. */
export function connectWithWs(request: SocketRequest, handler: SocketHandler): UpstreamCall {
  const call = new Handshake(request, handler)
  call.begin()
  return call
}

class Handshake implements UpstreamCall {
  isWritten = false
  readonly #request: SocketRequest
  readonly #handler: SocketHandler
  #stage: Stage = 'connecting'
  #socket: Socket | null = null
  #ws: WebSocket | null = null
  #refusal: IncomingMessage | null = null
  #timer: NodeJS.Timeout | null = null
  #protocol = ''
  #head: ResponseHead | null = null
  #isOver = false

  constructor(request: SocketRequest, handler: SocketHandler) {
    this.#request = request
    this.#handler = handler
  }

  begin(): void {
    this.#wait(this.#request.connectTimeoutMs)
    try {
      this.#ws = new (webSocket())('ws://upstream/', [], this.#options())
    } catch (error) {
      // A field that Node's client does not send; or no descriptor was left to read the library by.
      const refusal = new GatewayError(library === null ? 'internal' : 'bad_request', 'never', String(error))
      process.nextTick(() => this.#fail(refusal))
      return
    }
    this.#ws.on('upgrade', (response) => this.#agreed(response))
    this.#ws.on('open', () => this.#opened())
    this.#ws.on('unexpected-response', (_request, response) => this.#refused(response))
    this.#ws.on('error', (error) => this.#fail(this.#causeOf(error)))
  }

  #options(): ClientOptions {
    const [requestLine = '', ...lines] = this.#request.head.trimEnd().split('\r\n')
    const limits = { maxHeaderSize: this.#request.maxHeadBytes }
    return {
      ...limits,
      // Node's client takes lists as well, other than the typings of `ws` say.
      headers: fieldsOf(lines) as unknown as Record<string, string>,
      // Each hop frames its own messages; a second deflate would only cost.
      perMessageDeflate: false,
      // The client's own pong is the answer, not ours.
      autoPong: false,
      maxPayload: maxMessageBytes,
      createConnection: () => this.#dial(),
      finishRequest: (request: ClientRequest) => {
        // As it came: a URL would have been normalised.
        request.path = requestLine.split(' ')[1] ?? '/'
        request.end()
      },
    }
  }

  #dial(): Socket {
    const address = addressOf(this.#request.url)
    const socket = dialStream(address)
    this.#socket = socket
    socket.setKeepAlive(true, keepAliveMs)
    socket.once(readyEvent(address), () => {
      this.isWritten = true
      this.#stage = 'head'
      this.#wait(this.#request.upstreamTimeoutMs)
    })
    return socket
  }

  #wait(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#isOver || delayMs === Infinity) return
    this.#timer = setTimeout(() => this.#fail(silenceError(this.#stage)), delayMs)
  }

  // -- the application agrees -------------------------------------------------------------------------------------------

  #agreed(response: IncomingMessage): void {
    this.#protocol = response.headers['sec-websocket-protocol'] ?? ''
    // Whether the choice fits the offer is for the client to judge, who made it; `ws` knows of no offer.
    delete response.headers['sec-websocket-protocol']
    const fields = pairsOf(response.rawHeaders).filter(([name]) => !/^sec-websocket-/i.test(name))
    this.#head = composeHead(101, fields, names)
  }

  #opened(): void {
    if (this.#isOver || this.#ws === null || this.#socket === null) return
    if (this.#head === null) return this.#fail(malformed('malformed 101'))
    this.#end()
    // So that the socket does not keep its handshake alive.
    this.#ws.removeAllListeners()
    this.#handler.onSocket(this.#head, this.#protocol, this.#endOf(this.#ws, this.#socket))
  }

  #endOf(ws: WebSocket, socket: Socket): WsEnd {
    const stallMs = this.#request.upstreamTimeoutMs
    return new WsEnd(ws, { socket, faults: applicationFaults, stallMs, onStalled: () => {} })
  }

  // -- the application refuses ------------------------------------------------------------------------------------------

  #refused(response: IncomingMessage): void {
    if (this.#isOver) return
    // Node takes a 101 that names no protocol for an answer like any other.
    if (response.statusCode === 101) return this.#fail(malformed('101 without an upgrade'))
    this.#refusal = response
    this.#stage = 'body'
    this.#wait(this.#request.upstreamTimeoutMs)
    const head = composeHead(response.statusCode ?? 0, pairsOf(response.rawHeaders), names)
    if (head === null) return this.#fail(malformed('malformed refusal'))
    this.#handler.onHead(head)
    this.#handler.onReadEnd()
    response.on('data', (chunk: Buffer) => this.#refusalCame(chunk))
    response.on('end', () => this.#refusalEnded(response.complete))
    response.on('error', (error) => this.#fail(lossError('body', error)))
  }

  #refusalCame(chunk: Buffer): void {
    if (this.#isOver) return
    this.#wait(this.#request.upstreamTimeoutMs)
    this.#handler.onData(chunk)
    this.#handler.onReadEnd()
  }

  #refusalEnded(isComplete: boolean): void {
    if (this.#isOver) return
    if (!isComplete) return this.#fail(lossError('body', null))
    this.#end()
    this.#socket?.destroy()
    this.#handler.onEnd()
  }

  // -- what fails -------------------------------------------------------------------------------------------------------

  #causeOf(error: Error): GatewayError {
    if (this.#stage === 'connecting') return lossError('connecting', error)
    const code = 'code' in error ? String(error.code) : ''
    // Node's parser names its own complaints; `ws` has none to give for a handshake that is wrong.
    const isMalformed = code === '' || code.startsWith('HPE_')
    return isMalformed ? malformed(error.message) : lossError(this.#stage, error)
  }

  #fail(error: GatewayError): void {
    if (this.#isOver) return
    this.#end()
    this.#drop()
    this.#handler.onError(error)
  }

  /** From here on the handler hears nothing any more. */
  #end(): void {
    this.#isOver = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  #drop(): void {
    this.#socket?.destroy()
    this.#ws?.terminate()
  }

  // -- told by the sender -----------------------------------------------------------------------------------------------

  /** An upgrade request has no body. */
  write(): boolean {
    return true
  }

  end(): void {}

  pause(): void {
    // A client that is slow is not the application's silence.
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#refusal?.pause()
  }

  resume(): void {
    if (this.#refusal === null || this.#isOver) return
    this.#wait(this.#request.upstreamTimeoutMs)
    this.#refusal.resume()
  }

  cancel(): void {
    if (this.#isOver) return
    this.#end()
    this.#drop()
  }
}

function malformed(detail: string): GatewayError {
  return new GatewayError('bad_response', 'never', detail)
}

/** Fields of the client's own handshake, which ends at the gateway. */
const ownFields: ReadonlySet<string> = new Set([
  'sec-websocket-key',
  'sec-websocket-version',
  'sec-websocket-extensions',
  'sec-websocket-accept',
])

/** Repeated fields become lists, in order. */
function fieldsOf(lines: readonly string[]): Record<string, readonly string[]> {
  const fields = new Map<string, string[]>()
  for (const line of lines) {
    const at = line.indexOf(':')
    const name = line.slice(0, at)
    if (!ownFields.has(name)) fields.set(name, [...(fields.get(name) ?? []), line.slice(at + 2)])
  }
  return Object.fromEntries(fields)
}

function pairsOf(rawHeaders: readonly string[]): (readonly [string, string])[] {
  return rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name, rawHeaders[i + 1] ?? ''] as const] : []))
}
