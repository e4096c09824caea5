// The benchmark: proves that each contender answers correctly, then measures them in turn and writes table, raw results
// and chart. Usage: node dist/bench/run.js [--quick] [--rounds N] [--seconds N] [--only a,b] [--cases a,b] [--before DIST]
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { cases, usualCase, type Case } from './cases.js'
import { chartOf } from './chart.js'
import { amarre } from './contenders/amarre.js'
import { caddy } from './contenders/caddy.js'
import type { Contender } from './contenders/contender.js'
import { haproxy } from './contenders/haproxy.js'
import { nginx } from './contenders/nginx.js'
import { nodeProxy } from './contenders/node-proxy.js'
import { versionOf, freePort } from './programs.js'
import { prove } from './proof.js'
import { rowsOf, tableText, type Row } from './report.js'
import { measure, measureInTurn, type Entrant, type Sample } from './rounds.js'
import { startUpstream, type Upstream } from './upstream.js'

const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    cases: { type: 'string' },
    /** The folder of another build of Amarre, measured beside this one. */
    before: { type: 'string' },
  },
})
const rounds = Number(flags.rounds ?? (flags.quick ? 3 : 5))
const seconds = Number(flags.seconds ?? 2)
const visitors = 200
const ownBuild = fileURLToPath(new URL('../', import.meta.url))

function contenders(): Contender[] {
  const known = [
    nginx,
    haproxy,
    amarre('amarre', ownBuild),
    ...(flags.before === undefined ? [] : [amarre('amarre-before', resolve(flags.before))]),
    ...(flags.quick ? [] : [caddy]),
    ...(flags.quick
      ? []
      : [nodeProxy('undici', 'routes by cookie, sets forwarded headers; knows no session')]),
    ...(flags.quick
      ? []
      : [nodeProxy('http-proxy', 'routes by cookie, sets forwarded headers; knows no session')]),
  ]
  return known.filter(({ name }) => isWanted(name, flags.only) && isPresent(name, known))
}

function isWanted(name: string, list: string | undefined): boolean {
  return list === undefined || list.split(',').includes(name)
}

function isPresent(name: string, known: readonly Contender[]): boolean {
  const missing = known.find((each) => each.name === name)?.missing() ?? null
  if (missing !== null) console.log(`skipped: ${missing}`)
  return missing === null
}

async function enter(contender: Contender, upstream: Upstream, root: string): Promise<Entrant> {
  const { name } = contender
  const directory = join(root, name)
  mkdirSync(directory)
  const running = await contender.start({
    directory,
    port: await freePort(),
    adminPort: await freePort(),
    releases: upstream.releases,
  })
  const cookies = await running.board(visitors)
  await prove(name, running, cookies)
  console.log(`${name}: answers correctly (${contender.version()}; ${contender.does})`)
  return { name, running, cookies, directory }
}

async function measureCases(entrants: readonly Entrant[]): Promise<Sample[]> {
  const wanted = flags.quick ? [usualCase] : cases.filter(({ name }) => isWanted(name, flags.cases))
  // Compilers and caches settle, connections open: not counted.
  for (const entrant of entrants) await measure(entrant, usualCase, { round: -1, seconds: 2, rate: 0 })
  const samples: Sample[] = []
  for (const load of wanted) {
    samples.push(...(await measureInTurn(entrants, load, { rounds, seconds, rate: 0 })))
    console.log(`measured: ${load.name}`)
  }
  return samples
}

/** Latency at half of what Amarre can do, for everybody at the same rate; `direct` goes past every proxy. */
async function measureLatency(
  entrants: readonly Entrant[],
  usual: readonly Row[],
  direct: Entrant,
): Promise<Sample[]> {
  const capacity = usual.find(
    (row) => row.contender === 'amarre' && row.case === usualCase.name,
  )?.requestsPerSecond
  if (capacity === undefined) return []
  const load: Case = { ...usualCase, name: `half load, ${(capacity / 2).toFixed(0)}/s` }
  return measureInTurn([direct, ...entrants], load, { rounds, seconds, rate: capacity / 2 })
}

function writeResults(samples: readonly Sample[], versions: Record<string, string>): void {
  const folder = join(process.cwd(), 'bench', 'results')
  mkdirSync(folder, { recursive: true })
  const at = new Date().toISOString()
  const machine = {
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
    kernel: release(),
    wrk: versionOf('wrk', '-v'),
  }
  const file = join(folder, `${at.replaceAll(':', '-').slice(0, 19)}${flags.quick ? '-quick' : ''}.json`)
  writeFileSync(
    file,
    `${JSON.stringify({ at, machine, versions, rounds, seconds, visitors, samples }, null, 2)}\n`,
  )
  console.log(`raw results: ${file}`)
}

function drawChart(rows: readonly Row[]): void {
  const usual = rows.filter((row) => row.case === usualCase.name && row.contender !== 'amarre-before')
  const folder = join(process.cwd(), 'docs', 'images')
  mkdirSync(folder, { recursive: true })
  const caption = 'CPU time of one request (2 KiB answer, 64 connections, keep-alive); less is better'
  writeFileSync(join(folder, 'benchmark.svg'), chartOf(usual, caption))
}

const root = mkdtempSync(join(tmpdir(), 'amarre-bench-'))
// nginx started by root reads files as nobody.
chmodSync(root, 0o755)
const entrants: Entrant[] = []
const upstream = await startUpstream(root)
try {
  const known = contenders()
  for (const contender of known) entrants.push(await enter(contender, upstream, root))
  const samples = await measureCases(entrants)
  if (!flags.quick && flags.cases === undefined) {
    const running = { ...entrants[0]!.running, port: upstream.releases[0].port, mainPid: null }
    const direct: Entrant = { ...entrants[0]!, name: 'direct', running }
    samples.push(...(await measureLatency(entrants, rowsOf(samples), direct)))
  }
  const rows = rowsOf(samples)
  console.log(`\n${tableText(rows)}\n`)
  const versions = Object.fromEntries(known.map((contender) => [contender.name, contender.version()]))
  writeResults(samples, versions)
  if (!flags.quick && flags.only === undefined) drawChart(rows)
} finally {
  for (const { running } of entrants) await running.stop()
  await upstream.stop()
  rmSync(root, { recursive: true })
}
