// A failed exchange as the client sees it: the only place where an error becomes a status and a page. HTML for whoever
// accepts it, else application/problem+json (RFC 9457).
import { escapeHtml, renderErrorPage, type ErrorTemplate } from '../domain/error-template.js'
import { errorKinds, type ErrorCode } from '../domain/errors.js'

export interface ErrorResponse {
  readonly status: number
  /** Field lines joined by CRLF, without length. */
  readonly lines: string
  readonly body: Buffer
}

/** A link of an error page, and what it says. */
export interface WayOut {
  readonly target: string
  readonly text: string
}

export interface ErrorContext {
  readonly accept: string
  readonly requestId: string
  /** Null where the page has no way out to offer. */
  readonly wayOut: WayOut | null
  /** The site's own page; null: ours. */
  readonly page: ErrorTemplate | null
}

/** Seconds after which a refused visitor may try again. */
const retryAfterS = 5

export function errorResponse(code: ErrorCode, context: ErrorContext): ErrorResponse {
  const kind = errorKinds[code]
  const isHtml = context.accept.includes('text/html')
  const text = isHtml ? pageOf(code, context) : problem(code, context)
  const retry = kind.status === 503 ? `Retry-After: ${retryAfterS}\r\n` : ''
  const type = isHtml ? 'text/html; charset=utf-8' : 'application/problem+json'
  return {
    status: kind.status,
    lines: `${retry}Content-Type: ${type}\r\nCache-Control: no-store\r\nX-Request-Id: ${context.requestId}`,
    body: Buffer.from(text),
  }
}

/** Sends a visitor to an address with other cookies than he came with. */
export function redirectResponse(target: string, cookieLines: string): ErrorResponse {
  return {
    status: 303,
    lines: `Location: ${target}\r\nCache-Control: no-store\r\n${cookieLines}`,
    body: Buffer.alloc(0),
  }
}

function problem(code: ErrorCode, context: ErrorContext): string {
  const kind = errorKinds[code]
  return JSON.stringify({
    type: 'about:blank',
    title: kind.message,
    status: kind.status,
    code,
    requestId: context.requestId,
  })
}

function pageOf(code: ErrorCode, context: ErrorContext): string {
  const { page, requestId, wayOut } = context
  if (page === null) return htmlPage(code, context)
  const { status, message } = errorKinds[code]
  const [link, linkText] = [wayOut?.target ?? '', wayOut?.text ?? '']
  return renderErrorPage(page, { status: String(status), code, message, requestId, link, linkText })
}

function htmlPage(code: ErrorCode, context: ErrorContext): string {
  const kind = errorKinds[code]
  const title = `${kind.message[0]?.toUpperCase()}${kind.message.slice(1)}`
  const wayOut =
    context.wayOut === null
      ? ''
      : `<p><a href="${escapeHtml(context.wayOut.target)}">${escapeHtml(context.wayOut.text)}</a></p>`
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${kind.status} ${title}</title>
<style>body{font:1rem/1.5 system-ui,sans-serif;max-width:34rem;margin:15vh auto;padding:0 1rem}
small{color:#666}@media(prefers-color-scheme:dark){body{background:#111;color:#eee}a{color:#8cf}}</style></head>
<body><h1>${title}</h1>${wayOut}
<p><small>${kind.status} ${code}, request ${escapeHtml(context.requestId)}</small></p></body></html>
`
}
