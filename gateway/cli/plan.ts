// `amarre plan SITE VERSION`: the whole road book of an activation, without doing it.
import type { PlanStatus } from '../controlplane/admin-protocol.js'
import type { AdminClient, ReleaseName } from './admin-client.js'
import type { ExitCode } from './failure.js'
import { cell, tableLines } from './table.js'
import { painter, type Paint, type Terminal, type Tone } from './terminal.js'

/** Prints the plan. */
export async function plan(
  client: AdminClient,
  terminal: Terminal,
  options: ReleaseName & { readonly json?: boolean },
): Promise<ExitCode> {
  const found = await client.plan(options)
  const look = { paint: painter(terminal.hasColours), columns: terminal.size().columns }
  const text = options.json === true ? JSON.stringify(found) : planLines(found, look).join('\n')
  terminal.out.write(`${text}\n`)
  return 0
}

type Row = readonly [title: string, text: string, tone?: Tone]

/** The plan as lines: a row for each question an operator asks, then the notes. */
export function planLines(
  found: PlanStatus,
  { paint, columns }: { readonly paint: Paint; readonly columns: number },
): readonly string[] {
  const rows: readonly Row[] = [
    ['boards', found.boarding.text],
    ...found.refusals.map(({ rule, detail }): Row => ['refused now', `${rule}: ${detail}`, 'bad']),
    ['active now', found.active.length === 0 ? 'none' : found.active.join(', ')],
    ['previous', found.previous ?? 'none'],
    ...sessionRows(found),
    ...retentionRows(found),
    ...requirementRows(found),
    ...goingBackRows(found),
  ]
  const cells = rows.map(([title, text, tone]) => [cell(title, 'faint'), cell(text, tone)])
  return [
    `${paint('title', `${found.site} ${found.version}`)} (${found.state})`,
    ...tableLines(cells, paint, columns, '  '),
    ...roadLines(found, paint),
  ]
}

function sessionRows({ sessions }: PlanStatus): readonly Row[] {
  if (sessions.of.length === 0) return [['sessions', 'none elsewhere']]
  const parts = sessions.of.map(({ version, active, compatible, moves }): Row => {
    if (moves !== 'never') return ['', `${active} on ${version} move here (takeOver: ${moves})`]
    const how = compatible ? 'stay; a recall could move them here' : 'stay: not compatible'
    return ['', `${active} on ${version} ${how}`]
  })
  return [['sessions', `${sessions.staying} stay where they are, ${sessions.moving} move here`], ...parts]
}

function retentionRows({ retention }: PlanStatus): readonly Row[] {
  const { former, limit, overflowing, onOverflow } = retention
  const kept: Row = [
    'retention',
    `${former.length} former release${former.length === 1 ? '' : 's'} afterwards, retain.previous is ${limit}`,
  ]
  if (overflowing.length === 0) return [kept]
  return [kept, ['', `beyond it: ${overflowing.join(', ')} (onOverflow: ${onOverflow})`, 'warning']]
}

function requirementRows({ requirements, unmet, breaks }: PlanStatus): readonly Row[] {
  const met = requirements.filter((each) => each.met)
  return [
    ...met.map(({ site, range }): Row => ['requires', `"${site}" at "${range}": met`]),
    ...unmet.map((text): Row => ['unmet', text, 'bad']),
    ...breaks.map((text): Row => ['would break', text, 'warning']),
  ]
}

function goingBackRows({ goingBack: { rollbackTo, barred } }: PlanStatus): readonly Row[] {
  if (rollbackTo === null) return [['going back', 'to any former release']]
  const row: Row = ['going back', `to ${rollbackTo} or later, by the data that it writes`]
  return barred.length === 0 ? [row] : [row, ['', `refused to ${barred.join(', ')}`, 'warning']]
}

function roadLines({ road: { direction, notes } }: PlanStatus, paint: Paint): readonly string[] {
  if (notes.length === 0) return []
  const title = direction === 'up' ? 'what comes, in order' : 'what is taken back, in order'
  const lines = notes.flatMap(({ version, notes: text }) => [
    `  ${paint('title', version)}`,
    ...(text === '' ? ['    no notes'] : text.split('\n').map((line) => `    ${line}`.trimEnd())),
  ])
  return ['', title, ...lines]
}
