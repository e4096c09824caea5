// Every front of the gateway behind a script in place of the exchange, and a client for each protocol that it speaks:
// what the contract suite runs on. Nothing is shared between two fronts.
import { once } from 'node:events'
import * as http from 'node:http'
import * as http2 from 'node:http2'
import * as https from 'node:https'
import { randomBytes } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import { listenWithNode } from '../../gateway/adapters/node-listener.js'
import { listenWithUws } from '../../gateway/adapters/uws-listener.js'
import type {
  BodyFailure,
  Downstream,
  DownstreamEvents,
  Listener,
  ResponseStart,
} from '../../gateway/dataplane/downstream.js'
import { Gate, noLimits } from '../../gateway/dataplane/gate.js'
import type { Owner } from '../fixtures/owner.js'
import type { ClientLimits, TlsMaterial } from '../../gateway/plane-protocol.js'
import { makeCertificate, type MadeCertificate } from './certificates.js'

/** A front and the protocol by which it is reached. */
export const fronts = ['uws', 'uws over TLS', 'node', 'node over TLS', 'node by HTTP/2'] as const
export type FrontName = (typeof fronts)[number]

/** One request as the script has seen it. */
export class Scripted implements DownstreamEvents {
  readonly downstream: Downstream
  readonly chunks: Buffer[] = []
  received = 0
  /** How often the body came to its end. */
  ends = 0
  aborts = 0
  drains = 0
  failure: BodyFailure | null = null
  onPiece: (chunk: Buffer, isLast: boolean) => void = () => {}
  readonly whole: Promise<Buffer>
  readonly aborted: Promise<void>
  #whenWhole: (body: Buffer) => void = () => {}
  #whenAborted: () => void = () => {}
  #whenDrained: (() => void) | null = null

