// Scenario: what one request costs through each contender, by the CPU time of its worker, under every load.
import { join, resolve } from 'node:path'
import { mkdirSync, writeFileSync } from 'node:fs'
import { cases, usualCase } from './cases.js'
import { chartOf } from './chart.js'
import { contenders, enter } from './contestants.js'
import { ratio, rowsOf, tableText, type Row } from './report.js'
import { measure, measureInTurn, type Entrant, type Sample } from './rounds.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { startUpstream } from './upstream.js'

export const requests: Scenario = {
  name: 'requests',
  asks: 'what does one request cost, through each contender?',
  run,
}

async function run(setting: Setting): Promise<Finding> {
  const { directory, dist, only, cases: wanted, before } = setting
  const entrants: Entrant[] = []
  const upstream = await startUpstream(directory)
  try {
    const known = contenders(dist, only, before === null ? null : resolve(before))
    for (const contender of known) entrants.push(await enter(contender, upstream, directory))
    const loads = cases.filter(({ name }) => wanted === null || wanted.includes(name))
    // Compilers and caches settle, connections open: not counted.
    for (const entrant of entrants) await measure(entrant, usualCase, { upstream, round: -1, seconds: 1 })
    const samples: Sample[] = []
    for (const load of loads) samples.push(...(await measureInTurn(entrants, load, { ...setting, upstream })))
    const rows = rowsOf(samples)
    console.log(`\n${tableText(rows)}\n`)
    const versions = Object.fromEntries(known.map((contender) => [contender.name, contender.version()]))
    // Only a whole run is what the README shows.
    if (only === null && wanted === null) draw(rows, versions)
    return { figures: figuresOf(rows), raw: { versions, samples } }
  } finally {
    for (const { running } of entrants) await running.stop()
    await upstream.stop()
  }
}

/** What each load costs beside the others, in multiples. */
function figuresOf(rows: readonly Row[]): Figure[] {
  return rows.flatMap((row) => {
    const isUsual = row.case === usualCase.name
    if (row.contender === 'amarre') return ownFigures(rows, row, isUsual)
    if (row.contender === 'amarre-node')
      return multiple(rows, row, 'http-proxy', isUsual ? 'at most 0.5' : null)
    return []
  })
}

function ownFigures(rows: readonly Row[], row: Row, isUsual: boolean): Figure[] {
  return [
    ...multiple(rows, row, 'amarre-before', null),
    ...multiple(rows, row, 'haproxy', isUsual ? 'at most 1.0' : 'at most 1.5'),
    ...multiple(rows, row, 'nginx', isUsual ? 'aims at 1.0' : null),
    ...multiple(rows, row, 'caddy', isUsual ? 'at most 0.25' : null),
    ...multiple(rows, row, 'http-proxy', isUsual ? 'at most 0.25' : null),
  ]
}

function multiple(rows: readonly Row[], row: Row, reference: string, target: string | null): Figure[] {
  const what = `${row.case}: ${row.contender} / ${reference}`
  const inAll = ratio(rows, row, reference)
  const inQuiet = ratio(rows, row, reference, 'quietUs')
  const named = (name: string, value: number | null): Figure[] =>
    value === null ? [] : [{ what: name, value, unit: '×', target }]
  return [...named(what, inAll), ...named(`${what}, in quiet windows`, inQuiet)]
}

function draw(rows: readonly Row[], versions: Readonly<Record<string, string>>): void {
  const folder = join(process.cwd(), 'docs', 'images')
  mkdirSync(folder, { recursive: true })
  const isShown = (row: Row): boolean => row.contender !== 'amarre-before' && row.quietUs > 0
  const usual = rows.filter((row) => row.case === usualCase.name && isShown(row))
  writeFileSync(join(folder, 'benchmark.svg'), chartOf(usual, versions, new Date()))
}
