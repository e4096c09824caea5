// Applications that fail in every way, behind a whole gateway: what the client sees, what is counted, and that nothing
// stays open afterwards.
import t, { type Test } from 'tap'
import { answeringEarly } from '../faults/answering-early.js'
import { cutBody } from '../faults/cut-body.js'
import { dripping } from '../faults/dripping.js'
import { extraBytes } from '../faults/extra-bytes.js'
import { halfAHead } from '../faults/half-a-head.js'
import { hangingBeforeHead } from '../faults/hanging-before-head.js'
import { hangingConnect } from '../faults/hanging-connect.js'
import { closingAfterAnswer, closingOnReuse } from '../faults/idle-close.js'
import { lyingLength } from '../faults/lying-length.js'
import { malformed } from '../faults/malformed.js'
import { notReading } from '../faults/not-reading.js'
import type { FaultyUpstream } from '../faults/raw-server.js'
import { reset } from '../faults/reset.js'
import { speakingUnasked } from '../faults/speaking-unasked.js'
import { siteWords } from '../fixtures/config-place.js'
import type { Exposition } from '../fixtures/exposition.js'
import { startGateway } from '../fixtures/gateway.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'

// Its probes never get as far as to call a target ill: every request is tried.
const patient = { path: null, interval: '5m', timeout: '1s', unhealthyAfter: 100 }
const gateway = await startGateway({
  t,
  workers: 1,
  env: { AMARRE_LIMITS_UPSTREAM_TIMEOUT: '1500ms', AMARRE_LIMITS_CONNECT_TIMEOUT: '700ms' },
})

/** Serves it under a site of its own, and proves that it is served by that one. */
async function serve(t: Test, site: string, upstream: FaultyUpstream): Promise<void> {
  t.teardown(() => upstream.close())
  await gateway.config.write(
    `sites/${site}/site.yaml`,
    siteWords({ hosts: [`${site}.test`], health: patient }),
  )
  await gateway.config.drop(site, '1.0.0', { targets: [upstream.url] })
}

interface Seen {
  /** 0: the connection ended without an answer. */
  readonly status: number
  readonly body: string
  /** The answer came to its own end. */
  readonly isComplete: boolean
}

const request = 'Accept: application/json\r\n'

/** Asks once; resolves when the answer has come to its end or was cut. */
async function ask(t: Test, site: string, method = 'GET', body = ''): Promise<Seen> {
  const client = await RawClient.connect(gateway.port, t)
  const length = body === '' ? '' : `Content-Length: ${body.length}\r\n`
  client.send(`${method} / HTTP/1.1\r\nHost: ${site}.test\r\n${request}${length}\r\n${body}`)
  await until(
    `${site}: an answer or its end`,
    () => client.isClosed || seenOf(client.text, method).isComplete,
  )
  const seen = seenOf(client.text, method)
  client.leave()
  return seen
}

function seenOf(text: string, method: string): Seen {
  const at = text.indexOf('\r\n\r\n')
  const head = at < 0 ? '' : text.slice(0, at)
  const body = text.slice(at + 4)
  const length = /content-length: (\d+)/i.exec(head)?.[1]
  const isWhole = length === undefined ? body.endsWith('0\r\n\r\n') : body.length >= Number(length)
  const isComplete = head !== '' && (method === 'HEAD' || isWhole)
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1] ?? 0), body, isComplete }
}

/** Waits until the figures of a site are these, and everything of it is closed. */
async function counts(
  site: string,
  codes: Readonly<Record<string, number>>,
  reasons: Readonly<Record<string, number>>,
): Promise<void> {
  const same = (left: object, right: object): boolean =>
    JSON.stringify(Object.entries(left).sort()) === JSON.stringify(Object.entries(right).sort())
  let last: Exposition | null = null
  await until(`${site}: ${JSON.stringify({ codes, reasons })}`, async () => {
    last = await gateway.metrics()
    return (
      same(last.by('code', 'amarre_requests_total', { site }), codes) &&
      same(last.by('reason', 'amarre_upstream_errors_total', { site }), reasons) &&
      last.sum('amarre_exchanges_open', { site }) === 0
    )
  }).catch((error: unknown) => {
    const found = {
      codes: last?.by('code', 'amarre_requests_total', { site }),
      reasons: last?.by('reason', 'amarre_upstream_errors_total', { site }),
    }
    throw new Error(`${String(error)}; found ${JSON.stringify(found)}`)
  })
}

