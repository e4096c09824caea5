// A preview in the data plane: who gets in, what becomes of cookies on both ways, what is counted, and how it ends. Real
// sockets, a front and applications; a clock and a table that the test sets.
import fc from 'fast-check'
import t from 'tap'
import { signToken, type KeyRing } from '../../gateway/dataplane/affinity-token.js'
import {
  clearPreviewLines,
  passCookieLine,
  renamedSetCookie,
  withoutPreview,
} from '../../gateway/dataplane/preview-cookies.js'
import { previewAskedBy, withPreviewOff } from '../../gateway/dataplane/preview-link.js'
import { PassReader, signPass } from '../../gateway/dataplane/preview-pass.js'
import { fieldMasks, keptRuns } from '../../gateway/dataplane/response-fields.js'
import { FieldNames } from '../../gateway/dataplane/upstream/field-names.js'
import { ParsedHead } from '../../gateway/dataplane/upstream/response-head.js'
import { responseFields } from '../../gateway/domain/headers.js'
import { readCookies } from '../../gateway/dataplane/token-cookie.js'
import type { ReleaseVersion, SessionId, SiteName } from '../../gateway/domain/ids.js'
import { parsePassText, passText, type PreviewPass } from '../../gateway/domain/preview-pass.js'
import { startApplication } from '../fixtures/application.js'
import { Visitor } from '../fixtures/visitor.js'
import { openFront, policy as frontPolicy } from '../websocket/front.js'
import { connect } from '../websocket/peer.js'
import { startSocketApplication } from '../websocket/socket-application.js'

const now = 1_800_000_000_000
const hour = 3_600_000
const shop = 'shop' as SiteName
const ring: KeyRing = { keys: [{ id: 1, secret: Buffer.alloc(32, 7) }], signsWith: 1 }

function passOf(changes: Partial<PreviewPass> = {}): PreviewPass {
  return {
    site: shop,
    release: '2.0.0+build.7' as ReleaseVersion,
    id: '0123456789abcdef' as SessionId,
    until: now + hour,
    ...changes,
  }
}

// -- passes -------------------------------------------------------------------------------------------------------------

t.test('a pass says what was signed, and nothing else is a pass', async (t) => {
  const pass = passOf()
  const signed = signPass(pass, ring)
  t.match(signed, /^[A-Za-z0-9_.-]+$/, 'needs no escaping in an address or a cookie')
  t.same(new PassReader().read(signed, shop, ring), pass)
  t.same(parsePassText(passText(pass, 9)), { pass, keyId: 9 })

  const other: KeyRing = { keys: [{ id: 1, secret: Buffer.alloc(32, 8) }], signsWith: 1 }
  const dropped: KeyRing = { keys: [{ id: 2, secret: Buffer.alloc(32, 7) }], signsWith: 2 }
  const [body = '', mac = ''] = signed.split('.')
  const longer = Buffer.from(passText({ ...pass, until: now + 2 * hour }, 1)).toString('base64url')
  const token = signToken(
    {
      site: shop,
      release: pass.release,
      targetTag: 1,
      id: pass.id,
      bornAt: now,
      issuedAt: now,
      until: now + hour,
      held: false,
      issuer: '00'.repeat(8),
    },
    ring,
  )
  const cases: [name: string, text: string, reason: string, ring?: KeyRing, site?: string][] = [
    ['nothing', '', 'malformed'],
    ['a word', 'on', 'malformed'],
    ['cut short', signed.slice(0, -3), 'signature'],
    ['without its signature', body, 'malformed'],
    ['with an empty one', `${body}.`, 'malformed'],
    ['of a longer life', `${longer}.${mac}`, 'signature'],
    ['signed by somebody else', signPass(pass, other), 'signature'],
    ['signed by a key that was dropped', signed, 'key', dropped],
    ['of another site', signed, 'site', ring, 'blog'],
    ['an affinity token', token, 'malformed'],
    ['a token and the signature of a pass', `${token}.${mac}`, 'malformed'],
    ['endless', 'a'.repeat(10_000), 'malformed'],
  ]
  for (const [name, text, reason, keys = ring, site = 'shop'] of cases)
    t.equal(new PassReader().read(text, site as SiteName, keys), reason, name)
})

