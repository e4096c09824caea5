// The link by which a refused visitor starts a new session: his own address with one query parameter more.

const parameter = 'amarre-session=new'

/** The target with the parameter, for the link on a refusal page. */
export function withRestart(target: string): string {
  const local = onThisHost(target)
  return local + (local.includes('?') ? '&' : '?') + parameter
}

/** The target without the parameter when it asks for a new session; null when it does not. */
export function restartAskedBy(target: string): string | null {
  const at = target.indexOf('?')
  if (at < 0) return null
  const parts = target.slice(at + 1).split('&')
  if (!parts.includes(parameter)) return null
  const rest = parts.filter((part) => part !== parameter).join('&')
  const path = onThisHost(target.slice(0, at))
  return rest === '' ? path : `${path}?${rest}`
}

/** One leading slash only: `//host` would send the visitor elsewhere, and to browsers a backslash is a slash. */
export function onThisHost(target: string): string {
  return target.replace(/^[/\\]+/, '/')
}
