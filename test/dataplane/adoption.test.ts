// Sessions that are the application's own, first adoption, pages of different releases and their parts: through a real
// front to real applications, with a clock and a table that the test sets.
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import t from 'tap'
import { AssetAttempt } from '../../gateway/dataplane/asset-attempt.js'
import { AssetOrigins } from '../../gateway/dataplane/asset-origins.js'
import { hasCookie } from '../../gateway/dataplane/application-cookie.js'
import { FieldNames } from '../../gateway/dataplane/upstream/field-names.js'
import { ParsedHead } from '../../gateway/dataplane/upstream/response-head.js'
import type { ReleaseIndex, ReleaseVersion } from '../../gateway/domain/ids.js'
import type { SessionPolicy } from '../../gateway/domain/site-policy.js'
import { startApplication } from '../fixtures/application.js'
import type { Owner } from '../fixtures/owner.js'
import { until } from '../fixtures/until.js'
import { Visitor } from '../fixtures/visitor.js'
import { RecordingHandler } from '../upstream/recording-handler.js'
import { openFront, policy, type Front } from '../websocket/front.js'

const byCookie = { session: { ...policy, startsOn: { on: 'cookie', name: 'sid' } } } as const
const promiseMs = 90_000

interface Listening {
  readonly url: string
  readonly asked: IncomingMessage[]
}

