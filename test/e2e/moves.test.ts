// Sessions that change their release, end to end: at a page where the new release takes over, by an operator's recall,
// off a release that is dead, and out of one whose end was announced. Releases share their baskets, as they must for it.
import t from 'tap'
import { siteWords } from '../fixtures/config-place.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway, type Gateway } from '../fixtures/gateway.js'
import { until } from '../fixtures/until.js'
import { Visitor, type Answer } from '../fixtures/visitor.js'

const releaseOf = ({ page }: Answer): string => page.release
const sessionOf = ({ page }: Answer): string => page.headers['amarre-session'] ?? ''

/** How many sessions moved, by cause. */
async function movedBy(gateway: Gateway): Promise<Record<string, number>> {
  return (await gateway.metrics()).by('reason', 'amarre_sessions_moved_total')
}

t.test('taken over at the next page, recalled with a rate, never to what cannot take them', async (t) => {
  const gateway = await startGateway({
    t,
    config: { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '60s' } }) },
  })
  const sessions = new Map<string, string[]>()
  await deploy(gateway, '1.0.0', t, { sessions })
  const visitor = new Visitor(gateway.url, { t })
  await visitor.go('/add?item=anchor')
  const before = await visitor.go('/')
  t.equal(releaseOf(before), '1.0.0')

  await deploy(gateway, '2.0.0', t, {
    sessions,
    words: { compatibleFrom: '1.0.0', takeOver: 'onDocument' },
  })
  await gateway.waitForRelease('1.0.0', ({ moves }) => moves?.because === 'takeover')
  t.equal(releaseOf(await visitor.part('/app.js')), '1.0.0', 'a script of the open page stays')
  t.equal(releaseOf(await visitor.fetch('/api')), '1.0.0', 'and what it fetches')
  t.equal(releaseOf(await visitor.post('/order', 'rope=1')), '1.0.0', 'and a form')
  const [page, late] = await Promise.all([visitor.go('/'), visitor.fetch('/late')])
  t.equal(releaseOf(page), '2.0.0', 'the next page moves')
  t.ok(['1.0.0', '2.0.0'].includes(releaseOf(late)), 'what goes on meanwhile is served')
  t.same(page.page.basket, ['anchor'], 'the basket is kept')
  t.equal(sessionOf(page), sessionOf(before), 'it is the same session')
  t.equal(releaseOf(await visitor.fetch('/api')), '2.0.0', 'and all that follows is on the new release')
  await until('the move is counted', async () => (await movedBy(gateway))['takeover'] === 1)
  t.equal((await gateway.metrics()).value('amarre_sessions_moved_total', { from: '1.0.0', to: '2.0.0' }), 1)
  const counts = await until('and its session is where it is', async () => {
    const active = (await gateway.metrics()).by('release', 'amarre_sessions_active')
    return active['2.0.0'] === 1 ? active : null
  })
  t.equal(counts['1.0.0'], 0)

  const others = Array.from({ length: 3 }, () => new Visitor(gateway.url, { t }))
  for (const other of others) await other.go('/')
  await deploy(gateway, '3.0.0', t, { sessions, words: { takeOver: 'onDocument' } })
  t.equal(releaseOf(await visitor.go('/')), '2.0.0', 'what is incompatible takes nobody over')
  const refused = await gateway.amarre('recall', 'shop', '2.0.0', '--to', '3.0.0', '--force')
  t.not(refused.code, 0)
  t.match(refused.stderr, /recall-incompatible.*"3\.0\.0" can take over sessions from "3\.0\.0" on/)

  await deploy(gateway, '4.0.0', t, { sessions, words: { compatibleFrom: '2.0.0' } })
  const started = Date.now()
  const recalled = await gateway.amarre('recall', 'shop', '2.0.0', '--to', '4.0.0', '--rate', '1/s')
  t.equal(recalled.code, 0)
  t.match(recalled.stdout, /sessions? moves? to 4\.0\.0, each at the next page, 1 a second at most/)
  const first = await Promise.all(others.map((other) => other.go('/')))
  const moved = first.filter((answer) => releaseOf(answer) === '4.0.0').length
  // Each of two workers may move one at once, and both together one a second.
  t.ok(moved <= 2 + (Date.now() - started) / 1000, `${moved} moved`)
  t.ok(first.every((answer) => ['2.0.0', '4.0.0'].includes(releaseOf(answer))))
  for (const each of [visitor, ...others]) {
    await until('he moves too', async () => releaseOf(await each.go('/')) === '4.0.0')
  }
  await until('each has moved once', async () => (await movedBy(gateway))['recall'] === 4)
  t.match((await gateway.amarre('status')).stdout, /2\.0\.0: sessions move to 4\.0\.0 at the next page/)
  const cancelled = await gateway.amarre('recall', 'shop', '2.0.0', '--cancel')
  t.match(cancelled.stdout, 'shop 2.0.0 is not recalled')
  t.equal((await gateway.release('2.0.0'))?.moveOrder, null)
})

