// The words of `hsts` in site.yaml: what browsers are told to remember under TLS.
import { z } from 'zod'
import type { TransportSecurity } from '../../domain/site-policy.js'
import { duration } from './words.js'

const words = z.strictObject({
  maxAge: duration({ min: 0 })
    .prefault('365d')
    .describe('How long browsers come by HTTPS only; `0s` takes it back.'),
  includeSubDomains: z.boolean().prefault(false).describe('Whether all hosts below are meant too.'),
  preload: z.boolean().prefault(false).describe('Whether browsers may ship with it.'),
})

/** A policy in words, or null. */
export function transportSecurity() {
  return words
    .nullable()
    .prefault(null)
    .describe(
      "`Strict-Transport-Security` on answers under HTTPS that have none of the application's own; `{}` for the defaults.",
    )
}

/** The policy that validated words stand for. */
export function toTransportSecurity(
  written: z.output<ReturnType<typeof transportSecurity>>,
): TransportSecurity | null {
  if (written === null) return null
  const { maxAge, ...same } = written
  return { ...same, maxAgeMs: maxAge }
}
