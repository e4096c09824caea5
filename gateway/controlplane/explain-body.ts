// The parser of what `explain` is asked: cookies, headers, an address, a method. Knows nothing of the HTTP library.
import { ApiError } from './admin-answers.js'
import type { ExplainQuestion } from './explained-request.js'

const keys = ['cookie', 'header', 'url', 'method']
const mostFields = 100

/** A request in an operator's words; 400 for what no request can be. */
export function explainOf(body: unknown): ExplainQuestion {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ApiError(400, `the body must be a JSON object with ${keys.map((key) => `"${key}"`).join(', ')}`)
  }
  const words = body as Readonly<Record<string, unknown>>
  const unknown = Object.keys(words).find((key) => !keys.includes(key))
  if (unknown !== undefined) {
    throw new ApiError(400, `unknown key "${unknown}", allowed: ${keys.map((key) => `"${key}"`).join(', ')}`)
  }
  return {
    cookies: listOf(words, 'cookie').map(cookieOf),
    headers: listOf(words, 'header').map(headerOf),
    url: urlOf(words['url']),
    method: methodOf(words['method']),
  }
}

function listOf(words: Readonly<Record<string, unknown>>, key: string): readonly string[] {
  const written = words[key] ?? []
  const list: readonly unknown[] = Array.isArray(written) ? written : [written]
  if (list.length > mostFields || !list.every((each) => typeof each === 'string')) {
    throw new ApiError(400, `"${key}" must be a text, or a list of up to ${mostFields}`)
  }
  return list
}

function cookieOf(text: string): string {
  if (/^[^\p{Cc}=;]+=[^\p{Cc};]*$/u.test(text)) return text
  throw new ApiError(400, `found cookie "${text}", allowed: "NAME=VALUE", one each`)
}

function headerOf(text: string): { readonly name: string; readonly value: string } {
  const [, name, value] = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\p{Cc}]*)$/u.exec(text) ?? []
  if (name !== undefined && value !== undefined) return { name: name.toLowerCase(), value: value.trimEnd() }
  throw new ApiError(400, `found header "${text}", allowed: "Name: value"`)
}

function urlOf(written: unknown): string | null {
  if (written === undefined || written === null) return null
  const isUrl =
    typeof written === 'string' &&
    (/^\/[\x21-\x7e]*$/.test(written) || (/^https?:\/\//.test(written) && URL.canParse(written)))
  if (isUrl) return written
  throw new ApiError(400, '"url" must be an address such as "https://shop.example.com/basket", or a path')
}

function methodOf(written: unknown): string {
  if (written === undefined) return 'GET'
  if (typeof written === 'string' && /^[A-Za-z]{1,20}$/.test(written)) return written.toUpperCase()
  throw new ApiError(400, '"method" must be a method such as "GET" or "POST"')
}
