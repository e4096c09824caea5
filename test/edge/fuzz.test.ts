// Any bytes, sent to a whole gateway on either front: what its application is sent must be what Node's own strict parser
// reads from the same bytes, and never more of it. What uWebSockets.js cannot show to JavaScript is left out by name.
import fc from 'fast-check'
import t from 'tap'
import { siteWords } from '../fixtures/config-place.js'
import { startGateway } from '../fixtures/gateway.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'
import { startStrictUpstream, type ReadRequest, type StrictUpstream } from './strict-upstream.js'

/** A front of a whole gateway, its application, and a strict parser to compare that with; shared by nobody. */
async function openEngine(engine: string) {
  const [oracle, upstream] = await Promise.all([startStrictUpstream(t), startStrictUpstream(t)])
  const gateway = await startGateway({
    t,
    workers: 1,
    config: { 'sites/shop/site.yaml': siteWords({ health: { path: null, interval: '10s' } }) },
    env: { AMARRE_LISTEN_HTTP: JSON.stringify({ address: '127.0.0.1:0', engine }) },
  })
  await gateway.deploy('1.0.0', [upstream.url])
  /** What a strict parser reads of these bytes, and what the application was sent of them. */
  const compare = (bytes: string, isWhole: boolean) =>
    Promise.all([
      readBy(oracle, oracle.port, { bytes, isWhole }),
      readBy(upstream, gateway.port, { bytes, isWhole }),
    ])
  return { engine, upstream, compare }
}

/**
 * What is left out, since it cannot be seen from JavaScript (docs/hostile-bytes.md, "what cannot be seen"): an empty
 * field name (hides the fields behind it), bytes above 127 at either end of a value (trimmed), chunk sizes with other
 * digits than hexadecimal ones, extensions, trailers and bare LF in chunks (read laxly and framed anew). A bare CR and
 * an empty line before the request are left out because their connection only ends twelve seconds later.
 */
const isVisible = (bytes: string): boolean =>
  !/\r\n:/.test(bytes) &&
  !/\r(?!\n)/.test(bytes) &&
  !bytes.startsWith('\r\n') &&
  !/:[ \t]*[\x80-\xff]|[\x80-\xff][ \t]*\r\n/.test(bytes)

const text = (...words: string[]) => fc.constantFrom(...words)
const noise = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 6,
})

const name = fc.oneof(
  { weight: 6, arbitrary: text('X-A', 'x-b', 'Accept', 'Cookie', 'Content-Type', 'Via') },
  {
    weight: 3,
    arbitrary: text('Content-Length', 'Transfer-Encoding', 'Host', 'Connection', 'Expect', 'Upgrade'),
  },
  { weight: 1, arbitrary: text('X A', 'X-A ', ' X-A', 'X@A', 'X\0A', 'X\xe9', 'X\tA') },
)
const value = fc.oneof(
  { weight: 4, arbitrary: text('a', 'a=b; c=d', 'text/html', 'close', 'keep-alive', 'a\xe9b', '') },
  {
    weight: 3,
    arbitrary: text('0', '5', '5, 5', '+5', '-1', '0x5', 'chunked', 'gzip', 'gzip, chunked', 'a.test', 'a b'),
  },
  { weight: 1, arbitrary: noise },
)
const line = fc
  .tuple(name, text(': ', ':', ' : ', ':\t'), value, text('\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r\n '))
  .map((parts) => parts.join(''))
