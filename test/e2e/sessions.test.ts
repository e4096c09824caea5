// Sessions as their owners end them, and releases as operators take them away and bring them back.
import t from 'tap'
import { request } from 'undici'
import type { Page } from '../fixtures/application.js'
import { registrationPath, siteWords } from '../fixtures/config-place.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway } from '../fixtures/gateway.js'
import { until } from '../fixtures/until.js'
import { Visitor } from '../fixtures/visitor.js'

const longIdle = { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '30m' } }) }

t.test(
  '`Amarre-Session: end` ends the session, and the next visit is a birth on the newest release',
  async (t) => {
    const gateway = await startGateway({ t, config: longIdle })
    await deploy(gateway, '1.0.0', t)
    const [leaving, staying] = [new Visitor(gateway.url, { t }), new Visitor(gateway.url, { t })]
    for (const visitor of [leaving, staying, leaving, staying]) await visitor.go()
    await deploy(gateway, '2.0.0', t)
    await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 2)
    const kept = leaving.token ?? ''
    const farewell = await leaving.go('/logout')
    t.match(
      farewell.setCookies.find((line) => line.startsWith('amarre=')),
      /^amarre=; Max-Age=0; Path=\//,
    )
    t.notHas(farewell.headers, 'amarre-session', 'the word is between the application and the gateway')
    t.equal(leaving.token, null)
    await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 1)
    t.equal((await leaving.go()).page.release, '2.0.0')
    t.equal((await staying.go()).page.release, '1.0.0')

    const old = await request(`${gateway.url}/`, {
      headers: { cookie: `amarre=${kept}`, accept: '*/*', 'sec-fetch-dest': 'empty' },
    })
    t.equal(
      ((await old.body.json()) as Page).release,
      '1.0.0',
      'what was in flight still reaches its release',
    )
    t.notOk(
      [old.headers['set-cookie'] ?? []].flat().some((line) => line.startsWith('amarre=')),
      'and revives nothing',
    )
    t.equal((await gateway.release('1.0.0'))?.sessions.active, 1)
    const exposition = await gateway.metrics()
    t.equal(exposition.value('amarre_sessions_ended_total', { release: '1.0.0', reason: 'signal' }), 1)
  },
)

t.test('a session that idled meets the newest release at its next navigation, not before', async (t) => {
  const config = {
    'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '400ms' }, retire: { quietPeriod: '1m' } }),
  }
  const gateway = await startGateway({ t, config })
  await deploy(gateway, '1.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  await visitor.go()
  await visitor.go()
  await deploy(gateway, '2.0.0', t)
  await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 0)
  await until('the promise has passed', async () => {
    const { verdict } = (await gateway.release('1.0.0')) ?? {}
    return verdict?.reasons.some(({ by }) => by === 'quiet-period')
  })
  t.match(
    (await visitor.fetch('/api')).page,
    { release: '1.0.0', isNewSession: false },
    'a page that is open goes on',
  )
  t.match(
    (await visitor.post('/form', 'x=1')).page,
    { release: '1.0.0', isNewSession: false },
    'a form is never replayed',
  )
  await gateway.waitForRelease('1.0.0', ({ verdict }) => verdict.reasons.some(({ by }) => by === 'sessions'))
  await until('he has idled again', async () => {
    const release = await gateway.release('1.0.0')
    return release?.verdict.reasons.some(({ by }) => by === 'quiet-period')
  })
  t.equal((await visitor.go()).page.release, '2.0.0')
})

t.test('withdrawn and dropped again: sessions stay, births come back', async (t) => {
  const gateway = await startGateway({ t, config: longIdle })
  await deploy(gateway, '1.0.0', t)
  await deploy(gateway, '2.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  const home = (await visitor.go()).page
  await visitor.go()
  const file = registrationPath('shop', '2.0.0')
  const text = await gateway.config.read(file)
  await gateway.config.withdraw('shop', '2.0.0')
  const withdrawn = await gateway.waitForRelease('2.0.0', ({ state }) => state === 'draining')
  t.equal(withdrawn.withdrawn, true)
  await gateway.waitForRelease('1.0.0', ({ state }) => state === 'active')
  t.match((await visitor.go()).page, { release: '2.0.0', session: home.session, isNewSession: false })
  t.equal(
    (await new Visitor(gateway.url, { t }).go()).page.release,
    '1.0.0',
    'births go to the last good one',
  )

  await gateway.config.write(file, text)
  const back = await gateway.waitForRelease('2.0.0', ({ state }) => state === 'active')
  t.equal(back.withdrawn, false)
  t.match((await visitor.go()).page, { release: '2.0.0', session: home.session, isNewSession: false })
  t.equal((await new Visitor(gateway.url, { t }).go()).page.release, '2.0.0')
  const types = (await gateway.events()).filter(({ release }) => release === '2.0.0').map(({ type }) => type)
  t.ok(types.includes('withdrawn') && types.includes('restored'))
})

t.test('withdrawn for good: the release goes when its last session has gone', async (t) => {
  const gateway = await startGateway({ t })
  await deploy(gateway, '1.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  await visitor.go()
  await visitor.go()
  await deploy(gateway, '2.0.0', t)
  await gateway.config.withdraw('shop', '1.0.0')
  await gateway.waitForRelease('1.0.0', ({ withdrawn }) => withdrawn)
  t.equal((await visitor.go()).page.release, '1.0.0')
  await visitor.go('/logout')
  await until('it is gone', async () => (await gateway.release('1.0.0')) === null)
  t.equal((await visitor.go()).page.release, '2.0.0')
})
