// `amarre sessions SITE VERSION`: who keeps a release alive.
import type { ReleaseSessions, SessionStatus } from '../controlplane/admin-protocol-desk.js'
import { spanText } from '../domain/instant-text.js'
import type { AdminClient, ReleaseName } from './admin-client.js'
import type { ExitCode } from './failure.js'
import { cell, tableLines, type Cell } from './table.js'
import { painter, type Terminal } from './terminal.js'

/** Which release, and how long the list may be. */
export interface SessionsOptions extends ReleaseName {
  readonly limit: number
  readonly json?: boolean
}

/** A line a session, those that are honoured longest first, and what else keeps the release. */
export async function sessions(
  client: AdminClient,
  terminal: Terminal,
  options: SessionsOptions,
): Promise<ExitCode> {
  const found = await client.sessions(options, options.limit)
  terminal.out.write(options.json === true ? `${JSON.stringify(found)}\n` : sessionsText(found, terminal))
  return 0
}

function sessionsText(found: ReleaseSessions, terminal: Terminal): string {
  const paint = painter(terminal.hasColours)
  const header = ['SESSION', 'AGE', 'HONOURED UNTIL'].map((text) => cell(text, 'faint'))
  const rows: readonly (readonly Cell[])[] = [header, ...found.sessions.map(rowOf)]
  const table = found.sessions.length === 0 ? [] : tableLines(rows, paint, terminal.size().columns)
  const hidden = found.active - found.sessions.length
  return [
    `${found.site} ${found.version}: ${found.verdict.text}`,
    `active sessions: ${found.active}, open exchanges: ${found.exchangesOpen}, open sockets: ${found.websocketsOpen}`,
    ...table,
    ...(hidden > 0 ? [`and ${hidden} more: see --limit`] : []),
    '',
  ].join('\n')
}

function rowOf({ id, ageMs, honouredUntil }: SessionStatus): readonly Cell[] {
  return [cell(id), cell(spanText(ageMs)), cell(honouredUntil ?? 'without end')]
}
