// The query parameter by which a browser begins and ends a preview. Only reads and writes addresses.
import { onThisHost } from '../domain/restart-link.js'

const parameter = 'amarre-preview='
const off = 'off'

/** What an address asks for: the text of a link, or the end of the preview; and the same address without it. */
export interface PreviewAsked {
  /** Null: the end. */
  readonly link: string | null
  readonly cleanTarget: string
}

/** Null where the address says nothing of previews. */
export function previewAskedBy(target: string, path: string): PreviewAsked | null {
  if (!target.includes(parameter, path.length)) return null
  const parts = target.slice(path.length + 1).split('&')
  const asked = parts.find((part) => part.startsWith(parameter))
  if (asked === undefined) return null
  const rest = parts.filter((part) => !part.startsWith(parameter)).join('&')
  const clean = onThisHost(path)
  const value = asked.slice(parameter.length)
  return { link: value === off ? null : value, cleanTarget: rest === '' ? clean : `${clean}?${rest}` }
}

/** The address that ends a preview and comes back to this one. */
export function withPreviewOff(target: string): string {
  const at = target.indexOf('?')
  const path = at < 0 ? target : target.slice(0, at)
  const clean = previewAskedBy(target, path)?.cleanTarget ?? onThisHost(target)
  return `${clean}${clean.includes('?') ? '&' : '?'}${parameter}${off}`
}
