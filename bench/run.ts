// The benchmark: runs the scenarios that are asked for, prints what they found and keeps it raw. One that fails is told
// and does not take the others with it.
// Usage: node dist/bench/run.js [--quick] [--scenario a,b] [--rounds N] [--seconds N] [--rate N] [--only a,b] [--cases a,b] [--before DIST]
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { boarding } from './boarding.js'
import { cases } from './cases.js'
import { connections } from './connections.js'
import { contenderNames } from './contestants.js'
import { deployment } from './deployment.js'
import { wantedOf, type Wanted } from './flags.js'
import { growth, releases } from './growth.js'
import { latency } from './latency.js'
import { ledger } from './ledger.js'
import { demandTools } from './programs.js'
import { keepResults, machineNow } from './results.js'
import { requests } from './requests.js'
import { figuresText, type Scenario } from './scenario.js'
import { start } from './start.js'
import { websocket } from './websocket.js'
import { workers } from './workers.js'

const scenarios: readonly Scenario[] = [
  requests,
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
const wanted = wantedOf(process.argv.slice(2), {
  scenarios: scenarios.map(({ name }) => name),
  contenders: contenderNames,
  loads: cases.map(({ name }) => name),
})

/** Runs one, prints its figures and keeps them with what is behind them. */
async function measure({ name, asks, run }: Scenario, wanted: Wanted, root: string): Promise<void> {
  console.log(`\n== ${name}: ${asks}`)
  const directory = join(root, name)
  mkdirSync(directory)
  const machine = machineNow()
  const { rounds, seconds } = wanted
  const { figures, raw } = await run({
    ...wanted,
    directory,
    dist: fileURLToPath(new URL('../', import.meta.url)),
  })
  console.log(figuresText(figures))
  const content = { machine, rounds, seconds, figures, raw }
  console.log(`raw results: ${keepResults(at, wanted.isQuick ? `${name}-quick` : name, content)}`)
  rmSync(directory, { recursive: true })
}

demandTools()
const at = new Date()
const root = mkdtempSync(join(tmpdir(), 'amarre-bench-'))
// nginx started by root reads files as nobody.
chmodSync(root, 0o755)
process.once('exit', () => rmSync(root, { recursive: true, force: true }))
for (const scenario of scenarios.filter(({ name }) => wanted.scenarios.includes(name))) {
  try {
    await measure(scenario, wanted, root)
  } catch (error) {
    console.error(`${scenario.name} failed:`, error)
    process.exitCode = 1
  }
}
