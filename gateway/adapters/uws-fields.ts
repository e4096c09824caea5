// Writes the fields of a response to uWebSockets.js in one call for each source, whatever their number: a call costs
// more than the bytes it carries. Knows nothing of bodies and corks.
import type { HttpResponse } from 'uWebSockets.js'
import type { FieldBlock } from '../dataplane/downstream.js'

const cr = 0x0d
const lf = 0x0a
const space = 0x20
const tab = 0x09

/** Runs of one head are put together here; longer ones go one by one. */
const joined = Buffer.allocUnsafeSlow(4096)

/** Before the body, after the status. The bytes are copied by the library. */
export function writeFields(res: HttpResponse, { bytes, runs, lines }: FieldBlock): void {
  if (bytes !== null && runs.length > 0) writeRuns(res, bytes, runs)
  if (lines !== '') writeLines(res, lines)
}

/** How many bytes the fields are, at most. */
export function fieldBytes({ runs, lines }: FieldBlock): number {
  let bytes = lines.length
  for (let i = 0; i < runs.length; i += 3) bytes += (runs[i + 2] ?? 0) - (runs[i] ?? 0) + 2
  return bytes
}

function writeRuns(res: HttpResponse, bytes: Buffer, runs: readonly number[]): void {
  if (runs.length > 3 && fieldBytes({ bytes, runs, lines: '' }) <= joined.length) {
    const end = joinRuns(bytes, runs)
    return writeRun(res, joined, [0, (runs[1] ?? 0) - (runs[0] ?? 0), end])
  }
  for (let i = 0; i < runs.length; i += 3) writeRun(res, bytes, runs.slice(i, i + 3))
}

/** Byte by byte: a run is a line or two, and a view of each would cost more (docs/performance.md). */
function joinRuns(bytes: Buffer, runs: readonly number[]): number {
  let to = 0
  for (let i = 0; i < runs.length; i += 3) {
    if (to > 0) {
      joined[to++] = cr
      joined[to++] = lf
    }
    const end = runs[i + 2] ?? 0
    for (let from = runs[i] ?? 0; from < end; from++) joined[to++] = bytes[from] ?? 0
  }
  return to
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
