// The head of one request as both fronts hand it over, and the checks that every request passes before anything is
// sent upstream (RFC 9112; docs/conformance.md says what each front has refused before).
import type { ErrorCode } from '../domain/errors.js'
import { readHost, type HostText } from './host-text.js'

/** How the request's body is delimited. */
export type RequestFraming = 'none' | 'length' | 'chunked'

export interface RequestHead {
  readonly method: string
  /** Path and query exactly as sent. */
  readonly target: string
  /** The target without its query. */
  readonly path: string
  /** Names in lower case and values, in order; repeated fields stay apart. */
  readonly names: readonly string[]
  readonly values: readonly string[]
  /** The peer's address as text, without port; empty on a unix socket. */
  readonly remoteAddress: string
  /** The listener terminates TLS. */
  readonly isSecure: boolean
  /** By which version of HTTP it came, as `Via` writes it (RFC 9110 section 7.6.3). */
  readonly version: '1.0' | '1.1' | '2'
  /** The client's verified certificate, as RFC 9440 writes it; empty for none. */
  readonly clientCertificate: string
}

/** The first value of a field, by its lower-case name; empty when absent. */
export function headerOf(head: RequestHead, name: string): string {
  const at = head.names.indexOf(name)
  return at < 0 ? '' : (head.values[at] ?? '')
}

/** What the head says of its body and host, or why it is refused. */
export type HeadReading =
  | {
      readonly ok: true
      readonly framing: RequestFraming
      readonly contentLength: number
      readonly host: HostText
    }
  | { readonly ok: false; readonly error: ErrorCode }

const methodPattern = /^[A-Z]+$/
/**
 * CONNECT asks for a raw tunnel; TRACE would show a script what is hidden from it: HttpOnly cookies, and what the gateway
 * adds; PRI is only ever the beginning of HTTP/2 (RFC 9113 section 11.6).
 */
const neverPassed: ReadonlySet<string> = new Set(['CONNECT', 'TRACE', 'PRI'])
/** Absolute path or asterisk in visible ASCII, without a fragment (RFC 9112 section 3.2). */
const targetPattern = /^(?:\/[\x21\x22\x24-\x7e]*|\*)$/
const lengthPattern = /^\d{1,15}$/

/** Nearly all requests have one of two. */
function mayPass(method: string): boolean {
  if (method === 'GET' || method === 'POST') return true
  return methodPattern.test(method) && !neverPassed.has(method)
}

/** Reads framing and host, refusing whatever two parsers could read differently. */
export function readHead(head: RequestHead): HeadReading {
  if (!mayPass(head.method)) return { ok: false, error: 'method_not_implemented' }
  if (!targetPattern.test(head.target)) return { ok: false, error: 'bad_target' }
  if (head.target === '*' && head.method !== 'OPTIONS') return { ok: false, error: 'bad_target' }
  let hostText = ''
  let hosts = 0
  let length = ''
  let lengths = 0
  let codings = 0
  let coding = ''
  for (let i = 0; i < head.names.length; i++) {
    // A switch over a handful of names: the engine compares interned strings by identity.
    switch (head.names[i] as string) {
      case 'host':
        hosts++
        hostText = head.values[i] ?? ''
        break
      case 'content-length':
        lengths++
        length = head.values[i] ?? ''
        break
      case 'transfer-encoding':
        codings++
        coding = head.values[i] ?? ''
        break
      case 'expect':
        if (head.values[i]?.toLowerCase() !== '100-continue')
          return { ok: false, error: 'expectation_failed' }
        break
      case '':
        return { ok: false, error: 'bad_request' }
    }
  }
  const host = hosts === 1 ? readHost(hostText) : null
  if (host === null) return { ok: false, error: 'bad_host' }
  if (codings > 0) {
    // RFC 9112 section 6.3: any length beside a transfer coding, or any coding but one `chunked`, is ambiguous; section
    // 6.1: so is any coding in HTTP/1.0, which knows none.
    if (lengths > 0 || codings > 1 || coding !== 'chunked' || head.version === '1.0')
      return { ok: false, error: 'bad_framing' }
    return { ok: true, framing: 'chunked', contentLength: -1, host }
  }
  if (lengths === 0) return { ok: true, framing: 'none', contentLength: 0, host }
  if (lengths > 1 || !lengthPattern.test(length)) return { ok: false, error: 'bad_framing' }
  const contentLength = Number(length)
  return { ok: true, framing: contentLength === 0 ? 'none' : 'length', contentLength, host }
}
