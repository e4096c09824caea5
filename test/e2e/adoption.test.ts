// Amarre put in front of an application that runs already, and taken away again, without one visitor logged out; and a
// real browser with an old and a new tab on two releases, each of which goes on working.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Page } from 'playwright-core'
import t from 'tap'
import { startApplication } from '../fixtures/application.js'
import { startBrowser, whyNoBrowser } from '../fixtures/browser.js'
import { siteWords } from '../fixtures/config-place.js'
import { startGateway } from '../fixtures/gateway.js'
import type { Owner } from '../fixtures/owner.js'
import { until } from '../fixtures/until.js'
import { Visitor } from '../fixtures/visitor.js'

const hourMs = 3_600_000

/** The same browser at another address of the same host: the name now leads elsewhere. */
function redirected(visitor: Visitor, origin: string, t: Owner): Visitor {
  const same = new Visitor(origin, { t })
  for (const [name, cookie] of visitor.jar) same.jar.set(name, cookie)
  return same
}

t.test('put in front of a running application and taken away again, nobody is logged out', async (t) => {
  const one = await startApplication({ release: '1.0.0', t })
  const before = await Promise.all(
    ['hat', 'coat', 'scarf'].map(async (item) => {
      const visitor = new Visitor(one.url, { t })
      await visitor.go(`/add?item=${item}`)
      return visitor
    }),
  )

  const legacy = { cookie: 'sid', release: '1.0.0', until: new Date(Date.now() + hourMs).toISOString() }
  const session = { idleTimeout: '3s', startsOn: { cookie: 'sid' } }
  const site = (changes: object) => siteWords({ session: { ...session, ...changes } })
  const gateway = await startGateway({ t, config: { 'sites/shop/site.yaml': site({ legacy }) } })
  const two = await startApplication({ release: '2.0.0', t })
  await gateway.config.drop('shop', '1.0.0', { targets: [one.url], activate: 'manual' })
  await gateway.deploy('2.0.0', [two.url])
  await gateway.waitForRelease('1.0.0', ({ state }) => state === 'draining')

  const through = before.map((visitor) => redirected(visitor, gateway.url, t))
  const [hat, coat, scarf] = through
  const found = await Promise.all([hat?.go('/'), coat?.fetch('/'), scarf?.post('/', 'x')])
  t.same(
    found.map((answer) => [answer?.page.release, answer?.page.isNewSession, answer?.page.basket]),
    [
      ['1.0.0', false, ['hat']],
      ['1.0.0', false, ['coat']],
      ['1.0.0', false, ['scarf']],
    ],
    'a page, a fetch and a form of those from before find their sessions',
  )
  t.ok(through.every(({ token }) => token !== null))
  const newcomer = new Visitor(gateway.url, { t })
  t.equal((await newcomer.go('/add?item=shoe')).page.release, '2.0.0', 'newcomers board the new release')
  t.ok(newcomer.token, 'pinned when the application began his session')
  const anonymous = new Visitor(gateway.url, { t })
  await anonymous.go('/hop')
  t.equal(anonymous.token, null, 'and who has none there has none here')

  const { verdict } = await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 0)
  t.ok(verdict.reasons.some(({ by }) => by === 'adoption'))
  t.match(verdict.text, /adoption until/)
  const refused = await gateway.amarre('retire', 'shop', '1.0.0')
  t.not(refused.code, 0, 'it cannot be retired while somebody may come')
  t.match(refused.stderr, /adoption/)

  // Away again: one visitor of each release goes straight to his application.
  const away = await redirected(hat as Visitor, one.url, t).go('/')
  t.same([away.page.isNewSession, away.page.basket], [false, ['hat']])
  await hat?.fetch('/logout')
  t.same([hat?.token, hat?.jar.has('sid')], [null, false], 'a logout is seen by the cookie that it deletes')

  await gateway.config.write('sites/shop/site.yaml', site({ legacy: null }))
  const stay = setInterval(() => void newcomer.fetch('/'), 500)
  t.teardown(() => clearInterval(stay))
  await gateway.waitForRelease('1.0.0', ({ state }) => state === 'retired', { limitMs: 30_000 })
  clearInterval(stay)
  t.equal((await newcomer.go('/')).page.release, '2.0.0')
  t.equal(await gateway.stop(), 0)
  const direct = await redirected(newcomer, two.url, t).go('/')
  t.same([direct.page.isNewSession, direct.page.basket], [false, ['shoe']], 'without the gateway as with it')
})

