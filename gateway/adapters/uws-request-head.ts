// What a request of uWebSockets.js says, copied out while it may be read: `req` is gone when its handler returns. Bytes
// beyond ASCII, which the library decodes one way here and another there, are restored.
import { Buffer } from 'node:buffer'
import type { HttpRequest } from 'uWebSockets.js'
import type { RequestHead } from '../dataplane/request-head.js'

const beyondAscii = /[\x7f-\uffff]/

/** One native count of all bytes: looking at each value by an expression costs half as much again (bench/micro). */
function areAscii(values: readonly string[]): boolean {
  const all = values.join('')
  return Buffer.byteLength(all) === all.length && !all.includes('\x7f')
}

/** What `forEach` is giving: one function for all requests spares each of them a closure, compiled anew. */
let names: string[] = []
let values: string[] = []

function collect(name: string, value: string): void {
  names.push(name)
  values.push(value)
}

/** What is known of a request beside what it says. */
export type RequestOrigin = Pick<RequestHead, 'method' | 'remoteAddress' | 'isSecure'>

/** The whole head. */
export function readRequest(
  req: HttpRequest,
  { method, remoteAddress, isSecure }: RequestOrigin,
): RequestHead {
  names = []
  values = []
  req.forEach(collect)
  if (!areAscii(values)) restoreBytes(req, names, values)
  const path = req.getUrl()
  // Undefined where there is no question mark at all, other than the typings say.
  const query = req.getQuery() as string | undefined
  return {
    method,
    target: query === undefined ? path : `${path}?${query}`,
    path,
    names,
    values,
    remoteAddress,
    isSecure,
    version: '1.1',
    clientCertificate: '',
  }
}

/**
 * `forEach` decodes values as UTF-8, which loses bytes that are none; `getHeader` decodes latin-1, one character a
 * byte as upstream needs it, but gives only the first of repeated fields. What cannot be restored is marked with an
 * empty name, which the exchange refuses.
 */
function restoreBytes(req: HttpRequest, names: string[], values: string[]): void {
  for (let i = 0; i < names.length; i++) {
    const name = names[i] ?? ''
    const value = values[i] ?? ''
    if (!beyondAscii.test(value)) continue
    // The one control character that the library lets through; a strict application would refuse the request.
    if (value.includes('\x7f')) names[i] = ''
    else if (names.indexOf(name) === names.lastIndexOf(name)) values[i] = req.getHeader(name)
    else if (value.includes('\ufffd')) names[i] = ''
    else values[i] = Buffer.from(value, 'utf8').toString('latin1')
  }
}
