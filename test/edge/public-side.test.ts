// The public side of a whole gateway as an operator sets it up: HTTPS by either engine, plain requests redirected, what
// is added to answers, a site's own error pages, certificates of clients.
import { once } from 'node:events'
import { copyFile, readdir } from 'node:fs/promises'
import * as https from 'node:https'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import t from 'tap'
import { request } from 'undici'
import { WebSocket } from 'ws'
import { startApplication } from '../fixtures/application.js'
import { startGateway, temporaryDirectory, type Gateway } from '../fixtures/gateway.js'
import { siteWords } from '../fixtures/config-place.js'
import { until } from '../fixtures/until.js'
import { startSocketApplication } from '../websocket/socket-application.js'
import { makeCertificate, type MadeCertificate } from '../contract/certificates.js'

const quickly = { AMARRE_LIMITS_DRAIN_ON_EXIT: '2s' }

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

interface Wanted {
  readonly path?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly agent?: https.Agent
  readonly tls?: ConnectionOptions
}

async function askSecure(port: number, wanted: Wanted = {}): Promise<Answer> {
  const { path = '/', method = 'GET', headers = {}, agent = false, tls = {} } = wanted
  const to = { host: '127.0.0.1', port, path, method, agent, rejectUnauthorized: false }
  const asked = https.request({
    ...to,
    servername: 'shop.test',
    ...tls,
    headers: { host: 'shop.test', ...headers },
  })
  const answer = once(asked, 'response') as Promise<[IncomingMessage]>
  asked.end()
  const [response] = await answer
  let body = ''
  for await (const chunk of response.setEncoding('utf8')) body += chunk as string
  return { status: response.statusCode ?? 0, headers: response.headers, body }
}

async function securePort(gateway: Gateway): Promise<number> {
  const line = JSON.parse(await gateway.waitForLog(/"msg":"amarre runs"/)) as { secure: string }
  return Number(new URL(line.secure).port)
}

async function shownFor(port: number, servername: string): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, servername, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

function fingerprintOf({ cert }: MadeCertificate): string {
  return new X509Certificate(cert).fingerprint256
}

/** What the application was asked, as it says. */
function askedOf(answer: Answer): Readonly<Record<string, string>> {
  return (JSON.parse(answer.body) as { headers: Record<string, string> }).headers
}

