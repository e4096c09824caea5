// Scenario: how long a gateway takes from its start, over saved state, to its first answer, and how much memory it takes
// at rest: main process and one worker together.
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { fillWithCrowd } from './crowd.js'
import { deployFleet, hostOf, type FleetSize } from './fleet.js'
import { BenchGateway } from './gateway.js'
import { pause, residentBytes } from './programs.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { median } from './statistics.js'
import { startUpstream, type Upstream } from './upstream.js'

const starts = 7
const crowd = 10_000_000
const startsWithCrowd = 5
const settledMs = 5_000
/** V8 gives back what only the start needed when it has had little to do for some ten seconds (20 MiB, measured). */
const restMs = 20_000
const sizes: readonly FleetSize[] = [
  { sites: 1, releasesASite: 1 },
  { sites: 50, releasesASite: 4 },
]

export const start: Scenario = {
  name: 'start',
  asks: 'how long from a start to the first answer, and how much memory at rest?',
  run,
}

async function run({ directory, dist }: Setting): Promise<Finding> {
  const upstream = await startUpstream(directory, 200)
  try {
    const figures: Figure[] = []
    for (const size of sizes) figures.push(...(await startsOf(size, upstream, directory, dist)))
    figures.push(...(await startsWithSessions(upstream, directory, dist)))
    return { figures, raw: figures }
  } finally {
    await upstream.stop()
  }
}

async function startsOf(
  size: FleetSize,
  upstream: Upstream,
  directory: string,
  dist: string,
): Promise<Figure[]> {
  const releases = size.sites * size.releasesASite
  const folder = join(directory, `releases-${releases}`)
  mkdirSync(folder)
  const gateway = new BenchGateway({ dist, directory: folder, isFree: true })
  try {
    const { cookies } = await deployFleet(gateway, upstream, size, 1)
    const times: number[] = []
    for (let i = 0; i < starts; i++) {
      await gateway.stop()
      times.push(await firstAnswer(gateway, cookies[0] ?? ''))
    }
    await gateway.listening()
    await pause(settledMs)
    const afterStart = residentMiB(gateway)
    await pause(restMs - settledMs)
    const atRest = residentMiB(gateway)
    const name = releases === 1 ? '1 release' : `${releases} releases, ${size.sites} sites`
    return [
      ...answerFigures(name, times),
      { what: `${name}: memory 5 s after the start`, value: sum(afterStart), unit: 'MiB', target: null },
      { what: `${name}: memory at rest`, value: sum(atRest), unit: 'MiB', target: 'under 160', of: atRest },
    ]
  } finally {
    await gateway.stop()
  }
}

/** Over the saved sessions of a crowd, which are read back while workers serve. */
async function startsWithSessions(upstream: Upstream, directory: string, dist: string): Promise<Figure[]> {
  const folder = join(directory, 'crowd')
  mkdirSync(folder)
  const gateway = new BenchGateway({ dist, directory: folder, isFree: true })
  try {
    await deployFleet(gateway, upstream, { sites: 1, releasesASite: 1 }, 1)
    await gateway.stop()
    const [cookie = ''] = await fillWithCrowd(gateway.stateDirectory, {
      sessions: crowd,
      tokens: 1,
      ending: { sessions: 0, withinMs: 0 },
    })
    const [answers, readies]: [number[], number[]] = [[], []]
    for (let i = 0; i < startsWithCrowd; i++) {
      const began = performance.now()
      answers.push(await firstAnswer(gateway, cookie))
      await gateway.listening()
      readies.push(performance.now() - began)
      await gateway.stop()
    }
    const what = `1 release, ${crowd} sessions`
    return [
      ...answerFigures(what, answers),
      {
        what: `${what}: start to the first verdict`,
        value: median(readies),
        unit: 'ms',
        target: null,
        of: readies,
      },
    ]
  } finally {
    await gateway.stop()
  }
}

function answerFigures(name: string, times: readonly number[]): Figure[] {
  return [
    {
      what: `${name}: start to first answer`,
      value: median(times),
      unit: 'ms',
      target: 'under 500',
      of: times,
    },
    { what: `${name}: slowest start`, value: Math.max(...times), unit: 'ms', target: null },
  ]
}

/** Of the main process and of its worker. */
function residentMiB(gateway: BenchGateway): number[] {
  return [gateway.mainPid, ...gateway.workerPids].map((pid) => residentBytes(pid) / 2 ** 20)
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** From the start of the command to the answer to a visitor who was there before the stop, ms. */
async function firstAnswer(gateway: BenchGateway, cookie: string): Promise<number> {
  const command = await gateway.prepare()
  const began = performance.now()
  gateway.launch(command)
  while (!(await isServed(gateway.port, cookie))) await pause(2)
  return performance.now() - began
}

/** One request on one connection; false where nobody listens, or closes it: the port is tried before it is served. */
function isServed(port: number, cookie: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () =>
      socket.write(`GET /0 HTTP/1.1\r\nHost: ${hostOf(0)}\r\nCookie: ${cookie}\r\nAccept: text/html\r\n\r\n`),
    )
    socket.on('data', (head) => {
      socket.destroy()
      resolve(head.toString('latin1').startsWith('HTTP/1.1 200'))
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(false))
  })
}
