// One HTTP/2 connection of the Node front: its limits, its streams as requests, its orderly end. What the protocol
// forbids is refused by nghttp2 (RFC 9113 section 8); here is what it leaves to us.
import {
  constants,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { TLSSocket } from 'node:tls'
import type { BeginExchange } from '../dataplane/downstream.js'
import type { Gate } from '../dataplane/gate.js'
import { hostName } from '../dataplane/host-text.js'
import { headerOf, type RequestHead } from '../dataplane/request-head.js'
import { factsOf, type ConnectionFacts } from './connection-facts.js'
import { fieldMap } from './field-pairs.js'
import { Http2Downstream } from './http2-downstream.js'
import { limitationOf, refusalOfFront, type FrontRefusal } from './node-refusal.js'
import type { SlowBodies } from './slow-bodies.js'

export interface Http2SessionOptions {
  readonly maxHeadBytes: number
  /** A connection without streams is closed after this silence. */
  readonly idleMs: number
  readonly begin: BeginExchange
  readonly slowBodies: SlowBodies
  /** Whether the connection's certificate stands for a host, by its lower-case name without port. */
  readonly maySpeakFor: (host: string) => boolean
  /** A request failed by a fault of the gateway's own. */
  readonly onFault: (error: unknown) => void
  /** A request was refused before it began; answered with this status. */
  readonly onRefused: (status: number) => void
  readonly gate: Gate
}

const maxStreams = 100
/** What one stream, and one connection, may send ahead of what the application takes. */
const streamWindowBytes = 256 * 1024
const connectionWindowBytes = 1024 * 1024

/** Streams that a client may take back unanswered before it is asked to calm down (CVE-2023-44487), and in what time. */
const maxResets = 100
const resetWindowMs = 10_000
const farewellMs = 500

/** Node's typings of version 20 lack some options of the handshake. */
const limits = {
  // Fields in a head; CONTINUATION floods end here or at the bytes below, whichever comes first.
  maxHeaderListPairs: 256,
  maxSettings: 32,
  // MiB: queued frames and heads of all streams together.
  maxSessionMemory: 4,
  peerMaxConcurrentStreams: maxStreams,
}

export function serveHttp2(socket: TLSSocket, options: Http2SessionOptions): ServerHttp2Session {
  const session = performServerHandshake(socket, {
    ...limits,
    settings: {
      enablePush: false,
      maxConcurrentStreams: maxStreams,
      initialWindowSize: streamWindowBytes,
      maxHeaderListSize: options.maxHeadBytes,
    },
  })
  const resets = new Resets()
  const onTakenBack = (): void => {
    if (resets.areTooMany() && calmDown(session, socket)) options.gate.refused('http2-resets')
  }
  let open = 0
  session.setLocalWindowSize(connectionWindowBytes)
  session.setTimeout(options.idleMs, () => {
    if (open === 0) leave(session, socket)
  })
  // What fails ends the session; every stream of it hears of that by itself.
  session.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code?.startsWith('ERR_HTTP2') === true) options.gate.refused('http2-protocol')
    session.destroy()
  })
  const take = (stream: ServerHttp2Stream, _: object, _flags: number, rawHeaders: string[]): void => {
    open++
    stream.on('close', () => {
      open--
      // The silence begins anew: it may have been long while a stream was open, and nothing else would look again.
      if (open === 0) session.setTimeout(options.idleMs)
    })
    stream.on('error', ignoreLoss)
    try {
      beginStream(socket, { stream, rawHeaders, onTakenBack }, options)
    } catch (error) {
      stream.close(constants.NGHTTP2_INTERNAL_ERROR)
      options.onFault(error)
    }
  }
  session.on('stream', take)
  return session
}

/** The stream's close event tells the exchange. */
function ignoreLoss(): void {}

/** Later streams are ignored from here on; cut at once, the connection would be reset before the client reads why. */
function calmDown(session: ServerHttp2Session, socket: TLSSocket): boolean {
  if (session.destroyed || session.closed) return false
  session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM)
  leave(session, socket)
  return true
}

/** A client that takes nothing any more would never take the goodbye, for which the session's own end waits. */
function leave(session: ServerHttp2Session, socket: TLSSocket): void {
  session.close()
  setTimeout(() => socket.destroy(), farewellMs).unref()
}

interface NewStream {
  readonly stream: ServerHttp2Stream
  readonly rawHeaders: readonly string[]
  readonly onTakenBack: () => void
}

function beginStream(
  socket: TLSSocket,
  { stream, rawHeaders, onTakenBack }: NewStream,
  options: Http2SessionOptions,
): void {
  if (headBytes(rawHeaders) > options.maxHeadBytes) return refuseStream(stream, 'head_too_large', options)
  const head = readHttp2Head(rawHeaders, stream.endAfterHeaders, factsOf(socket))
  const host = hostName(headerOf(head, 'host'))
  // Without a host the exchange refuses it.
  if (host !== '' && !options.maySpeakFor(host)) return refuseStream(stream, 'misdirected', options)
  new Http2Downstream(head, stream, options.slowBodies).begin(options.begin, onTakenBack)
}

/** As the announced limit counts (RFC 9113 section 6.5.2); Node itself only resets streams far beyond it. */
function headBytes(rawHeaders: readonly string[]): number {
  return rawHeaders.reduce((sum, text) => sum + text.length + 16, 0)
}

function refuseStream(
  stream: ServerHttp2Stream,
  code: FrontRefusal,
  { onRefused, gate }: Http2SessionOptions,
): void {
  const { status, lines, body } = refusalOfFront(code)
  gate.refused(limitationOf[code])
  onRefused(status)
  stream.respond({ ...fieldMap({ bytes: null, runs: [], lines }), ':status': status })
  stream.end(body)
  stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR))
}

/** How often streams were taken back of late. */
class Resets {
  #count = 0
  #since = 0

  areTooMany(): boolean {
    const now = performance.now()
    if (now - this.#since > resetWindowMs) {
      this.#since = now
      this.#count = 0
    }
    return ++this.#count > maxResets
  }
}

const forbiddenInValue = /[\0\r\n]/

/**
 * The head as HTTP/1 would have it. What an application could read differently than we do is marked with an empty name,
 * which the exchange refuses.
 */
export function readHttp2Head(
  raw: readonly string[],
  endsHere: boolean,
  { address, clientCertificate }: ConnectionFacts,
): RequestHead {
  const pseudo = new Map<string, string>()
  const names: string[] = []
  const values: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    const value = raw[i + 1] ?? ''
    if (name.startsWith(':')) {
      pseudo.set(name, value)
      continue
    }
    names.push(forbiddenInValue.test(value) ? '' : name)
    values.push(value)
  }
  addHost(pseudo.get(':authority') ?? '', names, values)
  if (!endsHere && !names.includes('content-length')) {
    names.push('transfer-encoding')
    values.push('chunked')
  }
  const target = pseudo.get(':path') ?? ''
  const query = target.indexOf('?')
  return {
    method: pseudo.get(':method') ?? '',
    target,
    path: query < 0 ? target : target.slice(0, query),
    names,
    values,
    remoteAddress: address,
    isSecure: true,
    version: '2',
    clientCertificate,
  }
}

/** RFC 9113 section 8.3.1: the authority stands for Host, and a Host beside it must say the same. */
function addHost(authority: string, names: string[], values: string[]): void {
  if (authority === '') return
  const at = names.indexOf('host')
  if (at < 0) {
    names.push('host')
    values.push(authority)
  } else if (values[at]?.toLowerCase() !== authority.toLowerCase()) {
    names[at] = ''
  }
}
