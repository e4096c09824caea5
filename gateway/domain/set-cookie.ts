// What a Set-Cookie line does to a cookie: sets it or deletes it, as a browser reads it (RFC 6265 section 5.2).

export type CookieEffect = 'sets' | 'deletes'

/** What the line does to the cookie of that name; null for a line of another cookie. `now` in wall-clock ms. */
export function cookieEffect(line: string, name: string, now: number): CookieEffect | null {
  const [pair = '', ...attributes] = line.split(';')
  const equals = pair.indexOf('=')
  if (equals < 0 || pair.slice(0, equals).trim() !== name) return null
  const value = pair.slice(equals + 1).trim()
  // An empty value names no session, however long the browser keeps it.
  if (value === '' || value === '""') return 'deletes'
  return hasExpired(attributes, now) ? 'deletes' : 'sets'
}

/** `Max-Age` goes before `Expires`, and of several the last one that can be read counts (sections 5.2.1, 5.2.2, 5.3). */
function hasExpired(attributes: readonly string[], now: number): boolean {
  let maxAge: boolean | null = null
  let expires: boolean | null = null
  for (const attribute of attributes) {
    const equals = attribute.indexOf('=')
    if (equals < 0) continue
    const name = attribute.slice(0, equals).trim().toLowerCase()
    const value = attribute.slice(equals + 1).trim()
    if (name === 'max-age' && /^-?\d+$/.test(value)) maxAge = value.startsWith('-') || /^0+$/.test(value)
    if (name !== 'expires') continue
    const at = cookieDate(value)
    if (at !== null) expires = at <= now
  }
  return maxAge ?? expires ?? false
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
/** Everything that is no delimiter of section 5.1.1. */
const dateTokens = /[^\t\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+/g
const timeToken = /^(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\D|$)/

/** The instant that a cookie's date names, by the lenient reading of section 5.1.1; null when it names none. */
export function cookieDate(text: string): number | null {
  let time: RegExpExecArray | null = null
  let [day, month, year] = [-1, -1, -1]
  for (const token of text.match(dateTokens) ?? []) {
    const number = /^\d{1,4}(?:\D|$)/.test(token) ? Number.parseInt(token, 10) : -1
    const digits = /^\d*/.exec(token)?.[0].length ?? 0
    const found: RegExpExecArray | null = time === null ? timeToken.exec(token) : null
    const named = months.indexOf(token.slice(0, 3).toLowerCase())
    if (found !== null) time = found
    else if (day < 0 && number >= 0 && digits <= 2) day = number
    else if (month < 0 && named >= 0) month = named
    else if (year < 0 && number >= 0 && (digits === 2 || digits === 4)) year = fullYear(number, digits)
  }
  if (time === null || month < 0 || day < 1 || day > 31 || year < 1601) return null
  const [hours, minutes, seconds] = [Number(time[1]), Number(time[2]), Number(time[3])]
  if (hours > 23 || minutes > 59 || seconds > 59) return null
  return Date.UTC(year, month, day, hours, minutes, seconds)
}

function fullYear(number: number, digits: number): number {
  if (digits > 2) return number
  return number < 70 ? 2000 + number : 1900 + number
}
