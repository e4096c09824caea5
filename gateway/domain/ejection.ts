// Whether a target is worth a free choice by what became of the requests it was sent: passed over for a while when it
// fails again and again, tried with one request, then given its share again step by step. Knows no probes and no clock.
import type { GatewayError } from './errors.js'

/**
 * Where a target stands with one worker. `tried`: one request is on its way to find out whether it is back;
 * `returning`: it gets less than its share until it has warmed up.
 */
export type Standing =
  | { readonly kind: 'sound'; readonly failures: number }
  | { readonly kind: 'ejected'; readonly until: number; readonly spanMs: number }
  | { readonly kind: 'tried'; readonly until: number; readonly spanMs: number }
  | {
      readonly kind: 'returning'
      readonly since: number
      readonly spanMs: number
      readonly failures: number
    }

/** Failures in a row after which a target is ejected. */
const failuresToEject = 3
const firstSpanMs = 10_000
const longestSpanMs = 60_000
/** A trial of which nothing is heard for so long makes room for another. */
const trialMs = 10_000
const rampMs = 10_000
const firstShare = 0.1

/** How every target begins, and all that is ever kept of one that never fails. */
export const sound: Standing = { kind: 'sound', failures: 0 }

/** Back by its probes: no ejection to remember. */
export function cameBack(now: number): Standing {
  return { kind: 'returning', since: now, spanMs: 0, failures: 0 }
}

/** The connection failed, or nothing came back on it. What the application answers is its own business. */
export function countsAgainstTarget({ code, retry }: GatewayError): boolean {
  // A kept-alive connection that was closed while it rested says nothing of the target.
  if (code === 'connection_lost') return retry !== 'if-reused'
  return code === 'connect_refused' || code === 'connect_timeout' || code === 'response_timeout'
}

/** One more of `usable` targets may be ejected beside those: never more than half of them, so never the last one. */
export function mayEject(ejected: number, usable: number): boolean {
  return (ejected + 1) * 2 <= usable
}

/** A request to the target failed; `isAllowed`: whether it may be ejected (or stay so). */
export function afterFailure(standing: Standing, now: number, isAllowed: boolean): Standing {
  switch (standing.kind) {
    case 'sound':
      if (standing.failures + 1 >= failuresToEject && isAllowed) return ejected(now, 0)
      return { kind: 'sound', failures: standing.failures + 1 }
    case 'returning':
      if (standing.failures + 1 >= failuresToEject && isAllowed) return ejected(now, standing.spanMs)
      return { ...standing, failures: standing.failures + 1 }
    case 'ejected':
      // Sessions that may not leave it are sent to it all the same: that they fail is nothing new.
      return standing
    case 'tried':
      return isAllowed ? ejected(now, standing.spanMs) : { kind: 'sound', failures: failuresToEject }
    default:
      return standing satisfies never
  }
}

/** Each time in a row twice as long as the last. */
function ejected(now: number, lastSpanMs: number): Standing {
  const spanMs = Math.min(longestSpanMs, Math.max(firstSpanMs, lastSpanMs * 2))
  return { kind: 'ejected', until: now + spanMs, spanMs }
}

/** The target answered, whatever it said. */
export function afterSuccess(standing: Standing, now: number): Standing {
  switch (standing.kind) {
    case 'sound':
      return sound
    case 'ejected':
    case 'tried':
      return { kind: 'returning', since: now, spanMs: standing.spanMs, failures: 0 }
    case 'returning':
      if (now >= standing.since + rampMs) return sound
      return standing.failures === 0 ? standing : { ...standing, failures: 0 }
    default:
      return standing satisfies never
  }
}

/** Nothing is left to remember of a target that came back. */
export function hasWarmedUp(standing: Standing, now: number): boolean {
  return standing.kind === 'returning' && standing.failures === 0 && now >= standing.since + rampMs
}

/** A request goes to the target: when its time has come, that one is the trial. */
export function afterSending(standing: Standing, now: number): Standing {
  if (standing.kind !== 'ejected' && standing.kind !== 'tried') return standing
  return now < standing.until ? standing : { kind: 'tried', until: now + trialMs, spanMs: standing.spanMs }
}

/** Which part of its share the target gets of free choices: 0 none, 1 all of it. */
export function shareOf(standing: Standing, now: number): number {
  switch (standing.kind) {
    case 'sound':
      return 1
    case 'ejected':
    case 'tried':
      return now < standing.until ? 0 : 1
    case 'returning':
      return Math.min(1, firstShare + (1 - firstShare) * ((now - standing.since) / rampMs))
    default:
      return standing satisfies never
  }
}
