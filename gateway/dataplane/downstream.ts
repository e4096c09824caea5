// The client's side of one exchange: what every front implements and all that the exchange knows of it.
import type { ErrorCode } from '../domain/errors.js'
import type { RequestHead } from './request-head.js'

/** How the front delimits the response's body; `none` when it has none. */
export type ResponseFraming = 'none' | 'length' | 'unknown'

/**
 * Response fields in the two forms in which they come: runs of whole lines of a received head (bytes that are valid
 * only until the next `flush`), and lines written by the gateway.
 */
export interface FieldBlock {
  /** The received head; null when every field is the gateway's own. */
  readonly bytes: Buffer | null
  /** Triples in order: start of a run, end of its first line's name, end of the run's last line without its CRLF. */
  readonly runs: readonly number[]
  /** The gateway's own lines, `Name: value` joined by CRLF, in latin-1; empty for none. */
  readonly lines: string
}

export interface ResponseStart {
  readonly status: number
  readonly fields: FieldBlock
  readonly framing: ResponseFraming
  /** Body length in bytes with framing `length`; for an answer to HEAD the length a GET would have, -1 unknown. */
  readonly contentLength: number
  /** The connection is closed after this response. */
  readonly closes: boolean
  /** A stream of server-sent events: its head must not wait for the first event. */
  readonly isEventStream: boolean
  /** Its body is under a content coding: nothing of the front's own may stand in it. Told of event streams only. */
  readonly isCoded: boolean
}

/** One request of a client and the way to answer it. Every method is harmless after the exchange is over. */
export interface Downstream {
  readonly head: RequestHead
  /** An interim answer (1xx but 100 and 101), as far as front and client can carry it; sent at once, before `start`. */
  interim(status: number, fields: FieldBlock): void
  /** The head of the answer; once. It and what follows are sent by `flush`. */
  start(response: ResponseStart): void
  /** A piece of the body; the bytes need to stay valid until `flush` only. */
  write(chunk: Buffer): void
  /** The body is complete. */
  end(): void
  /**
   * Sends what was given since the last time; false: the client is slow, wait for `onDrained`. After `end` that is told
   * when the whole answer has been taken, or when nobody waits for it any more.
   */
  flush(): boolean
  /** Cuts the answer short: the client sees that it is incomplete. */
  cut(): void
  /** Stops and goes on reading the request's body. A front may still deliver what it has read already. */
  pauseBody(): void
  resumeBody(): void
}

/** Why a request's body has no end: it is malformed, came too slowly, or could not be stopped. */
export type BodyFailure = Extract<ErrorCode, 'bad_request' | 'request_timeout' | 'overloaded'>

/** What the front tells the exchange. Nothing is told after `onAborted`. */
export interface DownstreamEvents {
  /** A piece of the request's body, valid during the call only. Empty pieces are possible. */
  onBody(chunk: Buffer, isLast: boolean): void
  /** The rest of the request's body will not come; the client can still be told. */
  onBodyFailed(code: BodyFailure): void
  /** After `flush` returned false. */
  onDrained(): void
  /** The client went away before the answer was complete. */
  onAborted(): void
}

/** What a front can do; the contract suite and docs/conformance.md follow it. */
export interface FrontAbilities {
  readonly engine: 'uws' | 'node'
  readonly http10: boolean
  readonly http2: boolean
  readonly pipelining: boolean
  readonly halfClose: boolean
  readonly trailers: boolean
  readonly interimResponses: boolean
  /** The front writes its own Date; the application's is dropped. */
  readonly writesDate: boolean
}

/** Accepts connections and hands each request to `begin`, which returns the receiver of its events. */
export interface Listener {
  readonly abilities: FrontAbilities
  readonly port: number
  /** Stops accepting; open connections go on. */
  stopAccepting(): void
  /** Cuts every connection. */
  close(): void
}

export type BeginExchange = (downstream: Downstream) => DownstreamEvents
