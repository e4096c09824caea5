// A promise that was made is kept: whatever becomes of the policy, of the keys, or of who else makes promises.
import { join } from 'node:path'
import t from 'tap'
import { siteWords } from '../fixtures/config-place.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway, temporaryDirectory } from '../fixtures/gateway.js'
import { writeKeyRing } from '../fixtures/key-ring-file.js'
import { until } from '../fixtures/until.js'
import { VerdictWatch } from '../fixtures/verdict-watch.js'
import { Visitor } from '../fixtures/visitor.js'

function site(idleTimeout: string): string {
  return siteWords({ session: { idleTimeout } })
}

t.test(
  'a shorter idle time: tokens in hand are honoured to their end, the next ones are shorter',
  async (t) => {
    const gateway = await startGateway({ t, config: { 'sites/shop/site.yaml': site('3s') } })
    await deploy(gateway, '1.0.0', t)
    const [returning, staying] = [new Visitor(gateway.url, { t }), new Visitor(gateway.url, { t })]
    await Promise.all([returning.go(), staying.go()])
    await Promise.all([returning.go(), staying.go()])
    await deploy(gateway, '2.0.0', t)
    await returning.go()
    const answeredAt = Date.now()
    const watch = new VerdictWatch(gateway)
    await gateway.config.write('sites/shop/site.yaml', site('500ms'))
    await until('the new idle time has passed', () => Date.now() > answeredAt + 1_500)
    const { page } = await returning.go()
    t.match(page, { release: '1.0.0', isNewSession: false }, 'his token is honoured to its end')
    const returnedAt = Date.now()
    t.equal(watch.emptySightingOf('1.0.0'), null, 'the verdict waited for it')
    const retired = await gateway.waitForRelease('1.0.0', ({ state }) => state === 'retired')
    await watch.stop()
    t.ok(Date.parse(retired.since) >= returnedAt + 500, 'and for the one that he got then')
  },
)

t.test('a longer idle time: it holds from the next token on, and the verdict waits for that', async (t) => {
  const gateway = await startGateway({ t, config: { 'sites/shop/site.yaml': site('1500ms') } })
  await deploy(gateway, '1.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  await visitor.go()
  await gateway.config.write('sites/shop/site.yaml', site('4s'))
  await until('the policy is in force', async () =>
    (await gateway.events()).some(({ type }) => type === 'policy'),
  )
  const token = visitor.token
  await until('he has a new token', async () => {
    await visitor.go()
    return visitor.token !== token
  })
  await deploy(gateway, '2.0.0', t)
  const watch = new VerdictWatch(gateway)
  const before = Date.now()
  await visitor.go()
  await until('the former promise has passed', () => Date.now() > before + 2_400)
  const { page } = await visitor.go()
  t.match(page, { release: '1.0.0', isNewSession: false })
  await watch.stop()
  t.equal(watch.emptySightingOf('1.0.0'), null)
})

t.test(
  "two gateways with the same keys: each honours the other's tokens, and is unsure because of them",
  async (t) => {
    const keys = join(await temporaryDirectory('keys'), 'keys.json')
    await writeKeyRing(keys, [1])
    const [one, other] = await Promise.all(
      [1, 2].map(() => startGateway({ t, workers: 1, env: { AMARRE_KEYS_FILE: keys } })),
    )
    if (one === undefined || other === undefined) throw new Error('two gateways were started')
    const targets = await deploy(one, '1.0.0', t)
    await other.deploy(
      '1.0.0',
      targets.map(({ url }) => url),
    )
    const visitor = new Visitor(one.url, { t })
    const home = (await visitor.go()).page
    const bornAt = Date.now()
    const newer = await deploy(one, '2.0.0', t)
    await other.deploy(
      '2.0.0',
      newer.map(({ url }) => url),
    )
    const elsewhere = new Visitor(other.url, { t })
    for (const [name, cookie] of visitor.jar) elsewhere.jar.set(name, cookie)
    const { page } = await elsewhere.go()
    t.match(
      page,
      { release: '1.0.0', target: home.target, session: home.session },
      'keys are all that routing needs',
    )

    await until('most of the promise of his birth has passed', async () => {
      await elsewhere.go()
      return Date.now() > bornAt + 1_500
    })

    const again = new Visitor(one.url, { t })
    for (const [name, cookie] of elsewhere.jar) again.jar.set(name, cookie)
    const watch = new VerdictWatch(one)
    await again.go('/logout')
    const seenAt = Date.now()
    const unsure = await one.waitForRelease('1.0.0', ({ verdict: { kind } }) => kind === 'unknown')
    t.same(
      unsure.verdict.reasons.map(({ because }) => because),
      ['foreign-tokens'],
    )
    t.ok(Number.isNaN((await one.metrics()).value('amarre_release_retirable', { release: '1.0.0' })))
    await one.waitForRelease('1.0.0', ({ state }) => state === 'retired')
    await watch.stop()
    t.ok(
      (watch.emptySightingOf('1.0.0')?.askedAt ?? 0) >= seenAt + 2_000,
      'for one promise after the last of them',
    )
  },
)
