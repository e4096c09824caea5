// The admin API and the metrics over real HTTP.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import t from 'tap'
import { RuleRefusal } from '../../gateway/controlplane/rule-refusal.js'
import { productVersion } from '../../gateway/product.js'
import { FakeDesk } from './fake-desk.js'
import { event, FakeView, releaseReading, releaseStatus } from './fake-view.js'
import { serveView, token } from './serve-view.js'

const view = new FakeView()
view.siteList = [
  {
    site: 'shop',
    hosts: ['shop.example.com'],
    active: ['1.1.0'],
    frozen: false,
    rollout: null,
    warnings: [],
    releases: [
      releaseStatus({ version: '1.1.0', acceptsBirths: true, share: 1 }),
      releaseStatus({ version: '1.0.0', state: 'retirable', generation: 5 }),
      releaseStatus({ version: '0.9.0+a_b', state: 'draining', generation: 8 }),
    ],
  },
]
view.eventList = [3, 2, 1].map(event)
const desk = new FakeDesk()
const server = await serveView(view, desk)
t.teardown(() => server.close())

const authorization = `Bearer ${token}`
const json = { authorization, 'content-type': 'application/json' }
const retire = '/api/v1/sites/shop/releases/1.0.0/retire'

function get(path: string): Promise<Response> {
  return fetch(server.url + path)
}

function post(path: string, headers: Record<string, string>, body?: string): Promise<Response> {
  return fetch(server.url + path, { method: 'POST', headers, ...(body !== undefined && { body }) })
}

async function speak(port: number, text: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(text)
  return socket
}

/** A reset is an end too. */
function closed(socket: Socket): Promise<unknown> {
  socket.on('error', () => socket.destroy())
  return new Promise((resolve) => socket.once('close', resolve))
}

async function problemOf(response: Response): Promise<unknown> {
  assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json\b/)
  return response.json()
}

t.test('every reading is one look at the view, open to all and never cached', async (t) => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['/api/v1/status', view.gateway],
    ['/api/v1/config', view.gateway.config],
    ['/api/v1/sites', view.siteList],
    ['/api/v1/sites/shop/releases', view.siteList[0]?.releases],
    ['/api/v1/sites/shop/releases/1.0.0', view.siteList[0]?.releases[1]],
    ['/api/v1/sites/shop/releases/0.9.0%2Ba_b', view.siteList[0]?.releases[2]],
    ['/api/v1/events', view.eventList],
    ['/api/v1/events?limit=1', [event(3)]],
    ['/api/v1/events?limit=2&before=3', [event(2), event(1)]],
  ]
  for (const [path, expected] of cases) {
    const response = await get(path)
    t.equal(response.status, 200, path)
    t.match(response.headers.get('content-type'), /^application\/json\b/)
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.equal(response.headers.get('x-powered-by'), null)
    t.same(await response.json(), expected, path)
  }
})

t.test('one release carries its generation as its ETag', async (t) => {
  t.equal((await get('/api/v1/sites/shop/releases/1.0.0')).headers.get('etag'), '"5"')
})

t.test('alive is always said, ready only with reasons where it is not', async (t) => {
  t.equal(await (await get('/livez')).text(), 'ok\n')
  const ready = await get('/readyz')
  t.equal(ready.status, 200)
  t.same(await ready.json(), { ready: true, waitingFor: [] })
  const before = view.gateway
  t.teardown(() => (view.gateway = before))
  view.gateway = { ...before, ready: false, waitingFor: ['2 workers'] }
  const unready = await get('/readyz')
  t.equal(unready.status, 503)
  t.same(await unready.json(), { ready: false, waitingFor: ['2 workers'] })
  t.equal((await get('/livez')).status, 200)
})

