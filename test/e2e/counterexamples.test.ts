// Stories in which simpler rules lose a session or call a release empty too early. Each of them happens to somebody.
import t from 'tap'
import { siteWords } from '../fixtures/config-place.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway } from '../fixtures/gateway.js'
import { until } from '../fixtures/until.js'
import { VerdictWatch } from '../fixtures/verdict-watch.js'
import { Crawler, Visitor } from '../fixtures/visitor.js'

function idling(idleTimeout: string) {
  return { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout } }) }
}

t.test('who reads his first page longer than the provisional time still finds his release', async (t) => {
  const gateway = await startGateway({ t, config: idling('5s') })
  await deploy(gateway, '1.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  const first = (await visitor.go()).page
  await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.provisional === 1)
  const watch = new VerdictWatch(gateway)
  await deploy(gateway, '2.0.0', t)
  const reading = await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.provisional === 0)
  t.same(
    reading.verdict.reasons.map(({ by }) => by),
    ['births'],
    'the promise made at his birth blocks',
  )
  const { page } = await visitor.go()
  t.match(page, { release: '1.0.0', target: first.target, session: first.session, isNewSession: false })
  await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 1)
  await watch.stop()
  t.equal(watch.emptySightingOf('1.0.0'), null)
})

t.test(
  'an event stream open longer than the idle time, then a reload: the session is where it was',
  async (t) => {
    const gateway = await startGateway({ t, config: idling('1s') })
    const [a, b] = await deploy(gateway, '1.0.0', t)
    const visitor = new Visitor(gateway.url, { t })
    const first = (await visitor.go()).page
    const stream = await visitor.open('/events')
    const chunks: string[] = []
    stream.body.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk))
    await until('the stream begins', () => chunks.join('').includes('data: 1.0.0'))
    t.ok(
      stream.setCookies.some((line) => line.startsWith('amarre=')),
      'the stream hands out a held token',
    )
    const openedAt = Date.now()
    await deploy(gateway, '2.0.0', t)
    const watch = new VerdictWatch(gateway)
    await until('two promises have passed', () => Date.now() > openedAt + 2_500)
    for (const application of [a, b]) application?.say('still here')
    await until('the stream goes on', () => chunks.join('').includes('still here'))
    const open = await gateway.release('1.0.0')
    t.ok(open?.verdict.reasons.some(({ by }) => by === 'exchanges'))
    t.equal(open?.exchangesOpen, 1)
    t.equal(open?.sessions.active, 1, 'a session counts while its stream is open')
    stream.abort()
    const { page } = await visitor.go()
    t.match(page, { release: '1.0.0', target: first.target, session: first.session, isNewSession: false })
    t.equal(watch.emptySightingOf('1.0.0'), null)

    const leftAt = Date.now()
    await gateway.waitForRelease('1.0.0', ({ state }) => state === 'retired')
    await watch.stop()
    t.ok(
      (watch.emptySightingOf('1.0.0')?.askedAt ?? 0) >= leftAt + 1_000,
      'the session counts until its end, idle and grain',
    )
    const { page: after } = await visitor.go()
    t.equal(after.release, '2.0.0', 'a held token is honoured while its release serves, and no longer')
  },
)

t.test('a worker on the old table: no births for a release that not every worker serves', async (t) => {
  const gateway = await startGateway({ t, config: idling('30s') })
  await deploy(gateway, '1.0.0', t)
  const crawlers = Array.from({ length: 16 }, () => new Crawler(gateway.url, { t }))
  await Promise.all(crawlers.map((crawler) => crawler.go()))
  const [stopped = 0] = await gateway.workers()
  process.kill(stopped, 'SIGSTOP')

  const met: string[] = []
  let waiting = 0
  const ask = (crawler: Crawler): void => {
    waiting++
    void crawler.go().then((answer) => {
      waiting--
      met.push(answer.status === 200 ? answer.page.release : answer.text)
      // Who was answered has a worker that runs, and asks on.
      if (isStopped) ask(crawler)
    })
  }
  let isStopped = true
  for (const crawler of crawlers) ask(crawler)
  const dropped = deploy(gateway, '2.0.0', t)
  await gateway.waitForRelease('2.0.0', ({ state }) => state === 'staged')
  const seen = met.length
  await until('births go on', () => met.length > seen + 200)
  t.equal((await gateway.release('2.0.0'))?.state, 'staged', 'it waits for the worker that does not answer')
  t.same([...new Set(met)], ['1.0.0'], 'no birth reaches it')
  isStopped = false
  process.kill(stopped, 'SIGCONT')
  await dropped
  await until('everybody has been answered', () => waiting === 0)
  t.same(
    (await Promise.all(crawlers.map((crawler) => crawler.go()))).map(({ page }) => page.release),
    Array(16).fill('2.0.0'),
  )
})

t.test('a worker that stays silent is killed, and then births go on', async (t) => {
  const gateway = await startGateway({ t, config: idling('30s') })
  await deploy(gateway, '1.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  const { page } = await visitor.go()
  const before = await gateway.workers()
  process.kill(before[0] ?? 0, 'SIGSTOP')
  await deploy(gateway, '2.0.0', t)
  await gateway.waitForLog(/worker is silent and is killed/)
  t.notOk((await gateway.workers()).includes(before[0] ?? 0))
  const back = await visitor.go()
  t.match(
    back.page,
    { release: '1.0.0', target: page.target, isNewSession: false },
    'its visitors go on by another',
  )
  // What it saw last may be lost.
  await gateway.waitForRelease('1.0.0', ({ verdict }) => verdict.reasons.some(({ by }) => by === 'phantoms'))
})

t.test('a payment page that returns by a cross-site POST', async (t) => {
  const gateway = await startGateway({
    t,
    config: { ...idling('30s'), 'gateway.yaml': 'trustedProxies: [127.0.0.1]' },
  })
  await deploy(gateway, '1.0.0', t)
  const [plain, secure] = [new Visitor(gateway.url, { t }), new Visitor(gateway.url, { t, isSecure: true })]
  const [plainHome, secureHome] = [(await plain.go()).page, (await secure.go()).page]
  const line = (await new Visitor(gateway.url, { t, isSecure: true }).go()).setCookies.find((each) =>
    each.includes('amarre'),
  )
  t.match(line, /^__Host-amarre=[\w-]+; Max-Age=\d+; Path=\/; HttpOnly; Secure; SameSite=None$/)
  await deploy(gateway, '2.0.0', t)

  const returned = await plain.returnByPost('/status?code=200', 'receipt=1')
  t.equal(returned.status, 200)
  t.notOk(
    returned.setCookies.some((each) => each.startsWith('amarre=')),
    'on plain HTTP the pin is not overwritten',
  )
  t.match((await plain.go()).page, { release: '1.0.0', target: plainHome.target, session: plainHome.session })

  const { page } = await secure.returnByPost('/paid', 'receipt=1')
  t.match(page, { release: '1.0.0', target: secureHome.target }, 'under TLS the pin comes with the POST')
})
