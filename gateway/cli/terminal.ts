// Where a verb writes: text, width and colour. Knows nothing of what is written.
import type { WriteStream } from 'node:tty'

/** The outside of a verb. */
export interface Terminal {
  readonly out: NodeJS.WritableStream
  readonly err: NodeJS.WritableStream
  /** Whether somebody looks at `out`. */
  readonly isInteractive: boolean
  readonly hasColours: boolean
  /** Columns and rows of `out` now; Infinity where nobody looks. */
  size(): { readonly columns: number; readonly rows: number }
}

/** The process's own terminal. No colour without one, nor against NO_COLOR (https://no-color.org). */
export function processTerminal(environment: NodeJS.ProcessEnv): Terminal {
  const out: WriteStream = process.stdout
  const isInteractive = out.isTTY
  return {
    out,
    err: process.stderr,
    isInteractive,
    hasColours: isInteractive && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb',
    size: () =>
      isInteractive
        ? { columns: out.columns || Infinity, rows: out.rows || Infinity }
        : { columns: Infinity, rows: Infinity },
  }
}

/** Ends the process in peace when the reader of its output goes, as `| head` does. Not for what runs on by itself. */
export function endWithReader(out: NodeJS.WritableStream): void {
  out.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
}

/** What a piece of text is, not how it looks. */
export type Tone = 'plain' | 'good' | 'calm' | 'warning' | 'bad' | 'faint' | 'title'

const codes: Readonly<Record<Exclude<Tone, 'plain'>, string>> = {
  good: '32',
  calm: '36',
  warning: '33',
  bad: '31',
  faint: '2',
  title: '1',
}

/** Gives text its tone where there are colours. */
export type Paint = (tone: Tone, text: string) => string

/** Paints with the terminal's colours, or not at all. */
export function painter(hasColours: boolean): Paint {
  if (!hasColours) return (_tone, text) => text
  return (tone, text) => (tone === 'plain' || text === '' ? text : `\u001b[${codes[tone]}m${text}\u001b[0m`)
}
