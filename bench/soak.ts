// A long day in a few minutes: visitors click, talk and go away in the middle, crawlers crawl, releases are deployed,
// targets and workers are killed. In its last third the workers are left alone, so that what they hold shows. At the end
// nothing may have leaked, the count of sessions must be the number of visitors, and every failure has to be explained.
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { siteWords } from '../test/fixtures/config-place.js'
import { startGateway, type Gateway } from '../test/fixtures/gateway.js'
import type { Owner } from '../test/fixtures/owner.js'
import { until } from '../test/fixtures/until.js'
import { Crawler } from '../test/fixtures/visitor.js'
import { SoakFleet } from './soak/fleet.js'
import { footprintOf, leaksBetween, type Footprint } from './soak/footprint.js'
import { SoakVisitor, type Deeds } from './soak/soak-visitor.js'
import { Troubles } from './soak/trouble.js'

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, engine: { type: 'string', default: 'uws' } },
})
const durationMs = Number(values.minutes) * 60_000
const startedAt = Date.now()
const endsAt = startedAt + durationMs
/** From then on no worker is replaced. */
const quietFrom = startedAt + (durationMs * 2) / 3
const visitorsAtOnce = 12
const visitorsAtTheEnd = 30

const ends: (() => unknown)[] = []
const owner: Owner = { teardown: (end) => void ends.push(end) }
const troubles = new Troubles()
const deeds: Deeds = { answered: 0, failed: 0, aborted: 0, messages: 0, toldToComeBack: 0 }
const counts = { visitors: 0, crawled: 0, workerKills: 0, rolls: 0 }
const samples: (Footprint & { readonly minute: number })[] = []

const isOver = (): boolean => Date.now() >= endsAt

/** One visitor after the other: some clicks, sometimes a logout, often just gone. */
async function visit(gateway: Gateway): Promise<void> {
  while (!isOver()) {
    const visitor = new SoakVisitor(gateway, troubles, deeds)
    counts.visitors++
    await visitor.page()
    const clicks = 3 + Math.floor(Math.random() * 12)
    for (let i = 0; i < clicks && !isOver(); i++) {
      await visitor.click()
      await pause(20 + Math.random() * 60)
    }
    if (Math.random() < 0.5) await visitor.logOut()
    await visitor.leave()
  }
}

async function crawl(gateway: Gateway): Promise<void> {
  const crawler = new Crawler(gateway.url)
  while (!isOver()) {
    const from = Date.now()
    const problem = await crawler.go().then(
      ({ status }) => (status === 200 ? null : `status ${status}: a crawler`),
      (error: unknown) => `cut: ${String(error)}`,
    )
    counts.crawled++
    if (problem !== null) troubles.judge({ what: problem, home: '', from, to: Date.now() })
    await pause(50)
  }
  await crawler.leave()
}

async function killWorker(gateway: Gateway): Promise<void> {
  counts.workerKills++
  const disturbance = { what: 'a worker was killed', costs: /^(cut|socket)/, home: null, afterMs: 500 }
  await troubles.during(disturbance, () => gateway.killWorker())
}

/** Nothing may fail by it: no disturbance. */
async function roll(gateway: Gateway): Promise<void> {
  counts.rolls++
  const before = await gateway.workers()
  process.kill(gateway.pid, 'SIGHUP')
  const isDone = async (): Promise<boolean> => {
    const { workers } = await gateway.status()
    return workers.length === before.length && !workers.some(({ pid }) => before.includes(pid))
  }
  await until('the workers are replaced', isDone, 60_000)
}

async function trouble(gateway: Gateway, fleet: SoakFleet): Promise<void> {
  const turns = [
    () => fleet.killTarget(),
    () => fleet.deploy(),
    () => (Date.now() < quietFrom ? killWorker(gateway) : fleet.deploy()),
    () => (Date.now() < quietFrom ? roll(gateway) : fleet.killTarget()),
  ]
  for (let i = 0; !isOver(); i++) {
    await pause(3_000)
    await turns[i % turns.length]?.()
  }
}

