// `amarre status [SITE]`: what runs, as a table or as JSON, once or refreshed in place.
import { setTimeout as pause } from 'node:timers/promises'
import type { AdminClient } from './admin-client.js'
import { Failure } from './failure.js'
import type { ExitCode } from './failure.js'
import { statusLines } from './status-text.js'
import type { Overview } from './status-text.js'
import { painter } from './terminal.js'
import type { Terminal } from './terminal.js'

const refreshMs = 1000

/** Alternate screen, hidden cursor, no wrapping at the right border; and back. */
const enterScreen = '\u001b[?1049h\u001b[?25l\u001b[?7l'
const leaveScreen = '\u001b[?7h\u001b[?25h\u001b[?1049l'
const toTop = '\u001b[H'
const clearLine = '\u001b[K'
const clearBelow = '\u001b[J'

/** Prints the table, or the same as JSON, once. */
export async function status(
  client: AdminClient,
  terminal: Terminal,
  options: { readonly site?: string; readonly json?: boolean },
): Promise<ExitCode> {
  const overview = await fetchOverview(client, options.site)
  const text = options.json === true ? JSON.stringify(overview) : linesOf(overview, terminal).join('\n')
  terminal.out.write(`${text}\n`)
  return 0
}

/**
 * Refreshes the table in place every second until `stop`; the terminal is as before afterwards, whatever happens. A
 * gateway that does not answer for a while is told in place.
 */
export async function watchStatus(
  client: AdminClient,
  terminal: Terminal,
  site: string | undefined,
  stop: AbortSignal,
): Promise<ExitCode> {
  if (!terminal.isInteractive) throw new Failure('--watch needs a terminal; use --json in a script', 2)
  terminal.out.write(enterScreen)
  try {
    while (!stop.aborted) {
      terminal.out.write(frame(await linesOrFailure(client, terminal, site), terminal.size().rows))
      await pause(refreshMs, undefined, { signal: stop }).catch(ignoreAbort)
    }
  } finally {
    terminal.out.write(leaveScreen)
  }
  return 0
}

async function fetchOverview(client: AdminClient, site: string | undefined): Promise<Overview> {
  const [gateway, sites] = await Promise.all([client.status(), client.sites()])
  if (site === undefined) return { gateway, sites }
  const chosen = sites.filter((each) => each.site === site)
  if (chosen.length > 0) return { gateway, sites: chosen }
  const known = sites.map((each) => `"${each.site}"`).join(', ')
  throw new Failure(`no site "${site}", known: ${known === '' ? 'none yet' : known}`, 2)
}

function linesOf(overview: Overview, terminal: Terminal): readonly string[] {
  return statusLines(overview, {
    paint: painter(terminal.hasColours),
    columns: terminal.size().columns,
    now: Date.now(),
  })
}

async function linesOrFailure(
  client: AdminClient,
  terminal: Terminal,
  site: string | undefined,
): Promise<readonly string[]> {
  try {
    return linesOf(await fetchOverview(client, site), terminal)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    return [error.message, '', 'trying again']
  }
}

/** Overwrites line by line instead of clearing first, which would flicker; what does not fit is counted. */
function frame(lines: readonly string[], rows: number): string {
  const shown =
    lines.length <= rows ? lines : [...lines.slice(0, rows - 1), `… ${lines.length - rows + 1} more lines`]
  return toTop + shown.map((line) => line + clearLine).join('\r\n') + clearBelow
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error
}
