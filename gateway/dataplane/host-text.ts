// What a request's Host field says: a name and perhaps a port, or nothing that may be used. A gateway is asked for by few
// hosts, so what was read is remembered. Knows nothing of sites.

export interface HostText {
  /** Lower case, without port and without the dot of the root (RFC 1034 section 3.1). */
  readonly name: string
  /** Digits; empty where none is given. */
  readonly port: string
}

const hostPattern = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/

/** Bounded, as clients can invent hosts: emptied when it has grown. */
const known = new Map<string, HostText>()
const mostKnown = 1000
/** RFC 1035 section 2.3.4, with a port: longer ones are read each time. */
const longestKnown = 262

/** Null where the field is no host; a look-up instead of an expression and five searches: 0.3 µs of a request. */
export function readHost(text: string): HostText | null {
  const found = known.get(text)
  if (found !== undefined) return found
  if (!hostPattern.test(text)) return null
  const host = { name: hostName(text), port: portOf(text) }
  if (text.length > longestKnown) return host
  if (known.size >= mostKnown) known.clear()
  known.set(text, host)
  return host
}

/** A Host value without port and without the dot of the root, lower case. */
export function hostName(host: string): string {
  const end = host.endsWith(']') ? -1 : host.lastIndexOf(':')
  const name = end < 0 || host.indexOf(']') > end ? host : host.slice(0, end)
  return (name.endsWith('.') ? name.slice(0, -1) : name).toLowerCase()
}

function portOf(host: string): string {
  const at = host.lastIndexOf(':')
  return at > host.lastIndexOf(']') ? host.slice(at + 1) : ''
}