async function watch(gateway: Gateway): Promise<void> {
  while (!isOver()) {
    const minute = Number(((Date.now() - startedAt) / 60_000).toFixed(1))
    samples.push({ minute, ...(await footprintOf(gateway)) })
    await pause(Math.min(30_000, Math.max(1_000, endsAt - Date.now())))
  }
}

/** What is open or known of anybody. */
async function residue(gateway: Gateway, fleet: SoakFleet) {
  const metrics = await gateway.metrics()
  return {
    sessions: metrics.sum('amarre_sessions_active'),
    exchanges: metrics.sum('amarre_exchanges_open'),
    sockets: metrics.sum('amarre_websockets_open'),
    heldByTargets: fleet.held,
  }
}

/** With so many visitors and nobody else, the sessions are counted exactly; afterwards nothing is left. */
async function countedAtTheEnd(gateway: Gateway, fleet: SoakFleet) {
  const last = Array.from({ length: visitorsAtTheEnd }, () => new SoakVisitor(gateway, troubles, deeds))
  const isCounted = async (): Promise<boolean> => {
    await Promise.all(last.map((visitor) => visitor.page()))
    return (await residue(gateway, fleet)).sessions === visitorsAtTheEnd
  }
  const isExact = await until('the sessions are counted', isCounted, 30_000).catch(() => false)
  await Promise.all(last.map((visitor) => visitor.leave()))
  const isNothing = async (): Promise<boolean> =>
    Object.values(await residue(gateway, fleet)).every((left) => left === 0)
  await until('nothing is left', isNothing, 60_000).catch(() => false)
  return { isExact, left: await residue(gateway, fleet) }
}

/** Kept connections of both sides rest for up to half a minute before they are closed. */
async function settledFootprint(gateway: Gateway, middle: Footprint): Promise<Footprint> {
  const isSmall = async (): Promise<Footprint | null> => {
    const now = await footprintOf(gateway)
    return leaksBetween(middle, now).length === 0 ? now : null
  }
  return until('it has settled', isSmall, 60_000).catch(() => footprintOf(gateway))
}

async function run(): Promise<number> {
  const gateway = await startGateway({
    t: owner,
    workers: 2,
    config: { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '8s' } }) },
    env: {
      AMARRE_LISTEN_HTTP: JSON.stringify({ address: '127.0.0.1:0', engine: values.engine }),
      AMARRE_LIMITS_DRAIN_ON_EXIT: '3s',
    },
  })
  const fleet = new SoakFleet(gateway, owner, troubles)
  await fleet.deploy()
  await Promise.all([
    trouble(gateway, fleet),
    watch(gateway),
    crawl(gateway),
    ...Array.from({ length: visitorsAtOnce }, () => visit(gateway)),
  ])
  const { isExact, left } = await countedAtTheEnd(gateway, fleet)
  // The first reading after the last worker was replaced and has warmed up; none in a short run.
  const warm = samples.find(({ minute }) => startedAt + minute * 60_000 > quietFrom + durationMs / 15)
  const middle = warm ?? (await footprintOf(gateway))
  const end = await settledFootprint(gateway, middle)
  const leaks = leaksBetween(middle, end)
  const code = await gateway.stop()
  troubles.stop()
  const { deployments, retirements, kills } = fleet
  const told = {
    engine: values.engine,
    minutes: Number(values.minutes),
    counts: { ...counts, ...deeds, deployments, retirements, targetKills: kills },
    standstills: troubles.standstills,
    samples,
    end,
    leaks,
    sessionsCountedExactly: isExact,
    left,
    exitCode: code,
    explained: Object.fromEntries(troubles.explained),
    unexplained: troubles.unexplained.slice(0, 20),
    unexplainedCount: troubles.unexplained.length,
  }
  process.stdout.write(`${JSON.stringify(told, null, 2)}\n`)
  const isClean = Object.values(left).every((each) => each === 0)
  const isSound = leaks.length === 0 && isExact && isClean && code === 0 && troubles.unexplained.length === 0
  if (!isSound) {
    const file = join(tmpdir(), `amarre-soak-${process.pid}.log`)
    await writeFile(file, gateway.log.join('\n'))
    process.stdout.write(`the gateway's log: ${file}\n`)
  }
  return isSound ? 0 : 1
}

const code = await run()
for (const end of ends.toReversed()) await end()
process.exitCode = code
