// The application's own session cookie: whether a request carries it, and what a response does to it. Knows neither our
// cookie nor what follows from either.
import { fieldKindOf } from '../domain/headers.js'
import { cookieEffect, type CookieEffect } from '../domain/set-cookie.js'
import type { ResponseHead } from './upstream/upstream.js'

/** Whether a Cookie header has a cookie of that name with a value. */
export function hasCookie(header: string, name: string): boolean {
  for (let at = header.indexOf(name); at >= 0; at = header.indexOf(name, at + 1)) {
    const before = header.slice(0, at).trimEnd()
    if (before !== '' && !before.endsWith(';')) continue
    const after = header.slice(at + name.length).trimStart()
    if (after.startsWith('=') && !/^=[\t ]*(?:""[\t ]*)?(?:;|$)/.test(after)) return true
  }
  return false
}

const setCookieKind = fieldKindOf('set-cookie')

/**
 * What a response does to that cookie; null for nothing. Where one line deletes it and another sets it (of another
 * path, or to renew it) it is set: a session that is taken for ended too early is lost.
 */
export function applicationCookieEffect(head: ResponseHead, name: string, now: number): CookieEffect | null {
  let effect: CookieEffect | null = null
  for (let i = 0; i < head.fields; i++) {
    if (head.fieldKind[i] !== setCookieKind) continue
    const line = head.bytes.toString('latin1', head.valueStart[i] ?? 0, head.valueEnd[i] ?? 0)
    const found = cookieEffect(line, name, now)
    if (found === 'sets') return 'sets'
    effect ??= found
  }
  return effect
}
