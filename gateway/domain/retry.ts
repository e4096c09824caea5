// The one place that knows when an attempt may be repeated (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1).
import type { RetryAdvice } from './errors.js'

export interface FailedAttempt {
  readonly advice: RetryAdvice
  readonly isIdempotent: boolean
  /** The request has a body: once it flows it cannot be sent again. */
  readonly hasBody: boolean
  /** The session may be served by another target of its release. */
  readonly mayLeaveTarget: boolean
  /** How many attempts were made, this one included. */
  readonly attempts: number
}

export type NextAttempt = 'none' | 'same-target' | 'other-target'

const maxAttempts = 3

export function nextAttempt(failed: FailedAttempt): NextAttempt {
  if (failed.attempts >= maxAttempts || failed.hasBody) return 'none'
  switch (failed.advice) {
    case 'never':
      return 'none'
    case 'other-target':
      // Nothing was written, so the method does not matter.
      return failed.mayLeaveTarget ? 'other-target' : 'none'
    case 'if-reused':
      // The server may have acted before it closed: only what may be done twice is sent twice.
      return failed.isIdempotent ? 'same-target' : 'none'
    default:
      return failed.advice satisfies never
  }
}