t.test('a dead release: its sessions move at a page, or get one with a way out', async (t) => {
  const health = { deadAfter: '1s', unhealthyAfter: 1 }
  const gateway = await startGateway({
    t,
    config: { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '60s' }, health }) },
  })
  const sessions = new Map<string, string[]>()
  const [only] = await deploy(gateway, '1.0.0', t, { sessions, targets: ['a'] })
  const visitor = new Visitor(gateway.url, { t })
  await visitor.go('/add?item=anchor')
  await visitor.go('/')
  await deploy(gateway, '2.0.0', t, { sessions, words: { compatibleFrom: '1.0.0' } })
  await only?.stop()
  await gateway.waitForRelease('1.0.0', ({ dead }) => dead)
  const failed = await visitor.post('/order', 'rope=1')
  t.equal(failed.status, 503, 'a form is never moved')
  t.ok(failed.headers['retry-after'])
  const page = await visitor.go('/')
  t.equal(releaseOf(page), '2.0.0')
  t.same(page.page.basket, ['anchor'])
  await until('it is counted', async () => (await movedBy(gateway))['gone'] === 1)

  const [another] = await deploy(gateway, '3.0.0', t, { sessions, targets: ['a'] })
  const stranded = new Visitor(gateway.url, { t })
  await stranded.go('/')
  await stranded.go('/')
  await deploy(gateway, '4.0.0', t, { sessions })
  await another?.stop()
  await gateway.waitForRelease('3.0.0', ({ dead }) => dead)
  const refused = await stranded.go('/')
  t.equal(refused.status, 503, 'nothing can take it')
  t.ok(refused.headers['retry-after'])
  t.match(refused.text, 'href="/?amarre-session=new"')
  t.equal((await stranded.go('/?amarre-session=new')).status, 303)
  t.equal(releaseOf(await stranded.go('/')), '4.0.0', 'a new session, because he asked for it')
})

t.test(
  'onOverflow: end is announced on every answer, then whoever is left is born anew, and counted',
  async (t) => {
    const retain = { previous: 0, onOverflow: 'end' }
    const gateway = await startGateway({
      t,
      config: { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '3s' }, retain }) },
    })
    await deploy(gateway, '1.0.0', t)
    const visitor = new Visitor(gateway.url, { t })
    await visitor.go('/')
    t.equal((await visitor.go('/')).headers['amarre-release-ends'], undefined)
    const deployedAt = Date.now()
    await deploy(gateway, '2.0.0', t)
    const { endsAt } = await gateway.waitForRelease('1.0.0', (release) => release.endsAt !== null)
    const end = Date.parse(endsAt ?? '')
    t.ok(end >= deployedAt + 3_000, 'at least one idle time ahead')
    const announced = await visitor.go('/')
    t.equal(releaseOf(announced), '1.0.0')
    t.equal(Date.parse(String(announced.headers['amarre-release-ends'])), Math.floor(end / 1000) * 1000)
    t.equal(
      (await gateway.metrics()).value('amarre_release_ends_timestamp_seconds', { release: '1.0.0' }),
      end / 1000,
    )
    let last = announced
    await until(
      'he meets the new release',
      async () => {
        last = await visitor.go('/')
        return last.status === 200 && releaseOf(last) === '2.0.0'
      },
      30_000,
    )
    t.ok(Date.now() >= end, 'not before its announced end')
    t.equal(last.page.isNewSession, true)
    await gateway.waitForRelease('1.0.0', ({ state }) => state === 'retired', { limitMs: 30_000 })
    const ended = { release: '1.0.0', reason: 'overflow' }
    await until('its session has ended', async () => {
      return (await gateway.metrics()).value('amarre_sessions_ended_total', ended) === 1
    })
    const types = (await gateway.events()).map(({ type }) => type)
    t.ok(types.includes('end-announced'))
  },
)