t.test('HTTPS by uws, plain requests redirected, answers with what the site adds', async (t) => {
  const [shop, other, renewed] = [
    makeCertificate('shop.test'),
    makeCertificate('other.test', '*.other.test'),
    makeCertificate('shop.test'),
  ]
  const files = await temporaryDirectory('certificates')
  const [cert, key] = [join(files, 'shop.crt'), join(files, 'shop.key')]
  await copyFile(shop.certFile, cert)
  await copyFile(shop.keyFile, key)
  const certificates = [
    { cert, key },
    { cert: other.certFile, key: other.keyFile },
  ]
  const gateway = await startGateway({
    t,
    config: {
      'gateway.yaml': JSON.stringify({
        via: 'edge',
        listen: { https: { address: '127.0.0.1:0', engine: 'uws', certificates } },
      }),
      'sites/shop/site.yaml': siteWords({ hosts: ['shop.test', 'other.test'], hsts: { maxAge: '1d' } }),
      'sites/shop/errors/503.html': '<h1>Back soon</h1>{{code}}',
    },
    env: { ...quickly, AMARRE_LISTEN_HTTP: '{ address: "127.0.0.1:0", redirectToHttps: 8443 }' },
  })
  const port = await securePort(gateway)

  await t.test(
    "a site's own error page, edited while it runs, and a problem for who reads none",
    async (t) => {
      const html = { headers: { accept: 'text/html' } }
      const page = await askSecure(port, html)
      t.equal(page.status, 503)
      t.equal(page.body, '<h1>Back soon</h1>no_release')
      t.match(page.headers['strict-transport-security'], 'max-age=86400')
      const problem = await askSecure(port)
      t.match(problem.headers['content-type'], 'application/problem+json')
      await gateway.config.write('sites/shop/errors/503.html', 'Other words')
      await until('the new page', async () => (await askSecure(port, html)).body === 'Other words')
      await gateway.config.write('sites/shop/errors/503.html', '{{wrong}}')
      await gateway.waitForLog(/503\.html.*found .*wrong/)
      t.equal((await askSecure(port, html)).body, 'Other words', 'a bad one changes nothing')
      t.equal(
        (await gateway.metrics()).value('amarre_config_file_valid', { file: 'sites/shop/errors/503.html' }),
        0,
      )
      await gateway.config.remove('sites/shop/errors')
      await until('ours again', async () => (await askSecure(port, html)).body.includes('<!doctype html>'))
    },
  )

  const application = await startApplication({ release: '1.0.0', t })
  await gateway.deploy('1.0.0', [application.url])

  await t.test('a session under TLS, Via both ways, HSTS, and what the application is told', async (t) => {
    const answer = await askSecure(port, { headers: { via: '1.0 other', forwarded: 'for=6.6.6.6' } })
    t.equal(answer.status, 200)
    t.match(String(answer.headers['set-cookie']), /__Host-amarre=[^;]+;.*Secure/)
    t.equal(answer.headers.via, '1.1 edge')
    t.equal(answer.headers['strict-transport-security'], 'max-age=86400')
    const asked = askedOf(answer)
    t.equal(asked['via'], '1.0 other, 1.1 edge')
    t.equal(asked['x-forwarded-proto'], 'https')
    t.notOk('forwarded' in asked)
  })

  await t.test(
    'plain requests are sent to HTTPS, whatever they are, and others refused as ever',
    async (t) => {
      const ask = (method: 'GET' | 'POST' | 'OPTIONS', path: string, host: string) =>
        request(`${gateway.url}${path}`, { method, headers: { host }, body: method === 'POST' ? 'x' : null })
      const page = await ask('GET', '/a%2Fb?c=%20&', 'Shop.test:8080')
      t.equal(page.statusCode, 301)
      t.equal(page.headers['location'], 'https://shop.test:8443/a%2Fb?c=%20&')
      t.notOk('set-cookie' in page.headers)
      const posted = await ask('POST', '/buy', 'shop.test')
      t.equal(posted.statusCode, 308)
      t.equal(posted.headers['location'], 'https://shop.test:8443/buy')
      t.equal((await ask('GET', '/', 'unknown.test')).statusCode, 404)
      const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/`, { headers: { host: 'shop.test' } })
      const [, refused] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
      t.equal(refused.statusCode, 301)
      socket.on('error', () => {})
      socket.terminate()
      await until('they are counted', async () => {
        const metrics = await gateway.metrics()
        return metrics.value('amarre_requests_total', { site: 'shop', release: '', code: '301' }) === 2
      })
    },
  )

  await t.test('WebSockets, large bodies, TLS 1.2, another certificate by name', async (t) => {
    const sockets = await startSocketApplication(t)
    await gateway.deploy('2.0.0', [sockets.url])
    const socket = new WebSocket(`wss://127.0.0.1:${port}/echo`, {
      rejectUnauthorized: false,
      headers: { host: 'shop.test' },
    })
    await once(socket, 'open')
    socket.send(Buffer.alloc(300_000, 7))
    const [binary] = (await once(socket, 'message')) as [Buffer]
    t.equal(binary.length, 300_000)
    socket.close(4002)
    t.equal((await once(socket, 'close'))[0], 4002)
    await gateway.amarre('rollback', 'shop')
    const large = await askSecure(port, { path: '/sized?bytes=5000000', tls: { maxVersion: 'TLSv1.2' } })
    t.equal(large.body.length, 5_000_000)
    t.equal(await shownFor(port, 'other.test'), fingerprintOf(other))
    t.equal(await shownFor(port, 'a.other.test'), fingerprintOf(other))
    t.equal(await shownFor(port, 'shop.test'), fingerprintOf(shop))
    t.equal(await shownFor(port, 'unknown.test'), fingerprintOf(shop))
  })

  await t.test('other certificates come with other workers, without a failed request', async (t) => {
    const before = await gateway.workers()
    const agent = new https.Agent({ keepAlive: true, maxSockets: 2 })
    t.teardown(() => agent.destroy())
    const statuses = new Set<number>()
    let isOver = false
    const walk = async (): Promise<void> => {
      while (!isOver) statuses.add((await askSecure(port, { agent, path: '/public' })).status)
    }
    const walkers = [walk(), walk()]
    await copyFile(renewed.certFile, cert)
    await gateway.waitForLog(/does not belong to the certificate/)
    t.equal(await shownFor(port, 'shop.test'), fingerprintOf(shop))
    await copyFile(renewed.keyFile, key)
    await until(
      'all workers are others',
      async () => {
        const { workers } = await gateway.status()
        return (
          workers.length === 2 &&
          workers.every(({ pid, state }) => state === 'listening' && !before.includes(pid))
        )
      },
      30_000,
    )
    isOver = true
    await Promise.all(walkers)
    t.same([...statuses], [200])
    for (let i = 0; i < 6; i++) t.equal(await shownFor(port, 'shop.test'), fingerprintOf(renewed))
    t.equal((await gateway.metrics()).value('amarre_workers_lost_total'), 0)
    t.ok((await readdir(join(gateway.stateDirectory, 'tls'))).length <= 2, 'old copies are gone')
  })
})

