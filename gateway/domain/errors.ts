// What can go wrong with one exchange: whose fault it is, what the client is told, and whether another attempt may
// help. Statuses are chosen here and written in one place, dataplane/error-response.ts.

/** Whose fault an error is. */
export type ErrorSide = 'downstream' | 'upstream' | 'gateway'

/**
 * Whether an attempt may be repeated, as far as the failure itself tells (domain/retry.ts has the last word):
 * `never`; `other-target`: nothing of the request was written; `if-reused`: a kept-alive connection turned out stale.
 */
export type RetryAdvice = 'never' | 'other-target' | 'if-reused'

interface ErrorKind {
  readonly side: ErrorSide
  readonly status: number
  /** What the client reads; says nothing of the network behind. */
  readonly message: string
}

/** Every error of an exchange, once; the codes are log values and metric labels too. */
export const errorKinds = {
  // the client's request
  bad_request: { side: 'downstream', status: 400, message: 'the request is malformed' },
  bad_framing: { side: 'downstream', status: 400, message: 'the length of the request is ambiguous' },
  bad_host: { side: 'downstream', status: 400, message: 'the Host header is malformed' },
  bad_target: { side: 'downstream', status: 400, message: 'the request target is malformed' },
  request_timeout: { side: 'downstream', status: 408, message: 'the request took too long to arrive' },
  body_too_large: { side: 'downstream', status: 413, message: 'the request body is too large' },
  misdirected: {
    side: 'downstream',
    status: 421,
    message: 'this connection is not for this host',
  },
  head_too_large: { side: 'downstream', status: 431, message: 'the request head is too large' },
  expectation_failed: { side: 'downstream', status: 417, message: 'the expectation cannot be met' },
  method_not_implemented: { side: 'downstream', status: 501, message: 'the method is not supported' },
  client_aborted: { side: 'downstream', status: 499, message: 'the client went away' },
  unknown_site: { side: 'downstream', status: 404, message: 'no site answers for this host' },
  // the application
  connect_refused: { side: 'upstream', status: 502, message: 'the application cannot be reached' },
  connect_timeout: { side: 'upstream', status: 504, message: 'the application cannot be reached in time' },
  connection_lost: { side: 'upstream', status: 502, message: 'the application closed the connection' },
  bad_response: {
    side: 'upstream',
    status: 502,
    message: 'the application answered with a malformed response',
  },
  response_timeout: { side: 'upstream', status: 504, message: 'the application did not answer in time' },
  body_timeout: {
    side: 'upstream',
    status: 504,
    message: 'the application stopped in the middle of its answer',
  },
  exchange_timeout: {
    side: 'upstream',
    status: 504,
    message: 'the application did not complete its answer in time',
  },
  body_cut: { side: 'upstream', status: 502, message: 'the application cut its answer short' },
  // the gateway
  queue_full: { side: 'gateway', status: 503, message: 'the application is busy' },
  queue_timeout: { side: 'gateway', status: 503, message: 'the application is busy' },
  overloaded: { side: 'gateway', status: 503, message: 'the gateway is too busy at the moment' },
  no_release: { side: 'gateway', status: 503, message: 'no release accepts new sessions at the moment' },
  release_gone: { side: 'gateway', status: 503, message: 'the release of this session is no longer served' },
  preview_invalid: {
    side: 'gateway',
    status: 403,
    message: 'this preview link is not valid: it may have been cut short on its way',
  },
  preview_over: { side: 'gateway', status: 410, message: 'this preview is over' },
  preview_gone: { side: 'gateway', status: 410, message: 'the release of this preview is no longer served' },
  target_gone: { side: 'gateway', status: 503, message: 'the server of this session is not available' },
  not_ready: { side: 'gateway', status: 503, message: 'the gateway is starting' },
  internal: { side: 'gateway', status: 500, message: 'the gateway failed on this request' },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorKinds

/** One failed exchange. `detail` is for the log only and may name addresses. */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly side: ErrorSide
  readonly status: number
  readonly retry: RetryAdvice
  readonly detail: string

  constructor(code: ErrorCode, retry: RetryAdvice = 'never', detail = '') {
    super(detail === '' ? errorKinds[code].message : `${errorKinds[code].message}: ${detail}`)
    this.name = 'GatewayError'
    this.code = code
    this.side = errorKinds[code].side
    this.status = errorKinds[code].status
    this.retry = retry
    this.detail = detail
  }
}
