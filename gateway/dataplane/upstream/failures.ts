// Which error a broken or silent connection is, by how far the request had come. Knows nothing of sockets.
import { GatewayError } from '../../domain/errors.js'

/**
 * How far a request has come: `connecting`; `stale`: written on a kept-alive connection, not a byte came back;
 * `head`: waiting for the head; `body`: the head was delivered.
 */
export type Stage = 'connecting' | 'stale' | 'head' | 'body'

/** The connection is gone; `cause` is null when the upstream closed it in good order. */
export function lossError(stage: Stage, cause: Error | null): GatewayError {
  if (stage === 'connecting') return unreachable(cause)
  const detail = cause === null ? 'closed by the application' : cause.message
  if (stage === 'body') return new GatewayError('body_cut', 'never', detail)
  return new GatewayError('connection_lost', stage === 'stale' ? 'if-reused' : 'never', detail)
}

/** Nothing moved for too long. */
export function silenceError(stage: Stage): GatewayError {
  if (stage === 'connecting') return new GatewayError('connect_timeout', 'other-target')
  return new GatewayError(stage === 'body' ? 'body_timeout' : 'response_timeout', 'never')
}

/** Nothing was written: another target may be tried. Where several addresses failed only the code tells why. */
function unreachable(cause: Error | null): GatewayError {
  const code = cause !== null && 'code' in cause ? String(cause.code) : ''
  const detail = cause?.message || code || 'closed before it was established'
  return new GatewayError(
    code === 'ETIMEDOUT' ? 'connect_timeout' : 'connect_refused',
    'other-target',
    detail,
  )
}
