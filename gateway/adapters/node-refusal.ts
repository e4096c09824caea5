// What Node's HTTP/1 parser refuses before there is a request, as an error of ours and as the bytes of an answer.
// Knows nothing of connections.
import { STATUS_CODES } from 'node:http'
import { errorResponse, type ErrorResponse } from '../dataplane/error-response.js'
import type { FrontLimitation } from '../dataplane/gate.js'
import { newRequestId } from '../dataplane/worker-state.js'
import type { ErrorCode } from '../domain/errors.js'

/** What Node attaches to the errors of its parser. */
export interface ParserError extends Error {
  readonly code?: string
  /** What was read when it gave up. */
  readonly rawPacket?: Buffer
  /** Where in it. */
  readonly bytesParsed?: number
}

/** What is refused before there is a request. */
export type FrontRefusal = Extract<
  ErrorCode,
  | 'bad_request'
  | 'bad_framing'
  | 'head_too_large'
  | 'request_timeout'
  | 'method_not_implemented'
  | 'misdirected'
>

/** The same in the words of the gate. */
export const limitationOf: Readonly<Record<FrontRefusal, FrontLimitation>> = {
  bad_request: 'malformed',
  bad_framing: 'framing',
  head_too_large: 'head-too-large',
  request_timeout: 'head-timeout',
  method_not_implemented: 'method',
  misdirected: 'misdirected',
}

const lf = 10

const framingFaults: ReadonlySet<string> = new Set([
  'HPE_UNEXPECTED_CONTENT_LENGTH',
  'HPE_INVALID_CONTENT_LENGTH',
  'HPE_INVALID_TRANSFER_ENCODING',
])

/** What is wrong; null where the connection is lost and nobody is left to be told. */
export function refusalCode(error: ParserError): FrontRefusal | null {
  const code = error.code ?? ''
  if (code === 'HPE_HEADER_OVERFLOW') return 'head_too_large'
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request_timeout'
  if (framingFaults.has(code)) return 'bad_framing'
  if (code === 'HPE_INVALID_METHOD' && isUnknownMethod(error)) return 'method_not_implemented'
  return code.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE' ? 'bad_request' : null
}

/** A method that the parser does not know, rather than bytes that are no HTTP. */
function isUnknownMethod({ rawPacket, bytesParsed = 0 }: ParserError): boolean {
  if (rawPacket === undefined) return false
  const start = rawPacket.lastIndexOf(lf, bytesParsed) + 1
  return /^[A-Z]{1,32} [\x21-\x7e]+ HTTP\/1\.[01]\r\n/.test(
    rawPacket.toString('latin1', start, start + 8_192),
  )
}

/** The answer to what never became a request. */
export function refusalOfFront(code: ErrorCode): ErrorResponse {
  return errorResponse(code, { accept: '', requestId: newRequestId(), wayOut: null, page: null })
}

/** A whole answer that closes the connection. */
export function refusalText(code: ErrorCode): Buffer {
  const { status, lines, body } = refusalOfFront(code)
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    lines,
    `Date: ${new Date().toUTCString()}`,
    `Content-Length: ${body.length}`,
    'Connection: close\r\n\r\n',
  ]
  return Buffer.concat([Buffer.from(head.join('\r\n'), 'latin1'), body])
}
