// Where a request's microseconds go: runs Amarre's worker under V8's CPU profiler with the usual load and prints the
// share of each file and each function, as microseconds of a request. A function's time holds the system calls that it
// makes; what the loop does between callbacks (reading, polling) is spread over all. Usage: node dist/bench/profile.js [seconds]
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { usualCase } from './cases.js'
import { amarre } from './contenders/amarre.js'
import { visitors } from './contestants.js'
import { demandTools, freePort } from './programs.js'
import { measure } from './rounds.js'
import { startUpstream } from './upstream.js'

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}
interface Profile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

demandTools()
const seconds = Number(process.argv[2] ?? 5)
const intervalUs = 200
const rowsShown = 45
const root = mkdtempSync(join(tmpdir(), 'amarre-profile-'))
chmodSync(root, 0o755)

/** Runs the load; the worker writes its profile when it leaves. Answers the CPU time of a request. */
async function runProfiled(profiles: string): Promise<number> {
  const upstream = await startUpstream(root)
  try {
    const dist = fileURLToPath(new URL('../', import.meta.url))
    const nodeOptions = ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-interval=${intervalUs}`]
    const place = { directory: root, port: await freePort(), adminPort: await freePort() }
    const running = await amarre('amarre', dist, { nodeOptions }).start({
      ...place,
      releases: upstream.releases,
    })
    try {
      const cookies = await running.board(visitors)
      const entrant = { name: 'amarre', running, cookies, directory: root }
      const { workerUs, requests } = await measure(entrant, usualCase, { upstream, round: 0, seconds })
      console.log(`${requests} requests, ${workerUs.toFixed(1)} µs CPU each (profiler included)`)
      return workerUs
    } finally {
      await running.stop()
    }
  } finally {
    await upstream.stop()
  }
}

/** Of the process that worked most. */
function busiest(folder: string): Map<string, number> {
  const counted = readdirSync(folder).map((file) => {
    const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile
    return selfTimes(profile)
  })
  return counted.reduce((a, b) => (sum(a) > sum(b) ? a : b), new Map<string, number>())
}

/** Time by `function file:line`, the idle time left out. */
function selfTimes({ nodes, samples, timeDeltas }: Profile): Map<string, number> {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const times = new Map<string, number>()
  samples.forEach((id, i) => {
    const name = names.get(id) ?? ''
    if (name.startsWith('(idle)')) return
    times.set(name, (times.get(name) ?? 0) + (timeDeltas[i] ?? 0))
  })
  return times
}

function nameOf({ functionName, url, lineNumber }: ProfileNode['callFrame']): string {
  const file = url.split('/').slice(-2).join('/')
  return `${functionName || '(anonymous)'} ${file === '' ? '' : `${file}:${lineNumber + 1}`}`
}

function sum(times: ReadonlyMap<string, number>): number {
  return [...times.values()].reduce((total, time) => total + time, 0)
}

function print(title: string, times: ReadonlyMap<string, number>, requestUs: number): void {
  const total = sum(times)
  console.log(`\n${title}`)
  for (const [name, time] of [...times].toSorted((a, b) => b[1] - a[1]).slice(0, rowsShown)) {
    const share = time / total
    console.log(
      `${(share * requestUs).toFixed(2).padStart(7)} µs ${(share * 100).toFixed(1).padStart(5)} %  ${name}`,
    )
  }
}

function byFile(times: ReadonlyMap<string, number>): Map<string, number> {
  const files = new Map<string, number>()
  for (const [name, time] of times) {
    const file = name.slice(name.lastIndexOf(' ') + 1).split(':')[0] || name.trim()
    files.set(file, (files.get(file) ?? 0) + time)
  }
  return files
}

try {
  const profiles = join(root, 'profiles')
  mkdirSync(profiles)
  const requestUs = await runProfiled(profiles)
  const times = busiest(profiles)
  print('by file', byFile(times), requestUs)
  print('by function', times, requestUs)
} finally {
  rmSync(root, { recursive: true })
}