t.test('while the saved sessions are being read nothing is said that counts them', async (t) => {
  view.isReading = true
  t.teardown(() => (view.isReading = false))
  const known = [
    '/livez',
    '/readyz',
    '/api/v1/status',
    '/api/v1/config',
    '/api/v1/events',
    '/api/v1/openapi.json',
  ]
  for (const path of known) t.equal((await get(path)).status, 200, path)
  const { paths } = (await (await get('/api/v1/openapi.json')).json()) as { paths: Record<string, object> }
  const before = view.orders.length
  for (const path of Object.keys(paths).filter((each) => !known.includes(each))) {
    for (const method of Object.keys(paths[path] ?? {})) {
      const place = path.replace('{site}', 'shop').replace('{version}', '1.0.0')
      const response = await fetch(server.url + place, {
        method: method.toUpperCase(),
        headers: { authorization },
      })
      t.equal(response.status, 503, `${method} ${path}`)
      t.equal(response.headers.get('retry-after'), '1')
      t.match(await problemOf(response), {
        title: 'not ready yet',
        detail: /saved sessions are still being read/,
      })
    }
  }
  t.equal(view.orders.length, before, 'nothing is ordered')
})

t.test(
  'what is not there is a 404 that names it, another method a 405 that names those allowed',
  async (t) => {
    const cases: readonly (readonly [string, string])[] = [
      ['/api/v1/sites/nosuch/releases', 'no site "nosuch"'],
      ['/api/v1/sites/shop/releases/9', 'no release "9" of site "shop"'],
      ['/api/v2/sites?x=1', 'no such address "/api/v2/sites"'],
    ]
    for (const [path, detail] of cases) {
      const response = await get(path)
      t.equal(response.status, 404)
      t.match(await problemOf(response), { type: 'about:blank', title: 'not found', status: 404, detail })
    }
    const wrong = await post('/api/v1/sites', { authorization })
    t.equal(wrong.status, 405)
    t.equal(wrong.headers.get('allow'), 'GET, HEAD')
    t.equal((await get(retire)).headers.get('allow'), 'POST, DELETE')
  },
)

t.test('a question that makes no sense is a 400 that says what is allowed', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['?limit=0', 'found limit "0", allowed: 1 to 1000'],
    ['?limit=1001', 'found limit "1001", allowed: 1 to 1000'],
    ['?limit=ten', 'found limit "ten", allowed: a whole number'],
    ['?limit=1&limit=2', 'found limit "1,2", allowed: a whole number'],
    ['?before=-1', 'found before "-1", allowed: a whole number'],
  ]
  for (const [query, detail] of cases) {
    const response = await get(`/api/v1/events${query}`)
    t.equal(response.status, 400)
    t.match(await problemOf(response), { detail })
  }
  t.equal((await get('/api/v1/sites/%zz/releases')).status, 400)
})

t.test('every change needs the token', async (t) => {
  const wrong = ['', 'Bearer', 'Bearer ', 'Bearer wrong', `Basic ${token}`, token, `Bearer ${token}x`]
  for (const path of ['/api/v1/keys/rotate', retire]) {
    for (const value of wrong) {
      const response = await post(path, value === '' ? {} : { authorization: value })
      t.equal(response.status, 401, `"${value}"`)
      t.match(response.headers.get('www-authenticate'), /^Bearer/)
      t.match(await problemOf(response), { title: 'a change needs the admin token' })
    }
  }
  t.same(view.orders, [])
})

t.test('an order is carried out in the name of who gave it, with his reason', async (t) => {
  t.teardown(() => (view.orders.length = 0))
  const rotated = await post('/api/v1/keys/rotate', { authorization: `bearer  ${token}` })
  t.equal(rotated.status, 200)
  t.same(await rotated.json(), { keyId: 4 })
  const json = { authorization, 'content-type': 'application/json' }
  const retired = await post(retire, json, '{"reason":"disk is full"}')
  t.equal(retired.status, 200)
  t.equal(retired.headers.get('etag'), '"6"')
  t.match(await retired.json(), { version: '1.0.0', state: 'retired' })
  t.same(view.orders, [
    'rotate by operator at 127.0.0.1',
    'retire shop 1.0.0 by operator at 127.0.0.1: disk is full',
  ])
})

