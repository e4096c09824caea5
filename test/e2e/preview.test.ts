// Trying a release out before anyone sees it: a real browser with a session of its own opens a preview link, works on
// the staged release, leaves, and finds everything as it was. What the gateway counts and promises never notices.
import type { Page } from 'playwright-core'
import t from 'tap'
import type {
  ExplainBody,
  ExplanationStatus,
  PreviewLink,
} from '../../gateway/controlplane/admin-protocol-desk.js'
import { startApplication } from '../fixtures/application.js'
import { startBrowser, whyNoBrowser } from '../fixtures/browser.js'
import { siteWords } from '../fixtures/config-place.js'
import { startGateway, type Gateway } from '../fixtures/gateway.js'
import type { Owner } from '../fixtures/owner.js'
import { until } from '../fixtures/until.js'
import { Visitor } from '../fixtures/visitor.js'

/** A site with a live release and one that is staged. */
async function stagedShop(t: Owner): Promise<Gateway> {
  // The provisional gauge is told in whole seconds of its window: a long one, so that none of them falls into the test.
  const session = { idleTimeout: '10m', maxAge: '1h', provisionalTimeout: '10m' }
  const gateway = await startGateway({ t, config: { 'sites/shop/site.yaml': siteWords({ session }) } })
  const live = await startApplication({ release: '1.0.0', t })
  await gateway.deploy('1.0.0', [live.url])
  const staged = await Promise.all(
    ['a', 'b'].map((target) => startApplication({ release: '2.0.0', target, t })),
  )
  const targets = staged.map(({ url }) => url)
  await gateway.config.drop('shop', '2.0.0', { targets, activate: 'manual' })
  await gateway.waitForRelease('2.0.0', ({ state }) => state === 'staged')
  return gateway
}

async function linkTo(gateway: Gateway, ttl: string): Promise<URL> {
  const link = await until('every worker serves it', async () => {
    const { status, json } = await gateway.order('/sites/shop/releases/2.0.0/preview', { ttl })
    return status === 200 ? (json as PreviewLink) : null
  })
  return new URL(link.url)
}

/** What the application says on the page that the browser shows. */
async function shown(page: Page): Promise<{ release: string; basket: string[]; isNewSession: boolean }> {
  return JSON.parse((await page.textContent('body')) ?? '')
}

/** Of the staged release: everything by which it is judged or kept. */
async function judgedBy(gateway: Gateway, version: string) {
  const release = await gateway.release(version)
  const metrics = await gateway.metrics()
  const { births, exchangesOpen, websocketsOpen, sessions, state, generation } = release ?? {}
  const requests = metrics.value('amarre_request_duration_seconds_count', { site: 'shop', release: version })
  return { births, exchangesOpen, websocketsOpen, sessions, state, generation, requests }
}

t.test(
  'a browser previews the staged release, and its own session waits untouched',
  { skip: whyNoBrowser() },
  async (t) => {
    const gateway = await stagedShop(t)
    const browser = await startBrowser(t)
    const context = await browser.newContext()
    // A browser asks for it by itself, at any time.
    await context.route('**/favicon.ico', (route) => route.abort())
    const page = await context.newPage()
    await page.goto(`${gateway.url}/add?item=book`)
    t.match(await shown(page), { release: '1.0.0', basket: ['book'] })
    await page.goto(gateway.url)
    await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 1)
    const own = await context.cookies()
    await until('both requests are counted and over', async () => {
      const { requests, exchangesOpen } = await judgedBy(gateway, '1.0.0')
      return requests === 2 && exchangesOpen === 0
    })
    const before = await judgedBy(gateway, '2.0.0')
    const beforeLive = await judgedBy(gateway, '1.0.0')

    const words = ['--ttl', '10m', '--url', `${gateway.url}/shelf`]
    const { stdout: link } = await until('every worker serves it', async () => {
      const printed = await gateway.amarre('preview', 'shop', '2.0.0', ...words)
      return printed.code === 0 ? printed : null
    })
    await page.goto(link.trim())
    t.equal(page.url(), `${gateway.url}/shelf`, 'at the clean address')
    t.match(
      await shown(page),
      { release: '2.0.0', basket: [], isNewSession: true },
      'nobody is logged in there',
    )
    await page.goto(`${gateway.url}/add?item=lamp`)
    await page.reload()
    const target = await page.evaluate(async () => {
      const answers = await Promise.all(['/x', '/y', '/z'].map((path) => fetch(path)))
      const found = (await Promise.all(answers.map((answer) => answer.json()))) as { basket: string[] }[]
      return found.map(({ basket }) => basket.join(' '))
    })
    t.same([...new Set(target)], ['lamp lamp'], 'scripts too, and always the target that knows him')

    await until('previews are counted', async () => {
      const metrics = await gateway.metrics()
      return (metrics.value('amarre_preview_requests_total', { site: 'shop', release: '2.0.0' }) ?? 0) >= 6
    })
    t.same(await judgedBy(gateway, '2.0.0'), before, 'the staged release: no birth, no request, no session')
    t.same(await judgedBy(gateway, '1.0.0'), beforeLive, 'nor the live one')

    await page.goto(`${gateway.url}/?amarre-preview=off`)
    t.equal(page.url(), `${gateway.url}/`)
    t.match(await shown(page), { release: '1.0.0', basket: ['book'], isNewSession: false })
    const values = (cookies: typeof own) => cookies.map(({ name, value }) => `${name}=${value}`).toSorted()
    t.same(values(await context.cookies()), values(own), 'the same cookies, and none of the preview')
  },
)

