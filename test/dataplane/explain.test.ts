// Why a request goes where it goes: what a worker tells of one that nobody has sent, and that nothing comes of it.
import t from 'tap'
import { stateWith, InstantUpstream, tokenOf } from '../../bench/micro/one-request.js'
import { signPass } from '../../gateway/dataplane/preview-pass.js'
import { explainRequest } from '../../gateway/dataplane/explain.js'
import { explainedRequest, type ExplainQuestion } from '../../gateway/controlplane/explained-request.js'
import { explanationStatus } from '../../gateway/controlplane/explanation-status.js'
import type { ReleaseVersion, SessionId, SiteName } from '../../gateway/domain/ids.js'

const shop = 'shop' as SiteName
const now = Date.now()
const host = ['shop.example.com']
const state = stateWith(new InstantUpstream())

function explained(question: Partial<ExplainQuestion> = {}, site = shop) {
  const whole = { cookies: [], headers: [], url: null, method: 'GET', ...question }
  const found = explainRequest(state, explainedRequest(site, host, whole))
  return { ...found, text: explanationStatus(site, found, now).text }
}

const tokenCookie = `amarre=${tokenOf(1, now)}`
const header = (name: string, value: string) => ({ name, value })

t.test('each outcome is told with its rule, until when, and in a sentence', async (t) => {
  t.match(explained(), {
    outcome: 'board',
    rule: { number: 7, name: 'birth' },
    release: '1.0.0',
    because: 'new',
    text: /^begins a session on "1.0.0" \(new\), until .* UTC, by rule 7 \(birth\)$/,
  })
  const own = explained({ cookies: ['theme=dark', tokenCookie] })
  t.match(own, {
    site: 'shop',
    outcome: 'stay',
    rule: { number: 3, name: 'own release' },
    release: '1.0.0',
    target: 'http://127.0.0.1:1',
    revives: false,
    rejected: [],
    token: { session: '0000000000000001', release: '1.0.0', held: false },
    text: /^stays on "1.0.0", until /,
  })
  t.equal(own.until, own.token?.until)
  t.match(explained({ headers: [header('amarre-token', tokenOf(1, now))] }), { outcome: 'stay' })
  t.match(explained({ headers: [header('sec-fetch-dest', 'script')] }), {
    outcome: 'pass',
    rule: { number: 6 },
    until: null,
    text: /^goes to "1.0.0" without a session, by rule 6/,
  })
  t.match(explained({ cookies: [`amarre=${tokenOf(1, now - 86_000_000)}`], method: 'POST' }), {
    outcome: 'stay',
    rule: { number: 4 },
    revives: true,
    rejected: ['expired'],
    text: /renews it, by rule 4 \(former session\); a token is no longer honoured$/,
  })
})

t.test('previews: a pass, a link, and one that is no good', async (t) => {
  const pass = {
    site: shop,
    release: '1.0.0' as ReleaseVersion,
    id: '11'.repeat(8) as SessionId,
    until: now + 60_000,
  }
  const signed = signPass(pass, state.reader.ring)
  t.match(explained({ cookies: [tokenCookie, `amarre-preview=${signed}`] }), {
    outcome: 'preview',
    rule: { number: 1, name: 'preview pass' },
    until: pass.until,
  })
  t.match(explained({ url: `/?amarre-preview=${signed}` }), { outcome: 'link', rule: null })
  t.match(explained({ url: '/?amarre-preview=nonsense' }), {
    outcome: 'refuse',
    error: 'preview_invalid',
    rejected: ['malformed'],
    text: /^is refused with 403 \(preview_invalid\).*malformed/,
  })
})

t.test('why a token counts as none', async (t) => {
  const token = tokenOf(1, now)
  const cases: readonly (readonly [cookie: string, reason: string])[] = [
    ['amarre=nonsense', 'malformed'],
    [`amarre=${token.slice(0, -2)}AA`, 'signature'],
    [`amarre=${tokenOf(1, now + 600_000)}`, 'future'],
  ]
  for (const [cookie, reason] of cases)
    t.match(explained({ cookies: [cookie] }), { outcome: 'board', token: null, rejected: [reason] })
})

t.test('a request that comes to no rule', async (t) => {
  t.match(explained({ headers: [header('host', 'nobody.example')] }), {
    outcome: 'refuse',
    error: 'unknown_site',
    rule: null,
    site: null,
  })
  t.match(explained({}, 'blog' as SiteName), {
    site: 'shop',
    outcome: 'refuse',
    text: 'this host is answered by the site "shop"',
  })
  t.match(explained({ method: 'CONNECT' }), { outcome: 'refuse', error: 'method_not_implemented' })
  t.match(explained({ url: 'http://shop.example.com:8080/a?b' }), { outcome: 'board' })
})

t.test('nothing comes of it: no count, no session, no word to the ledger', async (t) => {
  t.same(state.activity.releases(), [])
  t.same(state.activity.rejected.list(), [])
  t.same(state.activity.takeTouches().releases.length, 0)
  t.equal(state.open.size, 0)
})

t.test('what is left out of a question is what a navigation has', async (t) => {
  const whole = (question: Partial<ExplainQuestion>, hosts = host) =>
    explainedRequest(shop, hosts, { cookies: [], headers: [], url: null, method: 'GET', ...question }).head
  const { names, values, target, isSecure } = whole({ cookies: ['a=1', 'b=2'], url: 'https://x.example/p?q' })
  t.same(Object.fromEntries(names.map((name, i) => [name, values[i]])), {
    host: 'x.example',
    cookie: 'a=1; b=2',
    'sec-fetch-dest': 'document',
    accept: 'text/html',
  })
  t.same([target, isSecure], ['/p?q', true])
  t.same(whole({ headers: [header('accept', '*/*')] }).names, ['accept', 'host'])
  t.equal(whole({}, ['*']).values[0], 'localhost')
  t.equal(whole({}, ['*.example.com']).values[0], 'any.example.com')
  const forwarded = whole({ headers: [header('x-forwarded-for', '10.0.0.1, 192.0.2.9')] })
  t.equal(forwarded.remoteAddress, '192.0.2.9', 'a birth depends on the address')
})
