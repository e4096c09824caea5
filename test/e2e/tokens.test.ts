// Tokens in every form, under keys that change, beside caches, and on sites side by side.
import t from 'tap'
import { request } from 'undici'
import type { Page } from '../fixtures/application.js'
import { siteWords } from '../fixtures/config-place.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway } from '../fixtures/gateway.js'
import { until } from '../fixtures/until.js'
import { Visitor, type Answer } from '../fixtures/visitor.js'

const longIdle = { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '30m' } }) }

function releasesOf(answers: readonly Answer[]): string[] {
  return [...new Set(answers.map(({ page }) => page.release))]
}

t.test('key rotation loses no pin', async (t) => {
  const gateway = await startGateway({ t, config: longIdle })
  await deploy(gateway, '1.0.0', t)
  const visitors = Array.from({ length: 10 }, () => new Visitor(gateway.url, { t }))
  const all = (): Promise<Answer[]> => Promise.all(visitors.map((visitor) => visitor.go()))
  const homes = (await all()).map(({ page }) => page.session)
  await deploy(gateway, '2.0.0', t)
  const rotated = await gateway.amarre('keys', 'rotate', '--json')
  t.match(rotated, { code: 0, stderr: '' })
  t.same(JSON.parse(rotated.stdout), { keyId: 2 })
  const returns = await all()
  t.same(
    returns.map(({ page }) => page.session),
    homes,
  )
  const keyIds = visitors.map(({ token }) => Buffer.from(token ?? '', 'base64url').readUInt32BE(2))
  t.same([...new Set(keyIds)], [2], 'each has a token of the new key')
  t.equal(await gateway.stop(), 0)
  await gateway.restart()
  t.same(releasesOf(await all()), ['1.0.0'])
  t.equal((await gateway.metrics()).sum('amarre_tokens_rejected_total'), 0)
})

t.test('a client that sends `Amarre-Token` has its token in that header, and no cookie', async (t) => {
  const gateway = await startGateway({ t, config: longIdle })
  await deploy(gateway, '1.0.0', t)
  const ask = async (token: string, path = '/') => {
    const { headers, body } = await request(`${gateway.url}${path}`, { headers: { 'amarre-token': token } })
    const text = await body.text()
    return { token: headers['amarre-token'], cookies: [headers['set-cookie'] ?? []].flat(), text }
  }
  const first = await ask('')
  t.match(first.token, /^[\w-]{80,}$/)
  t.notOk(first.cookies.some((line) => line.startsWith('amarre')))
  const seen = JSON.parse(first.text) as Page
  t.notHas(seen.headers, 'amarre-token', 'the application never sees it')
  await deploy(gateway, '2.0.0', t)
  const second = await ask(String(first.token))
  t.match(JSON.parse(second.text), { release: '1.0.0', target: seen.target })
  const shared = await ask('', '/?cache=public,%20max-age=60')
  t.equal(shared.token, undefined, 'never on an answer for shared caches')
  const end = await ask(String(first.token), '/logout')
  t.equal(end.token, '', 'an ended session takes its token back')
  t.equal((JSON.parse((await ask('')).text) as Page).release, '2.0.0')
})

t.test('a cookie never goes into a shared cache', async (t) => {
  const gateway = await startGateway({ t, config: longIdle })
  await deploy(gateway, '1.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  const isOurs = (line: string): boolean => line.startsWith('amarre=')
  for (const shared of ['public, max-age=60', 's-maxage=60', 'max-age=60, public']) {
    const answer = await visitor.go(`/?cache=${encodeURIComponent(shared)}`)
    t.notOk(answer.setCookies.some(isOurs), shared)
    t.equal(answer.headers['cache-control'], shared)
  }
  const bare = await visitor.go('/?cache=max-age%3D60')
  t.ok(bare.setCookies.some(isOurs), 'a bare max-age says neither')
  t.match(bare.headers['cache-control'], /private/)
})

t.test('several sites, exact hosts before wildcards before any', async (t) => {
  const site = (hosts: readonly string[]): string => siteWords({ hosts, session: { idleTimeout: '30m' } })
  const gateway = await startGateway({
    t,
    config: {
      'sites/shop/site.yaml': site(['shop.example.com']),
      'sites/tenants/site.yaml': site(['*.example.com']),
      'sites/deep/site.yaml': site(['*.eu.example.com']),
    },
  })
  for (const name of ['shop', 'tenants', 'deep'])
    await deploy(gateway, name, t, { site: name, targets: ['a'] })
  const met = async (host: string) => {
    const answer = await new Visitor(gateway.url, { t, host }).go()
    return answer.status === 200 ? answer.page.release : answer.status
  }
  t.equal(await met('shop.example.com'), 'shop')
  t.equal(await met('SHOP.example.com:8080'), 'shop')
  t.equal(await met('blue.example.com'), 'tenants')
  t.equal(await met('a.b.example.com'), 'tenants')
  t.equal(await met('x.eu.example.com'), 'deep')
  t.equal(await met('example.com'), 404)
  t.equal(await met('example.org'), 404)
  await until('both are counted', async () => {
    const exposition = await gateway.metrics()
    return exposition.value('amarre_requests_total', { site: '', code: 404 }) === 2
  })

  const visitor = new Visitor(gateway.url, { t, host: 'shop.example.com' })
  await visitor.go()
  const abroad = new Visitor(gateway.url, { t, host: 'blue.example.com' })
  for (const [name, cookie] of visitor.jar) abroad.jar.set(name, cookie)
  t.equal((await abroad.go()).page.release, 'tenants', 'a token is of one site')
  await gateway.config.write('sites/any/site.yaml', site(['*']))
  await deploy(gateway, 'any', t, { site: 'any', targets: ['a'] })
  t.equal(await met('example.org'), 'any')
})

t.test('stateless paths and parts of a page begin no session', async (t) => {
  const gateway = await startGateway({ t, config: longIdle })
  await deploy(gateway, '1.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  const answers = [
    await visitor.go('/robots.txt'),
    await visitor.part('/app.js'),
    await visitor.part('/logo.png', 'image'),
    await visitor.ask('OPTIONS', '/api', {
      origin: 'http://elsewhere',
      'access-control-request-method': 'POST',
    }),
  ]
  t.ok(
    answers.every(
      ({ status, setCookies }) => status === 200 && !setCookies.some((line) => line.startsWith('amarre')),
    ),
  )
  t.equal((await gateway.metrics()).sum('amarre_sessions_started_total'), 0)
})
