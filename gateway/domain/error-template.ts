// A site's own error pages: which errors a page is for, and a page as text with a few places that are filled in for each
// error. What is filled in never becomes markup.
import { errorKinds, type ErrorCode } from './errors.js'

/** A page, and what it is for: an error's code, a status, or `default`. */
export interface ErrorPage {
  readonly of: string
  readonly html: string
}

/** What a page may show. `link` and `linkText` are empty where there is no way out. */
export const errorPlaces = ['status', 'code', 'message', 'requestId', 'link', 'linkText'] as const
export type ErrorPlace = (typeof errorPlaces)[number]
export type ErrorValues = Readonly<Record<ErrorPlace, string>>

/** Text, a place, or what is shown only where there is a link. */
type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'place'; readonly place: ErrorPlace }
  | { readonly kind: 'withLink'; readonly parts: readonly Part[] }

export type ErrorTemplate = readonly Part[]

/** What is wrong with a page, and at which character. */
export interface TemplateFault {
  readonly at: number
  readonly message: string
}

/** `{{place}}`, `{{#link}}` and `{{/link}}`; any other braces are text. */
const tag = /\{\{([#/]?)([A-Za-z]+)\}\}/g

export function parseErrorTemplate(html: string): ErrorTemplate | TemplateFault {
  const parts: Part[] = []
  let inner: Part[] | null = null
  let openedAt = 0
  let textFrom = 0
  for (const match of html.matchAll(tag)) {
    const [whole, sign = '', name = ''] = match
    const current: Part[] = inner ?? parts
    if (match.index > textFrom) current.push({ kind: 'text', text: html.slice(textFrom, match.index) })
    textFrom = match.index + whole.length
    if (sign === '') {
      if (!isPlace(name)) return { at: match.index, message: `found "${whole}", allowed: ${allPlaces}` }
      current.push({ kind: 'place', place: name })
    } else if (name !== 'link' || (sign === '#') !== (inner === null)) {
      return { at: match.index, message: `found "${whole}", allowed: "{{#link}}" and then "{{/link}}"` }
    } else if (inner === null) {
      inner = []
      openedAt = match.index
    } else {
      parts.push({ kind: 'withLink', parts: inner })
      inner = null
    }
  }
  if (inner !== null) return { at: openedAt, message: 'found "{{#link}}" without "{{/link}}"' }
  if (textFrom < html.length) parts.push({ kind: 'text', text: html.slice(textFrom) })
  return parts
}

export function isTemplateFault(parsed: ErrorTemplate | TemplateFault): parsed is TemplateFault {
  return 'message' in parsed
}

function isPlace(name: string): name is ErrorPlace {
  return errorPlaces.includes(name as ErrorPlace)
}

const allPlaces = errorPlaces.map((name) => `"{{${name}}}"`).join(', ')

/** The page with its places filled in. */
export function renderErrorPage(template: ErrorTemplate, values: ErrorValues): string {
  return template.map((part) => renderPart(part, values)).join('')
}

function renderPart(part: Part, values: ErrorValues): string {
  switch (part.kind) {
    case 'text':
      return part.text
    case 'place':
      return escapeHtml(values[part.place])
    case 'withLink':
      return values.link === '' ? '' : renderErrorPage(part.parts, values)
    default:
      return part satisfies never
  }
}

/** Text as it may stand in HTML, in attributes too. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** What pages can be for. */
export function errorPageNames(): readonly string[] {
  const kinds = Object.entries(errorKinds)
  const statuses = new Set(kinds.map(([, { status }]) => String(status)))
  return ['default', ...[...statuses].toSorted(), ...kinds.map(([code]) => code)]
}

/** The pages of a site, each made ready when it is first needed. */
export class ErrorPages {
  readonly #html: ReadonlyMap<string, string>
  readonly #ready = new Map<string, ErrorTemplate>()

  /** Pages that were read without a fault. */
  constructor(pages: readonly ErrorPage[]) {
    this.#html = new Map(pages.map((page) => [page.of, page.html]))
  }

  /** The page of the error itself, else of its status, else the one for all; null: the site has none. */
  templateOf(code: ErrorCode): ErrorTemplate | null {
    if (this.#html.size === 0) return null
    const names = [code, String(errorKinds[code].status), 'default']
    const name = names.find((each) => this.#html.has(each))
    return name === undefined ? null : this.#template(name)
  }

  #template(name: string): ErrorTemplate | null {
    const ready = this.#ready.get(name)
    if (ready !== undefined) return ready
    const parsed = parseErrorTemplate(this.#html.get(name) ?? '')
    if (isTemplateFault(parsed)) return null
    this.#ready.set(name, parsed)
    return parsed
  }
}
