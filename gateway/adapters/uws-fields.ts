// Writes the head of a response to uWebSockets.js in one call, whatever the number of its fields: a call costs more than
// the bytes it carries. Knows nothing of bodies and corks.
import { STATUS_CODES } from 'node:http'
import type { HttpResponse } from 'uWebSockets.js'
import type { FieldBlock } from '../dataplane/downstream.js'

const cr = 0x0d
const lf = 0x0a
const space = 0x20
const tab = 0x09

/** Status lines by status, made once. The space stands also before an empty reason (RFC 9112 section 4). */
const statusLines: readonly string[] = Array.from(
  { length: 1000 },
  (_, status) => `${status} ${STATUS_CODES[status] ?? ''}`,
)

/** Heads are put together here; longer ones go to the library piece by piece. */
const joined = Buffer.allocUnsafeSlow(4096)

/** Views of `joined` by their length: making one costs 100 ns, and heads of a site are much alike. */
const views: (Buffer | undefined)[] = new Array<undefined>(joined.length + 1).fill(undefined)

/** A status line and some room. */
const longestStatusLine = 64

/** Before the body. The bytes are copied by the library. */
export function writeHead(res: HttpResponse, status: number, fields: FieldBlock): void {
  const statusLine = statusLines[status] ?? String(status)
  if (fieldBytes(fields) + longestStatusLine <= joined.length) {
    const end = joinHead(statusLine, fields)
    // The library ends a status line with CRLF and does not look into it: the fields go as its continuation.
    res.writeStatus((views[end] ??= joined.subarray(0, end)))
  } else {
    res.writeStatus(statusLine)
    writeFields(res, fields)
  }
}

/** Byte by byte: a run is a line or two, and a view of each would cost more (docs/performance.md). */
function joinHead(statusLine: string, { bytes, runs, lines }: FieldBlock): number {
  let to = joinText(statusLine, 0)
  for (let i = 0; i < runs.length && bytes !== null; i += 3) {
    joined[to++] = cr
    joined[to++] = lf
    const end = runs[i + 2] ?? 0
    for (let from = runs[i] ?? 0; from < end; from++) joined[to++] = bytes[from] ?? 0
  }
  if (lines === '') return to
  joined[to++] = cr
  joined[to++] = lf
  return joinText(lines, to)
}

/** Our own lines are ASCII. */
function joinText(text: string, at: number): number {
  for (let i = 0; i < text.length; i++) joined[at + i] = text.charCodeAt(i)
  return at + text.length
}

/** After the status, in one call for each run. */
export function writeFields(res: HttpResponse, { bytes, runs, lines }: FieldBlock): void {
  if (bytes !== null) {
    for (let i = 0; i < runs.length; i += 3) writeRun(res, bytes, runs.slice(i, i + 3))
  }
  if (lines !== '') writeLines(res, lines)
}

/** How many bytes the fields are, at most. */
export function fieldBytes({ runs, lines }: FieldBlock): number {
  let bytes = lines.length
  for (let i = 0; i < runs.length; i += 3) bytes += (runs[i + 2] ?? 0) - (runs[i] ?? 0) + 2
  return bytes
}

/** A run of whole lines in one call: the first name, and as its value the rest with the line breaks in it. */
function writeRun(
  res: HttpResponse,
  bytes: Buffer,
  [start = 0, nameEnd = 0, end = 0]: readonly number[],
): void {
  let valueStart = nameEnd + 1
  while (bytes[valueStart] === space || bytes[valueStart] === tab) valueStart++
  res.writeHeader(bytes.subarray(start, nameEnd), bytes.subarray(valueStart, end))
}

/** Our own lines are ASCII; they too go in one call. */
function writeLines(res: HttpResponse, lines: string): void {
  const at = lines.indexOf(': ')
  res.writeHeader(lines.slice(0, at), lines.slice(at + 2))
}