t.test('a verified pass is remembered until the ring changes', async (t) => {
  const reader = new PassReader()
  const signed = signPass(passOf(), ring)
  t.equal(reader.read(signed, shop, ring), reader.read(signed, shop, ring))
  t.equal(reader.read(signed, shop, { keys: [], signsWith: 0 }), 'key')
  t.equal(reader.read(signed, 'blog' as SiteName, ring), 'site', 'the site is checked each time')
})

// -- cookies ------------------------------------------------------------------------------------------------------------

t.test(
  "the application's cookies get other names, under which browsers hold them to the same rules",
  async (t) => {
    const cases = {
      'sid=1; Path=/; HttpOnly': 'amarre-pv-sid=1; Path=/; HttpOnly',
      'sid=; Max-Age=0': 'amarre-pv-sid=; Max-Age=0',
      'sid=a=b; Domain=example.com': 'amarre-pv-sid=a=b; Domain=example.com',
      '__Host-sid=1; Secure; Path=/': '__Host-amarre-pv-sid=1; Secure; Path=/',
      '__secure-sid=1; Secure': '__secure-amarre-pv-sid=1; Secure',
      '__Http-sid=1; Secure; HttpOnly': '__Http-amarre-pv-sid=1; Secure; HttpOnly',
      '__Host-Http-sid=1': '__Host-Http-amarre-pv-sid=1',
      ' sid = 1 ;Path=/': 'amarre-pv-sid= 1 ;Path=/',
      'bare; Path=/': 'amarre-pv-=bare; Path=/',
      'amarre=x': 'amarre-pv-amarre=x',
      'a;b=c': 'amarre-pv-=a;b=c',
    }
    for (const [set, renamed] of Object.entries(cases)) t.equal(renamedSetCookie(set), renamed, set)
  },
)

t.test(
  'what was renamed comes back under its own name, and nothing of the real session beside it',
  async (t) => {
    const header =
      'sid=real; amarre=token; amarre-pv-sid=pv; __Host-amarre-pv-csrf=x=y; amarre-preview=PASS; amarre-pv-=bare; amarre-pvx=1'
    for (const name of ['amarre', 'route', 'a']) {
      const { preview, rest, tokens } = readCookies(header, name)
      t.same(
        preview,
        {
          passes: ['PASS'],
          restored: 'sid=pv; __Host-csrf=x=y; bare',
          renamed: ['amarre-pv-sid', '__Host-amarre-pv-csrf', 'amarre-pv-'],
        },
        name,
      )
      t.notMatch(rest, /amarre-pv-|amarre-preview/, 'a real application never sees them')
      t.match(rest, /^sid=real;.*amarre-pvx=1$/)
      t.same(tokens, name === 'amarre' ? ['token'] : [])
    }
    t.equal(readCookies('amarre=t; sid=1', 'amarre').preview, null)
    t.equal(readCookies('route=t; sid=1', 'route').preview, null)
    t.same(readCookies('amarre-pv-sid=1', 'amarre').rest, '', 'of a preview that is over too')
    t.same(readCookies('route=t; amarre-pv-sid=1', 'route').tokens, ['t'])
  },
)