  constructor(downstream: Downstream) {
    this.downstream = downstream
    this.whole = new Promise((resolve) => (this.#whenWhole = resolve))
    this.aborted = new Promise((resolve) => (this.#whenAborted = resolve))
  }

  drained(): Promise<void> {
    return new Promise((resolve) => (this.#whenDrained = resolve))
  }

  onBody(chunk: Buffer, isLast: boolean): void {
    this.chunks.push(Buffer.from(chunk))
    this.received += chunk.length
    if (isLast) this.ends++
    if (isLast) this.#whenWhole(Buffer.concat(this.chunks))
    this.onPiece(chunk, isLast)
  }

  onBodyFailed(code: BodyFailure): void {
    this.failure = code
    this.answer('failed', { status: 400, closes: true })
  }

  onDrained(): void {
    this.drains++
    this.#whenDrained?.()
  }

  onAborted(): void {
    this.aborts++
    this.#whenAborted()
  }

  /** A whole answer with a length. */
  answer(text: string, start: Partial<ResponseStart> = {}): void {
    const body = Buffer.from(text)
    this.downstream.start({ ...plainStart, framing: 'length', contentLength: body.length, ...start })
    this.downstream.write(body)
    this.downstream.end()
    this.downstream.flush()
  }
}

/** 200 of unknown length, without fields. */
export const plainStart: ResponseStart = {
  status: 200,
  fields: { bytes: null, runs: [], lines: '' },
  framing: 'unknown',
  contentLength: -1,
  closes: false,
  isEventStream: false,
  isCoded: false,
}

export interface RunningFront {
  readonly name: FrontName
  readonly listener: Listener
  readonly port: number
  /** Requests in the order in which they were begun. */
  readonly begun: Scripted[]
  readonly refused: number[]
  readonly gate: Gate
  readonly faults: string[]
}

export interface FrontLimits {
  readonly maxHeadBytes?: number
  readonly headerTimeoutMs?: number
  readonly bodySilenceMs?: number
  /** Of clients. */
  readonly clientLimits?: Partial<ClientLimits>
  /** Of whom a balancer's header is believed; undefined: no connection begins with one. */
  readonly proxied?: { readonly isTrusted: (address: string) => boolean }
  readonly clients?: TlsMaterial['clients']
  /** In place of one for `front.test`. */
  readonly certificates?: readonly MadeCertificate[]
}

const certificate = makeCertificate('front.test', '127.0.0.1')

/** Starts a front whose requests all go to the script. */
export async function startFront(
  t: Owner,
  name: FrontName,
  script: (scripted: Scripted) => void,
  limits: FrontLimits = {},
): Promise<RunningFront> {
  const begun: Scripted[] = []
  const refused: number[] = []
  const faults: string[] = []
  const begin = (downstream: Downstream): DownstreamEvents => {
    const scripted = new Scripted(downstream)
    begun.push(scripted)
    script(scripted)
    return scripted
  }
  const place = { host: '127.0.0.1', port: 0, bodySilenceMs: limits.bodySilenceMs ?? 30_000 }
  const gate = new Gate({ ...noLimits, ...limits.clientLimits })
  const calls = { gate, begin, beginUpgrade: begin, onFault: (fault: string) => faults.push(fault) }
  const { clients = null, certificates = [certificate], ...others } = limits
  const files = certificates.map(({ certFile, keyFile }) => ({ cert: certFile, key: keyFile }))
  const tls = { certificates, files, clients, ticketKeys: randomBytes(48) }
  const listener =
    name === 'uws' || name === 'uws over TLS'
      ? await listenWithUws({ ...place, ...calls, tls: name === 'uws' ? null : tls })
      : await listenWithNode({
          ...place,
          ...calls,
          shared: null,
          tls: name === 'node' ? null : tls,
          proxied: null,
          maxHeadBytes: 16_384,
          headerTimeoutMs: 10_000,
          ...others,
          onRefused: (status) => refused.push(status),
        })
  t.teardown(() => listener.close())
  return { name, listener, port: listener.port, begun, refused, gate, faults }
}

// -- clients --------------------------------------------------------------------------------------------------------------

export interface Wanted {
  readonly method?: string
  readonly path?: string
  /** Names and values in turn. */
  readonly fields?: readonly string[]
}

/** A request under way, whatever the protocol. */
export interface Asked {
  readonly body: Writable
  /** Rejects when the connection fails before the head. */
  readonly answer: Promise<Answered>
  /** Interim answers: status and fields. */
  readonly interim: (readonly [status: number, link: string])[]
  readonly abort: () => void
}

export interface Answered {
  readonly status: number
  /** Names in lower case and values, one character a byte; framing and connection fields left out. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  readonly stream: Readable
  /** Rejects when it is cut. */
  readonly text: () => Promise<string>
}

const ownFields = new Set(['connection', 'keep-alive', 'transfer-encoding', ':status'])

/** Asks a front; what is written to `body` is sent, and ends the request when it ends. */
export function ask(t: Owner, front: RunningFront, wanted: Wanted = {}): Asked {
  return front.name === 'node by HTTP/2' ? askHttp2(t, front, wanted) : askHttp1(front, wanted)
}

function askHttp1(front: RunningFront, { method = 'GET', path = '/', fields = [] }: Wanted): Asked {
  const isSecure = front.name.endsWith('over TLS')
  const options = {
    host: '127.0.0.1',
    port: front.port,
    method,
    path,
    headers: ['Host', 'front.test', ...fields],
    agent: false as const,
    maxHeaderSize: 65_536,
    rejectUnauthorized: false,
  }
  const request = isSecure ? https.request(options) : http.request(options)
  const interim: (readonly [number, string])[] = []
  request.on('information', (head) => interim.push([head.statusCode, String(head.headers['link'] ?? '')]))
  request.on('continue', () => interim.push([100, '']))
  const answer = once(request, 'response').then(([response]: http.IncomingMessage[]) => {
    if (response === undefined) throw new Error('no response')
    return answered(response.statusCode ?? 0, pairsOf(response.rawHeaders), response)
  })
  answer.catch(() => {})
  return { body: request, answer, interim, abort: () => void request.destroy() }
}

function askHttp2(t: Owner, front: RunningFront, { method = 'GET', path = '/', fields = [] }: Wanted): Asked {
  const session = http2.connect(`https://127.0.0.1:${front.port}`, { rejectUnauthorized: false })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  const headers: Record<string, string | string[]> = {
    ':method': method,
    ':path': path,
    ':authority': 'front.test',
  }
  for (const [name, value] of pairsOf(fields)) {
    if (name === 'transfer-encoding') continue
    const known = headers[name]
    headers[name] = known === undefined ? value : [known, value].flat()
  }
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const stream = session.request(headers, { endStream: !hasBody })
  const interim: (readonly [number, string])[] = []
  stream.on('headers', (head) => interim.push([head[':status'] ?? 0, String(head['link'] ?? '')]))
  const answer = new Promise<Answered>((resolve, reject) => {
    stream.on('error', reject)
    session.on('error', reject)
    stream.on('response', (head, _flags, ...rest: unknown[]) => {
      const raw = pairsOf((rest[0] as string[] | undefined) ?? [])
      resolve(answered(head[':status'] ?? 0, raw, stream))
    })
  })
  answer.catch(() => {})
  return { body: stream, answer, interim, abort: () => stream.close(http2.constants.NGHTTP2_CANCEL) }
}

function pairsOf(raw: readonly string[]): (readonly [string, string])[] {
  return raw.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), raw[i + 1] ?? ''] as const] : []))
}

function answered(
  status: number,
  fields: readonly (readonly [string, string])[],
  stream: Readable,
): Answered {
  return {
    status,
    fields: fields.filter(([name]) => !ownFields.has(name)),
    stream,
    text: async () => {
      const chunks: Buffer[] = []
      for await (const chunk of stream) chunks.push(chunk as Buffer)
      // A stream of HTTP/2 that is reset by the peer may end without an error.
      if ((stream as http2.ClientHttp2Stream).rstCode) throw new Error('reset')
      return Buffer.concat(chunks).toString('latin1')
    },
  }
}

/** Asks without a body, and gives the answer. */
export function get(t: Owner, front: RunningFront, wanted: Wanted = {}): Promise<Answered> {
  const asked = ask(t, front, wanted)
  asked.body.end()
  return asked.answer
}
