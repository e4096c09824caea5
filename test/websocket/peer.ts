// One real WebSocket of a test, client or server: everything that it heard, and ways to wait for more.
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { WebSocket, type ClientOptions } from 'ws'
import { until } from '../fixtures/until.js'

export class Peer {
  readonly ws: WebSocket
  /** Messages in order; binary ones as Buffers, text as strings. */
  readonly heard: (string | Buffer)[] = []
  readonly pings: string[] = []
  readonly pongs: string[] = []
  /** Code and reason; null while it is open. */
  closed: readonly [code: number, reason: string] | null = null
  /** Bytes of messages heard. */
  bytes = 0

  constructor(ws: WebSocket) {
    this.ws = ws
    ws.on('message', (data, isBinary) => {
      const message = data as Buffer
      this.bytes += message.length
      this.heard.push(isBinary ? message : message.toString())
    })
    ws.on('ping', (payload) => {
      this.pings.push(payload.toString())
      ws.pong(payload)
    })
    ws.on('pong', (payload) => this.pongs.push(payload.toString()))
    ws.on('close', (code, reason) => (this.closed = [code, reason.toString()]))
    // What a peer does wrong shows in how it is closed.
    ws.on('error', () => {})
  }

  /** Waits for so many messages, and gives all. */
  hears(count: number): Promise<readonly (string | Buffer)[]> {
    return until(`${count} messages`, () => (this.heard.length >= count ? this.heard : null))
  }

  /** How it was closed. */
  ends(limitMs = 10_000): Promise<readonly [number, string]> {
    return until('the socket is closed', () => this.closed, limitMs)
  }
}

export interface Connected extends Peer {
  /** The head of the 101. */
  readonly answer: IncomingMessage
}

/** Opens a socket; rejects when it is refused. */
export async function connect(
  url: string,
  options: ClientOptions & { readonly protocols?: string[] } = {},
): Promise<Connected> {
  const { protocols = [], ...rest } = options
  const ws = new WebSocket(url, protocols, { autoPong: false, ...rest })
  const peer = new Peer(ws)
  const [[answer]] = (await Promise.all([once(ws, 'upgrade'), once(ws, 'open')])) as [
    [IncomingMessage],
    unknown,
  ]
  return Object.assign(peer, { answer })
}

/** A refused handshake, as the client sees it. */
export interface Refusal {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly body: string
  readonly isComplete: boolean
}

/** Asks for a socket and gives the answer that is none. */
export function refusal(url: string, options: ClientOptions = {}): Promise<Refusal> {
  const ws = new WebSocket(url, [], options)
  return new Promise((resolve, reject) => {
    ws.on('error', reject)
    ws.on('open', () => reject(new Error('a socket was opened')))
    ws.on('unexpected-response', (_, response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', () => {})
      response.on('close', () => {
        const { statusCode = 0, headers, rawHeaders, complete } = response
        const body = Buffer.concat(chunks).toString()
        resolve({ status: statusCode, headers, rawHeaders, body, isComplete: complete })
      })
    })
  })
}
