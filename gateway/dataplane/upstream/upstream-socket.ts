// What the sender of an upgrade request and the upstream WebSocket client say to each other. Knows nothing of releases
// or sessions.
import type { TargetUrl } from '../../domain/ids.js'
import type { SocketEnd } from '../socket-end.js'
import type { FieldNames } from './field-names.js'
import { incomplete, malformed, ParsedHead } from './response-head.js'
import type { ResponseHead, UpstreamCall, UpstreamHandler } from './upstream.js'

export interface SocketRequest {
  readonly url: TargetUrl
  /** The request's head as for any other request; the client adds the fields of its own handshake. */
  readonly head: string
  readonly connectTimeoutMs: number
  /** Bounds the wait for the answer, then each silence in a refusal's body. */
  readonly upstreamTimeoutMs: number
  readonly maxHeadBytes: number
}

/** An answer other than 101 comes as that of an ordinary request. */
export interface SocketHandler extends UpstreamHandler {
  /** The application agreed: its head without the handshake's own fields, the subprotocol it chose or ''. */
  onSocket(head: ResponseHead, protocol: string, upstream: SocketEnd): void
}

/** Asks a target for a socket. Nothing is called before it has returned; `cancel` works until `onSocket`. */
export type ConnectSocket = (request: SocketRequest, handler: SocketHandler) => UpstreamCall

/** A head that a library has parsed, in the form of one of the pool's; null where it breaks the rules. */
export function composeHead(
  status: number,
  fields: readonly (readonly [name: string, value: string])[],
  names: FieldNames,
): ResponseHead | null {
  const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`)
  const bytes = Buffer.from(`HTTP/1.1 ${status}\r\n${lines.join('')}\r\n`, 'latin1')
  const head = new ParsedHead(names)
  const end = head.parse(bytes, 0, bytes.length, false)
  return end === incomplete || end === malformed ? null : head
}
