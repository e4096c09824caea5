// Scenarios: whether a request costs more the more there is: sessions in the ledger, releases and sites in the table. All
// gateways stand side by side and are measured in turn with the same load.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { usualCase } from './cases.js'
import { haproxy } from './contenders/haproxy.js'
import { fillWithCrowd } from './crowd.js'
import { visitors } from './contestants.js'
import { deployFleet, type FleetSize } from './fleet.js'
import { BenchGateway } from './gateway.js'
import { freePort } from './programs.js'
import { measureInTurn, type Entrant } from './rounds.js'
import { rowsOf, type Row } from './report.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { startUpstream, type Upstream } from './upstream.js'

const crowds = [1, 100, 10_000, 10_000_000]
const many = 200
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
  const raw = await measured(setting, await allOf(crowds, (size) => crowded(setting, upstream, size)))
  return { figures: figuresOf(rowsOf(raw)), raw }
}

async function byReleases(setting: Setting, upstream: Upstream): Promise<Finding> {
  const raw = await measured(setting, [
    ...(await allOf(fleets, (size) => fleet(setting, upstream, size))),
    ...(await allOf(controls(), (servers) => control(setting, upstream, servers))),
  ])
  const rows = rowsOf(raw)
  const pairs = [0, 2, 4].map((at) => rows.slice(at, at + 2))
  return { figures: pairs.flatMap(figuresOf), raw }
}

async function allOf<T>(sizes: readonly T[], start: (size: T) => Promise<Entrant>): Promise<Entrant[]> {
  const entrants: Entrant[] = []
  for (const size of sizes) entrants.push(await start(size))
  return entrants
}

async function measured(setting: Setting, entrants: readonly Entrant[]) {
  try {
    return await measureInTurn(entrants, usualCase, setting)
  } finally {
    for (const { running } of entrants) await running.stop()
  }
}

/** Visitors board one by one up to the number that the load uses; the crowd beside them comes through the ledger. */
async function crowded({ directory, dist }: Setting, upstream: Upstream, sessions: number): Promise<Entrant> {
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
  return entrantOf(gateway, name, boarded, join(directory, name))
}

async function fleet({ directory, dist }: Setting, upstream: Upstream, size: Fleet): Promise<Entrant> {
  const count = size.sites * size.releasesASite
  const name = `${count} releases on ${size.targets} targets`
  const gateway = gatewayIn(directory, dist, name)
  const boarded = await deployFleet(gateway, fewerOf(upstream, size.targets), size, visitors / count)
  return entrantOf(gateway, name, boarded, join(directory, name))
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

async function control({ directory }: Setting, upstream: Upstream, servers: number): Promise<Entrant> {
  const name = `haproxy, ${servers} servers`
  mkdirSync(join(directory, name))
  const running = await haproxy.start({
    directory: join(directory, name),
    port: await freePort(),
    adminPort: await freePort(),
    releases: fewerOf(upstream, servers).releases,
  })
  return { name, running, cookies: await running.board(visitors), directory: join(directory, name) }
}

function gatewayIn(directory: string, dist: string, name: string): BenchGateway {
  mkdirSync(join(directory, name))
  return new BenchGateway({ dist, directory: join(directory, name) })
}

function entrantOf(
  gateway: BenchGateway,
  name: string,
  boarded: Pick<Entrant, 'cookies' | 'hosts'>,
  directory: string,
): Entrant {
  const { port, workerPids, mainPid } = gateway
  const board = () => Promise.resolve(boarded.cookies)
  return {
    name,
    directory,
    ...boarded,
    running: { port, workerPids, mainPid, board, stop: () => gateway.stop() },
  }
}

function figuresOf(rows: readonly Row[]): Figure[] {
  const [least] = rows
  return rows.flatMap((row): Figure[] => {
    const { contender, workerUs: value, spread } = row
    const cost: Figure = {
      what: `CPU of a request, ${contender}`,
      value,
      unit: 'µs',
      target: null,
      of: [spread],
    }
    if (least === undefined || row === least) return [cost]
    const more = (value / least.workerUs - 1) * 100
    return [
      cost,
      {
        what: `${contender}: more than ${least.contender}`,
        value: more,
        unit: '%',
        target: contender.startsWith('haproxy') ? null : 'at most 5',
      },
    ]
  })
}