/** A release of a page application: hashed files of its own, a session store that all releases share. */
async function startPageApplication(t: Owner, release: string): Promise<string> {
  const files: Readonly<Record<string, string>> = {
    [`/assets/app.${release}.js`]: `
      const release = document.querySelector('meta[name=release]').content
      window.ask = async () => (await fetch('/api/who', { headers: { 'X-Page-Release': release } })).text()
      window.more = () => import('/assets/more.${release}.js').then((chunk) => chunk.name)
      document.title = 'app ' + release`,
    [`/assets/more.${release}.js`]: `export const name = 'more ${release}'`,
  }
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    const file = files[path]
    if (path === '/healthz') response.end()
    else if (path === '/') {
      const head = `<meta name="release" content="${String(request.headers['amarre-release'])}">`
      const page = `<!doctype html>${head}<script type="module" src="/assets/app.${release}.js"></script>`
      response.writeHead(200, { 'Content-Type': 'text/html', 'Cache-Control': 'no-store' }).end(page)
    } else if (path === '/api/who') response.end(release)
    else if (path === '/logout') response.writeHead(200, { 'Amarre-Session': 'end' }).end()
    else if (file === undefined) response.writeHead(404).end('no such file')
    else response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(file)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface PageScript {
  ask(): Promise<string>
  more(): Promise<string>
}

const asks = (tab: Page): Promise<string> => tab.evaluate(() => (globalThis as unknown as PageScript).ask())
const loadsMore = (tab: Page): Promise<string> =>
  tab.evaluate(() => (globalThis as unknown as PageScript).more())

t.test('an old tab and a new tab on two releases both work', { skip: whyNoBrowser() }, async (t) => {
  const config = (assets: object) =>
    siteWords({
      session: { idleTimeout: '30s' },
      pagePin: { header: 'X-Page-Release', sharedSessions: true },
      assets,
    })
  const gateway = await startGateway({ t, config: { 'sites/shop/site.yaml': config({}) } })
  await gateway.deploy('1.0.0', [await startPageApplication(t, '1.0.0')])
  const browser = await startBrowser(t)
  const context = await browser.newContext()
  const open = async (): Promise<Page> => {
    const tab = await context.newPage()
    await tab.goto(gateway.url)
    await tab.waitForFunction("document.title.startsWith('app')")
    return tab
  }
  const [old, bare] = [await open(), await open()]
  t.equal(await old.title(), 'app 1.0.0')
  await gateway.deploy('2.0.0', [await startPageApplication(t, '2.0.0')])
  t.equal(await asks(old), '1.0.0')

  await bare.evaluate(() => fetch('/logout'))
  const fresh = await open()
  t.equal(await fresh.title(), 'app 2.0.0', 'after the logout the visitor boards the new release')
  t.same([await asks(old), await asks(fresh)], ['1.0.0', '2.0.0'], 'each page asks its own release')
  await t.rejects(loadsMore(bare), 'without the fallback a part of the old page is gone')

  await gateway.config.write('sites/shop/site.yaml', config({ paths: ['/assets/*'] }))
  await until('the fallback is in force', async () => {
    const answer = await context.request.get(`${gateway.url}/assets/more.1.0.0.js`)
    return answer.status() === 200
  })
  t.same([await loadsMore(old), await loadsMore(fresh)], ['more 1.0.0', 'more 2.0.0'])
  t.same([await asks(old), await asks(fresh)], ['1.0.0', '2.0.0'])
  await old.reload()
  await old.waitForFunction("document.title === 'app 2.0.0'")
  t.equal(await asks(old), '2.0.0', 'a reload is a navigation: it goes where the visitor is')

  const { verdict } = await gateway.waitForRelease('1.0.0', ({ sessions }) => sessions.active === 0)
  t.ok(
    verdict.reasons.some(({ by }) => by === 'births'),
    'the old release is promised to the page that named it',
  )
  const part = await context.request.get(`${gateway.url}/assets/none.js`)
  t.same([part.status(), await part.text()], [404, 'no such file'])
  t.equal(await gateway.stop(), 0)
})