t.test('activate and drain are orders of one release; force is said in its name', async (t) => {
  t.teardown(() => (view.orders.length = 0))
  const release = '/api/v1/sites/shop/releases/1.0.0'
  const json = { authorization, 'content-type': 'application/json' }
  const activated = await post(`${release}/activate`, json, '{"reason":"go","force":true}')
  t.match(await activated.json(), { version: '1.0.0', state: 'active' })
  const drained = await post(`${release}/drain`, json, '{}')
  t.match(await drained.json(), { version: '1.0.0', state: 'draining' })
  t.same(view.orders.slice(-2), [
    'activate shop 1.0.0 by operator at 127.0.0.1: go, forced',
    'drain shop 1.0.0 by operator at 127.0.0.1',
  ])
  t.equal((await post(`${release}/drain`, json, '{"force":"yes"}')).status, 400)
})

t.test('a site is rolled back, frozen and unfrozen by order', async (t) => {
  t.teardown(() => (view.orders.length = 0))
  const json = { authorization, 'content-type': 'application/json' }
  const send = (method: string, path: string, body = '{}') =>
    fetch(`http://127.0.0.1:${server.port}/api/v1/sites/${path}`, { method, headers: json, body })
  t.match(await (await send('POST', 'shop/rollback', '{"to":"1.0.0"}')).json(), { version: '1.0.0' })
  t.match(await (await send('PUT', 'shop/freeze', '{"reason":"sale"}')).json(), { frozen: true })
  t.match(await (await send('DELETE', 'shop/freeze')).json(), { frozen: false })
  t.same(view.orders, [
    'rollback shop 1.0.0 by operator at 127.0.0.1',
    'freeze shop by operator at 127.0.0.1: sale',
    'unfreeze shop by operator at 127.0.0.1',
  ])
  t.equal((await send('PUT', 'nosuch/freeze')).status, 404)
  t.equal((await send('POST', 'shop/rollback', '{"to":7}')).status, 400)
})

t.test('a recall is ordered with its rate, and what was ordered is taken back', async (t) => {
  t.teardown(() => (view.orders.length = 0))
  const json = { authorization, 'content-type': 'application/json' }
  const send = (method: string, verb: string, body = '{}') =>
    fetch(`http://127.0.0.1:${server.port}/api/v1/sites/shop/releases/1.0.0/${verb}`, {
      method,
      headers: json,
      body,
    })
  t.equal((await send('POST', 'recall', '{"to":"2.0.0","rate":"0.5/s","reason":"bad"}')).status, 200)
  t.equal((await send('POST', 'recall', '{"to":"2.0.0","force":true}')).status, 200)
  t.equal((await send('DELETE', 'recall')).status, 200)
  t.equal((await send('DELETE', 'retire')).status, 200)
  t.same(view.orders, [
    'recall to 2.0.0 at 0.5/s shop 1.0.0 by operator at 127.0.0.1: bad',
    'recall to 2.0.0 shop 1.0.0 by operator at 127.0.0.1, forced',
    'cancel recall shop 1.0.0 by operator at 127.0.0.1',
    'cancel end shop 1.0.0 by operator at 127.0.0.1',
  ])
  for (const body of ['{}', '{"to":"2","rate":2}', '{"to":"2","rate":"0/s"}', '{"to":"2","rate":"2/m"}']) {
    t.equal((await send('POST', 'recall', body)).status, 400, body)
  }
})

t.test('a body that is none is refused before anything is done', async (t) => {
  const json = { authorization, 'content-type': 'application/json' }
  const cases: readonly (readonly [Record<string, string>, string, number])[] = [
    [json, '{', 400],
    [json, '[]', 400],
    [json, '"text"', 400],
    [json, '{"to":"1.0.0"}', 400],
    [json, '{"reason":7}', 400],
    [json, '{"reason":""}', 400],
    [json, '{"reason":"two\\nlines"}', 400],
    [json, `{"reason":"${'x'.repeat(501)}"}`, 400],
    [json, '{"__proto__":{}}', 400],
    [json, `{"reason":"${'x'.repeat(17_000)}"}`, 413],
    [{ authorization, 'content-type': 'text/csv' }, 'a,b', 415],
  ]
  for (const [headers, body, status] of cases) {
    const response = await post(retire, headers, body)
    t.equal(response.status, status, body.slice(0, 30))
    t.match(await problemOf(response), { status })
  }
  t.same(view.orders, [])
})