t.test('HTTPS by node with certificates of clients, behind a proxy that ends TLS for some', async (t) => {
  const [shop, known] = [makeCertificate('shop.test'), makeCertificate('client.test')]
  const gateway = await startGateway({
    t,
    config: {
      'gateway.yaml': JSON.stringify({
        trustedProxies: ['127.0.0.1'],
        listen: {
          https: {
            address: '127.0.0.1:0',
            certificates: [{ cert: shop.certFile, key: shop.keyFile }],
            clientCertificates: { ca: known.certFile, required: false },
          },
        },
      }),
      'sites/shop/site.yaml': siteWords({ hsts: { includeSubDomains: true, preload: true } }),
    },
    env: { ...quickly, AMARRE_LISTEN_HTTP: '{ address: "127.0.0.1:0", engine: node, redirectToHttps: 443 }' },
  })
  const port = await securePort(gateway)
  const application = await startApplication({ release: '1.0.0', t })
  await gateway.deploy('1.0.0', [application.url])

  const plain = await request(`${gateway.url}/x`, { headers: { host: 'shop.test' } })
  t.equal(plain.headers['location'], 'https://shop.test/x')
  t.notOk(
    'strict-transport-security' in plain.headers,
    'a plain answer promises nothing (RFC 6797 section 7.2)',
  )
  const proxied = await request(`${gateway.url}/x`, {
    headers: { host: 'shop.test', 'x-forwarded-proto': 'https', 'x-forwarded-for': '203.0.113.7' },
  })
  t.equal(proxied.statusCode, 200, 'what came to a trusted proxy by HTTPS is served')
  t.match(String(proxied.headers['set-cookie']), '__Host-amarre=')
  t.equal(proxied.headers['strict-transport-security'], 'max-age=31536000; includeSubDomains; preload')

  const forged = { headers: { 'client-cert': ':Zm9yZ2Vk:' } }
  const told = askedOf(await askSecure(port, { ...forged, tls: { cert: known.cert, key: known.key } }))
  t.equal(told['client-cert'], `:${new X509Certificate(known.cert).raw.toString('base64')}:`)
  t.notOk('client-cert' in askedOf(await askSecure(port, forged)))
})
