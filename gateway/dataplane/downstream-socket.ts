// A client's request for a WebSocket: what a front offers the exchange beside the ordinary ways to answer.
import type { BeginExchange, Downstream, DownstreamEvents, FieldBlock } from './downstream.js'
import type { Gate } from './gate.js'
import { headerOf, type RequestHead } from './request-head.js'
import type { SocketEnd } from './socket-end.js'

/** A request that may become a socket. Whoever does not accept it answers it like any other. */
export interface DownstreamUpgrade extends Downstream {
  /**
   * Answers 101 with these fields (the handshake's own are the front's) and the subprotocol, empty for none. From here
   * on the request is over and the end speaks for the client. Null when the client has gone meanwhile.
   */
  accept(fields: FieldBlock, protocol: string): SocketEnd | null
}

export type BeginUpgrade = (downstream: DownstreamUpgrade) => DownstreamEvents

/** What every front calls. */
export interface FrontCalls {
  readonly begin: BeginExchange
  readonly beginUpgrade: BeginUpgrade
  /** Told of every connection, and of what is refused. */
  readonly gate: Gate
  /** A request failed by a fault of the gateway's own; its connection is cut. */
  readonly onFault: (error: string) => void
}

/**
 * Whether a GET without a body asks for a WebSocket as RFC 6455 section 4.2.1 says; anything else is an ordinary
 * request, which reaches the application without its Upgrade field.
 */
export function asksForSocket(head: RequestHead): boolean {
  return (
    head.method === 'GET' &&
    headerOf(head, 'sec-websocket-version') === '13' &&
    lists(head, 'upgrade', 'websocket') &&
    lists(head, 'connection', 'upgrade') &&
    !head.names.includes('content-length') &&
    !head.names.includes('transfer-encoding')
  )
}

function lists(head: RequestHead, name: string, option: string): boolean {
  return head.values.some(
    (value, i) =>
      head.names[i] === name && value.split(',').some((part) => part.trim().toLowerCase() === option),
  )
}
