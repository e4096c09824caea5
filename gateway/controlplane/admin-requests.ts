// Parsers of what a request to the admin API carries. Inside, nobody validates again. Knows nothing
// of the HTTP library.
import { ApiError } from './admin-answers.js'
import { longestPreviewMs, shortestPreviewMs, usualPreviewMs } from '../domain/preview-pass.js'
import type { OrderBody } from './admin-protocol.js'
import type { ApiRequest } from './admin-route.js'
import { durationInWords, durationMs } from './config/duration-words.js'
import type { Order, RecallOrder } from './gateway-view.js'
import type { PreviewOrder } from './preview-link.js'

const defaultLimit = 100
const longestList = 1000
const longestReason = 500

/** Which events are asked for: `limit` 1 to 1000, `before` a sequence number. */
export function eventRange(query: ApiRequest['query']): { limit: number; before?: number } {
  const limit = listLimit(query)
  const before = wholeNumber(query, 'before')
  return before === undefined ? { limit } : { limit, before }
}

/** How long a list may be: 1 to 1000, 100 unless told. */
export function listLimit(query: ApiRequest['query']): number {
  const limit = wholeNumber(query, 'limit') ?? defaultLimit
  if (limit < 1 || limit > longestList)
    throw new ApiError(400, `found limit "${limit}", allowed: 1 to ${longestList}`)
  return limit
}

function wholeNumber(query: ApiRequest['query'], name: string): number | undefined {
  const text = query[name]
  if (text === undefined) return undefined
  if (!/^\d{1,15}$/.test(text)) throw new ApiError(400, `found ${name} "${text}", allowed: a whole number`)
  return Number(text)
}

/** Who gave an order and why, for the event log: `operator at 127.0.0.1: disk is full`. */
export function operatorOf(request: ApiRequest): string {
  return orderOf(request, ['reason']).by
}

/** An order with its `reason` and `force`. */
export function orderOf({ body, from }: ApiRequest, allowed = ['reason', 'force']): Order {
  const { reason, force } = orderBody(body, allowed)
  const by = reason === undefined ? `operator at ${from}` : `operator at ${from}: ${reason}`
  return { by, force: force === true }
}

/** An order to go back: as any, and to which version. */
export function rollbackOf(request: ApiRequest): Order & { readonly to: string | null } {
  const { to } = orderBody(request.body, rollbackKeys)
  return { ...orderOf(request, rollbackKeys), to: to ?? null }
}

/** An order to move everybody: as any, to which version, and how many sessions a second. */
export function recallOf(request: ApiRequest): RecallOrder {
  const { to, rate } = orderBody(request.body, recallKeys)
  if (to === undefined) throw new ApiError(400, '"to" must be a version')
  return { ...orderOf(request, recallKeys), to, perSecond: rate === undefined ? null : perSecond(rate) }
}

/** `2/s` or `0.5/s`. */
function perSecond(rate: string): number {
  const [, count = ''] = /^(\d{1,6}(?:\.\d{1,3})?)\/s$/.exec(rate) ?? []
  if (!(Number(count) > 0))
    throw new ApiError(400, `found rate "${rate}", allowed: sessions a second as "2/s"`)
  return Number(count)
}

const rollbackKeys = ['reason', 'force', 'to']
const recallKeys = ['reason', 'force', 'to', 'rate']

/** An order of a preview: how long it lasts, where it begins. */
export function previewOf(request: ApiRequest): PreviewOrder {
  const { ttl, url } = orderBody(request.body, previewKeys)
  const { by } = orderOf(request, previewKeys)
  return { by, ttlMs: ttl === undefined ? usualPreviewMs : ttlMsOf(ttl), url: url ?? null }
}

const previewKeys = ['reason', 'ttl', 'url']

function ttlMsOf(ttl: string): number {
  const ttlMs = durationMs(ttl)
  if (ttlMs >= shortestPreviewMs && ttlMs <= longestPreviewMs) return ttlMs
  const [from, to] = [durationInWords(shortestPreviewMs), durationInWords(longestPreviewMs)]
  throw new ApiError(
    400,
    `found ttl "${ttl}", allowed: a duration such as "30m" or "2h", from "${from}" to "${to}"`,
  )
}

function orderBody(body: unknown, allowed: readonly string[]): OrderBody {
  if (body === undefined || body === null) return {}
  if (typeof body !== 'object' || Array.isArray(body)) {
    throw new ApiError(400, 'the body must be a JSON object')
  }
  const unknown = Object.keys(body).find((key) => !allowed.includes(key))
  if (unknown !== undefined) {
    const names = allowed.map((key) => `"${key}"`).join(', ')
    throw new ApiError(400, `unknown key "${unknown}", allowed: ${names}`)
  }
  return {
    ...reasonOf(body),
    ...forceOf(body),
    ...versionOf(body),
    ...rateOf(body),
    ...ttlOf(body),
    ...urlOf(body),
  }
}

function reasonOf(body: object): Pick<OrderBody, 'reason'> {
  if (!('reason' in body)) return {}
  const { reason } = body
  if (typeof reason !== 'string' || !isReason(reason)) {
    throw new ApiError(400, `"reason" must be one line of 1 to ${longestReason} characters`)
  }
  return { reason }
}

function forceOf(body: object): Pick<OrderBody, 'force'> {
  if (!('force' in body)) return {}
  const { force } = body
  if (typeof force !== 'boolean') throw new ApiError(400, '"force" must be true or false')
  return { force }
}

function versionOf(body: object): Pick<OrderBody, 'to'> {
  if (!('to' in body)) return {}
  const { to } = body
  if (typeof to !== 'string') throw new ApiError(400, '"to" must be a version')
  return { to }
}

function ttlOf(body: object): Pick<OrderBody, 'ttl'> {
  if (!('ttl' in body)) return {}
  const { ttl } = body
  if (typeof ttl !== 'string') throw new ApiError(400, '"ttl" must be a duration such as "30m"')
  return { ttl }
}

function urlOf(body: object): Pick<OrderBody, 'url'> {
  if (!('url' in body)) return {}
  const { url } = body
  const isAddress = typeof url === 'string' && /^https?:\/\//.test(url) && URL.canParse(url)
  if (!isAddress) throw new ApiError(400, '"url" must be an address such as "https://shop.example.com/"')
  return { url }
}

function rateOf(body: object): Pick<OrderBody, 'rate'> {
  if (!('rate' in body)) return {}
  const { rate } = body
  if (typeof rate !== 'string') throw new ApiError(400, '"rate" must be a text as "2/s"')
  return { rate }
}

function isReason(text: string): boolean {
  return text.length > 0 && text.length <= longestReason && !/\p{Cc}/u.test(text)
}

/** Refuses a change whose If-Match names none of the release's present generation. Without the field all may pass. */
export function requireMatch(ifMatch: string | undefined, generation: number): void {
  if (ifMatch === undefined) return
  const tags = ifMatch.split(',').map((tag) => tag.trim())
  if (tags.includes('*') || tags.includes(`"${generation}"`)) return
  throw new ApiError(412, `the release is at generation "${generation}", "If-Match" names ${ifMatch}`)
}
