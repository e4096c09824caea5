// Answers of the admin API, whatever they say: JSON, text, and errors as problems (RFC 9457). The one place where a
// refusal becomes a status. Knows nothing of the HTTP library.
import type { ProblemJson } from './admin-protocol.js'
import { RuleRefusal } from './rule-refusal.js'

/** What goes back to the client. */
export interface ApiAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const titles: Readonly<Record<number, string>> = {
  400: 'the request is not valid',
  401: 'a change needs the admin token',
  404: 'not found',
  405: 'the method is not allowed here',
  408: 'the request took too long',
  409: 'a rule refuses',
  412: 'the release has changed meanwhile',
  413: 'the body is too large',
  414: 'the address is too long',
  415: 'the body must be JSON',
  431: 'the request head is too large',
  500: 'the gateway failed to answer',
  503: 'not ready yet',
}

/** A request that is answered with a problem of a status, in words. */
export class ApiError extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, detail: string, headers: Readonly<Record<string, string>> = {}) {
    super(detail)
    this.name = 'ApiError'
    this.status = status
    this.headers = headers
  }
}

/** Figures age at once: nothing in between may keep an answer. */
const uncached = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' }

export function jsonAnswer(value: unknown, status = 200, headers: ApiAnswer['headers'] = {}): ApiAnswer {
  return textAnswer(`${JSON.stringify(value)}\n`, 'application/json', status, headers)
}

export function textAnswer(
  body: string,
  contentType: string,
  status = 200,
  headers: ApiAnswer['headers'] = {},
): ApiAnswer {
  return { status, headers: { 'content-type': contentType, ...uncached, ...headers }, body }
}

export function problemAnswer(problem: ProblemJson, headers: ApiAnswer['headers'] = {}): ApiAnswer {
  return textAnswer(`${JSON.stringify(problem)}\n`, 'application/problem+json', problem.status, headers)
}

/** An error as a problem. What is not foreseen is a 500 without a word of what happened; the caller logs it. */
export function errorAnswer(error: unknown): ApiAnswer {
  if (error instanceof RuleRefusal) {
    const type = `urn:amarre:rule:${error.rule}`
    return problemAnswer({ type, ...titled(409), detail: error.message, rule: error.rule })
  }
  if (error instanceof ApiError) {
    return problemAnswer(
      { type: 'about:blank', ...titled(error.status), detail: error.message },
      error.headers,
    )
  }
  return problemAnswer({ type: 'about:blank', ...titled(500), detail: 'see the log of the gateway' })
}

function titled(status: number): { readonly title: string; readonly status: number } {
  return { title: titles[status] ?? 'refused', status }
}