t.test('If-Match that does not hold is a 412, one that does lets the order pass', async (t) => {
  t.teardown(() => (view.orders.length = 0))
  for (const tag of ['"4"', 'W/"5"', '5', '"4", "6"']) {
    const response = await post(retire, { authorization, 'if-match': tag })
    t.equal(response.status, 412, tag)
    t.match(await problemOf(response), { title: 'the release has changed meanwhile' })
  }
  t.same(view.orders, [])
  for (const tag of ['"5"', '*', '"4", "5"']) {
    t.equal((await post(retire, { authorization, 'if-match': tag })).status, 200, tag)
  }
})

t.test("a rule's refusal is a 409 that names the rule", async (t) => {
  const response = await post('/api/v1/sites/shop/releases/0.9.0%2Ba_b/retire', { authorization })
  t.equal(response.status, 409)
  t.same(await problemOf(response), {
    type: 'urn:amarre:rule:retire-needs-retirable',
    title: 'a rule refuses',
    status: 409,
    detail: '"0.9.0+a_b" is "draining", not "retirable"',
    rule: 'retire-needs-retirable',
  })
  t.equal((await post('/api/v1/sites/shop/releases/7/retire', { authorization })).status, 404)
})

interface Operation {
  readonly operationId: string
  readonly responses: Readonly<Record<string, unknown>>
  readonly security?: unknown
}

t.test('of every change that the document lists, each refusal that it names is given', async (t) => {
  const bodies: Readonly<Record<string, string>> = { recall: '{"to":"1.1.0"}' }
  const document = (await (await get('/api/v1/openapi.json')).json()) as {
    paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  }
  const changes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      .filter(([, { security }]) => security !== undefined)
      .map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  )
  t.equal(changes.length, 12, changes.map(({ operation }) => operation.operationId).join(' '))
  const [ordersBefore, askedBefore] = [view.orders.length, desk.asked.length]
  for (const { path, method, operation } of changes) {
    const { operationId, responses } = operation
    const send = async (
      found: { site?: string; version?: string },
      headers: Record<string, string> = {},
    ): Promise<readonly [number, unknown]> => {
      const place = path
        .replace('{site}', found.site ?? 'shop')
        .replace('{version}', found.version ?? '1.0.0')
      const body = bodies[operationId] ?? '{}'
      const response = await fetch(server.url + place, { method, headers: { ...json, ...headers }, body })
      return [response.status, await problemOf(response)]
    }
    t.equal((await send({}, { authorization: 'Bearer wrong' }))[0], 401, `${operationId}: the token`)
    if (path.includes('{site}')) t.equal((await send({ site: 'nosuch' }))[0], 404, `${operationId}: the site`)
    if (path.includes('{version}')) {
      t.equal((await send({ version: '7' }))[0], 404, `${operationId}: the release`)
      t.equal((await send({}, { 'if-match': '"4"' }))[0], 412, `${operationId}: its generation`)
      t.ok('412' in responses, operationId)
    }
    view.refusal = desk.refusal = new RuleRefusal('not-today', 'it is Sunday')
    t.match(await send({}), [409, { rule: 'not-today', detail: 'it is Sunday' }], `${operationId}: a rule`)
    view.refusal = desk.refusal = null
    t.ok('409' in responses, operationId)
  }
  t.equal(view.orders.length, ordersBefore, 'nothing is ordered')
  t.equal(desk.asked.length, askedBefore, 'nothing is asked')
})

t.test('a fault of the gateway is a 500 without a word of it, and in the log', async (t) => {
  view.fault = new Error('a secret of the inside')
  t.teardown(() => (view.fault = null))
  const response = await get('/api/v1/status')
  t.equal(response.status, 500)
  t.notMatch(JSON.stringify(await problemOf(response)), /secret/)
  t.match(server.logged.at(-1), { method: 'GET', url: '/api/v1/status', error: /a secret of the inside/ })
})

