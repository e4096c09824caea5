// What the sender of a request and the upstream pool say to each other. The pool knows nothing of releases, sessions
// or the client's side; the sender knows nothing of sockets.
import type { GatewayError } from '../../domain/errors.js'

/** How the body of a message is delimited (RFC 9112 section 6.3). */
export type Framing = 'none' | 'length' | 'chunked' | 'close'

/**
 * The head of a response as offsets into the bytes received. One object per connection, reused for every response:
 * it and its bytes are valid only during `onHead`. Field i's line is `bytes[lineStart[i], lineEnd[i])` without CRLF.
 */
export interface ResponseHead {
  readonly status: number
  readonly bytes: Buffer
  /** Offsets of the reason phrase; equal when there is none. */
  readonly reasonStart: number
  readonly reasonEnd: number
  /** How many fields; the arrays below may be longer. */
  readonly fields: number
  /** What each field is: its number in the list of known field names given to the pool, 0 for any other. */
  readonly fieldKind: Uint8Array
  /** Which kinds from 1 to 31 there are, one bit each: most questions are settled by it. */
  readonly kinds: number
  readonly lineStart: Int32Array
  readonly nameEnd: Int32Array
  readonly valueStart: Int32Array
  readonly valueEnd: Int32Array
  readonly framing: Framing
  /** Of framing `length`; for a response to HEAD the length that a GET would have, -1 where none was given. */
  readonly contentLength: number
}

/** The sender's side of one request. Nothing is called after `onEnd` or `onError`; each is called at most once. */
export interface UpstreamHandler {
  /** An interim answer (1xx but 101); usually ignored. */
  onInterim(head: ResponseHead): void
  onHead(head: ResponseHead): void
  /** A piece of the body, unframed. The bytes are overwritten when the call returns: copy what must stay. */
  onData(chunk: Buffer): void
  /** All that one read of the socket brought has been given and the response goes on: the time to flush. */
  onReadEnd(): void
  /** The response is complete as its framing says. */
  onEnd(): void
  /** The request failed; before the head as well as in the middle of the body. */
  onError(error: GatewayError): void
  /** After `write` returned false: the request's body may flow again. */
  onDrain(): void
}

export interface UpstreamRequest {
  /** The whole head, request line to empty line, one character a byte (latin-1). */
  readonly head: string
  /** The response has no body whatever its head says. */
  readonly isHead: boolean
  /** RFC 9110 section 9.2.2: others, and those with a body, go out on a fresh or just-used connection. */
  readonly isIdempotent: boolean
  /** How `write` frames the body: `none`, `length` as is, `chunked` with chunk heads added here. */
  readonly bodyFraming: 'none' | 'length' | 'chunked'
  /** Never a kept-alive connection: set on a second attempt. */
  readonly fresh: boolean
}

/** One request under way. Every method is harmless after the request has ended. */
export interface UpstreamCall {
  /** True once a byte of the request was handed to a socket. */
  readonly isWritten: boolean
  /** Sends (a copy is not needed after return) a piece of the body; false: wait for `onDrain`. */
  write(chunk: Buffer): boolean
  /** The body is complete. Not called when `bodyFraming` is `none`. */
  end(): void
  /** Stops reading the response: the client is slow. */
  pause(): void
  resume(): void
  /** Gives up: the connection is closed, nothing is called any more. Idempotent. */
  cancel(): void
}

export interface UpstreamLimits {
  readonly connectTimeoutMs: number
  /** Bounds the wait for the head, then each silence in the body. */
  readonly upstreamTimeoutMs: number
  readonly maxConnections: number
  readonly maxQueue: number
  readonly maxHeadBytes: number
}

/** All connections to one target. */
export interface UpstreamPool {
  /** Requests under way and waiting: what balancing compares. */
  readonly load: number
  /** Open connections, idle ones included. */
  readonly connections: number
  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall
  /** Closes idle connections now and the others as they end. */
  close(): void
}
