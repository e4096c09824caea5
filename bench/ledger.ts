// Scenario: ten million live sessions in a running gateway: what they take, and how long the main process and a worker
// pause at most while thousands of them are touched, end and are counted and saved each second.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fillWithCrowd } from './crowd.js'
import { deployFleet, hostOf } from './fleet.js'
import { BenchGateway } from './gateway.js'
import { failedOf, runOpenLoop, type OpenLoopResult } from './load/open-loop.js'
import { Probes, type ProbeReading } from './probe-reading.js'
import { loadCore, pause, stopProgram, workerCore } from './programs.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { startUpstream } from './upstream.js'

const sessions = 10_000_000
/** Each comes once: every request is the first of its session, so that the ledger hears of it. */
const travellers = 160_000
const requestsASecond = 8_000
const seconds = 20
/** So many end while it is watched. */
const ending = { sessions: 200_000, withinMs: 40_000 }

export const ledger: Scenario = {
  name: 'ledger',
  asks: 'what do ten million live sessions take, and whom do they make wait?',
  run,
}

async function run({ directory, dist }: Setting): Promise<Finding> {
  const upstream = await startUpstream(directory)
  const folder = join(directory, 'amarre')
  mkdirSync(folder)
  const probes = new Probes(folder)
  const gateway = new BenchGateway({ dist, directory: folder, environment: probes.environment })
  try {
    await deployFleet(gateway, upstream, { sites: 1, releasesASite: 1 }, 1)
    const empty = await probes.read(gateway.mainPid)
    await gateway.stop()
    const cookies = await fillWithCrowd(gateway.stateDirectory, {
      sessions: sessions - 1,
      tokens: travellers,
      ending,
    })
    const startedAt = performance.now()
    await gateway.start()
    const startMs = performance.now() - startedAt
    // A whole round of sweeping and of saving.
    await pause(5_000)
    const full = await probes.read(gateway.mainPid)
    const visitors = cookies.map((cookie) => ({ host: hostOf(0), cookie }))
    const plan = { port: gateway.port, path: '/2k', connections: 64, churn: 0, visitors }
    const load = { ...plan, rate: requestsASecond, seconds }
    const [worker = 0] = gateway.workerPids
    const idle = [loadCore, workerCore].map((core) => probes.startIdle(core))
    await pause(1_000)
    const pids = [gateway.mainPid, worker, ...idle.map(({ pid = 0 }) => pid)]
    for (const pid of pids) await probes.read(pid)
    const traffic = await runOpenLoop(load, folder, () => lookNowAndThen(gateway))
    const [main, own, besideMain, besideWorker] = await Promise.all(pids.map((pid) => probes.read(pid)))
    for (const child of idle) await stopProgram(child)
    if (!main || !own || !besideMain || !besideWorker) throw new Error('a probe is missing')
    const late = { main, worker: own, besideMain, besideWorker }
    const seen = { empty, full, startMs, traffic, late }
    return { figures: figuresOf(seen), raw: seen }
  } finally {
    await gateway.stop()
    await upstream.stop()
  }
}

/** What Prometheus, the dashboard and an operator ask for. */
async function lookNowAndThen(gateway: BenchGateway): Promise<void> {
  for (let second = 0; second < seconds; second++) {
    await gateway.scrape()
    await gateway.ask('/api/v1/sites')
    await gateway.ask('/api/v1/sites/site-0/releases/1.0.0/sessions')
    await pause(900)
  }
}

interface Seen {
  readonly empty: ProbeReading
  readonly full: ProbeReading
  readonly startMs: number
  readonly traffic: OpenLoopResult
  /** Beside each of them a process that does nothing. */
  readonly late: Readonly<Record<'main' | 'worker' | 'besideMain' | 'besideWorker', ProbeReading>>
}

function figuresOf({ empty, full, startMs, traffic, late }: Seen): Figure[] {
  const each = (full.ownBytes - empty.ownBytes) / sessions
  return [
    { what: 'memory of a session', value: each, unit: 'bytes', target: 'at most 64' },
    { what: 'start with all of them', value: startMs, unit: 'ms', target: null },
    { what: 'requests, each of another session', value: traffic.requests, unit: '', target: null },
    { what: 'requests that failed', value: failedOf(traffic), unit: '', target: 'none' },
    {
      what: 'longest turn of the main process',
      value: late.main.turnWorstMs,
      unit: 'ms',
      target: 'at most 50',
    },
    { what: 'main process late, worst', value: late.main.lateWorstMs, unit: 'ms', target: 'at most 50' },
    {
      what: 'an idle process beside it late, worst',
      value: late.besideMain.lateWorstMs,
      unit: 'ms',
      target: null,
    },
    { what: 'main process late, p99', value: late.main.lateP99Ms, unit: 'ms', target: null },
    { what: 'worker late, p99', value: late.worker.lateP99Ms, unit: 'ms', target: 'under 5' },
    {
      what: 'an idle process beside it late, p99',
      value: late.besideWorker.lateP99Ms,
      unit: 'ms',
      target: null,
    },
    { what: 'longest turn of the worker', value: late.worker.turnWorstMs, unit: 'ms', target: null },
  ]
}
