// Scenario: whether a request costs more the more there is: sessions in the ledger, releases and sites in the table. All
// gateways stand side by side and are measured in turn with the same load.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { usualCase } from './cases.js'
import { fillWithCrowd } from './crowd.js'
import { visitors } from './contestants.js'
import { deployFleet, type FleetSize } from './fleet.js'
import { BenchGateway } from './gateway.js'
import { measure, measureInTurn, type Entrant } from './rounds.js'
import { rowsOf, type Row } from './report.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { startUpstream, type Upstream } from './upstream.js'

const crowds = [1, 100, 10_000, 10_000_000]
const fleets: readonly FleetSize[] = [
  { sites: 1, releasesASite: 1 },
  { sites: 50, releasesASite: 4 },
]

export const growth: Scenario = {
  name: 'growth',
  asks: 'does a request cost more with more sessions, releases and sites?',
  run,
}

async function run(setting: Setting): Promise<Finding> {
  const upstream = await startUpstream(setting.directory, 200)
  try {
    const bySessions = await measured(
      setting,
      await allOf(crowds, (size) => crowded(setting, upstream, size)),
    )
    const byReleases = await measured(setting, await allOf(fleets, (size) => fleet(setting, upstream, size)))
    return {
      figures: [...figuresOf(rowsOf(bySessions)), ...figuresOf(rowsOf(byReleases))],
      raw: { bySessions, byReleases },
    }
  } finally {
    await upstream.stop()
  }
}

async function allOf<T>(sizes: readonly T[], start: (size: T) => Promise<Entrant>): Promise<Entrant[]> {
  const entrants: Entrant[] = []
  for (const size of sizes) entrants.push(await start(size))
  return entrants
}

async function measured(setting: Setting, entrants: readonly Entrant[]) {
  try {
    for (const entrant of entrants) await measure(entrant, usualCase, { round: -1, seconds: 2 })
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

async function fleet({ directory, dist }: Setting, upstream: Upstream, size: FleetSize): Promise<Entrant> {
  const releases = size.sites * size.releasesASite
  const name = releases === 1 ? '1 release' : `${releases} releases, ${size.sites} sites`
  const gateway = gatewayIn(directory, dist, name)
  const boarded = await deployFleet(gateway, upstream, size, visitors / releases)
  return entrantOf(gateway, name, boarded, join(directory, name))
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
      { what: `${contender}: more than ${least.contender}`, value: more, unit: '%', target: 'at most 5' },
    ]
  })
}
