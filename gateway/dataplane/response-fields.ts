// Which fields of the application's response go on to the client: the received head is handed on as runs of whole
// lines around the few that must go, so that usually one run covers nearly everything.
import { fieldKindOf, responseFields, type ResponseField } from '../domain/headers.js'
import type { ResponseFraming } from './downstream.js'
import { matchesLowerCase } from './upstream/field-names.js'
import type { ResponseHead } from './upstream/upstream.js'

/** A set of field kinds, as one byte a kind. */
export type FieldMask = Uint8Array

export function fieldMask(names: readonly ResponseField[]): FieldMask {
  const mask = new Uint8Array(responseFields.length + 1)
  for (const name of names) mask[fieldKindOf(name)] = 1
  return mask
}

/** Fields of one connection, framing that the front writes itself, and what is between the application and us. */
const alwaysDropped: readonly ResponseField[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'content-length',
  'upgrade',
  'trailer',
  'te',
  'http2-settings',
  'amarre-session',
  'amarre-token',
]

const cacheFields: readonly ResponseField[] = ['cache-control', 'cdn-cache-control', 'surrogate-control']

/** `Clear-Site-Data` would take the visitor's own session with it. */
const cookieFields: readonly ResponseField[] = ['set-cookie', 'clear-site-data']

/** What is written anew in a preview, or is not for the visitor's own session. */
const previewFields: readonly ResponseField[] = [...cacheFields, ...cookieFields]

/** What is dropped of a response: always, and what else of one that becomes private. */
export interface FieldMasks {
  readonly usual: FieldMask
  readonly withoutCaching: FieldMask
  /** Of an answer from another release, whose sessions are not this visitor's. */
  readonly withoutCookies: FieldMask
}

/** The masks of one front, and those of its previews. */
export interface FrontMasks extends FieldMasks {
  readonly preview: FieldMasks
}

/** `writesDate`: the front sends a Date of its own, so the application's goes. */
export function fieldMasks(writesDate: boolean): FrontMasks {
  const usual: readonly ResponseField[] = writesDate ? [...alwaysDropped, 'date'] : alwaysDropped
  const preview = fieldMask([...usual, ...previewFields])
  return {
    usual: fieldMask(usual),
    withoutCaching: fieldMask([...usual, ...cacheFields]),
    withoutCookies: fieldMask([...usual, ...cookieFields]),
    preview: { usual: preview, withoutCaching: preview, withoutCookies: preview },
  }
}

const connectionKind = fieldKindOf('connection')

/** Triples of run start, end of its first name, run end (see `FieldBlock`), of the fields that the mask leaves. */
export function keptRuns(head: ResponseHead, mask: FieldMask): number[] {
  const nominated = nominatedNames(head)
  const runs: number[] = []
  let runEnd = -1
  for (let i = 0; i < head.fields; i++) {
    if (mask[head.fieldKind[i] ?? 0] === 1) continue
    if (nominated !== null && nominated.has(nameOf(head, i))) continue
    const start = head.lineStart[i] ?? 0
    const end = head.valueEnd[i] ?? 0
    // Two bytes of CRLF apart: the same run goes on.
    if (start === runEnd + 2) runs[runs.length - 1] = end
    else runs.push(start, head.nameEnd[i] ?? 0, end)
    runEnd = end
  }
  return runs
}

function nameOf(head: ResponseHead, field: number): string {
  return head.bytes.toString('latin1', head.lineStart[field] ?? 0, head.nameEnd[field] ?? 0).toLowerCase()
}

const keepAlive = Buffer.from('keep-alive', 'latin1')

/** False without a Connection field, or with one that only says `keep-alive`: no string is made of it. */
function mayNominate(head: ResponseHead): boolean {
  if ((head.kinds & (1 << connectionKind)) === 0) return false
  for (let i = 0; i < head.fields; i++) {
    if (head.fieldKind[i] !== connectionKind) continue
    const start = head.valueStart[i] ?? 0
    const isKeepAlive = (head.valueEnd[i] ?? 0) - start === keepAlive.length
    if (!isKeepAlive || !matchesLowerCase(head.bytes, start, keepAlive)) return true
  }
  return false
}

/** RFC 9110 section 7.6.1. Null in the usual case: no Connection field, or a plain `close` or `keep-alive`. */
function nominatedNames(head: ResponseHead): ReadonlySet<string> | null {
  if (!mayNominate(head)) return null
  const value = fieldValues(head, connectionKind).toLowerCase()
  if (value === '' || value === 'keep-alive' || value === 'close') return null
  return new Set(value.split(',').map((name) => name.trim()))
}

/** Whether there is a field of that kind. */
export function hasField(head: ResponseHead, kind: number): boolean {
  for (let i = 0; i < head.fields; i++) if (head.fieldKind[i] === kind) return true
  return false
}

/** All values of one kind of field, joined by commas; empty when there is none. */
export function fieldValues(head: ResponseHead, kind: number): string {
  if (kind < 32 && (head.kinds & (1 << kind)) === 0) return ''
  let joined = ''
  for (let i = 0; i < head.fields; i++) {
    if (head.fieldKind[i] !== kind) continue
    const value = head.bytes.toString('latin1', head.valueStart[i] ?? 0, head.valueEnd[i] ?? 0)
    joined = joined === '' ? value : `${joined},${value}`
  }
  return joined
}

const contentTypeKind = fieldKindOf('content-type')

/** A stream of server-sent events, by its type: a long exchange that flows bit by bit. */
export function isEventStream(head: ResponseHead): boolean {
  if (head.framing === 'length' || head.framing === 'none') return false
  return fieldValues(head, contentTypeKind).toLowerCase().startsWith('text/event-stream')
}

const encodingKind = fieldKindOf('content-encoding')

/** Whether the body is under a content coding (RFC 9110 section 8.4), as one that was compressed. */
export function isCoded(head: ResponseHead): boolean {
  return hasField(head, encodingKind)
}

/** How the front delimits what the application delimited so. */
export function framingOf(head: ResponseHead): ResponseFraming {
  switch (head.framing) {
    case 'none':
      return 'none'
    case 'length':
      return 'length'
    case 'chunked':
    case 'close':
      return 'unknown'
    default:
      return head.framing satisfies never
  }
}