/** A server that answers as told and keeps what it was asked. */
async function serve(t: Owner, listener: RequestListener): Promise<Listening> {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked.push(request)
    listener(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** A release with these files, and a 404 that names it. */
function serveFiles(t: Owner, release: string, files: Readonly<Record<string, string>>): Promise<Listening> {
  return serve(t, (request, response) => {
    const path = (request.url ?? '').split('?')[0] ?? ''
    const content = files[path]
    if (content === undefined) response.writeHead(404, { 'x-from': release }).end(`${release} has no ${path}`)
    else response.writeHead(200, { 'x-from': release }).end(content)
  })
}

// -- sessions that the application begins and ends --------------------------------------------------------------------

t.test("a cookie is the application's own by its whole name and with a value", async (t) => {
  const cases: [header: string, found: boolean][] = [
    ['sid=1', true],
    ['a=b; sid=1', true],
    ['a=b;sid = 1', true],
    ['xsid=1; sid=2', true],
    ['a=sid=1', false],
    ['xsid=1', false],
    ['sid2=1', false],
    ['sid', false],
    ['sid=', false],
    ['sid= ; a=b', false],
    ['sid=""', false],
    ['SID=1', false],
    ['', false],
  ]
  for (const [header, found] of cases) t.equal(hasCookie(header, 'sid'), found, header)
})

t.test("the token comes and goes with the application's own cookie", async (t) => {
  const application = await serve(t, ({ url = '' }, response) => {
    const lines: Record<string, string | string[]> = {
      '/login': 'sid=1; Path=/; HttpOnly',
      '/renew': 'sid=2; Path=/',
      '/shared': 'sid=3; Path=/',
      '/rotate': ['sid=; Path=/old; Max-Age=0', 'sid=4; Path=/'],
      '/logout': ['theme=dark', 'sid=gone; Path=/; Expires=Thu, 01-Jan-1970 00:00:10 GMT'],
    }
    if (url === '/shared') response.setHeader('Cache-Control', 'public, max-age=60')
    const cookies = lines[url]
    if (cookies !== undefined) response.setHeader('Set-Cookie', cookies)
    response.end('page')
  })
  const front = await openFront(t, [{ version: '1', share: 1, targets: [application.url] }], 5_000, byCookie)
  const ended: string[] = []
  Object.assign(front.state, { endSession: (id: string) => ended.push(id) })
  const visitor = new Visitor(`http://${front.host}`, { t })
  await visitor.go('/')
  await visitor.part('/logo.png', 'image')
  t.equal(visitor.token, null, 'nobody is pinned before the application knows him')
  t.equal(front.seen().births, 0)
  t.equal(application.asked.at(-1)?.headers['amarre-session'], undefined)

  await visitor.fetch('/login')
  const token = visitor.token
  t.ok(token, 'born where the application began its session')
  t.equal(front.seen().births, 1)
  await visitor.go('/')
  const session = application.asked.at(-1)?.headers['amarre-session']
  t.match(session, /^[0-9a-f]{16}$/)
  await visitor.fetch('/renew')
  await visitor.fetch('/rotate')
  t.equal(visitor.token, token, 'a renewed cookie is the same session')
  t.equal(front.seen().births, 1)

  const farewell = await visitor.fetch('/logout')
  t.equal(visitor.token, null, 'and it ends with it')
  t.same(ended, [session])
  t.ok(
    farewell.setCookies.some((line) => line.startsWith('theme=')),
    'the application says the rest itself',
  )
  await visitor.go('/')
  t.equal(visitor.token, null)

  const cached = await visitor.fetch('/shared')
  t.ok(visitor.token, 'what begins a session cannot wait for a response that is for one visitor')
  t.equal(cached.headers['cache-control'], 'max-age=60, private')

  visitor.jar.delete('amarre')
  await visitor.part('/logo.png', 'image')
  t.equal(visitor.token, null)
  await visitor.go('/')
  t.ok(visitor.token, 'whose token was lost is pinned anew, for the application knows him')
})

t.test('by signal a session begins with the word of the application only', async (t) => {
  const application = await serve(t, ({ url }, response) => {
    if (url === '/login') response.setHeader('Amarre-Session', 'start')
    response.setHeader('Set-Cookie', 'sid=1').end('page')
  })
  const session: SessionPolicy = { ...policy, startsOn: { on: 'signal' } }
  const releases = [{ version: '1', share: 1, targets: [application.url] }]
  const front = await openFront(t, releases, 5_000, { session })
  const visitor = new Visitor(`http://${front.host}`, { t })
  await visitor.go('/')
  t.equal(visitor.token, null)
  const answer = await visitor.fetch('/login')
  t.ok(visitor.token)
  t.equal(answer.headers['amarre-session'], undefined, 'the word stays between the application and us')
})

t.test('where the first request begins the session, its cookie may still end it', async (t) => {
  const application = await startApplication({ release: '1', t })
  const legacy = { cookie: 'sid', release: '1', until: 0 } as unknown as SessionPolicy['legacy']
  const releases = [{ version: '1', share: 1, targets: [application.url] }]
  const front = await openFront(t, releases, 5_000, { session: { ...policy, legacy } })
  const visitor = new Visitor(`http://${front.host}`, { t })
  await visitor.go('/')
  t.ok(visitor.token)
  const server = await serve(t, (_, response) => response.setHeader('Set-Cookie', 'sid=; Max-Age=0').end())
  front.publish([{ version: '1', share: 1, targets: [server.url] }])
  await visitor.fetch('/bye')
  t.equal(visitor.token, null)
})

t.test('a pin is lost when the application still knows who met another release', async (t) => {
  const [one, two] = await Promise.all(['1', '2'].map((release) => startApplication({ release, t })))
  const at = (share: number) => [
    { version: '2', share: 1 - share, targets: [two?.url ?? ''] },
    { version: '1', share, targets: [one?.url ?? ''] },
  ]
  const legacy = { cookie: 'sid', release: '1', until: 0 } as unknown as SessionPolicy['legacy']
  const front = await openFront(t, at(1), 5_000, { session: { ...policy, legacy } })
  const losers = Array.from({ length: 3 }, () => new Visitor(`http://${front.host}`, { t }))
  for (const visitor of losers) t.equal((await visitor.go('/')).page.release, '1')
  const [early, cookieless, aged] = losers
  const lost = () => front.state.activity.pinsLost.list()
  front.clock.nowMs += promiseMs
  await early?.go('/')
  t.same(lost(), [], 'on the same release nothing is lost')
  front.publish(at(0))
  front.clock.nowMs += promiseMs
  cookieless?.jar.delete('sid')
  await cookieless?.go('/')
  t.same(lost(), [], 'who has logged out has lost nothing')
  t.equal((await early?.go('/'))?.page.release, '2')
  t.same(lost(), [['shop', 'idle', 1]])
  front.clock.nowMs += policy.maxAgeMs
  await aged?.go('/')
  t.equal(lost().length, 1, 'by its promise it idled')
  await aged?.go('/')
  t.same(lost(), [['shop', 'idle', 2]], 'and it is lost once')
})

t.test('whose release came to its announced end has lost no pin by idling', async (t) => {
  const [one, two] = await Promise.all(['1', '2'].map((release) => startApplication({ release, t })))
  const legacy = { cookie: 'sid', release: '1', until: 0 } as unknown as SessionPolicy['legacy']
  const releases = [{ version: '1', share: 1, targets: [one?.url ?? ''] }]
  const gone = { heirs: [], takers: [], ended: ['1' as ReleaseVersion] }
  const front = await openFront(t, releases, 5_000, { session: { ...policy, legacy }, gone })
  const visitor = new Visitor(`http://${front.host}`, { t })
  await visitor.go('/')
  front.publish([{ version: '2', share: 1, targets: [two?.url ?? ''] }])
  t.equal((await visitor.go('/')).page.release, '2')
  t.same(front.state.activity.pinsLost.list(), [])
})

// -- first adoption -----------------------------------------------------------------------------------------------------

t.test('whoever the application knew before boards the legacy release, and nobody else does', async (t) => {
  const [one, two] = await Promise.all(['1', '2'].map((release) => startApplication({ release, t })))
  const releases = [
    { version: '2', share: 1, targets: [two?.url ?? ''] },
    { version: '1', share: 0, targets: [one?.url ?? ''] },
  ]
  const adoption = { cookie: 'sid', release: 1 as ReleaseIndex, until: 1_800_000_000_000 + 3_600_000 }
  const front = await openFront(t, releases, 5_000, { adoption })
  const before = new Visitor(one?.url ?? '', { t })
  await before.go('/add?item=hat')
  const through = new Visitor(`http://${front.host}`, { t })
  for (const [name, cookie] of before.jar) through.jar.set(name, cookie)
  const answer = await through.go('/')
  t.same([answer.page.release, answer.page.basket, answer.page.isNewSession], ['1', ['hat'], false])
  t.ok(through.token)
  t.equal((await new Visitor(`http://${front.host}`, { t }).go('/')).page.release, '2')
  front.clock.nowMs += 60_000
  await through.go('/')
  front.clock.nowMs = adoption.until
  t.equal((await through.fetch('/')).page.release, '1', 'he stays when adoption is over')
  const late = new Visitor(`http://${front.host}`, { t })
  for (const [name, cookie] of before.jar) late.jar.set(name, cookie)
  t.equal((await late.go('/')).page.release, '2', 'who comes later boards as anybody')
})

t.test('without its legacy release a known visitor is told so, and may begin anew', async (t) => {
  const two = await startApplication({ release: '2', t })
  const adoption = { cookie: 'sid', release: null, until: Infinity }
  const front = await openFront(t, [{ version: '2', share: 1, targets: [two.url] }], 5_000, { adoption })
  const visitor = new Visitor(`http://${front.host}`, { t })
  visitor.jar.set('sid', { value: 'old', isSecure: false, sameSite: 'lax' })
  const refused = await visitor.go('/basket?a=b')
  t.equal(refused.status, 503)
  t.match(refused.text, /href="\/basket\?a=b&#38;amarre-session=new"/)
  t.equal((await visitor.post('/pay', '')).status, 503, 'a form is not replayed elsewhere')
  const anew = await visitor.go('/basket?a=b&amarre-session=new')
  t.equal(anew.page.release, '2')
  t.ok(visitor.token)
  t.equal((await visitor.go('/basket')).status, 200)
})

// -- pages of different releases ----------------------------------------------------------------------------------------

t.test('an open page that names its release is served by it, counts there, and moves nobody', async (t) => {
  const [one, two] = await Promise.all(['1', '2'].map((release) => startApplication({ release, t })))
  const releases = [
    { version: '2', share: 1, targets: [two?.url ?? ''] },
    { version: '1', share: 0, targets: [one?.url ?? ''] },
  ]
  const pagePin = { header: 'x-page', query: 'page' }
  const front = await openFront(t, releases, 5_000, { pagePin })
  const visitor = new Visitor(`http://${front.host}`, { t })
  await visitor.go('/')
  const token = visitor.token
  const part = await visitor.fetch('/data', { 'x-page': '1' })
  t.equal(part.page.release, '1')
  t.equal(part.page.headers['amarre-release'], '1')
  t.equal(visitor.token, token)
  t.same(
    part.setCookies.filter((line) => line.startsWith('amarre=')),
    [],
  )
  t.equal((await visitor.part('/a.js?page=1')).page.release, '1')
  t.equal((await visitor.go('/?page=1')).page.release, '2', 'a navigation goes where the visitor is')
  const seen = front.seen(1)
  t.equal(seen.births, 0, 'nobody is born by it')
  t.equal(seen.birthsUntil, front.clock.nowMs + promiseMs, 'the release is promised to the page')
  front.clock.nowMs += 1000
  await visitor.fetch('/data', { 'x-page': '1' })
  t.equal(seen.birthsUntil, front.clock.nowMs + promiseMs)
  const ended: string[] = []
  Object.assign(front.state, { endSession: (id: string) => ended.push(id) })
  await visitor.fetch('/logout', { 'x-page': '1' })
  t.equal(visitor.token, null, 'a logout from an old page ends the session')
  t.equal(ended.length, 1)
  front.publish(releases.slice(0, 1))
  t.equal(
    (await visitor.fetch('/data', { 'x-page': '1' })).page.release,
    '2',
    'one that is gone names nothing',
  )
})

// -- parts of pages that another release has --------------------------------------------------------------------------

const assets = ['/assets/*']

interface Shop {
  readonly front: Front
  readonly visitor: Visitor
  /** Newest first. */
  readonly releases: readonly Listening[]
  /** Requests that came to each release since the last time. */
  asked(): number[]
}

/** Three releases, newest first, the newest accepting births. */
async function openShop(t: Owner, servers: readonly Listening[]): Promise<Shop> {
  const deployed = servers.map(({ url }, i) => ({
    version: String(servers.length - i),
    share: i === 0 ? 1 : 0,
    targets: [url],
  }))
  const front = await openFront(t, deployed, 5_000, { assets })
  const visitor = new Visitor(`http://${front.host}`, { t })
  const counts = servers.map(() => 0)
  const asked = () =>
    servers.map(({ asked: requests }, i) => {
      const before = counts[i] ?? 0
      counts[i] = requests.length
      return requests.length - before
    })
  return { front, visitor, releases: servers, asked }
}

t.test(
  'what the own release has not is looked for in the others, newest first, and remembered',
  async (t) => {
    const { front, visitor, asked, releases } = await openShop(t, [
      await serveFiles(t, '3', { '/': 'page', '/assets/3.js': 'three' }),
      await serveFiles(t, '2', { '/assets/2.js': 'two', '/assets/both.js': 'newer', '/other.js': 'other' }),
      await serveFiles(t, '1', { '/assets/1.js': 'one', '/assets/both.js': 'older' }),
    ])
    await visitor.go('/')
    const token = visitor.token
    asked()
    t.equal((await visitor.part('/assets/3.js')).text, 'three')
    t.same(asked(), [1, 0, 0], 'nobody else is asked for what it has')
    const old = await visitor.part('/assets/1.js')
    t.same([old.status, old.text, old.headers['x-from']], [200, 'one', '1'])
    t.same(asked(), [1, 1, 1])
    t.equal((await visitor.part('/assets/1.js')).text, 'one')
    t.same(asked(), [0, 0, 1], 'the next request goes there at once')
    t.equal((await visitor.part('/assets/both.js')).text, 'newer')
    t.same(asked(), [1, 1, 0])
    t.equal((await visitor.part('/assets/1.js?v=2')).text, 'one')
    t.same(asked(), [1, 1, 1], 'another query is another part')

    const missing = await visitor.part('/assets/none.js')
    t.same([missing.status, missing.headers['x-from'], missing.text], [404, '3', '3 has no /assets/none.js'])
    t.same(asked(), [1, 1, 1], 'each is asked once, and the 404 is that of the own release')
    t.equal((await visitor.part('/assets/none.js')).headers['x-from'], '3')
    t.same(asked(), [1, 0, 0], 'that nobody has it is remembered too')

    t.equal((await visitor.part('/other.js')).status, 404)
    t.same(asked(), [1, 0, 0], 'never for other paths')
    t.equal((await visitor.go('/assets/2.js')).status, 404)
    t.same(asked(), [1, 0, 0], 'never for a document')
    t.equal((await visitor.ask('POST', '/assets/2.js', { 'sec-fetch-dest': 'empty' }, 'x')).status, 404)
    t.same(asked(), [1, 0, 0], 'never but for GET and HEAD')
    t.equal((await visitor.ask('HEAD', '/assets/2.js', { 'sec-fetch-dest': 'script' })).status, 200)
    t.same(asked(), [1, 1, 0])

    t.equal(visitor.token, token)
    t.same(
      [front.seen(1), front.seen(2)].map(({ births, birthsUntil, lastTouchAt, exchangesOpen }) => [
        births,
        birthsUntil,
        lastTouchAt,
        exchangesOpen,
      ]),
      [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
      ],
      'no other release is touched by it',
    )
    t.same([...front.seen(0).requests.keys()].toSorted(), [200, 404], 'the visitor is counted where he is')
    t.equal(releases[1]?.asked.at(-1)?.headers['amarre-release'], '2', 'each is told its own name')
    t.equal(releases[2]?.asked.at(-1)?.headers['amarre-session'], undefined, 'and of no session')
  },
)

t.test('another table forgets what was found; a staged release is never asked', async (t) => {
  const [three, one] = [
    await serveFiles(t, '2', { '/': 'page' }),
    await serveFiles(t, '1', { '/assets/1.js': 'one' }),
  ]
  const { front, visitor, asked } = await openShop(t, [three, one])
  await visitor.go('/')
  asked()
  await visitor.part('/assets/1.js')
  t.same(asked(), [1, 1])
  front.publish([
    { version: '2', share: 1, targets: [three.url] },
    { version: '1', share: 0, targets: [one.url] },
  ])
  await visitor.part('/assets/1.js')
  t.same(asked(), [1, 1])
  front.publish([
    { version: '2', share: 1, targets: [three.url] },
    { version: '1', share: 0, targets: [one.url], isLive: false },
  ])
  t.equal((await visitor.part('/assets/1.js')).status, 404)
  t.same(asked(), [1, 0])
})

t.test('of an answer that was kept nothing follows when its head is not taken', async (t) => {
  let ends = 0
  const cancelled: boolean[] = []
  const handler = new RecordingHandler()
  void handler.outcome.then(() => ends++)
  const judge = { isOwnAnswer: () => false, isFound: () => false, goOn: () => {}, failed: () => {} }
  const attempt = new AssetAttempt(judge, null, handler)
  const call = { write: () => true, end: () => {}, pause: () => {}, resume: () => {} }
  attempt.call = { ...call, isWritten: true, cancel: () => void cancelled.push(true) }
  const head = new ParsedHead(new FieldNames([]))
  const bytes = Buffer.from('HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n')
  head.parse(bytes, 0, bytes.length, false)
  attempt.onHead(head)
  attempt.onData(Buffer.from('no such file'))
  attempt.onEnd()
  handler.whenHead = () => attempt.drop()
  attempt.release()
  await Promise.resolve()
  t.same([handler.status, handler.bytes, ends], [404, 0, 0])
  t.same(cancelled, [true])
})

t.test('what another release answers beside says nothing of the visitor', async (t) => {
  const { visitor, front } = await openShop(t, [
    await serveFiles(t, '2', { '/': 'page' }),
    await serve(t, (_, response) =>
      response
        .writeHead(200, {
          'Set-Cookie': 'sid=stolen',
          'Amarre-Session': 'end',
          'Clear-Site-Data': '"cookies"',
          'Cache-Control': 'public, max-age=31536000, immutable',
          'Content-Type': 'text/javascript',
        })
        .end('one'),
    ),
  ])
  await visitor.go('/')
  const token = visitor.token
  const ended: string[] = []
  Object.assign(front.state, { endSession: (id: string) => ended.push(id) })
  front.clock.nowMs += 60_000
  const found = await visitor.part('/assets/1.js')
  t.same([found.text, found.setCookies, found.headers['clear-site-data']], ['one', [], undefined])
  t.equal(found.headers['cache-control'], 'public, max-age=31536000, immutable', 'it stays cacheable')
  t.same(ended, [])
  t.equal(visitor.token, token)
  t.equal(front.state.activity.takeTouches().ids.length > 0, true, 'his own session was seen')
})

t.test('no page, refusal or failure of another release is taken for a part', async (t) => {
  const answers: Record<string, RequestListener> = {
    '/assets/a.js': (_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<app>'),
    '/assets/b.js': (_, response) => response.writeHead(302, { Location: '/login' }).end(),
    '/assets/c.js': (_, response) => response.writeHead(500).end('broken'),
    '/assets/d.js': (request) => request.socket.destroy(),
    '/assets/e.html': (_, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<part>'),
    '/assets/f.js': (_, response) => response.writeHead(404).end(Buffer.alloc(1_000_000)),
    '/assets/g.js': (_, response) => response.writeHead(304).end(),
  }
  const { visitor, asked, front } = await openShop(t, [
    await serveFiles(t, '3', { '/': 'page' }),
    await serve(t, (request, response) => answers[request.url ?? '']?.(request, response)),
    await serveFiles(t, '1', { '/assets/c.js': 'one', '/assets/d.js': 'one', '/assets/f.js': 'one' }),
  ])
  await visitor.go('/')
  asked()
  const statuses: [path: string, status: number][] = [
    ['/assets/a.js', 404],
    ['/assets/b.js', 404],
    ['/assets/c.js', 200],
    ['/assets/d.js', 200],
    ['/assets/e.html', 200],
    ['/assets/f.js', 200],
    ['/assets/g.js', 304],
  ]
  for (const [path, status] of statuses) t.equal((await visitor.part(path)).status, status, path)
  t.equal(front.seen(1).upstreamErrors.get('connection_lost'), 1, 'a failure is counted where it was')
  t.same(
    [0, 1, 2].map((release) => front.seen(release).exchangesOpen),
    [0, 0, 0],
  )
  t.equal((await visitor.go('/')).status, 200)
})

t.test('a failure is no proof that nobody has it; what is no longer there is looked for anew', async (t) => {
  const files: Record<string, string> = { '/assets/1.js': 'one' }
  const own: Record<string, string> = { '/': 'page' }
  let isBroken = true
  const { visitor, asked } = await openShop(t, [
    await serveFiles(t, '2', own),
    await serve(t, ({ url = '' }, response) => {
      const content = isBroken ? undefined : files[url]
      response.writeHead(content === undefined ? (isBroken ? 503 : 404) : 200).end(content)
    }),
  ])
  await visitor.go('/')
  asked()
  t.equal((await visitor.part('/assets/1.js')).status, 404)
  isBroken = false
  t.equal((await visitor.part('/assets/1.js')).status, 200)
  t.same(asked(), [2, 2])
  delete files['/assets/1.js']
  t.equal((await visitor.part('/assets/1.js')).text, '2 has no /assets/1.js')
  t.same(asked(), [1, 1], 'its own release is asked after the one that had it')
  files['/assets/2.js'] = 'two'
  await visitor.part('/assets/2.js')
  delete files['/assets/2.js']
  own['/assets/2.js'] = 'mine'
  asked()
  t.equal((await visitor.part('/assets/2.js')).text, 'mine')
  t.equal((await visitor.part('/assets/2.js')).text, 'mine')
  t.same(asked(), [2, 1], 'and is asked first from then on')
})

/** Writes as fast as it is taken, and tells how much that was. */
function pour(response: ServerResponse, total: number): { written: number } {
  const poured = { written: 0 }
  const pump = (): void => {
    while (poured.written < total) {
      const size = Math.min(65_536, total - poured.written)
      poured.written += size
      if (!response.write(Buffer.alloc(size, 'n'))) return void response.once('drain', pump)
    }
    response.end()
  }
  pump()
  return poured
}

t.test(
  'large answers are neither kept in memory nor cut, and hold their release while they come',
  async (t) => {
    const gates = new Map<string, () => void>()
    const ownBytes = 50_000_000
    let poured = { written: 0 }
    const { visitor, front } = await openShop(t, [
      await serve(t, ({ url }, response) => {
        if (url === '/') response.end('page')
        else poured = pour(response.writeHead(404), ownBytes)
      }),
      await serve(t, ({ url = '' }, response) => {
        const isThere = url === '/assets/large.bin'
        if (isThere) response.write(Buffer.alloc(1_000_000))
        gates.set(url, () => {
          if (!isThere) response.statusCode = 404
          response.end(isThere ? Buffer.alloc(1_000_000) : '')
        })
      }),
    ])
    await visitor.go('/')
    const large = visitor.part('/assets/large.bin', 'image')
    const finish = await until('it is under way', () => gates.get('/assets/large.bin'))
    t.equal(front.seen(1).exchangesOpen, 1)
    finish()
    t.equal((await large).text.length, 2_000_000)
    await until('it is over', () => front.seen(1).exchangesOpen === 0)
    const site = front.state.table?.siteOf('shop')
    const loads = () =>
      site?.releases.map(({ targets }) => targets.map((each) => front.state.pools.loadOf(each)))
    await until('and the 404 that nobody wanted is let go', () => JSON.stringify(loads()) === '[[0],[0]]')

    const none = visitor.part('/assets/none.bin', 'image')
    const refuse = await until('the other release is asked', () => gates.get('/assets/none.bin'))
    let [before, stalls] = [0, 0]
    await until('its own release waits', () => {
      stalls = poured.written === before ? stalls + 1 : 0
      before = poured.written
      return stalls > 10
    })
    t.ok(before < ownBytes / 2, `${before} bytes were taken before it is known whether anybody wants them`)
    refuse()
    const answer = await none
    t.same([answer.status, answer.text.length], [404, ownBytes])
  },
)

t.test('who goes away while it is looked for leaves nothing behind', async (t) => {
  const { visitor, front, releases } = await openShop(t, [
    await serveFiles(t, '2', { '/': 'page' }),
    await serve(t, () => {}),
  ])
  await visitor.go('/')
  const gone = visitor.open('/assets/x.js').catch(() => null)
  await until('the other release is asked', () => releases[1]?.asked.length === 1)
  t.equal(front.seen(1).exchangesOpen, 1)
  await visitor.leave()
  await gone
  await until(
    'everything is given back',
    () => front.seen(0).exchangesOpen + front.seen(1).exchangesOpen === 0,
  )
  t.equal(front.state.open.size, 0)
})

t.test('origins are of one release, one target and one table', async (t) => {
  const origins = new AssetOrigins()
  const [table, other] = [{}, {}] as never[]
  const release = (index: number) => ({ index: index as ReleaseIndex }) as never
  origins.remember(table as never, release(1), '/a', { release: '1' as never })
  t.same(origins.find(table as never, release(1), '/a'), { release: '1' })
  t.equal(origins.find(table as never, release(2), '/a'), null)
  t.equal(origins.find(table as never, release(1), '/b'), null)
  origins.remember(table as never, release(1), `/${'x'.repeat(5_000_000)}`, { release: null })
  t.equal(origins.find(table as never, release(1), `/${'x'.repeat(5_000_000)}`), null, 'it is bounded')
  t.equal(origins.find(other as never, release(1), '/a'), null)
})
