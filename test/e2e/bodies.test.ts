// Bytes through the real gateway: every framing in both directions, streamed, and nothing added or lost on the way.
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import t from 'tap'
import { request } from 'undici'
import { patternFrom, type Application, type Page } from '../fixtures/application.js'
import { siteWords } from '../fixtures/config-place.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway, type Gateway } from '../fixtures/gateway.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'
import { Visitor } from '../fixtures/visitor.js'

let gateway: Gateway
let application: Application

t.before(async () => {
  const config = { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '30m' } }) }
  gateway = await startGateway({ t, config })
  const [target] = await deploy(gateway, '1.0.0', t, { targets: ['a'] })
  if (target !== undefined) application = target
})

const oneMiB = 1 << 20

t.test('a request body of known length arrives whole', async (t) => {
  const body = patternFrom(7, 3 * oneMiB + 5)
  const answer = await request(`${gateway.url}/echo`, { method: 'POST', body })
  t.ok(Buffer.from(await answer.body.arrayBuffer()).equals(body))
  t.equal(answer.headers['content-length'], String(body.length))
})

t.test('a request body in chunks arrives whole', async (t) => {
  const body = patternFrom(3, 2 * oneMiB)
  const chunks = Readable.from(
    Array.from({ length: 64 }, (_, i) => body.subarray(i * 32_768, (i + 1) * 32_768)),
  )
  const answer = await request(`${gateway.url}/echo`, { method: 'POST', body: chunks })
  t.ok(Buffer.from(await answer.body.arrayBuffer()).equals(body))
  t.equal(answer.headers['transfer-encoding'], 'chunked')
})

t.test('an empty request body of each framing is an empty body', async (t) => {
  for (const framing of ['Content-Length: 0\r\n\r\n', 'Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n']) {
    const client = await RawClient.connect(gateway.port, t)
    client.send(`POST /echo HTTP/1.1\r\nHost: shop\r\n${framing}`)
    await client.reads(/^HTTP\/1\.1 200 OK\r\n(?:.+\r\n)*content-length: 0\r\n(?:.+\r\n)*\r\n$/i)
  }
})

for (const [path, bytes] of [
  ['/sized', 0],
  ['/sized', 5 * oneMiB],
  ['/chunked', 0],
  ['/chunked', 5 * oneMiB],
] as const) {
  t.test(`an answer arrives whole: ${path}, ${bytes} bytes`, async (t) => {
    const answer = await request(`${gateway.url}${path}?bytes=${bytes}`)
    t.ok(Buffer.from(await answer.body.arrayBuffer()).equals(patternFrom(0, bytes)))
    t.equal(answer.headers['content-length'], path === '/sized' || bytes === 0 ? String(bytes) : undefined)
  })
}

t.test('HEAD, 204 and 304 have no body, and the connection goes on', async (t) => {
  const client = await RawClient.connect(gateway.port, t)
  client.send('HEAD /sized?bytes=1000 HTTP/1.1\r\nHost: shop\r\n\r\n')
  await client.reads(/^HTTP\/1\.1 200 OK\r\n(?=[\s\S]*Content-Length: 1000\r\n)[\s\S]*\r\n\r\n$/i)
  client.send('GET /status?code=204 HTTP/1.1\r\nHost: shop\r\n\r\n')
  const [noContent = ''] = await client.reads(/HTTP\/1\.1 204 [\s\S]*\r\n\r\n$/)
  t.notMatch(noContent, /content-length|transfer-encoding/i)
  client.send('GET /status?code=304 HTTP/1.1\r\nHost: shop\r\n\r\n')
  const [notModified = ''] = await client.reads(/HTTP\/1\.1 304 [\s\S]*\r\n\r\n$/)
  t.notMatch(notModified, /set-cookie/i, 'never a token on 304')
  client.send('GET /cookies HTTP/1.1\r\nHost: shop\r\n\r\n')
  await client.reads(/two$/)
})

t.test('both directions stream: the echo of the first chunk comes before the second is sent', async (t) => {
  const client = await RawClient.connect(gateway.port, t)
  client.send('POST /echo HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n')
  await client.reads(/first/)
  t.notMatch(client.text, /second/)
  client.send('6\r\nsecond\r\n0\r\n\r\n')
  await client.reads(/second[\s\S]*0\r\n\r\n$/)
  t.match(client.text, /\r\nConnection: close\r\n/, 'the front cannot tell what would come after chunks')
})