t.test('links, explanations and sessions as an operator asks for them', async (t) => {
  const gateway = await stagedShop(t)
  const visitor = new Visitor(gateway.url, { t })
  await visitor.go('/add?item=book')
  await visitor.go('/')
  await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 1)

  const explain = async (request: ExplainBody) =>
    (await gateway.order('/sites/shop/explain', request)).json as ExplanationStatus
  const own = await explain({ cookie: `amarre=${visitor.token}` })
  t.match(own, { outcome: 'stay', rule: { number: 3 }, release: '1.0.0', rejected: [] })
  t.match(await explain({ cookie: `amarre=${visitor.token}x` }), {
    outcome: 'board',
    rejected: ['malformed'],
  })
  t.match(await explain({ url: '/' }), { outcome: 'board', release: '1.0.0', rule: { number: 7 } })
  const { stdout: sessions } = await gateway.amarre('sessions', 'shop', '1.0.0')
  t.match(sessions, `\n${own.token?.session} `, 'the session that the token names')

  const spent = await linkTo(gateway, '1s')
  const link = await linkTo(gateway, '1h')
  await visitor.go(link.pathname + link.search)
  t.equal((await visitor.go('/')).page.release, '2.0.0')
  const pass = visitor.jar.get('amarre-preview')?.value ?? ''
  t.match(await explain({ cookie: [`amarre-preview=${pass}`, `amarre=${visitor.token}`] }), {
    outcome: 'preview',
    rule: { number: 1, name: 'preview pass' },
    release: '2.0.0',
  })

  t.equal((await gateway.order('/keys/rotate')).status, 200)
  t.equal((await visitor.go('/')).page.release, '2.0.0', 'a pass of the former key is honoured')
  const another = new Visitor(gateway.url, { t })
  const byNewKey = await linkTo(gateway, '1h')
  await another.go(byNewKey.pathname + byNewKey.search)
  t.equal((await another.go('/')).page.release, '2.0.0', 'and one of the new key, by every worker')

  await gateway.stop()
  await gateway.restart()
  t.equal((await visitor.go('/')).page.release, '2.0.0', 'a restart ends no preview')
  const late = await until('the short link is spent', async () => {
    const answer = await new Visitor(gateway.url, { t }).go(spent.pathname + spent.search)
    return answer.status === 410 ? answer : null
  })
  t.match(late.text, /This preview is over/)

  t.equal((await gateway.order('/sites/shop/releases/2.0.0/activate')).status, 200)
  await gateway.waitForRelease('2.0.0', ({ state }) => state === 'active')
  t.match((await visitor.go('/')).page, { release: '2.0.0' }, 'activated: the preview goes on until it ends')
  await visitor.go('/?amarre-preview=off')
  t.match((await visitor.go('/')).page, { release: '1.0.0', basket: ['book'] }, 'his own session never moved')

  const events = await gateway.events()
  t.match(
    events.find(({ type }) => type === 'preview-link'),
    { site: 'shop', release: '2.0.0', cause: /^operator at 127\.0\.0\.1, good until 20/ },
  )
  const none = await gateway.amarre('preview', 'shop', '9.9.9')
  t.equal(none.code, 2)
})
