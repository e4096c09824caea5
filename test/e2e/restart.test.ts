// What a restart knows: everything after an orderly stop, nothing without its saved state; and what it then says.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { openLmdbStore } from '../../gateway/adapters/lmdb-store.js'
import { siteWords } from '../fixtures/config-place.js'
import { Crowd, type Guest } from '../fixtures/crowd.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway, temporaryDirectory, type Gateway } from '../fixtures/gateway.js'
import { writeKeyRing } from '../fixtures/key-ring-file.js'
import type { Owner } from '../fixtures/owner.js'
import { VerdictWatch } from '../fixtures/verdict-watch.js'

/** Long enough for a restart on a busy machine. */
const idleTimeoutMs = 8_000
const promiseMs = idleTimeoutMs * 1.125

function faultsOf(guests: readonly Guest[]): string[] {
  return guests.flatMap(({ faults }) => faults)
}

/** Six visitors on 1.0.0, all known, and 2.0.0 has the births. */
async function crowdOnFormer(t: Owner): Promise<{ readonly gateway: Gateway; readonly crowd: Crowd }> {
  const gateway = await startGateway({
    t,
    config: { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '8s' } }) },
  })
  await deploy(gateway, '1.0.0', t)
  const crowd = new Crowd(gateway.url)
  await crowd.welcome(6)
  await deploy(gateway, '2.0.0', t)
  await crowd.round()
  await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 6)
  return { gateway, crowd }
}

t.test('without saved state a verdict is unknown until a whole promise has passed', async (t) => {
  const keys = join(await temporaryDirectory('keys'), 'keys.json')
  await writeKeyRing(keys, [1])
  const gateway = await startGateway({
    t,
    env: { AMARRE_KEYS_FILE: keys },
    config: { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '8s' } }) },
  })
  await deploy(gateway, '1.0.0', t)
  const crowd = new Crowd(gateway.url)
  await crowd.welcome(8)
  await deploy(gateway, '2.0.0', t)
  await crowd.welcome(8)
  await crowd.round()
  const lastAnswerAt = Date.now()
  await gateway.kill9()
  await rm(gateway.stateDirectory, { recursive: true })

  const startedAt = Date.now()
  const watch = new VerdictWatch(gateway)
  await gateway.restart()
  const { state, verdict } = await gateway.waitForRelease('1.0.0', (release) =>
    release.verdict.reasons.some(({ because }) => because === 'state-lost'),
  )
  t.equal(state, 'draining')
  t.equal(verdict.kind, 'unknown', 'nothing is known of what was promised')
  t.ok(Number.isNaN((await gateway.metrics()).value('amarre_release_retirable', { release: '1.0.0' })))
  await crowd.round()
  t.ok(Date.now() < lastAnswerAt + idleTimeoutMs, 'the visitors come back within their idle time')
  t.same(
    faultsOf(crowd.guests),
    [],
    'keys that were kept lead everybody back to his release, target and basket',
  )
  await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 8)
  const known = await gateway.waitForRelease('1.0.0', ({ verdict: { kind } }) => kind !== 'unknown')
  t.equal(
    known.verdict.kind,
    'blocked',
    'while a session is known the verdict is blocked, whatever else is unknown',
  )

  await crowd.logOut(crowd.guests)
  await gateway.waitForRelease('1.0.0', ({ state }) => state === 'retired', { limitMs: 15_000 })
  await watch.stop()
  await crowd.leave()
  const emptied = watch.emptySightingOf('1.0.0')
  t.ok((emptied?.askedAt ?? 0) >= startedAt + promiseMs, 'retirable only after one whole promise')
  t.same(watch.falselyEmpty(crowd.guests, idleTimeoutMs), [])
})

t.test(
  'saved sessions that cannot be read are given up: everybody is served, and no verdict is made of what is left',
  async (t) => {
    const { gateway, crowd } = await crowdOnFormer(t)
    t.equal(await gateway.stop(), 0)
    const store = await openLmdbStore(gateway.stateDirectory)
    await store.saveSessions({
      batchNumber: 1e6,
      batch: Buffer.from('torn'),
      segments: new Map(),
      forgetThrough: 0,
    })
    await store.close()

    const startedAt = Date.now()
    const watch = new VerdictWatch(gateway)
    await gateway.restart()
    await gateway.waitForLog(/the saved sessions cannot be read and are given up/)
    await crowd.round()
    t.same(faultsOf(crowd.guests), [], 'everybody is on his release')
    const doubted = await gateway.release('1.0.0')
    t.ok(doubted?.verdict.kind !== 'retirable')
    await crowd.logOut(crowd.guests)
    await gateway.waitForRelease('1.0.0', ({ verdict }) =>
      verdict.reasons.some(({ because }) => because === 'state-lost'),
    )
    t.equal(await gateway.stop(), 0)
    await gateway.restart()
    await gateway.waitForRelease('1.0.0', ({ state }) => state === 'retired', { limitMs: 15_000 })
    await watch.stop()
    await crowd.leave()
    const emptied = watch.emptySightingOf('1.0.0')
    t.ok((emptied?.askedAt ?? 0) >= startedAt + promiseMs, 'a restart does not end the doubt')
    t.same(watch.falselyEmpty(crowd.guests, idleTimeoutMs), [])
  },
)

t.test('an orderly stop knows everything, and the time that it took idles nobody', async (t) => {
  const { gateway, crowd } = await crowdOnFormer(t)
  t.equal(await gateway.stop(), 0)
  const stoppedAt = Date.now()
  await gateway.restart()
  const downMs = Date.now() - stoppedAt
  const { verdict, sessions } = await gateway.waitForRelease(
    '1.0.0',
    ({ verdict: { kind } }) => kind === 'blocked',
  )
  t.notOk(
    verdict.reasons.some(({ by }) => by === 'phantoms'),
    'nothing was lost',
    { verdict },
  )
  t.equal(sessions.active, 6)
  const lastClickAt = Math.max(...crowd.guests.map(({ lastAnsweredAt }) => lastAnsweredAt))
  t.ok(
    Date.parse(verdict.at ?? '') >= lastClickAt + idleTimeoutMs + downMs * 0.5,
    'the span is added to the promises',
    {
      downMs,
      boundAfterClickMs: Date.parse(verdict.at ?? '') - lastClickAt,
    },
  )
  await crowd.round()
  t.same(faultsOf(crowd.guests), [])
  await crowd.leave()
})