t.test('each event of a stream comes when it is sent', async (t) => {
  const client = await RawClient.connect(gateway.port, t)
  client.send('GET /events HTTP/1.1\r\nHost: shop\r\n\r\n')
  await client.reads(/data: 1\.0\.0 a/)
  for (const word of ['one', 'two', 'three']) {
    application.say(word)
    await client.reads(new RegExp(`data: ${word}`))
  }
})

t.test('repeated Set-Cookie lines stay apart', async (t) => {
  const answer = await new Visitor(gateway.url, { t }).go('/cookies')
  const names = answer.setCookies.map((line) => line.slice(0, line.indexOf('=')))
  t.same(names.toSorted(), ['amarre', 'one', 'two'])
})

t.test('fields of one hop stay on it', async (t) => {
  const visitor = new Visitor(gateway.url, { t })
  const down = await visitor.go('/hop')
  t.equal(down.headers['x-kept'], 'yes')
  for (const name of ['x-secret', 'keep-alive', 'proxy-authenticate']) t.notHas(down.headers, name)
  const client = await RawClient.connect(gateway.port, t)
  const fields = [
    'Connection: x-mine, keep-alive',
    'X-Mine: for this hop',
    'Keep-Alive: timeout=1',
    'Proxy-Authorization: Basic eA==',
    'TE: trailers',
    'X-Kept: yes',
  ]
  client.send(`GET / HTTP/1.1\r\nHost: shop\r\n${fields.join('\r\n')}\r\n\r\n`)
  const [, json = ''] = await client.reads(/\r\n\r\n(\{[\s\S]*\})$/)
  const { headers } = JSON.parse(json) as Page
  t.equal(headers['x-kept'], 'yes')
  for (const name of ['x-mine', 'keep-alive', 'proxy-authorization', 'te']) t.notHas(headers, name)
})

t.test('what the application is told, and what nobody else can tell it', async (t) => {
  const visitor = new Visitor(gateway.url, { t, host: 'shop.example.com:8080' })
  await visitor.go()
  const { headers, path } = (
    await visitor.fetch('/a%20path?with=query&and=%ff', {
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-proto': 'https',
      'x-forwarded-host': 'evil.example',
      'amarre-release': '9.9.9',
      'amarre-session': 'start',
      'amarre-anything': 'x',
    })
  ).page
  t.equal(path, '/a%20path?with=query&and=%ff', 'the target goes on byte for byte')
  t.match(headers, {
    host: 'shop.example.com:8080',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'shop.example.com:8080',
    'x-forwarded-port': '8080',
    'amarre-release': '1.0.0',
    'amarre-session': /^[0-9a-f]{16}$/,
    'x-request-id': /./,
    cookie: /^sid=[\w-]+$/,
  })
  t.notHas(headers, 'amarre-anything')
})

t.test(
  'a slow reader slows the application down, loses nothing, and nothing piles up in between',
  async (t) => {
    const heldBySystem = 2 * socketBufferBytes()
    const total = heldBySystem + 32 * oneMiB
    const before = application.bytesWritten
    const written = (): number => application.bytesWritten - before
    const client = await RawClient.connect(gateway.port, t)
    client.pause()
    client.send(`GET /sized?bytes=${total} HTTP/1.1\r\nHost: shop\r\n\r\n`)
    let last = -1
    let sameFor = 0
    await until('the application has to wait', () => {
      sameFor = written() > 0 && written() === last ? sameFor + 1 : 0
      last = written()
      return sameFor > 20
    })
    const heldByGateway = written() - heldBySystem
    t.ok(heldByGateway < 8 * oneMiB, 'the rest of the answer is still where it is made', { heldByGateway })
    client.resume()
    await until('everything has come', () => client.size > total)
    const body = client.received.subarray(-total)
    t.ok(body.equals(patternFrom(0, total)))
  },
)

/** What the kernel may hold for one connection when its buffers have grown to their limits (tcp(7)). */
function socketBufferBytes(): number {
  const largest = (name: string): number =>
    Number(readFileSync(`/proc/sys/net/ipv4/${name}`, 'latin1').trim().split(/\s+/)[2])
  return largest('tcp_rmem') + largest('tcp_wmem')
}