t.test('what would touch the real session, or stay in a cache, never leaves a preview', async (t) => {
  const fields = [
    'X-A: 1',
    'Set-Cookie: sid=1',
    'Clear-Site-Data: "cookies"',
    'Cache-Control: public',
    'X-B: 2',
  ]
  const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${fields.join('\r\n')}\r\n\r\n`)
  const head = new ParsedHead(new FieldNames(responseFields))
  head.parse(bytes, 0, bytes.length, false)
  const [start = 0, , end = 0, ...rest] = keptRuns(head, fieldMasks(true).preview.usual)
  t.equal(bytes.toString('latin1', start, end), 'X-A: 1')
  t.equal(bytes.toString('latin1', rest[0], rest[2]), 'X-B: 2')
  t.equal(rest.length, 3)
})

t.test('any name and value survive the way to the browser and back', async (t) => {
  const name = fc.tuple(
    fc.constantFrom('', '__Host-', '__Secure-', '__Http-', '__Host-Http-', '__'),
    fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,12}$/),
  )
  fc.assert(
    fc.property(name, fc.stringMatching(/^[!#-+\--:<-[\]-~]{0,12}$/), ([prefix, rest], value) => {
      const pair = `${prefix}${rest}=${value}`
      const kept = renamedSetCookie(`${pair}; Path=/`).split(';')[0] ?? ''
      return withoutPreview([kept]).preview.restored === pair
    }),
  )
  t.pass()
})

t.test('the cookie of a pass: as lasting as a token, and taken away with the others', async (t) => {
  const policy = { ...frontPolicy, domain: 'example.com' }
  t.equal(
    passCookieLine(frontPolicy, true, 'P', 60),
    'Set-Cookie: amarre-preview=P; Max-Age=60; Path=/; Secure; SameSite=None; HttpOnly',
  )
  t.match(passCookieLine(policy, true, 'P', 60), '; Path=/; Domain=example.com; Secure')
  t.match(
    clearPreviewLines(policy, false, ['__Host-amarre-pv-b']),
    '__Host-amarre-pv-b=; Max-Age=0; Path=/; Secure',
  )
  t.same(clearPreviewLines(policy, true, ['amarre-pv-a', '__Host-amarre-pv-b']).split('\r\n').slice(1), [
    'Set-Cookie: amarre-pv-a=; Max-Age=0; Path=/; Secure',
    'Set-Cookie: amarre-pv-a=; Max-Age=0; Path=/; Domain=example.com; Secure',
    'Set-Cookie: __Host-amarre-pv-b=; Max-Age=0; Path=/; Secure',
  ])
})

t.test('the address without the parameter, on this host whatever was asked', async (t) => {
  const cases: Record<string, [link: string | null, clean: string]> = {
    '/?amarre-preview=X': ['X', '/'],
    '/a/b?c=d&amarre-preview=X&e': ['X', '/a/b?c=d&e'],
    '/a?amarre-preview=off': [null, '/a'],
    '/a?amarre-preview=X&amarre-preview=off': ['X', '/a'],
    '//evil.example/?amarre-preview=X': ['X', '/evil.example/'],
    '/\\evil.example/?amarre-preview=off&q': [null, '/evil.example/?q'],
  }
  const asked = (target: string) => previewAskedBy(target, target.split('?')[0] ?? '')
  for (const [target, [link, cleanTarget]] of Object.entries(cases))
    t.same(asked(target), { link, cleanTarget }, target)
  for (const target of ['/', '/?a=b', '/?xamarre-preview=X', '/?a=amarre-preview=X', '/amarre-preview=X?a'])
    t.equal(asked(target), null, target)
  t.equal(withPreviewOff('/a?b&amarre-preview=X'), '/a?b&amarre-preview=off')
  t.equal(withPreviewOff('//a'), '/a?amarre-preview=off')
})

// -- on real sockets ------------------------------------------------------------------------------------------------------

async function shopFront(t: Parameters<typeof openFront>[0]) {
  const live = await startApplication({ release: '1', t })
  const staged = [
    await startApplication({ release: '2', target: 'a', t }),
    await startApplication({ release: '2', target: 'b', t }),
  ]
  const front = await openFront(t, [
    { version: '1', share: 1, targets: [live.url] },
    { version: '2', share: 0, targets: staged.map(({ url }) => url) },
  ])
  const link = (changes: Partial<PreviewPass> = {}) =>
    signPass(passOf({ release: '2' as ReleaseVersion, ...changes }), front.state.reader.ring)
  return { front, link, visitor: new Visitor(`http://${front.host}`, { t }) }
}

t.test('a preview and its visitor: nobody else notices, and his own session waits for him', async (t) => {
  const { front, link, visitor } = await shopFront(t)
  await visitor.go('/')
  await visitor.fetch('/add?item=book')
  const [token, sid] = [visitor.token, visitor.jar.get('sid')?.value]
  front.state.activity.takeTouches()
  const figuresOfLive = () => {
    const { births, birthsUntil, lastTouchAt, exchangesOpen, durations, requests } = front.seen(0)
    return JSON.stringify([births, birthsUntil, lastTouchAt, exchangesOpen, durations, [...requests]])
  }
  const before = figuresOfLive()

  // Whoever chose a target by chance would meet the other one each time.
  let throws = 0
  front.dice.next = () => (Math.floor(throws++ / 2) % 2) * 0.9
  const opened = await visitor.go(`/basket?x=1&amarre-preview=${link()}&y=2`)
  t.equal(opened.status, 303)
  t.equal(opened.headers['location'], '/basket?x=1&y=2')
  t.equal(opened.headers['cache-control'], 'no-store')
  t.match(opened.setCookies, [/^amarre-preview=[\w.-]+; Max-Age=7200; Path=\/; SameSite=Lax; HttpOnly$/])

  const page = await visitor.go('/basket')
  t.equal(page.page.release, '2')
  t.same(page.page.basket, [], 'the staged application begins with nothing of his')
  t.match(page.setCookies, [/^amarre-pv-sid=[\w-]+; Path=\/; HttpOnly$/], 'and no token of ours')
  t.equal(page.headers['cache-control'], 'private, no-store')
  await visitor.fetch('/add?item=lamp')
  const again = await visitor.go('/?cache=public,max-age=60')
  t.same(again.page.basket, ['lamp'], 'his session there goes on, on the target where it began')
  t.equal(again.headers['cache-control'], 'private, no-store', 'no cache keeps a preview')
  t.notMatch(again.page.headers['cookie'], /amarre|real/)
  t.equal(again.page.headers['cookie'], `sid=${visitor.jar.get('amarre-pv-sid')?.value}`)
  t.match(again.page.headers, { 'amarre-release': '2', 'amarre-session': /^[0-9a-f]{16}$/ })
  t.equal((await visitor.post('/form', 'a=b')).page.release, '2', 'forms too')
  t.equal((await visitor.ask('GET', '/robots.txt')).page.release, '2', 'whatever the request')

  t.same(front.seen(1).previewRequests, 5)
  const { births, birthsUntil, lastTouchAt, exchangesOpen, durationSumMs, requests } = front.seen(1)
  t.same([births, birthsUntil, lastTouchAt, exchangesOpen, durationSumMs, requests.size], [0, 0, 0, 0, 0, 0])
  t.equal(figuresOfLive(), before)
  t.equal(front.state.activity.takeTouches().releases.length, 0, 'the ledger hears of nothing')

  const left = await visitor.go('/shelf?amarre-preview=off')
  t.equal(left.status, 303)
  t.equal(left.headers['location'], '/shelf')
  t.same([...visitor.jar.keys()].toSorted(), ['amarre', 'sid'], 'the cookies of the preview are gone')
  const back = await visitor.go('/shelf')
  t.match(back.page, { release: '1', basket: ['book'], isNewSession: false })
  t.same([visitor.token, visitor.jar.get('sid')?.value], [token, sid])
})

t.test(
  'a link that is no good says so, and never shows the open release in place of the staged',
  async (t) => {
    const { front, link, visitor } = await shopFront(t)
    const open = (text: string) => visitor.go(`/?amarre-preview=${text}`)
    const forged = await open(`${link().slice(0, -4)}AAAA`)
    t.equal(forged.status, 403)
    t.match(forged.text, /<a href="\/\?amarre-preview=off">Leave the preview<\/a>/)
    t.equal((await open(link({ site: 'blog' as SiteName }))).status, 403)
    t.equal((await open(link({ until: now }))).status, 410)
    t.equal((await open(link({ release: '9' as ReleaseVersion }))).status, 410)
    t.same(
      front.state.activity.rejected.list().map(([site, reason]) => `${site} ${reason}`),
      ['shop signature', 'shop site'],
    )
    t.equal(visitor.jar.size, 0)
    t.equal(
      (await visitor.part(`/?amarre-preview=${link()}`, 'image')).page.release,
      '1',
      'an image opens nothing',
    )
    t.equal((await visitor.post(`/?amarre-preview=${link()}`, 'a=b')).page.release, '1', 'nor does a form')
  },
)

t.test('a forged pass is none: counted, and its visitor goes where he would without', async (t) => {
  const { front, link, visitor } = await shopFront(t)
  const page = await visitor.ask('GET', '/', {
    cookie: `amarre-preview=${link().replace(/.$/, '')}; amarre-pv-sid=1; theme=dark`,
    accept: 'text/html',
  })
  t.equal(page.page.release, '1')
  t.equal(page.page.headers['cookie'], 'theme=dark')
  t.same(front.state.activity.rejected.list(), [['shop', 'signature', 1]])
})

t.test('a pass that is over: pages go home, forms are refused, and the browser forgets it', async (t) => {
  const { front, link, visitor } = await shopFront(t)
  await visitor.go('/')
  await visitor.go(`/?amarre-preview=${link()}`)
  await visitor.go('/')
  front.clock.nowMs += hour
  t.equal((await visitor.fetch('/x')).page.release, '1')
  const form = await visitor.post('/pay', 'a=b', { accept: 'text/html' })
  t.equal(form.status, 410)
  t.match(form.text, /This preview is over.*<a href="\/pay\?amarre-preview=off">/s)
  const page = await visitor.go('/x?y')
  t.equal(page.status, 303)
  t.equal(page.headers['location'], '/x?y')
  t.same([...visitor.jar.keys()].toSorted(), ['amarre', 'sid'])
  t.equal((await visitor.go('/x?y')).page.release, '1')
})

t.test('the staged release goes: a page says so, with the way out', async (t) => {
  const { front, link, visitor } = await shopFront(t)
  const live = front.state.table?.sites[0]?.releases[0]?.targets[0]?.url ?? ''
  await visitor.go(`/?amarre-preview=${link()}`)
  front.publish([{ version: '1', share: 1, targets: [live] }])
  const page = await visitor.go('/a')
  t.equal(page.status, 410)
  t.match(page.text, /<a href="\/a\?amarre-preview=off">Leave the preview<\/a>/)
  await visitor.go('/a?amarre-preview=off')
  t.equal((await visitor.go('/a')).page.release, '1')
})

t.test(
  'another link of the same release prolongs the preview, one of another release begins anew',
  async (t) => {
    const { front, link, visitor } = await shopFront(t)
    await visitor.go(`/?amarre-preview=${link()}`)
    await visitor.fetch('/add?item=lamp')
    await visitor.go(`/?amarre-preview=${link({ until: now + 3 * hour })}`)
    front.clock.nowMs += 2 * hour
    t.same((await visitor.go('/')).page.basket, ['lamp'])
    await visitor.go(`/?amarre-preview=${link({ release: '1' as ReleaseVersion, until: now + 9 * hour })}`)
    t.notOk(visitor.jar.has('amarre-pv-sid'))
    t.match((await visitor.go('/')).page, { release: '1', isNewSession: true })
  },
)

t.test(
  'a socket of a preview is a socket of the staged release, until the pass or the release ends',
  async (t) => {
    const live = await startSocketApplication(t)
    const staged = await startSocketApplication(t, { fields: ['Set-Cookie: ws=1; Path=/'] })
    const releases = [
      { version: '1', share: 1, targets: [live.url] },
      { version: '2', share: 0, targets: [staged.url] },
    ]
    const front = await openFront(t, releases)
    const pass = signPass(passOf({ release: '2' as ReleaseVersion }), front.state.reader.ring)
    const open = () =>
      connect(`ws://${front.host}/echo`, {
        headers: { cookie: `sid=real; amarre-pv-sid=pv; amarre-preview=${pass}` },
      })
    const socket = await open()
    t.same(socket.answer.headers['set-cookie'], ['amarre-pv-ws=1; Path=/'])
    t.equal(staged.requests[0]?.headers.cookie, 'sid=pv')
    socket.ws.send('here')
    t.same(await socket.hears(1), ['here'])
    t.same([front.seen(1).socketsOpen, front.seen(1).exchangesOpen, front.seen(1).previewRequests], [0, 0, 1])
    front.clock.nowMs += hour - 1
    front.beat()
    t.equal(socket.closed, null)
    front.clock.nowMs += 1
    front.beat()
    t.equal((await socket.ends())[0], 1012)

    front.clock.nowMs -= hour
    const second = await open()
    front.publish(releases.slice(0, 1))
    front.beat()
    t.equal((await second.ends())[0], 1012)
    t.equal(front.state.open.size, 0)
  },
)
