// What the shop says to one request, as a value. Knows nothing of sockets.

/** An answer: written to the client by the server. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const safety = {
  'Content-Security-Policy': "default-src 'self'; img-src data:; form-action 'self'; frame-ancestors 'none'",
  'Referrer-Policy': 'same-origin',
  'X-Content-Type-Options': 'nosniff',
}

/** A page for one visitor only. */
export function pageAnswer(body: string, status = 200): Answer {
  const headers = {
    ...safety,
    'Content-Type': 'text/html; charset=utf-8',
    'Cache-Control': 'private, no-cache',
  }
  return { status, headers, body }
}

/** After a form: the browser fetches that page, so that reloading it sends nothing twice. */
export function seeOther(location: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status: 303, headers: { Location: location, 'Cache-Control': 'no-store', ...headers }, body: '' }
}

/** One line for machines. */
export function plainAnswer(status: number, body: string): Answer {
  const headers = { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' }
  return { status, headers, body: `${body}\n` }
}

/** A file that never changes under its address. */
export function assetAnswer(type: 'text/css' | 'text/javascript', body: string): Answer {
  const headers = {
    'Content-Type': `${type}; charset=utf-8`,
    'Cache-Control': 'public, max-age=31536000, immutable',
    'X-Content-Type-Options': 'nosniff',
  }
  return { status: 200, headers, body }
}
