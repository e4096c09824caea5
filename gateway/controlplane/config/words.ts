// The vocabulary of the configuration files: each word's schema takes what people write and gives what the program
// uses. A schema's error message is the phrase for what is allowed; problems.ts makes the sentence around it.
import semver from 'semver'
import { z } from 'zod'
import { parseReleaseVersion, parseSiteName } from '../../domain/ids.js'
import type { ReleaseVersion } from '../../domain/ids.js'
import { durationInWords, durationMs, sizeBytes, sizeInWords } from './duration-words.js'

/** The longest duration that a timer of Node holds (2^31 - 1 ms), in whole days. */
export const longestTimerMs = 24 * 86_400_000
const tenYearsMs = 3650 * 86_400_000

/** Bounds of a duration in ms, and which of the words besides numbers it may be. */
export interface DurationBounds {
  readonly min?: number
  readonly max?: number
  readonly words?: readonly ('never' | 'immediately')[]
}

/** `30m`, `250ms`, `7d`, and where allowed `never` (Infinity) and `immediately` (0); in ms. */
export function duration({ min = 0, max = tenYearsMs, words = [] }: DurationBounds = {}) {
  const orWords = words.map((word) => `, or "${word}"`).join('')
  const bounds = min > 0 ? ` from "${durationInWords(min)}"` : ''
  const allowed = `a duration such as "250ms", "30s", "10m" or "7d"${orWords}`
  const pattern = new RegExp(`^(?:${[...words, '\\d+(?:\\.\\d+)?(?:ms|s|m|h|d|w)'].join('|')})$`)
  return z
    .string(allowed)
    .regex(pattern, allowed)
    .transform((text, context): number => {
      const ms = durationMs(text)
      if (ms >= min && (ms <= max || ms === Infinity)) return ms
      context.addIssue(`a duration${bounds} to "${durationInWords(max)}"${orWords}`)
      return z.NEVER
    })
    .meta({ title: ['duration', ...words.map((word) => `\`${word}\``)].join(' or ') })
}

/** `64KiB`, in bytes. */
export function size(min: number, max: number) {
  const allowed = `a size such as "512B", "64KiB", "1MiB" or "1GiB"`
  return z
    .string(allowed)
    .regex(/^\d+(?:\.\d+)?(?:B|KiB|MiB|GiB|TiB)$/, allowed)
    .transform((text, context): number => {
      const bytes = sizeBytes(text)
      if (bytes >= min && bytes <= max) return bytes
      context.addIssue(`a size of whole bytes from "${sizeInWords(min)}" to "${sizeInWords(max)}"`)
      return z.NEVER
    })
    .meta({ title: 'size' })
}

/** `5%`, as a share of 1. */
export function percentage() {
  const allowed = 'a percentage such as "5%", from "0%" to "100%"'
  return z
    .string(allowed)
    .regex(/^(?:100(?:\.0+)?|\d{1,2}(?:\.\d+)?)%$/, allowed)
    .transform((text) => Number(text.slice(0, -1)) / 100)
    .meta({ title: 'percentage' })
}

/** A word of which one is chosen. */
export function oneOf<const Words extends readonly [string, ...string[]]>(...words: Words) {
  return z.enum(words)
}

/** A text that a pattern describes. */
export function text(title: string, pattern: RegExp, allowed: string) {
  return z.string(allowed).regex(pattern, allowed).meta({ title })
}

/** A text that a function reads; null stands for one that is not allowed. */
export function parsed<T>(title: string, allowed: string, parse: (written: string) => T | null) {
  return z
    .string(allowed)
    .transform((written, context): T => {
      const value = parse(written)
      if (value !== null) return value
      context.addIssue(allowed)
      return z.NEVER
    })
    .meta({ title })
}

/** An exact path, or a prefix that ends in `/*`. */
export function pathPattern() {
  return text(
    'path or prefix/*',
    /^\/(?:[^\s*?#]*|(?:[^\s*?#]*\/)?\*)$/,
    'a path such as "/robots.txt", or a prefix that ends in "/*" such as "/public/*"',
  )
}

/** The name of a cookie, without the prefixes that the gateway puts before it. */
export function cookieName() {
  return text(
    'cookie name',
    /^(?!__Host-|__Secure-|amarre-preview$|amarre-pv-)[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/,
    'a cookie\'s name such as "amarre", without "__Host-" or "__Secure-", and none that previews use ("amarre-preview", "amarre-pv-…")',
  )
}

/** The name of a cookie of the application, whatever its prefix. */
export function applicationCookie() {
  return text(
    'cookie name',
    /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/,
    'a cookie\'s name such as "JSESSIONID", without spaces, "=" or ";"',
  )
}

/** The name of a header, lower-cased. */
export function headerName() {
  const pattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
  return parsed('header name', 'a header\'s name such as "X-Page-Release"', (written) =>
    pattern.test(written) ? written.toLowerCase() : null,
  )
}

/** The name of a query parameter. */
export function queryName() {
  return text('parameter name', /^[A-Za-z0-9_.~-]+$/, 'a query parameter\'s name such as "release"')
}

/** A file or folder of this machine. */
export function filePath(title = 'file') {
  return text(title, /^[^\0]+$/, `a path of a ${title}`)
}

/** A release's version; a number is read as it is written, so that `2.10` stays `2.10`. */
export function releaseVersion() {
  return parsed<ReleaseVersion>(
    'version',
    'a version of up to 64 letters, digits, ".", "_", "+" or "-" that begins with a letter or digit',
    parseReleaseVersion,
  ).meta({ type: ['string', 'number'], title: 'version' })
}

/** The name of another site. */
export function siteName() {
  return z.string().refine((name) => parseSiteName(name) !== null, {
    error: 'a site\'s name such as "billing": lower-case letters, digits and "-"',
  })
}

/** A range of semantic versions. */
export function versionRange() {
  return parsed('semver range', 'a semver range such as ">=3.1", "^2.0.0" or ">=3.1 <4"', (written) =>
    semver.validRange(written) === null ? null : written,
  )
}

function parseInstant(written: string): number | null {
  const match = /^(\d{4})-(\d{2})-(\d{2})T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})$/.exec(
    written,
  )
  if (match === null) return null
  // Date.parse takes the 30th of February for a day of March.
  const day = new Date(Date.UTC(Number(match[1]), Number(match[2]) - 1, Number(match[3])))
  const at = Date.parse(written)
  return day.getUTCDate() === Number(match[3]) && Number.isFinite(at) ? at : null
}

/** An instant with its zone, in ms since the epoch. */
export function instant() {
  return parsed(
    'instant with zone',
    'an instant with its zone such as "2030-05-01T22:00:00+02:00" or "2030-05-01T20:00:00Z"',
    parseInstant,
  )
}

/** A time of the day. */
export function timeOfDay() {
  return text('HH:MM', /^(?:[01]\d|2[0-3]):[0-5]\d$/, 'a time of the day such as "22:00"')
}

function isZone(written: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: written }).resolvedOptions().timeZone.length > 0
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

/** An IANA time zone. */
export function timeZone() {
  return parsed('time zone', 'a time zone such as "Europe/Paris" or "UTC"', (written) =>
    isZone(written) ? written : null,
  )
}

/** A whole number between bounds. */
export function wholeNumber(min: number, max: number) {
  return z
    .int(`a whole number from ${min} to ${max}`)
    .min(min, `a whole number from ${min} to ${max}`)
    .max(max, {
      error: `a whole number from ${min} to ${max}`,
    })
}
