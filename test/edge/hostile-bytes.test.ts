// Hostile bytes on the uws front, sent raw to a whole gateway. For each: what the client sees, and that the application
// was sent either nothing or exactly one request, as Node's strict parser reads it. The table is docs/hostile-bytes.md.
import t, { type Test } from 'tap'
import { siteWords } from '../fixtures/config-place.js'
import { startGateway } from '../fixtures/gateway.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'
import { Visitor } from '../fixtures/visitor.js'
import { startStrictUpstream, valuesOf, type ReadRequest } from './strict-upstream.js'

const upstream = await startStrictUpstream(t)
const gateway = await startGateway({
  t,
  workers: 1,
  config: { 'sites/shop/site.yaml': siteWords({ health: { path: null, interval: '10s' } }) },
})
await gateway.deploy('1.0.0', [upstream.url])

const host = 'Host: shop.example.com\r\n'
const get = (lines = '', target = '/') => `GET ${target} HTTP/1.1\r\n${host}${lines}\r\n`
const post = (lines: string, body = '') => `POST / HTTP/1.1\r\n${host}${lines}\r\n${body}`
const chunked = 'Transfer-Encoding: chunked\r\n'

/**
 * What the client sees: the status (0: no answer), whether the connection is closed then. What the application was
 * sent: `nothing`, `one` whole request, or `part` of one that was given up; `maybe`: the request or nothing, by chance.
 */
type Case = readonly [
  name: string,
  bytes: string,
  status: number,
  then: 'closed' | 'open',
  sent?: 'nothing' | 'one' | 'part' | 'maybe',
]

const smuggled = `GET /smuggled HTTP/1.1\r\n${host}\r\n`
const long = 'a'.repeat(20_000)

