// Plain tables: columns as wide as their widest cell, the last one wrapped into what the terminal leaves. Knows nothing
// of what the cells say.
import type { Paint, Tone } from './terminal.js'

/** One cell: its text and its tone. */
export interface Cell {
  readonly text: string
  readonly tone: Tone
}

/** A cell; plain unless it says otherwise. */
export function cell(text: string, tone: Tone = 'plain'): Cell {
  return { text, tone }
}

const gap = '  '
/** Below that the last column is cut by the terminal rather than wrapped into shreds. */
const narrowestLast = 24

/** The lines of a table. `indent` stands before each. */
export function tableLines(
  rows: readonly (readonly Cell[])[],
  paint: Paint,
  columns: number,
  indent = '',
): readonly string[] {
  const widths = widthsOf(rows)
  const before = indent.length + widths.slice(0, -1).reduce((sum, width) => sum + width + gap.length, 0)
  const room = Math.max(narrowestLast, columns - before)
  return rows.flatMap((row) => rowLines(row, { widths, room, paint, indent, before }))
}

function widthsOf(rows: readonly (readonly Cell[])[]): readonly number[] {
  const count = Math.max(0, ...rows.map((row) => row.length))
  return Array.from({ length: count }, (_, i) => Math.max(...rows.map((row) => row[i]?.text.length ?? 0)))
}

interface Measure {
  readonly widths: readonly number[]
  readonly room: number
  readonly paint: Paint
  readonly indent: string
  readonly before: number
}

function rowLines(row: readonly Cell[], { widths, room, paint, indent, before }: Measure): readonly string[] {
  const last = row.at(-1) ?? cell('')
  const lead = row
    .slice(0, -1)
    .map(({ text, tone }, i) => paint(tone, text) + ' '.repeat((widths[i] ?? 0) - text.length) + gap)
  const [first = '', ...rest] = wrapped(last.text, room)
  return [
    (indent + lead.join('') + paint(last.tone, first)).trimEnd(),
    ...rest.map((line) => ' '.repeat(before) + paint(last.tone, line)),
  ]
}

/** Text in lines of at most so many columns, broken at spaces; a longer word stands alone. */
export function wrapped(text: string, columns: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
