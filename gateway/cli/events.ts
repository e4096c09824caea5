// `amarre events`: the last entries of the gateway's event log, the newest at the bottom.
import type { EventStatus } from '../controlplane/admin-protocol.js'
import type { AdminClient } from './admin-client.js'
import type { ExitCode } from './failure.js'
import { cell, tableLines } from './table.js'
import type { Cell } from './table.js'
import { painter } from './terminal.js'
import type { Terminal } from './terminal.js'

/** Prints the newest events. */
export async function events(
  client: AdminClient,
  terminal: Terminal,
  options: { readonly limit: number; readonly json?: boolean },
): Promise<ExitCode> {
  const newestFirst = await client.events(options.limit)
  terminal.out.write(options.json === true ? `${JSON.stringify(newestFirst)}\n` : text(newestFirst, terminal))
  return 0
}

function text(newestFirst: readonly EventStatus[], terminal: Terminal): string {
  if (newestFirst.length === 0) return 'no events yet\n'
  const header = ['TIME', 'EVENT', 'SITE', 'RELEASE', 'CHANGE', 'CAUSE'].map((title) => cell(title, 'faint'))
  const rows = [header, ...newestFirst.toReversed().map(row)]
  const lines = tableLines(rows, painter(terminal.hasColours), terminal.size().columns)
  return `${lines.join('\n')}\n`
}

function row(event: EventStatus): readonly Cell[] {
  return [
    cell(event.at, 'faint'),
    cell(event.type),
    cell(event.site ?? '-'),
    cell(event.release ?? '-'),
    cell(changeOf(event)),
    cell(event.cause),
  ]
}

function changeOf({ from, to }: EventStatus): string {
  if (from === null && to === null) return '-'
  return from === null ? (to ?? '-') : `${from} → ${to ?? '-'}`
}
