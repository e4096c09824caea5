// What the command line of the benchmark asks for. Refuses names and numbers that it does not know before anything is
// started: a run takes half an hour. Starts nothing itself.
import { parseArgs } from 'node:util'
import type { Choice } from './scenario.js'

/** The names that there are. */
export interface Known {
  readonly scenarios: readonly string[]
  readonly contenders: readonly string[]
  readonly loads: readonly string[]
}

/** What a run is to do. */
export interface Wanted extends Choice {
  /** Under a minute: the usual load through nginx, HAProxy and Amarre. */
  readonly isQuick: boolean
  readonly scenarios: readonly string[]
}

const options = {
  quick: { type: 'boolean', default: false },
  scenario: { type: 'string' },
  rounds: { type: 'string' },
  seconds: { type: 'string', default: '1' },
  rate: { type: 'string' },
  only: { type: 'string' },
  cases: { type: 'string' },
  before: { type: 'string' },
} as const

/** `words`: what follows the program's name. `known`: the usual load first. */
export function wantedOf(words: readonly string[], known: Known): Wanted {
  const { values } = parseArgs({ args: [...words], options })
  const { quick, before } = values
  const only = listed('contender', values.only, known.contenders)
  const cases = listed('load', values.cases, known.loads)
  const scenarios = listed('scenario', values.scenario, known.scenarios)
  return {
    isQuick: quick,
    scenarios: scenarios ?? (quick || cases !== null ? ['requests'] : known.scenarios),
    rounds: count('rounds', values.rounds ?? (quick ? '3' : '4')),
    seconds: count('seconds', values.seconds),
    rate: values.rate === undefined ? null : count('rate', values.rate),
    only: only ?? (quick ? ['nginx', 'haproxy', 'amarre', 'amarre-before'] : null),
    cases: cases ?? (quick ? known.loads.slice(0, 1) : null),
    before: before ?? null,
  }
}

function listed(what: string, text: string | undefined, known: readonly string[]): readonly string[] | null {
  if (text === undefined) return null
  const names = text.split(',')
  const unknown = names.filter((name) => !known.includes(name))
  if (unknown.length > 0) throw new Error(`no ${what} "${unknown.join(', ')}"; there are ${known.join(', ')}`)
  return names
}

function count(what: string, text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${what} is a whole number from 1 on, not "${text}"`)
  return value
}
