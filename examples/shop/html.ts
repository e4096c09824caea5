// Text that is safe to stand in a page: a tag that escapes what is put into it. Knows no page.

/** A piece of a page that is already HTML. */
export class Html {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  toString(): string {
    return this.#text
  }
}

/** What may stand in a piece of a page; null and false leave nothing. */
export type HtmlPart = string | number | Html | null | false | readonly HtmlPart[]

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function written(part: HtmlPart): string {
  if (part === null || part === false) return ''
  if (part instanceof Html) return part.toString()
  if (typeof part === 'object') return part.map(written).join('')
  return String(part).replace(/[&<>"']/g, (letter) => entities[letter] ?? letter)
}

/** A template whose parts are escaped unless they are HTML themselves. */
export function html(texts: TemplateStringsArray, ...parts: HtmlPart[]): Html {
  let text = texts[0] ?? ''
  for (const [index, part] of parts.entries()) text += written(part) + (texts[index + 1] ?? '')
  return new Html(text)
}