const method = fc.oneof(
  { weight: 6, arbitrary: text('GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH') },
  text('get', 'GE T', 'G@T', '', 'TRACE', 'CONNECT', 'PRI'),
)
const target = fc.oneof(
  { weight: 6, arbitrary: text('/', '/a/b?c=d', '/?', '//x', '/%2e%2e/', '/a/../b') },
  text('*', 'a', '/a#b', '/\xe9', '/a b', 'http://a.test/', '/\x7f', ''),
)
const version = fc.oneof(
  { weight: 8, arbitrary: fc.constant('HTTP/1.1') },
  text('HTTP/1.0', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 '),
)

/** What frames a body, right or wrong. */
const framingLine = text(
  'Content-Length: 5\r\n',
  'content-length: 5\r\n',
  'Content-Length: 11\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length: +5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding:\r\n',
)
/** A head whose every part may be wrong, with a body that may not fit it. */
const arbitraryHead = fc
  .tuple(
    method,
    target,
    version,
    fc.array(line, { maxLength: 5 }),
    text('', 'hello', '5\r\nhello\r\n0\r\n\r\n', 'hello there'),
  )
  .map(
    ([verb, where, how, lines, body]) =>
      `${verb} ${where} ${how}\r\nHost: a.test\r\n${lines.join('')}\r\n${body}`,
  )

/** Sound but for how its body is framed: lengths and codings meet each other in one request. */
const arbitraryFraming = fc
  .tuple(
    fc.array(framingLine, { minLength: 1, maxLength: 3 }),
    text('hello', '5\r\nhello\r\n0\r\n\r\n', 'hello there'),
  )
  .map(([lines, body]) => `POST / HTTP/1.1\r\nHost: a.test\r\n${lines.join('')}\r\n${body}`)

const arbitraryRequest = fc.oneof(arbitraryHead, arbitraryFraming)

/** A request that everybody has to take. */
const soundRequest = fc
  .record({
    verb: text('GET', 'POST', 'PUT', 'DELETE', 'PATCH'),
    where: text('/', '/a/b?c=d', '/?', '//x', '/%2e%2e/', "/a;b='c'|d"),
    lines: fc.array(
      fc.tuple(text('X-A', 'x-b', 'Accept-Language'), text('a', 'b, c', '', 'a\xe9\xffb', 'd\te')),
      { maxLength: 5 },
    ),
    body: fc.string({
      unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)),
      maxLength: 300,
    }),
    cuts: fc.array(fc.nat(300), { maxLength: 4 }),
    isChunked: fc.boolean(),
  })
  // Repeated fields are decoded as UTF-8, which these bytes are not: refused, as the table says.
  .filter(({ lines }) => new Set(lines.map(([each]) => each)).size === lines.length)
  .map(({ verb, where, lines, body, cuts, isChunked }) => {
    const head = `${verb} ${where} HTTP/1.1\r\nHost: a.test\r\n${lines.map((pair) => `${pair.join(': ')}\r\n`).join('')}`
    if (!isChunked) return `${head}Content-Length: ${body.length}\r\n\r\n${body}`
    const places = [...new Set([0, ...cuts.filter((cut) => cut < body.length), body.length])].toSorted(
      (a, b) => a - b,
    )
    const pieces = places.slice(1).map((end, i) => body.slice(places[i], end))
    const chunks = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`).join('')
    return `${head}Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`
  })

/** Fields that are the sender's own to the application: neither of one connection nor the gateway's. */
function ownFields({ fields }: ReadRequest): string[] {
  const others =
    /^(connection|keep-alive|proxy-connection|proxy-authorization|te|trailer|transfer-encoding|upgrade|http2-settings|expect|content-length|x-forwarded-.*|x-request-id|amarre-.*|cookie)$/
  const nominated = fields
    .filter(([each]) => each === 'connection')
    .flatMap(([, list]) =>
      list
        .toLowerCase()
        .split(',')
        .map((each) => each.trim()),
    )
  return fields
    .filter(([each]) => !others.test(each) && (each === 'host' || !nominated.includes(each)))
    .map((pair) => pair.join(': '))
}

/** A proxy's absolute form reaches an origin server as the origin form (RFC 9112 section 3.2.2). */
function essence(request: ReadRequest): object {
  const { method, body } = request
  const target = request.target.replace(/^http:\/\/a\.test(?=\/)/, '')
  return { method, target, body, fields: ownFields(request) }
}

/** What a server reads of these bytes, the sender having closed his half of nothing. */
async function readBy(
  server: StrictUpstream,
  port: number,
  { bytes, isWhole }: { bytes: string; isWhole: boolean },
): Promise<readonly ReadRequest[]> {
  server.clear()
  const client = await RawClient.connect(port, t)
  client.send(bytes)
  // A second, sound request ends the wait: behind a refusal or a close it finds the connection closed.
  await until(
    'an answer or the end',
    // What is whole is answered: its body may still be on its way.
    () =>
      client.isClosed ||
      /\r\n\r\n[^]*(ok|\}|0\r\n\r\n)$/.test(client.text) ||
      (!isWhole && isWaiting(server)),
    1_500,
  ).catch(() => {})
  client.leave()
  return server.requests.filter(({ isComplete }) => isComplete)
}

/** A request has begun and waits for the rest of its body. */
function isWaiting({ requests }: StrictUpstream): boolean {
  return requests.some(({ isComplete }) => !isComplete)
}

t.jobs = 2
for (const { engine, upstream, compare } of await Promise.all(['uws', 'node'].map(openEngine))) {
  const isComparable = engine === 'uws' ? isVisible : (): boolean => true
  t.test(engine, { buffered: true }, async (t) => {
    t.test('what reaches the application is what a strict parser reads, and never more', async (t) => {
      let compared = 0
      const property = fc.asyncProperty(arbitraryRequest.filter(isComparable), async (bytes) => {
        const [read, sent] = await compare(bytes, false)
        if (upstream.refused.length > 0)
          throw new Error(`the application refused it: ${upstream.refused.join()}`)
        if (engine === 'uws' && sent.length > 1) throw new Error(`${sent.length} requests were sent`)
        if (sent.length > read.length)
          throw new Error(`a strict parser reads ${read.length} requests, ${sent.length} were sent`)
        compared += sent.length
        for (const [i, request] of sent.entries())
          t.same(essence(request), essence(read[i] as ReadRequest), JSON.stringify(bytes))
      })
      await fc.assert(property, { numRuns: 150, interruptAfterTimeLimit: 30_000 })
      t.ok(compared > 10, `requests that both took: ${compared}`)
    })

    t.test('what is sound arrives, once, as a strict parser reads it', async (t) => {
      const property = fc.asyncProperty(soundRequest.filter(isComparable), async (bytes) => {
        const [read, sent] = await compare(bytes, true)
        t.equal(sent.length, 1, JSON.stringify(bytes))
        t.same(sent.map(essence), read.map(essence), JSON.stringify(bytes))
      })
      await fc.assert(property, { numRuns: 100, interruptAfterTimeLimit: 20_000 })
    })
  })
}