t.test('the OpenAPI document lists every route, and each of its references leads somewhere', async (t) => {
  const text = await (await get('/api/v1/openapi.json')).text()
  const document = JSON.parse(text) as { paths: object; components: { schemas: object } }
  t.same(Object.keys(document.paths).toSorted(), [
    '/api/v1/config',
    '/api/v1/events',
    '/api/v1/keys/rotate',
    '/api/v1/sites',
    '/api/v1/sites/{site}/explain',
    '/api/v1/sites/{site}/freeze',
    '/api/v1/sites/{site}/releases',
    '/api/v1/sites/{site}/releases/{version}',
    '/api/v1/sites/{site}/releases/{version}/activate',
    '/api/v1/sites/{site}/releases/{version}/drain',
    '/api/v1/sites/{site}/releases/{version}/plan',
    '/api/v1/sites/{site}/releases/{version}/preview',
    '/api/v1/sites/{site}/releases/{version}/recall',
    '/api/v1/sites/{site}/releases/{version}/retire',
    '/api/v1/sites/{site}/releases/{version}/sessions',
    '/api/v1/sites/{site}/rollback',
    '/api/v1/status',
    '/livez',
    '/metrics',
    '/readyz',
  ])
  t.match(document.paths, { '/api/v1/sites/{site}/freeze': { put: {}, delete: {} } }, 'each method of a path')
  const references = Array.from(text.matchAll(/"#\/components\/schemas\/(\w+)"/g), ([, name]) => name ?? '')
  for (const name of references) t.ok(Object.hasOwn(document.components.schemas, name), name)
})

