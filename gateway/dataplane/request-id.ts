// By which id a request is told in logs, pages and upstream: its own where a trusted proxy gave it one, else one made
// here. Knows nothing of routes.
import type { TrustedProxies } from './client-identity.js'
import { headerOf, type RequestHead } from './request-head.js'
import { newRequestId } from './worker-state.js'

/** What goes into log lines, pages and header lines as it is. */
const usableId = /^[\x21-\x7e]{1,128}$/

/** The id of one request. Nobody is asked about trust where none was sent. */
export function requestIdOf(head: RequestHead, trusted: TrustedProxies): string {
  const given = headerOf(head, 'x-request-id')
  if (given === '' || !usableId.test(given) || !trusted.has(head.remoteAddress)) return newRequestId()
  return given
}
