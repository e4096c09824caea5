// One request as Node's HTTP/1 parser gives it, in the form that both fronts hand over. Knows nothing of the answer.
import { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { addressText, factsOf } from './connection-facts.js'
import { asksForSocket } from '../dataplane/downstream-socket.js'
import { headerOf, type RequestHead } from '../dataplane/request-head.js'

const handshakeKey = /^[+/0-9A-Za-z]{22}==$/

/**
 * A request that leaves HTTP only for a WebSocket. Node would hand over the bare connection for any Upgrade field,
 * while clients that offer h2c (curl, Java) expect to be served as if they had not. CONNECT is a method like any other,
 * which the exchange refuses.
 */
export class NodeRequest extends IncomingMessage {
  declare private asksForUpgrade: boolean | null

  // Read by Node once the head is complete; set in its constructor, before any field of this class would be.
  get upgrade(): boolean {
    return this.asksForUpgrade === true && isHandshake(readNodeHead(this))
  }

  set upgrade(asks: boolean | null) {
    this.asksForUpgrade = asks
  }
}

function isHandshake(head: RequestHead): boolean {
  return asksForSocket(head) && handshakeKey.test(headerOf(head, 'sec-websocket-key'))
}

/** The head, byte for byte; repeated fields in their order. */
export function readNodeHead(request: IncomingMessage): RequestHead {
  const { rawHeaders, socket } = request
  const facts = factsOf(socket)
  const names: string[] = []
  const values: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    names.push((rawHeaders[i] ?? '').toLowerCase())
    values.push(rawHeaders[i + 1] ?? '')
  }
  const target = originForm(request, names, values)
  if (isVersion10(request) && !names.includes('host')) add(names, values, 'host', localHost(request))
  const query = target.indexOf('?')
  return {
    method: request.method ?? '',
    target,
    path: query < 0 ? target : target.slice(0, query),
    names,
    values,
    remoteAddress: facts.address,
    isSecure: socket instanceof TLSSocket,
    version: isVersion10(request) ? '1.0' : '1.1',
    clientCertificate: facts.clientCertificate,
  }
}

/** The client speaks HTTP/1.0: no chunks, no interim answers, perhaps no Host. */
export function isVersion10(request: IncomingMessage): boolean {
  return request.httpVersionMajor === 1 && request.httpVersionMinor === 0
}

const absoluteForm = /^https?:\/\/([^/?#]*)(.*)$/i

/** RFC 9112 section 3.2.2: of a target in absolute form the authority counts, whatever Host says. */
function originForm({ url = '', method }: IncomingMessage, names: string[], values: string[]): string {
  if (url.startsWith('/')) return url
  const parts = absoluteForm.exec(url)
  if (parts === null) return url
  const at = names.indexOf('host')
  if (at < 0) add(names, values, 'host', parts[1] ?? '')
  else if (names.indexOf('host', at + 1) < 0) values[at] = parts[1] ?? ''
  const rest = parts[2] ?? ''
  // Section 3.2.4: the server as a whole is meant.
  if (rest === '' && method === 'OPTIONS') return '*'
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** A client of HTTP/1.0 need not name a host; the address that it reached stands for it. */
function localHost({ socket }: IncomingMessage): string {
  const address = addressText(socket.localAddress ?? '')
  return `${address.includes(':') ? `[${address}]` : address}:${socket.localPort ?? ''}`
}

function add(names: string[], values: string[], name: string, value: string): void {
  names.push(name)
  values.push(value)
}
