// The benchmark: runs the scenarios that are asked for, prints what they found and keeps it raw.
// Usage: node dist/bench/run.js [--quick] [--scenario a,b] [--rounds N] [--seconds N] [--rate N] [--only a,b] [--cases a,b] [--before DIST]
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { boarding } from './boarding.js'
import { usualCase } from './cases.js'
import { connections } from './connections.js'
import { deployment } from './deployment.js'
import { growth, releases } from './growth.js'
import { latency } from './latency.js'
import { ledger } from './ledger.js'
import { keepResults, machineNow } from './results.js'
import { requests } from './requests.js'
import { figuresText, type Scenario } from './scenario.js'
import { start } from './start.js'
import { websocket } from './websocket.js'
import { workers } from './workers.js'

const { values: flags } = parseArgs({
  options: {
    /** Under a minute: the usual load through nginx, HAProxy and Amarre. */
    quick: { type: 'boolean', default: false },
    scenario: { type: 'string' },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    /** Requests a second for latency and deployments, on a machine that cannot keep half of what one worker can carry. */
    rate: { type: 'string' },
    /** Contenders by name. */
    only: { type: 'string' },
    /** Loads of the scenario `requests` by name. */
    cases: { type: 'string' },
    /** The folder of another build of Amarre, measured beside this one. */
    before: { type: 'string' },
  },
})

function listed(text: string | undefined): readonly string[] | null {
  return text?.split(',') ?? null
}

const only = listed(flags.only) ?? (flags.quick ? ['nginx', 'haproxy', 'amarre', 'amarre-before'] : null)
const cases = listed(flags.cases) ?? (flags.quick ? [usualCase.name] : null)

const scenarios: readonly Scenario[] = [
  requests({ cases, before: flags.before ?? null }),
  websocket,
  latency,
  workers,
  deployment,
  boarding,
  growth,
  releases,
  ledger,
  connections,
  start,
]

function wantedScenarios(): readonly Scenario[] {
  const names = listed(flags.scenario) ?? (flags.quick || cases !== null ? ['requests'] : null)
  if (names === null) return scenarios
  const unknown = names.filter((name) => !scenarios.some((each) => each.name === name))
  if (unknown.length > 0)
    throw new Error(
      `no scenario "${unknown.join(', ')}"; there are ${scenarios.map(({ name }) => name).join(', ')}`,
    )
  return scenarios.filter(({ name }) => names.includes(name))
}

const root = mkdtempSync(join(tmpdir(), 'amarre-bench-'))
// nginx started by root reads files as nobody.
chmodSync(root, 0o755)
const at = new Date()
try {
  for (const { name, asks, run } of wantedScenarios()) {
    console.log(`\n== ${name}: ${asks}`)
    const directory = join(root, name)
    mkdirSync(directory)
    const machine = machineNow()
    const setting = {
      directory,
      dist: fileURLToPath(new URL('../', import.meta.url)),
      rounds: Number(flags.rounds ?? (flags.quick ? 3 : 4)),
      seconds: Number(flags.seconds ?? (flags.quick ? 2 : 1)),
      rate: flags.rate === undefined ? null : Number(flags.rate),
      only,
    }
    const { figures, raw } = await run(setting)
    console.log(figuresText(figures))
    const { rounds, seconds } = setting
    const file = keepResults(at, flags.quick ? `${name}-quick` : name, {
      machine,
      rounds,
      seconds,
      figures,
      raw,
    })
    console.log(`raw results: ${file}`)
    rmSync(directory, { recursive: true })
  }
} finally {
  rmSync(root, { recursive: true })
}