const framing: readonly Case[] = [
  ['length and chunked', post(`Content-Length: 5\r\n${chunked}`, '0\r\n\r\n'), 400, 'closed'],
  ['length and an empty coding', post('Content-Length: 5\r\nTransfer-Encoding:\r\n', 'hello'), 400, 'closed'],
  [
    'length, an empty coding and chunked',
    post(`Content-Length: 5\r\nTransfer-Encoding:\r\n${chunked}`, '0\r\n\r\n'),
    400,
    'closed',
  ],
  ['a repeated length', post('Content-Length: 5\r\nContent-Length: 5\r\n', 'hello'), 400, 'closed'],
  ['differing lengths', post('Content-Length: 5\r\nContent-Length: 6\r\n', 'hello'), 400, 'closed'],
  ['a list of lengths', post('Content-Length: 5, 5\r\n', 'hello'), 400, 'closed'],
  ['a signed length', post('Content-Length: +5\r\n', 'hello'), 400, 'closed'],
  ['a negative length', post('Content-Length: -5\r\n', 'hello'), 400, 'closed'],
  ['a length in hexadecimal', post('Content-Length: 0x5\r\n', 'hello'), 400, 'closed'],
  ['an empty length', post('Content-Length:\r\n', 'hello'), 400, 'closed'],
  ['a length beyond counting', post('Content-Length: 99999999999999999999\r\n', 'hello'), 400, 'closed'],
  ['a length beyond the limit', post('Content-Length: 2000000000\r\n', 'hello'), 413, 'closed'],
  ['another coding', post('Transfer-Encoding: gzip\r\n', '0\r\n\r\n'), 400, 'closed'],
  ['another coding and chunked', post('Transfer-Encoding: gzip, chunked\r\n', '0\r\n\r\n'), 400, 'closed'],
  ['chunked, then another', post('Transfer-Encoding: chunked, identity\r\n', '0\r\n\r\n'), 400, 'closed'],
  ['nearly chunked', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'), 400, 'closed'],
  ['chunked twice', post(chunked + chunked, '0\r\n\r\n'), 400, 'closed'],
  ['chunked in capitals', post('Transfer-Encoding: Chunked\r\n', '0\r\n\r\n'), 400, 'closed'],
  ['a vertical tab before chunked', post('Transfer-Encoding: \x0bchunked\r\n', '0\r\n\r\n'), 400, 'closed'],
  [
    'a coding of high bytes',
    post('Content-Length: 5\r\nTransfer-Encoding: \xff\r\n', 'hello'),
    400,
    'closed',
  ],
  // The library trims these bytes: what is left is sound, and sent upstream as such.
  [
    'a high byte before chunked',
    post('Transfer-Encoding: \xa0chunked\r\n', '0\r\n\r\n'),
    200,
    'closed',
    'one',
  ],
  ['a high byte after a length', post('Content-Length: 5\xa0\r\n', 'hello'), 200, 'open', 'one'],
]

const chunks: readonly Case[] = [
  ['a chunk size without digits', post(chunked, 'zz\r\nhello\r\n0\r\n\r\n'), 400, 'closed'],
  ['a chunk size with a prefix', post(chunked, '0x5\r\nhello\r\n0\r\n\r\n'), 400, 'closed'],
  ['a negative chunk size', post(chunked, '-5\r\nhello\r\n0\r\n\r\n'), 400, 'closed'],
  ['a chunk size beyond counting', post(chunked, 'ffffffffffffffff\r\nhello\r\n0\r\n\r\n'), 400, 'closed'],
  ['a chunk size that wraps around', post(chunked, '10000000000000005\r\nhello\r\n0\r\n\r\n'), 400, 'closed'],
  ['a chunk longer than its size', post(chunked, '5\r\nhello world\r\n0\r\n\r\n'), 400, 'closed', 'part'],
  ['a chunk extension', post(chunked, '5;foo=bar\r\nhello\r\n0\r\n\r\n'), 400, 'closed'],
  ['trailers', post(chunked, '5\r\nhello\r\n0\r\nX-A: b\r\n\r\n'), 505, 'closed', 'maybe'],
  ['a request in a trailer', post(chunked, `5\r\nhello\r\n0\r\nX:${smuggled}`), 0, 'closed', 'maybe'],
  // The library reads these laxly; the body that it found is framed anew.
  ['a chunk size that is a letter too far', post(chunked, 'G\r\nhello\r\n0\r\n\r\n'), 0, 'open', 'part'],
  ['an extension that reads like digits', post(chunked, '5;a=b\r\nhello\r\n0\r\n\r\n'), 0, 'open', 'part'],
  ['a space before an extension', post(chunked, '5 ;x\r\nhello\r\n0\r\n\r\n'), 200, 'closed', 'one'],
  ['no chunk size', post(chunked, '\r\nhello\r\n0\r\n\r\n'), 200, 'closed', 'one'],
  ['bare LF in chunks', post(chunked, '5\nhello\n0\n\n'), 200, 'closed', 'one'],
  ['a wrong end of a chunk', post(chunked, '5\r\nhelloXX0\r\n\r\n'), 200, 'closed', 'one'],
]

const fields: readonly Case[] = [
  ['bare LF at every line', `GET / HTTP/1.1\n${host.replace('\r', '')}\n`, 505, 'closed'],
  ['a bare LF', get('X-A: b\nX-B: c\r\n'), 400, 'closed'],
  ['a space before the colon', get('X-A : b\r\n'), 400, 'closed'],
  ['a space before the colon of a length', post('Content-Length : 5\r\n', 'hello'), 400, 'closed'],
  ['a folded line', get('X-A: b\r\n c\r\n'), 400, 'closed'],
  ['a folded first line', `GET / HTTP/1.1\r\n X: y\r\n${host}\r\n`, 400, 'closed'],
  ['NUL in a value', get('X-A: b\0c\r\n'), 400, 'closed'],
  ['NUL in a name', get('X\0A: b\r\n'), 400, 'closed'],
  ['a control character in a value', get('X-A: b\x01c\r\n'), 400, 'closed'],
  ['DEL in a value', get('X-A: b\x7fc\r\n'), 400, 'closed'],
  ['a bare CR in a value', get('X-A: b\rc\r\n'), 0, 'open'],
  ['no colon', get('nonsense\r\n'), 400, 'closed'],
  ['a name that is no token', get('X@A: b\r\n'), 400, 'closed'],
  ['a name beyond ASCII', get('X\xe9: b\r\n'), 400, 'closed'],
  ['an empty name, and nothing behind it', get(': b\r\n'), 200, 'open', 'one'],
  [
    'an empty name that hides a length',
    `POST / HTTP/1.1\r\n${host}: b\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    0,
    'closed',
    'maybe',
  ],
  ['an empty name that hides the host', `GET / HTTP/1.1\r\n: b\r\n${host}\r\n`, 400, 'closed'],
  ['no host', 'GET / HTTP/1.1\r\n\r\n', 400, 'closed'],
  ['two hosts', get('Host: other.example.com\r\n'), 400, 'closed'],
  ['an empty host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400, 'closed'],
  ['a host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', 400, 'closed'],
  ['a host with a user', 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n', 400, 'closed'],
  ['a list of hosts', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 400, 'closed'],
  ['a line that is too long', get(`X-A: ${long}\r\n`), 431, 'closed'],
  ['a head that is too long', get(`X-A: ${'a'.repeat(3_000)}\r\n`.repeat(6)), 431, 'closed'],
  ['a target that is too long', get('', `/${long}`), 431, 'closed'],
  ['too many fields', get('A: b\r\n'.repeat(150)), 431, 'closed'],
  ['as many fields as it takes', get('A: b\r\n'.repeat(97)), 200, 'open', 'one'],
  ['high bytes that repeat and are no UTF-8', get('X-A: a\xe9b\r\nX-A: c\xfcd\r\n'), 400, 'closed'],
  ['another expectation', post('Expect: 200-ok\r\nContent-Length: 2\r\n', 'ok'), 417, 'closed'],
]

const firstLines: readonly Case[] = [
  ['a method in lower case', get().replace('GET', 'get'), 501, 'closed'],
  ['a method that is no token', get().replace('GET', 'G@T'), 501, 'closed'],
  ['no method', get().replace('GET', ''), 501, 'closed'],
  ['TRACE', get().replace('GET', 'TRACE'), 501, 'closed'],
  ['PRI', get().replace('GET', 'PRI'), 501, 'closed'],
  ['CONNECT', `CONNECT a:443 HTTP/1.1\r\n${host}\r\n`, 505, 'closed'],
  ['CONNECT to a path', get().replace('GET', 'CONNECT'), 501, 'closed'],
  ['absolute-form', get('', 'http://shop.example.com/'), 505, 'closed'],
  ['asterisk-form', get('', '*').replace('GET', 'OPTIONS'), 505, 'closed'],
  ['asterisk-form of another method', get('', '*'), 505, 'closed'],
  ['a fragment', get('', '/a#b'), 400, 'closed'],
  ['a target in latin-1', get('', '/\xe9'), 400, 'closed'],
  ['a target in UTF-8', get('', '/\xc3\xa9'), 400, 'closed'],
  ['a control character in the target', get('', '/\x01'), 505, 'closed'],
  ['DEL in the target', get('', '/\x7f'), 400, 'closed'],
  ['a tab in the target', get('', '/a\tb'), 505, 'closed'],
  ['a space in the target', get('', '/a b'), 505, 'closed'],
  ['a target without a slash', get('', 'a'), 505, 'closed'],
  ['a tab behind the method', get().replace('GET ', 'GET\t'), 505, 'closed'],
  ['HTTP/1.0', get().replace('1.1', '1.0'), 505, 'closed'],
  ['HTTP/1.2', get().replace('1.1', '1.2'), 505, 'closed'],
  ['HTTP/0.9', 'GET /\r\n', 505, 'closed'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, 'closed'],
  ['the hello of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 505, 'closed'],
  ['a header of the PROXY protocol, version 1', `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${get()}`, 505, 'closed'],
  ['an empty line before the request', `\r\n${get()}`, 0, 'open'],
]

const connections: readonly Case[] = [
  ['a second request before the answer to the first', get() + get('', '/second'), 0, 'closed', 'maybe'],
  ['a request behind a close', get('Connection: close\r\n') + get('', '/second'), 0, 'closed', 'maybe'],
  ['a request behind one that is refused', get('Expect: x\r\n') + smuggled, 0, 'closed'],
  ['a request behind a body', post('Content-Length: 2\r\n', `ok${smuggled}`), 0, 'closed', 'maybe'],
  [
    'HTTP/2 frames behind an upgrade to h2c',
    `${get('Connection: Upgrade\r\nUpgrade: h2c\r\n')}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
    505,
    'closed',
    'maybe',
  ],
]

/** An answer with its body, as far as answers of these tests go. */
const wholeAnswer = /^HTTP\/1\.1 [2-5]\d\d[^]*?\r\n\r\n[^]+/

/** Whether what has been sent before has been read: one worker reads in order. */
async function fence(visitor: Visitor): Promise<void> {
  for (let i = 0; i < 2; i++) await visitor.ask('GET', '/fence', {})
}

function isFence({ target }: ReadRequest): boolean {
  return target === '/fence'
}

async function prove(t: Test, [name, bytes, status, then, sent = 'nothing']: Case): Promise<void> {
  const visitor = new Visitor(gateway.url, { t })
  upstream.clear()
  const client = await RawClient.connect(gateway.port, t)
  client.send(bytes)
  if (then === 'closed') await until(`${name}: closed`, () => client.isClosed)
  else if (status !== 0) await client.reads(wholeAnswer)
  await fence(visitor)
  t.equal(Number(/^HTTP\/1\.1 (\d+)/.exec(client.text)?.[1] ?? 0), status, `${name}: status`)
  t.equal(client.isClosed ? 'closed' : 'open', then, `${name}: connection`)
  client.leave()
  const got = upstream.requests.filter((request) => !isFence(request))
  t.same(upstream.refused, [], `${name}: what the application was sent is sound`)
  t.same(
    got.filter(({ target }) => target === '/smuggled' || target === '/second'),
    [],
    `${name}: nothing was smuggled in`,
  )
  const whole = got.filter(({ isComplete }) => isComplete).length
  if (sent === 'nothing') t.equal(got.length, 0, `${name}: nothing was sent`)
  if (sent === 'part') t.equal(whole, 0, `${name}: no whole request was sent`)
  if (sent === 'one') t.equal(whole, 1, `${name}: one request was sent`)
  t.ok(got.length <= 1, `${name}: never more than one`)
}

for (const [rule, cases] of [
  ['a body whose end is not clear is refused before anything is sent', framing],
  ['chunks are refused or framed anew', chunks],
  ['fields that two parsers could read differently are refused', fields],
  ['first lines are refused that are not plain HTTP/1.1', firstLines],
  ['nothing rides in behind a request', connections],
] as const) {
  t.test(rule, async (t) => {
    for (const each of cases) await prove(t, each)
  })
}

t.test('after a refusal of each kind the gateway serves on', async (t) => {
  const visitor = new Visitor(gateway.url, { t })
  t.equal((await visitor.go()).status, 200)
  const errors = (await gateway.metrics()).by('reason', 'amarre_upstream_errors_total')
  t.same(errors, {}, 'nothing of it is put down to the application')
})

// -- what passes, passes exactly ------------------------------------------------------------------------------------------

async function sentFor(t: Test, bytes: string): Promise<{ request: ReadRequest | undefined; text: string }> {
  upstream.clear()
  const client = await RawClient.connect(gateway.port, t)
  client.send(bytes)
  await client.reads(/\r\n\r\n[^]*ok/)
  client.leave()
  return { request: upstream.requests[0], text: client.text }
}

t.test('targets, values and repeated fields arrive as they were sent', async (t) => {
  const target = "/a/../b//c/./%2e%2E/;p=1?&&a=&=b??/../|^`{}\\'"
  t.equal((await sentFor(t, get('', target))).request?.target, target)
  const lines = 'X-A: one\r\nX-B: a\xe9\xff\x80b\r\nX-A:two,  three\r\nX-A: \r\nX-C: a\tb\r\n'
  const { request } = await sentFor(t, get(lines))
  t.same(valuesOf(request, 'x-a'), ['one', 'two,  three', ''])
  t.same(valuesOf(request, 'x-b'), ['a\xe9\xff\x80b'])
  t.same(valuesOf(request, 'x-c'), ['a\tb'])
  const repeated = await sentFor(t, get('X-A: a\xc3\xa9b\r\nX-A: c\xc3\xbcd\r\n'))
  t.same(valuesOf(repeated.request, 'x-a'), ['a\xc3\xa9b', 'c\xc3\xbcd'])
})

t.test('bodies arrive as they were sent, of GET too', async (t) => {
  const bytes = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('')
  const sized = await sentFor(t, post('Content-Length: 256\r\n', bytes))
  t.equal(sized.request?.body, bytes)
  t.same(valuesOf(sized.request, 'content-length'), ['256'])
  const inChunks = await sentFor(t, post(chunked, `3\r\nabc\r\n0a\r\n0123456789\r\n0\r\n\r\n`))
  t.equal(inChunks.request?.body, 'abc0123456789')
  t.same(valuesOf(inChunks.request, 'transfer-encoding'), ['chunked'])
  t.equal((await sentFor(t, `${get('Content-Length: 5\r\n')}hello`)).request?.body, 'hello')
})

t.test('Expect: 100-continue is answered at once and not passed on', async (t) => {
  const { request, text } = await sentFor(t, post('Expect: 100-continue\r\nContent-Length: 2\r\n', 'ok'))
  t.match(text, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
  t.same(valuesOf(request, 'expect'), [])
})

t.test('an upgrade to h2c is an ordinary request, and its fields stay here', async (t) => {
  const lines = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAA\r\n'
  const { request, text } = await sentFor(t, get(lines))
  t.match(text, /^HTTP\/1\.1 200/)
  for (const name of ['connection', 'upgrade', 'http2-settings']) t.same(valuesOf(request, name), [], name)
})

t.test('nobody outside says what only the gateway says', async (t) => {
  const forged = 'Amarre-Session: x\r\nAmarre-Release: y\r\nX-Forwarded-For: 1.2.3.4\r\nX-Request-Id: z\r\n'
  const nominated =
    'Connection: host, x-forwarded-for, content-length, amarre-release, x-secret\r\nX-Secret: s\r\n'
  const { request } = await sentFor(t, post(`${forged}${nominated}Content-Length: 2\r\n`, 'ok'))
  t.same(valuesOf(request, 'amarre-release'), ['1.0.0'])
  t.not(valuesOf(request, 'amarre-session')[0], 'x')
  t.same(valuesOf(request, 'x-forwarded-for'), ['127.0.0.1'])
  t.same(valuesOf(request, 'host'), ['shop.example.com'])
  t.same(valuesOf(request, 'content-length'), ['2'])
  t.same(valuesOf(request, 'x-secret'), [])
})

t.test('a header of the PROXY protocol, version 2, convinces nobody', async (t) => {
  const proxied = '\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x01\x02\x03\x04\x05\x06\x07\x08\x00\x50\x00\x51'
  const { request } = await sentFor(t, proxied + get())
  t.same(valuesOf(request, 'x-forwarded-for'), ['127.0.0.1'])
})