t.test('the metrics are those of one reading, and promtool has nothing to say', async (t) => {
  view.figures = {
    ...view.figures,
    releases: [
      releaseReading({
        version: '1.1.0',
        active: 12,
        confirmed: 20,
        ended: { idle: 7, overflow: 1 },
        oldestBornAt: 1_700_000_000_500,
        targets: [
          { url: 'http://a:1', healthy: true, ejectedBy: 0 },
          { url: 'http://b:1', healthy: false, ejectedBy: 2 },
          { url: 'http://c:1', healthy: null, ejectedBy: 0 },
        ],
        traffic: {
          births: 40,
          previewRequests: 3,
          exchangesOpen: 2,
          socketsOpen: 1,
          requests: new Map([
            [200, 90],
            [404, 3],
          ]),
          durations: [5, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
          durationSumMs: 61_500,
          upstreamErrors: new Map([['connect-refused', 2]]),
          takenOver: new Map([['1.0.0', new Map([['recall', 7]])]]),
        },
      }),
      releaseReading({ version: '1.0.0', state: 'draining', retirable: NaN, emptyBy: 1_700_000_000_000 }),
    ],
    sites: [
      {
        site: 'shop',
        unrouted: new Map([[503, 4]]),
        rejected: new Map([['expired', 6]]),
        pinsLost: new Map([['idle', 8]]),
      },
      { site: '', unrouted: new Map([[404, 9]]), rejected: new Map(), pinsLost: new Map() },
    ],
    configFiles: [{ file: 'sites/shop/we"ird\\.yaml', valid: false }],
    configReloads: { applied: 3, rejected: 1 },
    connections: 7,
    frontRefusals: [['no-request', 2]],
  }
  const response = await get('/metrics')
  t.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  const text = await response.text()
  const lines = new Set(text.split('\n'))
  for (const line of [
    `amarre_build_info{version="${productVersion}",node_version="${process.version}"} 1`,
    'amarre_sessions_active{site="shop",release="1.1.0"} 12',
    'amarre_sessions_provisional{site="shop",release="1.1.0"} 0',
    'amarre_sessions_started_total{site="shop",release="1.1.0"} 40',
    'amarre_sessions_confirmed_total{site="shop",release="1.1.0"} 20',
    'amarre_sessions_ended_total{site="shop",release="1.1.0",reason="idle"} 7',
    'amarre_sessions_ended_total{site="shop",release="1.1.0",reason="age"} 0',
    'amarre_sessions_ended_total{site="shop",release="1.1.0",reason="overflow"} 1',
    'amarre_session_oldest_timestamp_seconds{site="shop",release="1.1.0"} 1700000000.5',
    'amarre_session_oldest_timestamp_seconds{site="shop",release="1.0.0"} Nan',
    'amarre_target_ejected{site="shop",release="1.1.0",target="http://b:1"} 2',
    'amarre_exchanges_open{site="shop",release="1.1.0"} 2',
    'amarre_websockets_open{site="shop",release="1.1.0"} 1',
    'amarre_requests_total{site="shop",release="1.1.0",code="404"} 3',
    'amarre_requests_total{site="shop",release="",code="503"} 4',
    'amarre_requests_total{site="",release="",code="404"} 9',
    'amarre_request_duration_seconds_bucket{site="shop",release="1.1.0",le="0.001"} 5',
    'amarre_request_duration_seconds_bucket{site="shop",release="1.1.0",le="0.005"} 7',
    'amarre_request_duration_seconds_bucket{site="shop",release="1.1.0",le="30"} 7',
    'amarre_request_duration_seconds_bucket{site="shop",release="1.1.0",le="+Inf"} 8',
    'amarre_request_duration_seconds_sum{site="shop",release="1.1.0"} 61.5',
    'amarre_request_duration_seconds_count{site="shop",release="1.1.0"} 8',
    'amarre_upstream_errors_total{site="shop",release="1.1.0",reason="connect-refused"} 2',
    'amarre_tokens_rejected_total{site="shop",reason="expired"} 6',
    'amarre_tokens_rejected_total{site="shop",reason="future"} 0',
    'amarre_target_healthy{site="shop",release="1.1.0",target="http://a:1"} 1',
    'amarre_target_healthy{site="shop",release="1.1.0",target="http://b:1"} 0',
    'amarre_target_healthy{site="shop",release="1.1.0",target="http://c:1"} Nan',
    'amarre_release_state{site="shop",release="1.0.0",state="draining"} 1',
    'amarre_release_state{site="shop",release="1.0.0",state="active"} 0',
    'amarre_release_accepts_births{site="shop",release="1.1.0"} 1',
    'amarre_release_retirable{site="shop",release="1.1.0"} 0',
    'amarre_release_retirable{site="shop",release="1.0.0"} Nan',
    'amarre_release_empty_by_timestamp_seconds{site="shop",release="1.0.0"} 1700000000',
    'amarre_config_reloads_total{result="applied"} 3',
    'amarre_config_reloads_total{result="rejected"} 1',
    'amarre_config_file_valid{file="sites/shop/we\\"ird\\\\.yaml"} 0',
    'amarre_workers 2',
    'amarre_workers_lost_total 0',
    'amarre_connections_open 7',
    'amarre_front_refusals_total{limitation="no-request"} 2',
    'amarre_keys_generated 1',
    'amarre_state_age_seconds 1.5',
  ]) {
    t.ok(lines.has(line), line)
  }
  const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  if (promtool.error !== undefined)
    return t.pass('promtool is not installed', { skip: 'promtool is not installed' })
  t.equal(promtool.stdout + promtool.stderr, '')
  return t.equal(promtool.status, 0)
})

t.test('the series of a release go when it leaves the reading', async (t) => {
  view.figures = { ...view.figures, releases: [releaseReading({ version: '2.0.0' })] }
  const text = await (await get('/metrics')).text()
  t.match(text, /release="2\.0\.0"/)
  t.notMatch(text, /release="1\.0\.0"/)
})

t.test('closing ends connections that are kept alive and those that have sent half a request', async (t) => {
  const other = await serveView(view)
  const kept = await speak(other.port, 'GET /livez HTTP/1.1\r\nHost: x\r\n\r\n')
  await once(kept, 'data')
  const half = await speak(other.port, 'GET /livez HTTP/1.1\r\nHost: x\r\n')
  const ended = [kept, half].map(closed)
  await other.close()
  await Promise.all(ended)
  await t.rejects(fetch(`${other.url}/livez`))
})

t.test('a port that is taken rejects', async (t) => {
  const { listenAdmin } = await import('../../gateway/adapters/fastify-admin.js')
  const { nullLog } = await import('../../gateway/domain/ports.js')
  const taken = { host: '127.0.0.1', port: server.port, api: { routes: [] }, token, log: nullLog }
  await t.rejects(listenAdmin(taken), { code: 'EADDRINUSE' })
})

t.test('the version is that of package.json', async (t) => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string }
  t.equal(productVersion, version)
})

