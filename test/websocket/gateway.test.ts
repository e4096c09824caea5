// WebSockets through the whole gateway: what an open one does to its session and its release, and what happens to it
// when a worker dies or the gateway leaves.
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Gateway, startGateway, temporaryDirectory } from '../fixtures/gateway.js'
import { until } from '../fixtures/until.js'
import { connect, type Connected, refusal } from './peer.js'
import { startSocketApplication } from './socket-application.js'

const grainsMs = 1_000 + 125

/** A visitor's navigation with these cookies: the release that served him, our cookie if he got one. */
async function visit(gateway: Gateway, cookie = ''): Promise<{ release: string | null; cookie: string }> {
  const headers = { cookie, accept: 'text/html', 'sec-fetch-dest': 'document' }
  const answer = await fetch(gateway.url, { headers })
  await answer.text()
  const set = answer.headers.getSetCookie().find((line) => line.startsWith('amarre='))
  return { release: answer.headers.get('x-release'), cookie: set?.split(';')[0] ?? cookie }
}

function socketTo(gateway: Gateway, cookie: string): Promise<Connected> {
  return connect(`ws://127.0.0.1:${gateway.port}/echo`, { headers: { cookie } })
}

void t.test(
  'a socket open longer than the idle time, then a reload: the visitor is where he was',
  async (t) => {
    const application = await startSocketApplication(t)
    const site = JSON.stringify({
      session: { idleTimeout: '1s', maxAge: '10m', provisionalTimeout: '1s' },
      retire: { when: 'auto', quietPeriod: '300ms' },
      health: { interval: '250ms', healthyAfter: 1 },
    })
    const gateway = await startGateway({ t, config: { 'sites/shop/site.yaml': site } })
    await gateway.deploy('1.0', [application.url])
    const arrival = await visit(gateway)
    t.equal(arrival.release, '1.0')
    const socket = await socketTo(gateway, arrival.cookie)
    const held = socket.answer.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
    const openedAt = performance.now()
    await gateway.deploy('2.0', [application.url])
    await gateway.waitForRelease('1.0', ({ state }) => state === 'draining')
    t.equal((await visit(gateway)).release, '2.0', 'somebody else')

    await until('twice the promise has passed', () => performance.now() - openedAt > 2 * grainsMs)
    const release = await gateway.release('1.0')
    t.match(release, { state: 'draining', websocketsOpen: 1 })
    t.match(JSON.stringify(release), /"by":"sockets"/, 'the open socket keeps the release alive')
    const metrics = await gateway.metrics()
    t.equal(metrics.value('amarre_websockets_open', { site: 'shop', release: '1.0' }), 1)
    t.equal(metrics.value('amarre_sessions_active', { site: 'shop', release: '1.0' }), 1)
    t.equal(metrics.value('amarre_requests_total', { release: '1.0', code: '101' }), 1)

    socket.ws.send('still there')
    t.same(await socket.hears(1), ['still there'])
    t.equal((await visit(gateway, held)).release, '1.0', 'the reload, by the held token')
    t.equal((await visit(gateway, arrival.cookie)).release, '2.0', 'the token before it would have idled')
    socket.ws.close()
    await socket.ends()
    t.equal((await visit(gateway, held)).release, '1.0', 'the reload after it was closed')
    await gateway.waitForRelease('1.0', ({ state }) => state === 'retired')
    t.equal((await refusal(`ws://127.0.0.1:${gateway.port}/echo`, { headers: { cookie: held } })).status, 503)
    t.equal((await visit(gateway, held)).release, '2.0', 'when nobody was left there he begins anew')
  },
)

void t.test(
  'a worker that dies takes its own sockets with it, and the application sees them go',
  async (t) => {
    const application = await startSocketApplication(t)
    const gateway = await startGateway({ t, workers: 1 })
    await gateway.deploy('1.0', [application.url])
    const { cookie } = await visit(gateway)
    const socket = await socketTo(gateway, cookie)
    await until('it is counted', async () => (await gateway.release('1.0'))?.websocketsOpen === 1)
    await gateway.killWorker()
    t.equal((await socket.ends())[0], 1006)
    t.equal((await application.peer.ends())[0], 1006)
    await until('it is counted no more', async () => (await gateway.release('1.0'))?.websocketsOpen === 0)
    const again = await socketTo(gateway, cookie)
    again.ws.send('back')
    t.same(await again.hears(1), ['back'])
    again.ws.close()
    await again.ends()
  },
)

void t.test('a gateway that leaves closes its sockets with 1012 within its time', async (t) => {
  const application = await startSocketApplication(t)
  const gateway = await startGateway({ t, env: { AMARRE_LIMITS_DRAIN_ON_EXIT: '2s' } })
  await gateway.deploy('1.0', [application.url])
  const { cookie } = await visit(gateway)
  const sockets = await Promise.all(Array.from({ length: 10 }, () => socketTo(gateway, cookie)))
  const startedAt = performance.now()
  const code = await gateway.stop()
  t.equal(code, 0)
  t.ok(performance.now() - startedAt < 3_500)
  for (const socket of sockets) t.same(await socket.ends(), [1012, 'service restart'])
  for (const peer of application.peers) t.equal((await peer.ends())[0], 1001)
})

void t.test('an application behind TLS', { skip: whyNoCertificate() }, async (t) => {
  const folder = await temporaryDirectory('certificate')
  const files = { key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') }
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  const places = ['-keyout', files.key, '-out', files.cert]
  execFileSync('openssl', ['req', '-x509', ...kind, ...places, ...subject], { stdio: 'ignore' })
  const tls = { key: readFileSync(files.key, 'utf8'), cert: readFileSync(files.cert, 'utf8') }
  const application = await startSocketApplication(t, { tls })
  const health = {
    config: { 'sites/shop/site.yaml': JSON.stringify({ health: { path: null, healthyAfter: 1 } }) },
  }
  const trusting = await startGateway({ t, ...health, env: { NODE_EXTRA_CA_CERTS: files.cert } })
  await trusting.deploy('1.0', [application.url])
  const socket = await socketTo(trusting, '')
  socket.ws.send('over TLS')
  t.same(await socket.hears(1), ['over TLS'])
  socket.ws.close()
  await socket.ends()
  const doubting = await startGateway({ t, ...health })
  await doubting.deploy('1.0', [application.url])
  t.equal(
    (await refusal(`ws://127.0.0.1:${doubting.port}/echo`)).status,
    502,
    'a certificate that nobody vouches for',
  )
})

function whyNoCertificate(): string | false {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return false
  } catch {
    return 'needs the openssl program to make a certificate'
  }
}
