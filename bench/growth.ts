// Scenarios: whether a request costs more the more there is: sessions in the ledger, releases and sites in the table. All
// gateways stand side by side and are measured in turn with the same load, and again after each of several starts: two
// starts of one gateway differ by about what is looked for.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { usualCase } from './cases.js'
import { haproxy } from './contenders/haproxy.js'
import { fillWithCrowd } from './crowd.js'
import { visitors } from './contestants.js'
import { deployFleet, type FleetSize } from './fleet.js'
import { BenchGateway, runningOf } from './gateway.js'
import { freePort } from './programs.js'
import { measureInTurn, type Entrant, type Sample } from './rounds.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { rowsOf, type Row } from './report.js'
import { startUpstream, type Upstream } from './upstream.js'

const crowds = [1, 100, 10_000, 10_000_000]
const many = 200
const starts = 3
/** Few and many releases, each with a target of its own; then few and many on the same targets. */
const fleets: readonly Fleet[] = [
  { sites: 1, releasesASite: 1, targets: 1 },
  { sites: 50, releasesASite: 4, targets: many },
  { sites: 1, releasesASite: 4, targets: 4 },
  { sites: 50, releasesASite: 4, targets: 4 },
]

interface Fleet extends FleetSize {
  readonly targets: number
}

export const growth: Scenario = {
  name: 'growth',
  asks: 'does a request cost more with more sessions?',
  run: (setting) => over(setting, 2, (upstream) => bySessions(setting, upstream)),
}

export const releases: Scenario = {
  name: 'releases',
  asks: 'does a request cost more with more releases and sites?',
  run: (setting) => over(setting, many, (upstream) => byReleases(setting, upstream)),
}

async function over(
  { directory }: Setting,
  count: number,
  measureAll: (upstream: Upstream) => Promise<Finding>,
): Promise<Finding> {
  const upstream = await startUpstream(directory, count)
  try {
    return await measureAll(upstream)
  } finally {
    await upstream.stop()
  }
}

async function bySessions(setting: Setting, upstream: Upstream): Promise<Finding> {
  const raw = await measured(
    setting,
    upstream,
    await allOf(crowds, (size) => crowded(setting, upstream, size)),
  )
  return { figures: figuresOf(rowsOf(raw)), raw }
}

async function byReleases(setting: Setting, upstream: Upstream): Promise<Finding> {
  const raw = await measured(setting, upstream, [
    ...(await allOf(fleets, (size) => fleet(setting, upstream, size))),
    ...(await allOf(controls(), (servers) => control(setting, upstream, servers))),
  ])
  const rows = rowsOf(raw)
  const pairs = [0, 2, 4].map((at) => rows.slice(at, at + 2))
  return { figures: pairs.flatMap(figuresOf), raw }
}

/** A contender of these scenarios. */
interface Standing {
  readonly entrant: Entrant
  /** New processes over the same state. */
  restart(): Promise<void>
}

async function allOf<T>(sizes: readonly T[], start: (size: T) => Promise<Standing>): Promise<Standing[]> {
  const standings: Standing[] = []
  for (const size of sizes) standings.push(await start(size))
  return standings
}

async function measured(
  setting: Setting,
  upstream: Upstream,
  standings: readonly Standing[],
): Promise<Sample[]> {
  const entrants = standings.map(({ entrant }) => entrant)
  const samples: Sample[] = []
  try {
    for (let start = 0; start < starts; start++) {
      if (start > 0) for (const standing of standings) await standing.restart()
      const ofStart = await measureInTurn(entrants, usualCase, { ...setting, upstream })
      samples.push(...ofStart.map((sample) => ({ ...sample, round: start * setting.rounds + sample.round })))
    }
    return samples
  } finally {
    for (const { running } of entrants) await running.stop()
  }
}

/** Visitors board one by one up to the number that the load uses; the crowd beside them comes through the ledger. */
async function crowded(
  { directory, dist }: Setting,
  upstream: Upstream,
  sessions: number,
): Promise<Standing> {
  const name = `${sessions} sessions`
  const gateway = gatewayIn(directory, dist, name)
  const size = { sites: 1, releasesASite: 1 }
  const boarded = await deployFleet(gateway, upstream, size, Math.min(sessions, visitors))
  if (sessions > visitors) {
    await gateway.stop()
    const ending = { sessions: 0, withinMs: 0 }
    await fillWithCrowd(gateway.stateDirectory, { sessions: sessions - visitors, tokens: 0, ending })
    await gateway.start()
  }
  return standingOf(gateway, name, boarded, join(directory, name))
}

async function fleet({ directory, dist }: Setting, upstream: Upstream, size: Fleet): Promise<Standing> {
  const count = size.sites * size.releasesASite
  const name = `${count} releases on ${size.targets} targets`
  const gateway = gatewayIn(directory, dist, name)
  const boarded = await deployFleet(gateway, fewerOf(upstream, size.targets), size, visitors / count)
  return standingOf(gateway, name, boarded, join(directory, name))
}

/** The first of its releases, two at least. */
function fewerOf(upstream: Upstream, count: number): Upstream {
  const [first, second, ...others] = upstream.releases
  return { ...upstream, releases: [first, second, ...others.slice(0, Math.max(0, count - 2))] }
}

/** What colder connections cost a proxy of another make. */
function controls(): readonly number[] {
  return haproxy.missing() === null ? [2, many] : []
}

async function control({ directory }: Setting, upstream: Upstream, servers: number): Promise<Standing> {
  const name = `haproxy, ${servers} servers`
  mkdirSync(join(directory, name))
  const running = await haproxy.start({
    directory: join(directory, name),
    port: await freePort(),
    adminPort: await freePort(),
    releases: fewerOf(upstream, servers).releases,
  })
  const entrant = {
    name,
    running,
    cookies: await running.board(visitors),
    directory: join(directory, name),
  }
  // Its starts do not differ.
  return { entrant, restart: () => Promise.resolve() }
}

function gatewayIn(directory: string, dist: string, name: string): BenchGateway {
  mkdirSync(join(directory, name))
  return new BenchGateway({ dist, directory: join(directory, name) })
}

function standingOf(
  gateway: BenchGateway,
  name: string,
  boarded: Pick<Entrant, 'cookies' | 'hosts'>,
  directory: string,
): Standing {
  const running = runningOf(gateway, boarded.cookies)
  return {
    entrant: { name, directory, ...boarded, running },
    async restart() {
      await gateway.stop()
      await gateway.start()
    },
  }
}

function figuresOf(rows: readonly Row[]): Figure[] {
  const [least, ...others] = rows
  if (least === undefined) return []
  return [...costsOf(least), ...others.flatMap((each) => [...costsOf(each), ...growthOf(each, least)])]
}

/** In the median of all turns, and in quiet windows. */
function costsOf({ contender, workerUs, quietUs }: Row): Figure[] {
  const what = `CPU of a request, ${contender}`
  return [
    { what, value: workerUs, unit: 'µs', target: null },
    { what: `${what}, in quiet windows`, value: quietUs, unit: 'µs', target: null },
  ]
}

function growthOf(row: Row, least: Row): Figure[] {
  const what = `${row.contender}: more than ${least.contender}`
  const target = row.contender.startsWith('haproxy') ? null : 'at most 5'
  const more = (value: number, than: number): number => (value / than - 1) * 100
  return [
    { what, value: more(row.workerUs, least.workerUs), unit: '%', target },
    { what: `${what}, in quiet windows`, value: more(row.quietUs, least.quietUs), unit: '%', target },
  ]
}