t.test('a preview, the sessions of a release and an explanation are asked of the desk', async (t) => {
  const release = '/api/v1/sites/shop/releases/1.1.0'
  desk.asked.length = 0
  const link = await post(
    `${release}/preview`,
    json,
    '{"ttl":"90m","url":"https://shop.example.com/a","reason":"QA"}',
  )
  t.same(await link.json(), {
    site: 'shop',
    version: '1.1.0',
    url: 'https://shop.example.com/a?amarre-preview=x',
    until: '1970-01-01T01:30:00.000Z',
  })
  t.equal(
    (await post(`${release}/preview`, { authorization })).status,
    200,
    'an hour, by hosts, without a body',
  )
  t.equal((await post(`${release}/preview`, { ...json, 'if-match': '"9"' }, '{}')).status, 412)
  t.equal((await post(`${release}/preview`, {})).status, 401)
  t.equal((await get(`${release}/sessions`)).status, 200)
  const sessions = (await (await get(`${release}/sessions?limit=7`)).json()) as { active: number }
  t.equal(sessions.active, 3)
  const body = { cookie: ['a=1', 'b=x y'], header: 'X-One:  two ', url: '/a?b', method: 'post' }
  const explained = await post('/api/v1/sites/shop/explain', json, JSON.stringify(body))
  t.match(await explained.json(), { outcome: 'stay', rule: { number: 3 } })
  t.equal((await post('/api/v1/sites/shop/explain', json, '{}')).status, 200)
  t.equal((await post('/api/v1/sites/shop/explain', {}, '{}')).status, 401)
  t.same(desk.asked, [
    'preview shop 1.1.0 5400000 https://shop.example.com/a by operator at 127.0.0.1: QA',
    'preview shop 1.1.0 3600000 null by operator at 127.0.0.1',
    'sessions shop 1.1.0 100',
    'sessions shop 1.1.0 7',
    'explain shop {"cookies":["a=1","b=x y"],"headers":[{"name":"x-one","value":"two"}],"url":"/a?b","method":"POST"}',
    'explain shop {"cookies":[],"headers":[],"url":null,"method":"GET"}',
  ])
})

t.test('what cannot be previewed or explained is refused with what is allowed', async (t) => {
  const preview = '/api/v1/sites/shop/releases/1.1.0/preview'
  const explain = '/api/v1/sites/shop/explain'
  const cases: readonly (readonly [path: string, body: string, detail: RegExp])[] = [
    [preview, '{"ttl":"8d"}', /found ttl "8d", allowed: .* from "1s" to "7d"/],
    [preview, '{"ttl":"soon"}', /found ttl "soon"/],
    [preview, '{"ttl":"never"}', /found ttl "never"/],
    [preview, '{"ttl":60}', /"ttl" must be/],
    [preview, '{"url":"shop.example.com"}', /"url" must be an address/],
    [preview, '{"force":true}', /unknown key "force"/],
    [explain, '[]', /must be a JSON object/],
    [explain, '{"cookies":"a=1"}', /unknown key "cookies", allowed: "cookie"/],
    [explain, '{"cookie":"a"}', /found cookie "a", allowed: "NAME=VALUE"/],
    [explain, '{"cookie":"a=1; b=2"}', /one each/],
    [explain, '{"cookie":[1]}', /must be a text/],
    [explain, '{"header":"nonsense"}', /allowed: "Name: value"/],
    [explain, '{"header":"A: b\\r\\nC: d"}', /allowed: "Name: value"/],
    [explain, '{"url":"ftp://a"}', /"url" must be/],
    [explain, '{"method":"GET /"}', /"method" must be/],
  ]
  for (const [path, body, detail] of cases) {
    const response = await post(path, json, body)
    t.equal(response.status, 400, body)
    t.match(await problemOf(response), { detail }, body)
  }
  t.equal((await post('/api/v1/sites/nope/explain', json, '{}')).status, 404)
  t.equal((await get('/api/v1/sites/shop/releases/1.1.0/sessions?limit=1001')).status, 400)
  t.equal((await get('/api/v1/sites/shop/releases/nope/sessions')).status, 404)
})
