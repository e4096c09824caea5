// Scenario: whether two workers on two cores do twice as much as one on one. Load and application need room too, so what
// is compared is the CPU time of a request: as long as it stays the same, a second core doubles what can be carried.
import { amarre } from './contenders/amarre.js'
import { usualCase } from './cases.js'
import { enter } from './contestants.js'
import { measureInTurn, type Entrant } from './rounds.js'
import { rowsOf } from './report.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { startUpstream } from './upstream.js'

export const workers: Scenario = {
  name: 'workers',
  asks: 'does a second worker on a second core double what can be carried?',
  run,
}

async function run(setting: Setting): Promise<Finding> {
  const { directory, dist } = setting
  const upstream = await startUpstream(directory)
  const entrants: Entrant[] = []
  try {
    for (const count of [1, 2]) {
      const contender = amarre(`${count} worker${count > 1 ? 's' : ''}`, dist, { workers: count })
      entrants.push(await enter(contender, upstream, directory))
    }
    const samples = await measureInTurn(entrants, usualCase, { ...setting, upstream })
    return { figures: figuresOf(rowsOf(samples)), raw: samples }
  } finally {
    for (const { running } of entrants) await running.stop()
    await upstream.stop()
  }
}

function figuresOf(rows: ReturnType<typeof rowsOf>): Figure[] {
  const costs = rows.toSorted((a, b) => a.contender.localeCompare(b.contender))
  const figures = costs.map(({ contender, workerUs }): Figure => ({
    what: `CPU of a request, ${contender}`,
    value: workerUs,
    unit: 'µs',
    target: null,
  }))
  const [one, two] = costs
  if (one === undefined || two === undefined) return figures
  const value = (2 * one.workerUs) / two.workerUs
  return [
    ...figures,
    { what: 'two workers carry, of what one does', value, unit: '×', target: 'at least 1.8' },
  ]
}
