// What a crash may cost: nothing that a visitor notices beyond the connections of the process that died, and never a
// verdict that calls a release empty too early.
import t from 'tap'
import type { VerdictStatus } from '../../gateway/controlplane/admin-protocol.js'
import { siteWords } from '../fixtures/config-place.js'
import { Crowd, type Guest } from '../fixtures/crowd.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway } from '../fixtures/gateway.js'
import { VerdictWatch } from '../fixtures/verdict-watch.js'
import { Visitor } from '../fixtures/visitor.js'

const idleTimeoutMs = 4_000
/** Long enough that a slow machine ends nobody's session between two clicks. */
const shortIdle = { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '4s' } }) }
const shortPromiseMs = 4_500
/** Where nobody waits for the end of a session, none ends because a machine is slow. */
const longIdle = { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '2m' } }) }
const longPromiseMs = 135_000

function faultsOf(guests: readonly Guest[]): string[] {
  return guests.flatMap(({ faults }) => faults)
}

t.test('kill -9 of a worker, then of the whole gateway, while visitors go on', async (t) => {
  const gateway = await startGateway({ t, config: shortIdle })
  await deploy(gateway, '1.0.0', t)
  const crowd = new Crowd(gateway.url, 5)
  const watch = new VerdictWatch(gateway)
  crowd.walk(150)
  const first = await crowd.welcome(15)
  await deploy(gateway, '2.0.0', t)
  const second = await crowd.welcome(15)
  await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 15)

  await gateway.killWorker()
  await crowd.round()
  t.same(faultsOf(crowd.guests), [], 'a dead worker moves nobody')
  t.match(await gateway.waitForLog(/worker is gone/), /SIGKILL/)
  t.equal((await gateway.metrics()).value('amarre_workers_lost_total'), 1)

  await gateway.kill9()
  await gateway.restart()
  await crowd.round()
  await crowd.round()
  t.same(faultsOf(crowd.guests), [], 'everybody is on his release, target and basket after the restart')
  const restarted = await gateway.release('1.0.0')
  t.equal(restarted?.state, 'draining', 'a release is what it was')
  t.equal(restarted?.verdict.kind, 'blocked', 'and blocked')
  await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 15)
  await gateway.waitForRelease('2.0.0', ({ sessions }) => sessions.active === 15)

  const late = await crowd.welcome(5)
  t.same([...new Set(late.map(({ home }) => home.release))], ['2.0.0'])
  await crowd.logOut(first.slice(1))
  await crowd.rest(first.slice(0, 1))
  await gateway.waitForRelease('1.0.0', ({ state }) => state === 'retired')
  await watch.stop()
  await crowd.leave()
  t.same(
    watch.falselyEmpty(crowd.guests, idleTimeoutMs),
    [],
    'no verdict was retirable while a visitor could return',
  )
  t.same(faultsOf([...crowd.guests, ...second]), [])
})

t.test('a touch that a crash loses counts as a phantom, and the verdict waits for it', async (t) => {
  const gateway = await startGateway({ t, config: shortIdle })
  await deploy(gateway, '1.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  await visitor.go()
  await visitor.go()
  await deploy(gateway, '2.0.0', t)
  await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 1)
  await visitor.go()
  const touchedAt = Date.now()
  await gateway.kill9()
  await gateway.restart()
  const { verdict } = await gateway.waitForRelease('1.0.0', (release) =>
    release.verdict.reasons.some(({ by }) => by === 'phantoms'),
  )
  t.equal(verdict.kind, 'blocked', 'the verdict names the loss')
  t.ok(phantomUntil(verdict) >= touchedAt + shortPromiseMs, 'its bound covers the touch that was lost')
  t.ok((await gateway.events()).some(({ type }) => type === 'unclean-stop'))

  await gateway.waitForRelease('1.0.0', ({ state }) => state === 'retired')
  t.ok(Date.now() >= touchedAt + shortPromiseMs, 'the promise of the lost touch has passed')
})

t.test('a touch that dies with its worker counts as a phantom too', async (t) => {
  const gateway = await startGateway({ t, workers: 1, config: longIdle })
  await deploy(gateway, '1.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  await visitor.go()
  await visitor.go()
  await deploy(gateway, '2.0.0', t)
  await visitor.go()
  const touchedAt = Date.now()
  await gateway.killWorker()
  const { verdict } = await gateway.waitForRelease('1.0.0', (release) =>
    release.verdict.reasons.some(({ by }) => by === 'phantoms'),
  )
  t.equal(verdict.kind, 'blocked', 'the verdict names the loss')
  t.ok(phantomUntil(verdict) >= touchedAt + longPromiseMs)
  const page = (await visitor.go()).page
  t.equal(page.release, '1.0.0', 'another worker serves the visitor where he was')
  t.notOk(page.isNewSession)
})

/** Until when the loss counts as a session; other reasons may stand beside it while workers come back. */
function phantomUntil(verdict: VerdictStatus): number {
  const phantom = verdict.reasons.find(({ by }) => by === 'phantoms')
  return Date.parse(String(phantom?.['until']))
}