/** Waits until the site answers for its release at all. */
async function deployed(site: string): Promise<void> {
  await gateway.waitForRelease('1.0.0', ({ state }) => state === 'active', { site })
}

// -- before anything of an answer has come --------------------------------------------------------------------------------

const unanswered: readonly (readonly [
  name: string,
  start: () => Promise<FaultyUpstream>,
  status: number,
  reason: string,
])[] = [
  ['hanging-before-head', hangingBeforeHead, 504, 'response_timeout'],
  ['half-a-head', halfAHead, 502, 'connection_lost'],
  ['reset-before-head', () => reset('before the head'), 502, 'connection_lost'],
  [
    'malformed',
    () => malformed('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'),
    502,
    'bad_response',
  ],
  [
    'length-and-chunked',
    () => malformed('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    502,
    'bad_response',
  ],
  [
    'line-break',
    () => malformed('HTTP/1.1 200 OK\r\nX-A: b\nX-C: d\r\nContent-Length: 0\r\n\r\n'),
    502,
    'bad_response',
  ],
  ['another-protocol', () => malformed('SSH-2.0-OpenSSH_9.2p1\r\n\r\n'), 502, 'bad_response'],
]

for (const [name, start, status, reason] of unanswered) {
  t.test(`${name}: ${status} in words, counted as ${reason}`, async (t) => {
    await serve(t, name, await start())
    await deployed(name)
    const seen = await ask(t, name)
    t.equal(seen.status, status)
    t.match(JSON.parse(seen.body), { status, code: reason })
    t.equal((await ask(t, name, 'POST', 'x=1')).status, status, 'and nothing is sent twice')
    await counts(name, { [status]: 2 }, { [reason]: 2 })
  })
}

t.test('refusing: 502 at once, tried three times where nothing was sent', async (t) => {
  const upstream = await answeringEarly(false)
  await serve(t, 'refusing', upstream)
  await deployed('refusing')
  await upstream.close()
  t.equal((await ask(t, 'refusing')).status, 502)
  await counts('refusing', { 502: 1 }, { connect_refused: 3 })
})

t.test('hanging-connect: 504 after three connect timeouts', async (t) => {
  const alive = await extraBytes()
  await serve(t, 'hanging', alive)
  await deployed('hanging')
  await alive.close()
  const hanging = await hangingConnect(alive.port)
  t.teardown(() => hanging.close())
  t.equal((await ask(t, 'hanging')).status, 504)
  await counts('hanging', { 504: 1 }, { connect_timeout: 3 })
})

// -- in the middle of an answer ---------------------------------------------------------------------------------------------

const cut: readonly (readonly [name: string, start: () => Promise<FaultyUpstream>, reason: string])[] = [
  ['cut-length', () => cutBody('length'), 'body_cut'],
  ['cut-chunked', () => cutBody('chunked'), 'body_cut'],
  ['cut-last-chunk', () => cutBody('lastChunk'), 'body_cut'],
  ['reset-in-body', () => reset('in the body'), 'body_cut'],
  ['reset-without-length', () => reset('in a body without length'), 'body_cut'],
  ['lying-length', lyingLength, 'body_timeout'],
  [
    'bad-chunk',
    () => malformed('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n'),
    'bad_response',
  ],
]

for (const [name, start, reason] of cut) {
  t.test(`${name}: cut for the client too, never completed, counted as ${reason}`, async (t) => {
    await serve(t, name, await start())
    await deployed(name)
    const seen = await ask(t, name)
    t.ok(seen.status === 200 || seen.status === 0, 'no second head after the first')
    t.notOk(seen.isComplete)
    await counts(name, { 200: 1 }, { [reason]: 1 })
  })
}

// -- what is no failure to the client ---------------------------------------------------------------------------------------

t.test('extra-bytes: the answer without them, and nobody else is given them', async (t) => {
  const upstream = await extraBytes()
  await serve(t, 'extra', upstream)
  await deployed('extra')
  for (let i = 0; i < 3; i++)
    t.match(await ask(t, 'extra'), { status: 200, body: 'proper', isComplete: true })
  await counts('extra', { 200: 3 }, {})
})

for (const [name, start] of [
  ['closing-on-reuse', closingOnReuse],
  ['closing-after-answer', closingAfterAnswer],
] as const) {
  t.test(`${name}: every request is answered all the same`, async (t) => {
    await serve(t, name, await start())
    await deployed(name)
    for (let i = 0; i < 4; i++) t.match(await ask(t, name), { status: 200, body: 'proper' })
    t.match(await ask(t, name, 'HEAD'), { status: 200 })
  })
}

t.test('speaking-unasked: what nobody asked for answers nobody', async (t) => {
  const { server, speak } = await speakingUnasked()
  await serve(t, 'speaking', server)
  await deployed('speaking')
  t.equal((await ask(t, 'speaking')).body, 'proper')
  speak()
  t.equal((await ask(t, 'speaking')).body, 'proper')
  await counts('speaking', { 200: 2 }, {})
})

t.test('answering-early: the answer arrives while the body is still on its way', async (t) => {
  await serve(t, 'early', await answeringEarly(true))
  await deployed('early')
  const client = await RawClient.connect(gateway.port, t)
  client.send('POST / HTTP/1.1\r\nHost: early.test\r\nContent-Length: 1000000\r\n\r\nbeginning')
  await client.reads(/413[^]*no!/)
  client.leave()
  await until(
    'it is over',
    async () => (await gateway.metrics()).sum('amarre_exchanges_open', { site: 'early' }) === 0,
  )
})

t.test('dripping: an answer byte by byte is an answer', async (t) => {
  const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nproper'
  const { server, drip } = await dripping(answer)
  await serve(t, 'dripping', server)
  await deployed('dripping')
  const seen = ask(t, 'dripping')
  for (let i = 0; i < answer.length; i++) await drip()
  t.match(await seen, { status: 200, body: 'proper' })
  await counts('dripping', { 200: 1 }, {})
})

t.test('not-reading: an upload that nobody reads is given up in time, and takes no memory', async (t) => {
  const { server } = await notReading()
  await serve(t, 'unread', server)
  await deployed('unread')
  const client = await RawClient.connect(gateway.port, t)
  client.send('POST / HTTP/1.1\r\nHost: unread.test\r\nContent-Length: 100000000\r\n\r\n')
  // More than the system would take for both sockets: a client that falls silent is not the application's fault.
  client.send('x'.repeat(40_000_000))
  await client.reads(/504/)
  await counts('unread', { 504: 1 }, { response_timeout: 1 })
})

t.test('a client that goes away in the middle is a 499, and the application sees it', async (t) => {
  const upstream = await hangingBeforeHead()
  await serve(t, 'abandoned', upstream)
  await deployed('abandoned')
  const client = await RawClient.connect(gateway.port, t)
  client.send('GET / HTTP/1.1\r\nHost: abandoned.test\r\n\r\n')
  await until(
    'it has arrived',
    async () => (await gateway.metrics()).sum('amarre_exchanges_open', { site: 'abandoned' }) === 1,
  )
  client.leave()
  await counts('abandoned', { 499: 1 }, {})
  await until('the application sees it', () => upstream.sockets.size === 0)
})

t.test('a flood of connections that say nothing keeps nobody from being served', async (t) => {
  await serve(t, 'flooded', await extraBytes())
  await deployed('flooded')
  const silent = await Promise.all(Array.from({ length: 500 }, () => RawClient.connect(gateway.port, t)))
  for (const [i, client] of silent.entries()) if (i % 2 === 0) client.send('GET / HTTP/1.1\r\nHos')
  for (let i = 0; i < 20; i++) t.equal((await ask(t, 'flooded')).status, 200)
  for (const client of silent) client.leave()
  await counts('flooded', { 200: 20 }, {})
})

t.test('after all of it nothing is open', async (t) => {
  const metrics = await gateway.metrics()
  t.equal(metrics.sum('amarre_exchanges_open'), 0)
  t.equal(metrics.sum('amarre_websockets_open'), 0)
  t.equal(metrics.value('amarre_workers_lost_total'), 0)
})
