// The main job, end to end: three releases deployed one after the other by file drop while visitors and crawlers go on
// asking. Every session stays where it began, newcomers board the newest, and an old release is retirable when, and
// only when, nobody is left on it.
import t from 'tap'
import { Crowd, type Guest } from '../fixtures/crowd.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway, type Gateway } from '../fixtures/gateway.js'
import { siteWords } from '../fixtures/config-place.js'
import { until } from '../fixtures/until.js'
import { VerdictWatch } from '../fixtures/verdict-watch.js'
import { Visitor } from '../fixtures/visitor.js'

const idleTimeoutMs = 2_000
const quietPeriodMs = 300
/** A worker reports five times a second, verdicts are passed five times a second; the rest is for a busy machine. */
const reportingDelayMs = 1_500

function homesOf(guests: readonly Guest[]): string[] {
  return [...new Set(guests.map(({ home }) => home.release))]
}

t.test('three releases while 50 visitors and 20 crawlers go on', async (t) => {
  const gateway = await startGateway({ t })
  const crowd = new Crowd(gateway.url, 20)
  await deploy(gateway, '1.0.0', t)
  const watch = new VerdictWatch(gateway)
  crowd.walk(150)

  const first = await crowd.welcome(20)
  t.same(homesOf(first), ['1.0.0'], 'the first visitors board the first release')
  await crowd.round()
  await deploy(gateway, '2.0.0', t)
  const second = await crowd.welcome(15)
  t.same(homesOf(second), ['2.0.0'], 'new visitors board the second release as soon as it is active')
  await crowd.round()
  await deploy(gateway, '3.0.0', t)
  const third = await crowd.welcome(15)
  t.same(homesOf(third), ['3.0.0'], 'new visitors board the third release as soon as it is active')

  const homes = { '1.0.0': first, '2.0.0': second, '3.0.0': third }
  for (const [version, guests] of Object.entries(homes)) {
    await gateway.waitForRelease(version, ({ sessions }) => sessions.active === guests.length)
  }
  t.equal((await gateway.release('1.0.0'))?.state, 'draining')
  const exposition = await gateway.metrics()
  t.same(
    exposition.by('release', 'amarre_sessions_active'),
    { '1.0.0': 20, '2.0.0': 15, '3.0.0': 15 },
    'the active count is the number of visitors exactly, crawlers count for nothing',
  )
  t.ok(exposition.sum('amarre_sessions_started_total') > 50 + 20, 'crawlers are births')

  await crowd.logOut(first.slice(0, 10))
  await crowd.rest(first.slice(10))
  const lastOfFirst = Math.max(...first.map((guest) => guest.lastAnsweredAt))
  await gateway.waitForRelease('1.0.0', ({ state }) => state === 'retired')
  await crowd.logOut(second)
  const lastOfSecond = Math.max(...second.map((guest) => guest.endedAt))
  await gateway.waitForRelease('2.0.0', ({ state }) => state === 'retired')
  await watch.stop()
  await crowd.leave()

  const retirableAt = await instantsOf(gateway, 'retirable')
  t.ok(
    (retirableAt['1.0.0'] ?? 0) >= lastOfFirst + idleTimeoutMs,
    'a release empties after its last visitor idled',
  )
  t.ok((retirableAt['2.0.0'] ?? 0) >= lastOfSecond, 'a release empties after its last visitor logged out')
  const bounds = watch.boundsOf('1.0.0', lastOfFirst + reportingDelayMs)
  t.ok(bounds.length > 0, 'a bound is given')
  const earliest = Math.min(...bounds.map(({ bound }) => bound))
  const late = (retirableAt['1.0.0'] ?? Infinity) - (earliest + quietPeriodMs + reportingDelayMs)
  t.ok(late <= 0, 'the verdict keeps the bound that it gave', { late })
  t.same(
    watch.falselyEmpty(crowd.guests, idleTimeoutMs),
    [],
    'no verdict was retirable while a visitor could return',
  )
  const tooMany = watch.sightings.filter(
    ({ version, active }) => active > (homes[version as '1.0.0']?.length ?? 0),
  )
  t.same(tooMany, [], 'the active count never exceeded the visitors')
  t.same(
    crowd.guests.flatMap(({ faults }) => faults),
    [],
    'nobody left his release, target or basket',
  )
  t.equal(
    crowd.guests.reduce((sum, guest) => sum + guest.unanswered + guest.visitor.resent, 0),
    0,
    'no request failed',
  )
  t.same(crowd.crawlerFaults, [], 'no crawler was refused')
  t.same(
    [...crowd.crawled.keys()].toSorted(),
    ['1.0.0', '2.0.0', '3.0.0'],
    'crawlers follow the newest release',
  )
  t.equal((await gateway.release('3.0.0'))?.state, 'active')
  t.equal(await gateway.stop(), 0)
})

/** When releases last came into a state, by the event log. */
async function instantsOf(gateway: Gateway, state: string): Promise<Record<string, number>> {
  const events = (await gateway.events()).filter(({ to, release }) => to === state && release !== null)
  return Object.fromEntries(events.toReversed().map(({ release, at }) => [release ?? '', Date.parse(at)]))
}

t.test('parallel first requests: each is a birth, and the visitor counts once', async (t) => {
  const gateway = await startGateway({
    t,
    config: { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '30s' } }) },
  })
  await deploy(gateway, '1.0.0', t)
  const visitors = Array.from({ length: 20 }, () => new Visitor(gateway.url, { t }))
  const answers = await Promise.all(
    visitors.flatMap((visitor) => [visitor.go('/'), visitor.fetch('/a'), visitor.fetch('/b')]),
  )
  t.same([...new Set(answers.map(({ page }) => page.release))], ['1.0.0'])
  t.ok(
    answers.every(({ setCookies }) => setCookies.some((line) => line.startsWith('amarre='))),
    'each got a token',
  )
  const settled = await until('60 births are counted', async () => {
    const release = await gateway.release('1.0.0')
    return (release?.births ?? 0) >= 60 ? release : null
  })
  t.equal(settled.births, 60, 'births are first requests')
  t.equal(settled.sessions.active, 0, 'nobody has come back yet')

  const returns = await Promise.all(visitors.map((visitor) => visitor.go('/')))
  t.ok(
    returns.every(({ page }) => !page.isNewSession),
    'the kept token and the kept application cookie go together',
  )
  const confirmed = await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active >= 20)
  t.equal(
    confirmed.sessions.active,
    20,
    'a visitor has one token, the last that he was given, and counts once',
  )
  t.equal(confirmed.births, 60)
  for (const visitor of visitors) await visitor.go('/')
  t.equal((await gateway.release('1.0.0'))?.sessions.active, 20)
})
