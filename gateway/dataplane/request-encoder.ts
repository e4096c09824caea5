// Writes the head of the upstream request anew from the visible fields; nothing is forwarded raw. One latin-1 string,
// because joining short strings and one `socket.write(head, 'latin1')` was the cheapest way measured.
import type { SessionId } from '../domain/ids.js'
import { isHopByHopRequest } from '../domain/headers.js'
import type { ReleaseRoute } from '../domain/routing-table.js'
import { readHost, type HostText } from './host-text.js'
import type { RequestFraming, RequestHead } from './request-head.js'
import type { RequestIdentity } from './request-identity.js'

export interface UpstreamHeadInput {
  readonly head: RequestHead
  readonly host: HostText
  readonly identity: RequestIdentity
  readonly framing: RequestFraming
  readonly contentLength: number
  readonly release: ReleaseRoute
  /** Null for requests without a session. */
  readonly session: SessionId | null
  readonly requestId: string
  /** The gateway's name in `Via`; empty: none is added. */
  readonly via: string
}

/** Request line to empty line, one character a byte. */
export function encodeUpstreamHead(input: UpstreamHeadInput): string {
  const { head, identity } = input
  let text = `${head.method} ${head.target} HTTP/1.1\r\n`
  const nominated = nominatedFields(head)
  for (let i = 0; i < head.names.length; i++) {
    const name = head.names[i] ?? ''
    if (isDropped(name) || (nominated !== null && nominated.has(name))) continue
    text += `${name}: ${head.values[i]}\r\n`
  }
  if (identity.cookie !== null) text += `cookie: ${identity.cookie}\r\n`
  text += framingLine(input)
  text += forwardedLines(input)
  if (input.via !== '') text += `via: ${head.version} ${input.via}\r\n`
  if (head.clientCertificate !== '') text += `client-cert: ${head.clientCertificate}\r\n`
  text += `x-request-id: ${input.requestId}\r\namarre-release: ${input.release.version}\r\n`
  if (input.session !== null) text += `amarre-session: ${input.session}\r\n`
  return `${text}\r\n`
}

/** Fields of one connection, ours, and those written anew below. A client's own `Amarre-*` never passes. */
function isDropped(name: string): boolean {
  if (isHopByHopRequest(name)) return true
  return name === 'cookie' || name === 'x-request-id' || isOurs(name, 'amarre') || isOurs(name, 'x-forwarded')
}

const hyphen = 0x2d
const underscore = 0x5f

/**
 * Applications that read fields as CGI does (RFC 3875 section 4.1.18) cannot tell `_` from `-`: neither passes.
 */
function isOurs(name: string, prefix: string): boolean {
  const next = name.charCodeAt(prefix.length)
  if (next !== hyphen && next !== underscore) return false
  return (
    name.startsWith(prefix) ||
    (name.charCodeAt(1) === underscore && name.replace('_', '-').startsWith(prefix))
  )
}

/** RFC 9110 section 7.6.1: fields named by Connection belong to that connection; the ones we need cannot be named. */
function nominatedFields(head: RequestHead): ReadonlySet<string> | null {
  const at = head.names.indexOf('connection')
  if (at < 0) return null
  const value = (head.values[at] ?? '').toLowerCase()
  const isPlain = value === 'keep-alive' || value === 'close'
  if (isPlain && head.names.indexOf('connection', at + 1) < 0) return null
  const named = new Set<string>()
  head.names.forEach((name, i) => {
    if (name !== 'connection') return
    for (const option of (head.values[i] ?? '').split(',')) named.add(option.trim().toLowerCase())
  })
  named.delete('host')
  return named
}

function framingLine(input: UpstreamHeadInput): string {
  switch (input.framing) {
    case 'chunked':
      return 'transfer-encoding: chunked\r\n'
    case 'length':
      return `content-length: ${input.contentLength}\r\n`
    case 'none':
      // RFC 9110 section 8.6: a method that anticipates a body says that there is none.
      return input.head.names.includes('content-length') || anticipatesBody(input.head.method)
        ? 'content-length: 0\r\n'
        : ''
    default:
      return input.framing satisfies never
  }
}

function anticipatesBody(method: string): boolean {
  return method === 'POST' || method === 'PUT' || method === 'PATCH'
}

function forwardedLines({ head, host: { port: ownPort }, identity }: UpstreamHeadInput): string {
  const host = identity.header('host')
  if (!identity.client.isForwarded) {
    const proto = head.isSecure ? 'https' : 'http'
    return (
      `x-forwarded-for: ${head.remoteAddress}\r\nx-forwarded-proto: ${proto}\r\n` +
      `x-forwarded-host: ${host}\r\nx-forwarded-port: ${portOr(ownPort, head.isSecure)}\r\n`
    )
  }
  const chain = head.values.filter((_, i) => head.names[i] === 'x-forwarded-for')
  const forwardedHost = identity.header('x-forwarded-host') || host
  const port =
    identity.header('x-forwarded-port') || portOr(readHost(forwardedHost)?.port ?? '', identity.isSecure)
  return (
    forwardedLine(head, identity) +
    `x-forwarded-for: ${[...chain, head.remoteAddress].join(', ')}\r\n` +
    `x-forwarded-proto: ${identity.isSecure ? 'https' : 'http'}\r\n` +
    `x-forwarded-host: ${forwardedHost}\r\nx-forwarded-port: ${port}\r\n`
  )
}

/** RFC 7239 section 4: what a trusted proxy says goes on with its own address behind; where it says none there is none. */
function forwardedLine(head: RequestHead, identity: RequestIdentity): string {
  const said = head.values.filter((_, i) => head.names[i] === 'forwarded')
  if (said.length === 0) return ''
  const proto = head.isSecure ? 'https' : 'http'
  const ours = `for=${nodeName(head.remoteAddress)};proto=${proto};host="${identity.header('host')}"`
  return `forwarded: ${[...said, ours].join(', ')}\r\n`
}

/** RFC 7239 section 6. */
function nodeName(address: string): string {
  if (address === '') return 'unknown'
  return address.includes(':') ? `"[${address}]"` : address
}

function portOr(given: string, isSecure: boolean): string {
  if (given !== '') return given
  return isSecure ? '443' : '80'
}
