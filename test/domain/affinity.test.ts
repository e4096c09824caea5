// Where a request goes, until when a session is honoured, and when a response may carry a token: the rules of affinity
// in their order, as tables and properties.
import fc from 'fast-check'
import t from 'tap'
import { decide, decidingRule, type Decision } from '../../gateway/domain/affinity.js'
import type {
  ReleaseIndex,
  ReleaseVersion,
  SessionId,
  SiteName,
  TargetUrl,
} from '../../gateway/domain/ids.js'
import { pageVersion, type PagePin } from '../../gateway/domain/page-pin.js'
import {
  isNavigation,
  isSafeMethod,
  isSubResource,
  type RequestFacts,
} from '../../gateway/domain/request-facts.js'
import type { PreviewPass } from '../../gateway/domain/preview-pass.js'
import { buildRoutingTable, type SiteRoute } from '../../gateway/domain/routing-table.js'
import {
  endOfTime,
  extendPromise,
  grainMs,
  endOfAge,
  honouredUntil,
  isDueForReissue,
  isHonoured,
  isPastHalfIdle,
  promiseSpanMs,
  promiseUntil,
  stayUntil,
  type PromiseTerms,
  type TimeSpan,
  type Token,
} from '../../gateway/domain/session.js'
import type { SessionPolicy } from '../../gateway/domain/site-policy.js'
import { cookieDate, cookieEffect } from '../../gateway/domain/set-cookie.js'
import { tokenDelivery, type DeliveryFacts } from '../../gateway/domain/token-delivery.js'
import { sessionPolicy, siteSpec } from '../fixtures/site-spec.js'

const minute = 60_000
const now = 1_800_000_000_000

const policy = sessionPolicy({ idleTimeoutMs: 32 * minute })

interface SiteShape {
  readonly shares?: Readonly<Record<string, number>>
  readonly session?: Partial<SessionPolicy>
  readonly spans?: readonly TimeSpan[]
  readonly rolloutId?: string
  /** Releases that serve and were never active. */
  readonly staged?: readonly string[]
  /** Releases that are about to leave. */
  readonly closing?: readonly string[]
  readonly pagePin?: PagePin
  /** Of holders of `sid`: by the release of that index until an instant. */
  readonly adoption?: { readonly release: number | null; readonly until: number }
}

/** A site on which 1 drains and 2 accepts births, unless told otherwise. */
function siteOf({
  shares = { '1': 0, '2': 1 },
  session = {},
  spans = [],
  rolloutId = 'r',
  staged = [],
  closing = [],
  pagePin,
  adoption,
}: SiteShape = {}): SiteRoute {
  const releases = Object.entries(shares).map(([version, share], index) => ({
    index: index as ReleaseIndex,
    version: version as ReleaseVersion,
    share,
    isLive: !staged.includes(version),
    isClosing: closing.includes(version),
    targets: [{ url: `http://t${version}:1` as TargetUrl, isHealthy: true }],
  }))
  const site = siteSpec({
    session: { ...policy, ...session },
    stateless: ['/robots.txt', '/public/*'],
    pagePin: pagePin ?? null,
    adoption:
      adoption === undefined
        ? null
        : { cookie: 'sid', until: adoption.until, release: adoption.release as ReleaseIndex | null },
    rolloutId,
    releases,
  })
  const spec = { generation: 1, issuer: 'aa'.repeat(8), spans, futureToleranceMs: 300_000, sites: [site] }
  const built = buildRoutingTable(spec).siteOf('x')
  if (built === null) throw new Error('no site')
  return built
}

function tokenOf(changes: Partial<Token> = {}): Token {
  return {
    site: 'shop' as SiteName,
    release: '1' as ReleaseVersion,
    targetTag: 5,
    id: '00'.repeat(8) as SessionId,
    bornAt: now - 60 * minute,
    issuedAt: now - minute,
    until: now + 35 * minute,
    held: false,
    issuer: 'aa'.repeat(8),
    keyId: 1,
    ...changes,
  }
}

const live = tokenOf()
const expired = tokenOf({ until: now })
const gone = tokenOf({ release: '0' as ReleaseVersion })
const goneAndExpired = tokenOf({ release: '0' as ReleaseVersion, until: now })

interface RequestShape extends Partial<Omit<RequestFacts, 'header' | 'hasCookie'>> {
  readonly headers?: Readonly<Record<string, string>>
  /** Names of the application's cookies that come with it. */
  readonly cookies?: readonly string[]
}

const onSignal: Partial<SessionPolicy> = { startsOn: { on: 'signal' } }
const dest = (destination: string) => ({ headers: { 'sec-fetch-dest': destination } })
const page: RequestShape = dest('document')
const script: RequestShape = dest('script')
const fetching: RequestShape = dest('empty')

function facts(shape: RequestShape): RequestFacts {
  const { headers = {}, cookies = [], ...rest } = shape
  return {
    method: 'GET',
    path: '/',
    clientAddress: '10.0.0.1',
    isHeaderClient: false,
    pass: null,
    token: null,
    hasEnded: false,
    target: rest.path ?? '/',
    header: (name) => headers[name] ?? '',
    hasCookie: (name) => cookies.includes(name),
    ...rest,
  }
}

/** A decision in a few words. */
function told(decision: Decision): string {
  switch (decision.kind) {
    case 'refuse':
      return `refuse ${decision.error}`
    case 'board':
      return `board ${decision.release.version} ${decision.because}`
    case 'stay':
      return `${decision.revives ? 'revive' : 'stay'} ${decision.release.version}`
    default:
      return `${decision.kind} ${decision.release.version}`
  }
}

type Case = [rule: string, request: RequestShape, expected: string, site?: SiteShape]

function decides(
  t: { equal(found: string, wanted: string, name: string): unknown },
  cases: readonly Case[],
): void {
  for (const [rule, request, expected, site] of cases)
    t.equal(told(decide(facts(request), siteOf(site), now)), expected, rule)
}

function passOf(changes: Partial<PreviewPass> = {}): PreviewPass {
  return {
    site: 'shop' as SiteName,
    release: '3' as ReleaseVersion,
    id: '11'.repeat(8) as SessionId,
    until: now + 1,
    ...changes,
  }
}

t.test('rule 1: a preview pass outranks everything until it is over', async (t) => {
  const pass = passOf()
  const shares = { '1': 0, '2': 1, '3': 0 }
  const staged = { shares }
  decides(t, [
    ['a newcomer', { ...page, pass }, 'preview 3', staged],
    ['whoever has a session of his own', { ...page, pass, token: live }, 'preview 3', staged],
    ['whose session ended', { ...page, pass, token: live, hasEnded: true }, 'preview 3', staged],
    ['a fetch', { ...fetching, pass, token: live }, 'preview 3', staged],
    ['a form', { ...page, method: 'POST', pass, token: live }, 'preview 3', staged],
    ['a stateless path', { path: '/robots.txt', pass }, 'preview 3', staged],
    [
      'of the release that is open to all',
      { ...page, pass: passOf({ release: '2' as ReleaseVersion }) },
      'preview 2',
    ],
    ['the release serves no more', { ...page, pass, token: live }, 'refuse preview_gone'],
    ['the release serves no more, a fetch', { ...fetching, pass }, 'refuse preview_gone'],
  ])
  const over = passOf({ until: now })
  decides(t, [
    [
      'over: a fetch is a fetch of his own session',
      { ...fetching, pass: over, token: live },
      'stay 1',
      staged,
    ],
    [
      'over: the next navigation learns it',
      { ...page, pass: over, token: live },
      'refuse preview_over',
      staged,
    ],
    [
      'over: what its page sends does not reach his own session',
      { ...fetching, method: 'POST', pass: over, token: live },
      'refuse preview_over',
      staged,
    ],
  ])
})

t.test('the rule that decides is told by its number', async (t) => {
  const numberOf = (shape: RequestShape) => decidingRule(facts(shape), siteOf(), now)?.number
  t.equal(numberOf({ ...page, pass: passOf(), token: live }), 1)
  t.equal(numberOf({ ...page, token: live }), 3)
  t.equal(numberOf({ ...page, token: expired }), 4)
  t.equal(numberOf(script), 6)
  t.equal(numberOf(page), 7)
})

t.test(
  'rule 3: a token that is honoured and whose release serves goes there, whatever the request is',
  async (t) => {
    decides(t, [
      ['a navigation', { ...page, token: live }, 'stay 1'],
      ['a fetch', { ...fetching, token: live }, 'stay 1'],
      ['a script', { ...script, token: live }, 'stay 1'],
      ['a form', { ...page, method: 'POST', token: live }, 'stay 1'],
      ['a preflight', { method: 'OPTIONS', token: live }, 'stay 1'],
      ['a stateless path', { path: '/robots.txt', token: live }, 'stay 1'],
      ['while nothing accepts births', { ...page, token: live }, 'stay 1', { shares: { '1': 0 } }],
      ['a held token', { ...page, token: tokenOf({ held: true }) }, 'stay 1'],
      [
        'one millisecond before the promise ends: still honoured',
        { ...page, token: tokenOf({ until: now + 1 }) },
        'stay 1',
      ],
      [
        'at the end of the promise: no longer',
        { ...page, token: tokenOf({ until: now }) },
        'board 2 expired',
      ],
      [
        'a span of no service after the issue does not count',
        { ...page, token: tokenOf({ issuedAt: now - 40 * minute, until: now - 4 * minute }) },
        'stay 1',
        { spans: [{ from: now - 10 * minute, lengthMs: 5 * minute }] },
      ],
    ])
  },
)

t.test(
  'rule 4: an expired token is a birth at a navigation only, else its own release revives it',
  async (t) => {
    decides(t, [
      ['a navigation by Sec-Fetch-Dest', { ...page, token: expired }, 'board 2 expired'],
      ['a navigation by Accept', { headers: { accept: 'text/html,*/*' }, token: expired }, 'board 2 expired'],
      [
        'a HEAD by Accept',
        { method: 'HEAD', headers: { accept: 'text/html' }, token: expired },
        'board 2 expired',
      ],
      ['any safe request of a header client', { isHeaderClient: true, token: expired }, 'board 2 expired'],
      ['a fetch', { ...fetching, token: expired }, 'revive 1'],
      [
        'a socket of a page',
        { headers: { accept: 'text/html', upgrade: 'WebSocket' }, token: expired },
        'revive 1',
      ],
      ['a frame', { ...dest('iframe'), token: expired }, 'revive 1'],
      ['a script', { ...script, token: expired }, 'revive 1'],
      ['a request that tells nothing', { token: expired }, 'revive 1'],
      ['a form', { ...page, method: 'POST', token: expired }, 'revive 1'],
      [
        'an unsafe request of a header client',
        { method: 'POST', isHeaderClient: true, token: expired },
        'revive 1',
      ],
      ['a preflight', { method: 'OPTIONS', token: expired }, 'revive 1'],
      ['a stateless path', { path: '/robots.txt', token: expired }, 'revive 1'],
      [
        'a held token past its age',
        { ...page, token: tokenOf({ held: true, until: now }) },
        'board 2 expired',
      ],
      [
        'a navigation while nothing accepts',
        { ...page, token: expired },
        'refuse no_release',
        { shares: { '1': 0 } },
      ],
    ])
  },
)

t.test(
  'rule 4: a release that is gone follows onReleaseGone at a navigation, and is 503 for anything else',
  async (t) => {
    const refuse: SiteShape = { session: { onReleaseGone: 'refuse' } }
    const move: SiteShape = { session: { onReleaseGone: 'move' } }
    decides(t, [
      ['a navigation, restart', { ...page, token: gone }, 'board 2 restart'],
      ['a navigation, refuse', { ...page, token: gone }, 'refuse release_gone', refuse],
      ['a navigation, move, and nobody takes it', { ...page, token: gone }, 'refuse release_gone', move],
      ['a header client, restart', { isHeaderClient: true, token: gone }, 'board 2 restart'],
      [
        'a held token holds only while its release serves',
        { ...page, token: tokenOf({ ...gone, held: true }) },
        'board 2 expired',
        refuse,
      ],
      ['expired as well', { ...page, token: goneAndExpired }, 'board 2 expired', refuse],
      ['restart with nowhere to go', { ...page, token: gone }, 'refuse no_release', { shares: { '1': 0 } }],
      ['a fetch', { ...fetching, token: gone }, 'refuse release_gone'],
      ['a script', { ...script, token: gone }, 'refuse release_gone'],
      [
        'a form is never replayed into a birth',
        { ...page, method: 'POST', token: gone },
        'refuse release_gone',
      ],
      ['nor a preflight', { method: 'OPTIONS', token: gone }, 'refuse release_gone'],
      ['a fetch, expired as well', { ...fetching, token: goneAndExpired }, 'refuse release_gone'],
      [
        'a form of a header client',
        { method: 'DELETE', isHeaderClient: true, token: gone },
        'refuse release_gone',
      ],
    ])
  },
)

t.test('rule 4: a release that is about to leave serves whom it has and revives nobody', async (t) => {
  const closing = { closing: ['1'] }
  decides(t, [
    ['a live token', { ...fetching, token: live }, 'stay 1', closing],
    ['an expired one, a fetch', { ...fetching, token: expired }, 'refuse release_gone', closing],
    ['a form', { ...page, method: 'POST', token: expired }, 'refuse release_gone', closing],
    ['a navigation', { ...page, token: expired }, 'board 2 expired', closing],
    ['what trails behind a logout', { ...fetching, token: live, hasEnded: true }, 'trail 1', closing],
  ])
})

t.test(
  'rule 4: a session that ended by signal is a birth at a navigation, and never revived by what is in flight',
  async (t) => {
    const ended = { token: live, hasEnded: true }
    decides(t, [
      ['a navigation', { ...page, ...ended }, 'board 2 expired'],
      [
        'a navigation where gone releases are refused',
        { ...page, ...ended, token: gone },
        'board 2 expired',
        { session: { onReleaseGone: 'refuse' } },
      ],
      ['a fetch', { ...fetching, ...ended }, 'trail 1'],
      ['a form', { ...page, ...ended, method: 'POST' }, 'trail 1'],
      ['a fetch, promise passed as well', { ...fetching, hasEnded: true, token: expired }, 'trail 1'],
      ['a fetch, release gone as well', { ...fetching, hasEnded: true, token: gone }, 'refuse release_gone'],
    ])
  },
)

t.test(
  'rule 6: preflights, sub-resources and stateless paths without a token pass without a session',
  async (t) => {
    decides(t, [
      ['a preflight', { method: 'OPTIONS' }, 'pass 2'],
      ['a script', script, 'pass 2'],
      ['a font', dest('font'), 'pass 2'],
      ['a worker', dest('worker'), 'pass 2'],
      ['a stateless path', { ...page, path: '/robots.txt' }, 'pass 2'],
      ['a path below a stateless prefix', { ...page, path: '/public/logo.svg' }, 'pass 2'],
      ['while nothing accepts births', script, 'refuse no_release', { shares: { '1': 0 } }],
    ])
  },
)

t.test('rule 7: everybody else is born on an accepting release', async (t) => {
  decides(t, [
    ['a navigation', page, 'board 2 new'],
    ['a fetch', fetching, 'board 2 new'],
    ['a form', { ...page, method: 'POST' }, 'board 2 new'],
    ['a frame', dest('iframe'), 'board 2 new'],
    ['a bare request', {}, 'board 2 new'],
    ['a path that only resembles a stateless one', { path: '/robots.txt2' }, 'board 2 new'],
    ['while nothing accepts births', page, 'refuse no_release', { shares: { '1': 0 } }],
    ['a tombstone without a token says nothing', { ...page, hasEnded: true }, 'board 2 new'],
  ])
})

t.test('rule 2: parts of a page go to the live release that it names, and to no other', async (t) => {
  const named: SiteShape = { pagePin: { header: 'x-page', query: 'page' } }
  const to = (version: string): RequestShape => ({
    headers: { 'sec-fetch-dest': 'empty', 'x-page': version },
  })
  const other = tokenOf({ release: '2' as ReleaseVersion })
  decides(t, [
    ['a fetch that names another release by header', { ...to('1'), token: other }, 'page 1', named],
    ['a script, by query', { ...script, target: '/a?page=1', token: other }, 'page 1', named],
    ['a form sent by a script', { ...to('1'), method: 'POST', token: other }, 'page 1', named],
    ['without a token', to('1'), 'page 1', named],
    ['with a token of a release that is gone', { ...to('1'), token: gone }, 'page 1', named],
    [
      'a socket',
      { headers: { accept: 'text/html', upgrade: 'websocket' }, target: '/?page=1', token: other },
      'page 1',
      named,
    ],
    ['its own release: the session slides as ever', { ...to('1'), token: live }, 'stay 1', named],
    ['its own release, expired', { ...to('1'), token: expired }, 'revive 1', named],
    ['a navigation is none', { ...page, target: '/?page=1', token: other }, 'stay 2', named],
    [
      'nor is a form that the browser sends',
      { headers: { 'sec-fetch-dest': 'document' }, method: 'POST', target: '/?page=1', token: other },
      'stay 2',
      named,
    ],
    [
      'nor one without fetch metadata',
      { headers: { accept: 'text/html,*/*' }, method: 'POST', target: '/?page=1', token: other },
      'stay 2',
      named,
    ],
    ['a release that is not there', { ...to('0'), token: other }, 'stay 2', named],
    ['a staged release', { ...to('1'), token: other }, 'stay 2', { ...named, staged: ['1'] }],
    ['what is no version', { ...to('../1'), token: other }, 'stay 2', named],
    ['a site whose releases share nothing', { ...to('1'), token: other }, 'stay 2'],
  ])
})

t.test('a page names its release by header before query, decoded as a script would encode it', async (t) => {
  const versionIn = (target: string, header = '', pin: PagePin = { header: 'x-page', query: 'page' }) =>
    pageVersion(facts({ target, headers: { 'x-page': header } }), pin)
  t.equal(versionIn('/?page=1', '2'), '2')
  t.equal(versionIn('/?a=b&page=1.2.0%2Bbuild&page=3'), '1.2.0+build')
  t.equal(versionIn('/?page=1.2.0+build'), '1.2.0+build')
  t.equal(versionIn('/?subpage=1&page2=1'), null)
  t.equal(versionIn('/?page=%E0%A4%A'), null)
  t.equal(versionIn('/?page='), null)
  t.equal(versionIn('/page=1'), null)
  t.equal(versionIn('/?page=1', '2', { header: null, query: 'page' }), '1')
  t.equal(versionIn('/?page=1', '', { header: 'x-page', query: null }), null)
})

t.test(
  "rule 5: who has the application's cookie and no token of ours boards the legacy release, for a time",
  async (t) => {
    const adopting: SiteShape = { adoption: { release: 0, until: now + 1 } }
    const away: SiteShape = { adoption: { release: null, until: now + 1 } }
    const over: SiteShape = { adoption: { release: 0, until: now } }
    const cookies = ['sid']
    const again = { ...page, target: '/basket?amarre-session=new' }
    decides(t, [
      ['a navigation', { ...page, cookies }, 'board 1 adoption', adopting],
      ['a fetch of a page from before', { ...fetching, cookies }, 'board 1 adoption', adopting],
      ['a form of a page from before', { ...page, method: 'POST', cookies }, 'board 1 adoption', adopting],
      ['a script of a page from before', { ...script, cookies }, 'pass 1', adopting],
      ['a stateless path', { path: '/robots.txt', cookies }, 'pass 1', adopting],
      ['without that cookie', { ...page, cookies: ['other'] }, 'board 2 new', adopting],
      [
        'with a token',
        { ...page, cookies, token: tokenOf({ release: '2' as ReleaseVersion }) },
        'stay 2',
        adopting,
      ],
      ['with an expired token', { ...page, cookies, token: expired }, 'board 2 expired', adopting],
      ['at its end', { ...page, cookies }, 'board 2 new', over],
      ['a script at its end', { ...script, cookies }, 'pass 2', over],
      [
        'while nothing accepts births',
        { ...page, cookies },
        'board 1 adoption',
        { ...adopting, shares: { '1': 0 } },
      ],
      ['a release that does not serve', { ...page, cookies }, 'refuse release_gone', away],
      ['a fetch to one', { ...fetching, cookies }, 'refuse release_gone', away],
      ['a script then comes from anywhere', { ...script, cookies }, 'pass 2', away],
      ['who asks for a new session there', { ...again, cookies }, 'board 2 new', away],
      ['and nowhere else', { ...again, cookies }, 'board 1 adoption', adopting],
      [
        'whatever begins sessions',
        { ...page, cookies },
        'board 1 adoption',
        { ...adopting, session: onSignal },
      ],
    ])
  },
)

t.test('where the application begins sessions, nobody is pinned before it does', async (t) => {
  const byCookie: SiteShape = { session: { startsOn: { on: 'cookie', name: 'sid' } } }
  const bySignal: SiteShape = { session: onSignal }
  const cookies = ['sid']
  decides(t, [
    ['a navigation', page, 'unpinned 2', byCookie],
    ['a fetch', fetching, 'unpinned 2', byCookie],
    ['a script may begin one', script, 'unpinned 2', byCookie],
    ['a stateless path may not', { path: '/robots.txt' }, 'pass 2', byCookie],
    ['nor a preflight', { method: 'OPTIONS' }, 'pass 2', byCookie],
    ["the application's cookie says that it did", { ...page, cookies }, 'board 2 new', byCookie],
    ['but a script is never a birth by itself', { ...script, cookies }, 'unpinned 2', byCookie],
    ['a live token goes where it says', { ...page, token: live }, 'stay 1', byCookie],
    [
      'an expired one with the cookie is a birth',
      { ...page, cookies, token: expired },
      'board 2 expired',
      byCookie,
    ],
    ['and without it nothing', { ...page, token: expired }, 'unpinned 2', byCookie],
    [
      'one that has ended is nothing',
      { ...page, cookies, token: live, hasEnded: true },
      'unpinned 2',
      byCookie,
    ],
    ['while nothing accepts births', page, 'refuse no_release', { ...byCookie, shares: { '1': 0 } }],
    ['by signal: a navigation', { ...page, cookies }, 'unpinned 2', bySignal],
    ['by signal: an expired token is a birth', { ...page, token: expired }, 'board 2 expired', bySignal],
    ['by signal: after the end', { ...page, token: live, hasEnded: true }, 'unpinned 2', bySignal],
  ])
})

t.test('a Set-Cookie line sets or deletes as a browser reads it', async (t) => {
  const at = Date.UTC(2026, 0, 1)
  const cases: [line: string, effect: ReturnType<typeof cookieEffect>][] = [
    ['sid=1', 'sets'],
    [' sid = 1 ; Path=/; HttpOnly', 'sets'],
    ['SID=1', null],
    ['sid2=1; Max-Age=0', null],
    ['x=sid=1', null],
    ['sid', null],
    ['sid=1; Max-Age=60', 'sets'],
    ['sid=1; max-age=0', 'deletes'],
    ['sid=1; Max-Age=-1', 'deletes'],
    ['sid=1; Max-Age=00', 'deletes'],
    ['sid=1; Max-Age=soon', 'sets'],
    ['sid=1; Max-Age=0; Max-Age=60', 'sets'],
    ['sid=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT', 'deletes'],
    ['sid=1; Expires=Thu, 01-Jan-1970 00:00:10 GMT', 'deletes'],
    ['sid=1; expires=Thu, 01-Jan-70 00:00:01 GMT', 'deletes'],
    ['sid=1; Expires=Fri, 01 Jan 2027 00:00:00 GMT', 'sets'],
    ['sid=1; Expires=0', 'sets'],
    ['sid=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT', 'sets'],
    ['sid=1; Max-Age=0; Expires=Fri, 01 Jan 2027 00:00:00 GMT', 'deletes'],
    ['sid=', 'deletes'],
    ['sid=; Path=/', 'deletes'],
    ['sid=""; Path=/', 'deletes'],
    ['sid=deleted; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0', 'deletes'],
  ]
  for (const [line, effect] of cases) t.equal(cookieEffect(line, 'sid', at), effect, line)
})

t.test("a cookie's date is read as leniently as RFC 6265 section 5.1.1 says", async (t) => {
  const cases: [text: string, at: number | null][] = [
    ['Sun, 06 Nov 1994 08:49:37 GMT', Date.UTC(1994, 10, 6, 8, 49, 37)],
    ['Sunday, 06-Nov-94 08:49:37 GMT', Date.UTC(1994, 10, 6, 8, 49, 37)],
    ['Sun Nov  6 08:49:37 1994', Date.UTC(1994, 10, 6, 8, 49, 37)],
    ['6 nov 69 1:2:3', Date.UTC(2069, 10, 6, 1, 2, 3)],
    ['06 Nov 1994', null],
    ['32 Nov 1994 08:49:37', null],
    ['06 Nov 1994 24:00:00', null],
    ['06 Nov 1600 08:49:37', null],
    ['', null],
  ]
  for (const [text, at] of cases) t.equal(cookieDate(text), at, text)
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_000_000_000 }), (seconds) => {
      const at = seconds * 1000
      return cookieDate(new Date(at).toUTCString()) === at
    }),
  )
})

t.test('the parallel first requests of one page land together; another rollout deals anew', async (t) => {
  const split = { '1': 0.5, '2': 0.5 }
  const landing = (request: RequestShape, rolloutId = 'r'): string => {
    const decision = decide(facts(request), siteOf({ shares: split, rolloutId }), now)
    return decision.kind === 'refuse' ? 'refused' : decision.release.version
  }
  const visitor = (i: number): RequestShape => ({
    clientAddress: `10.0.0.${i}`,
    headers: { 'user-agent': 'browser' },
  })
  const releases = new Set<string>()
  let dealtAnew = 0
  for (let i = 0; i < 64; i++) {
    const first = landing(visitor(i))
    const script = {
      ...visitor(i),
      path: '/a.js',
      headers: { 'user-agent': 'browser', 'sec-fetch-dest': 'script' },
    }
    const form = { ...visitor(i), method: 'POST', path: '/b' }
    t.same([landing(script), landing(form)], [first, first], `visitor ${i}`)
    if (landing(visitor(i), 'other') !== first) dealtAnew++
    releases.add(first)
  }
  t.equal(releases.size, 2, 'and different visitors land on different releases')
  t.ok(dealtAnew > 8, `${dealtAnew} of 64 change sides`)
})

t.test(
  'nothing but a navigation ever changes the release of a session, and an unsafe method never boards with a token',
  async (t) => {
    const request = fc.record({
      method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'),
      path: fc.constantFrom('/', '/robots.txt', '/public/a'),
      isHeaderClient: fc.boolean(),
      hasEnded: fc.boolean(),
      headers: fc.record({
        'sec-fetch-dest': fc.constantFrom('', 'document', 'script', 'empty', 'iframe'),
        accept: fc.constantFrom('', '*/*', 'text/html'),
      }),
      token: fc
        .record({
          release: fc.constantFrom('0', '1', '2').map((version) => version as ReleaseVersion),
          until: fc.constantFrom(now - 1, now, now + 1),
          held: fc.boolean(),
        })
        .map(tokenOf),
    })
    const site = fc.record({
      shares: fc.constantFrom<Readonly<Record<string, number>>>(
        { '1': 0, '2': 1 },
        { '1': 0, '2': 0 },
        { '1': 0.5, '2': 0.5 },
      ),
      session: fc.record({
        onReleaseGone: fc.constantFrom<SessionPolicy['onReleaseGone']>('move', 'restart', 'refuse'),
      }),
    })
    fc.assert(
      fc.property(request, site, (shape, siteShape) => {
        const asked = facts(shape)
        const decision = decide(asked, siteOf(siteShape), now)
        if (decision.kind === 'refuse') return true
        if (decision.kind === 'pass') return false
        const stays = decision.release.version === shape.token.release && decision.kind !== 'board'
        return stays || (isNavigation(asked) && isSafeMethod(asked.method) && decision.kind === 'board')
      }),
      { numRuns: 3000 },
    )
    t.pass()
  },
)

t.test('what a request is: safe, a navigation, a sub-resource', async (t) => {
  t.same(['GET', 'HEAD', 'OPTIONS', 'TRACE'].map(isSafeMethod), [true, true, true, true])
  t.same(['POST', 'PUT', 'DELETE', 'PATCH'].map(isSafeMethod), [false, false, false, false])
  const html = { accept: 'text/html' }
  const cases: [RequestShape, boolean][] = [
    [{ headers: html }, true],
    [{ method: 'OPTIONS', headers: html }, false],
    [{ method: 'POST', headers: html }, false],
    [{ headers: { ...html, 'sec-fetch-dest': 'empty' } }, false],
    [{ headers: { 'sec-fetch-dest': 'document' } }, true],
    [{ headers: { accept: '*/*' } }, false],
    [{ isHeaderClient: true }, true],
    [{ isHeaderClient: true, method: 'PUT' }, false],
  ]
  for (const [shape, is] of cases) t.equal(isNavigation(facts(shape)), is, JSON.stringify(shape))
  for (const destination of ['script', 'style', 'image', 'font', 'video', 'serviceworker', 'manifest']) {
    t.equal(isSubResource(facts(dest(destination))), true, destination)
  }
  for (const destination of ['', 'document', 'iframe', 'empty', 'object']) {
    t.equal(isSubResource(facts(dest(destination))), false, destination)
  }
})

// -- promises -------------------------------------------------------------------------------------------------------------

const termsOf = (session: SessionPolicy, spans: readonly TimeSpan[] = []): PromiseTerms => ({
  session,
  spans,
})

t.test('a promise is idle time and one grain from its issue, never past birth and maximum age', async (t) => {
  t.equal(grainMs(policy), 4 * minute, 'an eighth of the idle time')
  t.equal(promiseUntil(termsOf(policy), now, now, 0), now + 36 * minute)
  t.equal(promiseSpanMs(policy), 36 * minute)
  const bornAt = now - policy.maxAgeMs + minute
  t.equal(promiseUntil(termsOf(policy), bornAt, now, 0), now + minute, 'cut at the maximum age')
  t.equal(endOfAge(termsOf(policy), bornAt), now + minute)
  t.equal(
    promiseUntil(termsOf({ ...policy, idleTimeoutMs: 1 }), now, now, 0),
    now + 2,
    'a fraction of a millisecond is given, not taken',
  )
})

t.test('never: without an idle time only the age ends a session, without an age only idling', async (t) => {
  const ageless = { ...policy, maxAgeMs: Infinity }
  t.equal(promiseUntil(termsOf(ageless), now - 1e12, now, 0), now + 36 * minute)
  t.equal(endOfAge(termsOf(ageless), now), endOfTime)
  t.equal(promiseSpanMs(ageless), 36 * minute)
  const idleless = { ...policy, idleTimeoutMs: Infinity }
  t.equal(promiseUntil(termsOf(idleless), now, now + 5, 0), now + policy.maxAgeMs)
  t.equal(promiseSpanMs(idleless), policy.maxAgeMs)
  const token = tokenOf({ bornAt: now, issuedAt: now, until: now + policy.maxAgeMs })
  t.equal(
    isDueForReissue(token, termsOf(idleless), now + policy.maxAgeMs - 1),
    false,
    'nothing new could be said',
  )
})

const policies = fc.record({
  idle: fc.oneof(fc.integer({ min: 1, max: 1e9 }), fc.constant(Infinity)),
  age: fc.integer({ min: 1, max: 1e10 }),
})

t.test(
  'whatever the policy, a promise lies ahead, fits its six bytes and never passes birth and age',
  async (t) => {
    fc.assert(
      fc.property(policies, fc.nat(1e9), ({ idle, age }, aged) => {
        const chosen = { ...policy, idleTimeoutMs: idle, maxAgeMs: age }
        const until = promiseUntil(termsOf(chosen), now - aged, now, 0)
        const isBounded = until <= now - aged + age && until <= endOfTime && Number.isInteger(until)
        return isBounded && (aged >= age || until > now) && until - now <= Math.ceil(promiseSpanMs(chosen))
      }),
    )
    t.pass()
  },
)

t.test('a token slides when a grain has passed, and not before', async (t) => {
  const token = tokenOf({ bornAt: now, issuedAt: now, until: promiseUntil(termsOf(policy), now, now, 0) })
  t.equal(isDueForReissue(token, termsOf(policy), now + 4 * minute - 1), false)
  t.equal(isDueForReissue(token, termsOf(policy), now + 4 * minute), true)
  t.equal(
    isDueForReissue({ ...token, held: true }, termsOf(policy), now + 30 * minute),
    false,
    'a held one has all it can get',
  )
  const old = tokenOf({
    bornAt: now - policy.maxAgeMs + minute,
    issuedAt: now - 10 * minute,
    until: now + minute,
  })
  t.equal(
    isDueForReissue(old, termsOf(policy), now),
    false,
    'at the maximum age there is nothing more to give',
  )
})

t.test('less than half the idle time left is urgent', async (t) => {
  const token = tokenOf({ until: now + 16 * minute })
  t.equal(isPastHalfIdle(token, policy, now), false)
  t.equal(isPastHalfIdle(token, policy, now + 1), true)
})

t.test('an idle time that grows never costs an active visitor his session', async (t) => {
  const token = tokenOf({ bornAt: now, issuedAt: now, until: promiseUntil(termsOf(policy), now, now, 0) })
  const longer = { ...policy, idleTimeoutMs: 32 * 60 * minute }
  t.equal(
    isDueForReissue(token, termsOf(longer), now + minute),
    true,
    'the grain of the new policy would come too late',
  )
  const never = { ...policy, idleTimeoutMs: Infinity }
  t.equal(
    isDueForReissue(token, termsOf(never), now + minute),
    true,
    'as it would never come without an idle time',
  )
  const shorter = { ...policy, idleTimeoutMs: 8 * minute }
  t.equal(isDueForReissue(token, termsOf(shorter), now + minute - 1), false)
  t.equal(
    isDueForReissue(token, termsOf(shorter), now + minute),
    true,
    'a shorter one rules from the next issue',
  )
  t.equal(isHonoured(token, [], now + 36 * minute - 1), true, 'but what was promised is honoured')
})

t.test(
  'however the policy changes, after a response to a live session a whole idle time is ahead',
  async (t) => {
    fc.assert(
      fc.property(policies, policies, fc.nat(1e9), fc.nat(1e9), (before, after, sinceBirth, sinceIssue) => {
        const bornAt = now - sinceBirth - sinceIssue
        const issuedAt = now - sinceIssue
        const first = { ...policy, idleTimeoutMs: before.idle, maxAgeMs: before.age }
        const second = { ...policy, idleTimeoutMs: after.idle, maxAgeMs: after.age }
        const token = tokenOf({ bornAt, issuedAt, until: promiseUntil(termsOf(first), bornAt, issuedAt, 0) })
        if (!isHonoured(token, [], now)) return true
        const renewed = isDueForReissue(token, termsOf(second), now)
          ? promiseUntil(termsOf(second), bornAt, now, 0)
          : token.until
        return renewed >= Math.min(now + after.idle, bornAt + after.age, endOfTime)
      }),
      { numRuns: 2000 },
    )
    t.pass()
  },
)

t.test('a span is added to promises that were alive when it began, one after the other', async (t) => {
  const span = { from: now, lengthMs: 1000 }
  t.equal(extendPromise(now - 1, [span]), now - 1, 'over before it began')
  t.equal(extendPromise(now, [span]), now + 1000, 'over at its very beginning: given, not taken')
  t.equal(extendPromise(now + 5, [span]), now + 1005)
  const later = { from: now + 1004, lengthMs: 10 }
  t.equal(extendPromise(now + 5, [span, later]), now + 1015, 'alive at the second thanks to the first')
  t.equal(extendPromise(now + 3, [span, later]), now + 1003)
  t.equal(extendPromise(0, [span]), 0, 'no promise stays none')
})

t.test('a token gets the spans that came after it was handed out, and none before', async (t) => {
  const span = { from: now, lengthMs: 1000 }
  const token = (issuedAt: number) => tokenOf({ issuedAt, until: now + 5000 })
  t.equal(honouredUntil(token(now - 1), [span]), now + 6000)
  t.equal(
    honouredUntil(token(now + 999), [span]),
    now + 6000,
    'issued within it: its worker did not know yet',
  )
  t.equal(honouredUntil(token(now + 1000), [span]), now + 5000, 'issued at its end')
  t.equal(honouredUntil(token(now - 1), []), now + 5000)
  t.equal(isHonoured(token(now - 1), [span], now + 5999), true)
  t.equal(isHonoured(token(now - 1), [span], now + 6000), false)
})

// -- caches -----------------------------------------------------------------------------------------------------------------

t.test('a token never enters a shared cache', async (t) => {
  const cases: [name: string, facts: Partial<DeliveryFacts>, expected: string][] = [
    ['silence', {}, 'private'],
    ['a bare max-age says neither', { cacheControl: 'max-age=60' }, 'max-age=60, private'],
    ['no-cache says neither', { cacheControl: 'no-cache' }, 'no-cache, private'],
    ['private', { cacheControl: 'private, max-age=60' }, 'attach'],
    ['no-store', { cacheControl: 'no-store' }, 'attach'],
    [
      'private for some fields only says neither',
      { cacheControl: 'private="x-a, x-b"' },
      'private="x-a, x-b", private',
    ],
    ['public', { cacheControl: 'public, max-age=60' }, 'withhold'],
    ['s-maxage', { cacheControl: 'max-age=0,s-maxage=60' }, 'withhold'],
    ['public beside private: sharing wins', { cacheControl: 'private, public' }, 'withhold'],
    ['a CDN field', { cdnCacheControl: ['max-age=60'] }, 'withhold'],
    ['a CDN field beside private', { cacheControl: 'private', cdnCacheControl: ['max-age=60'] }, 'withhold'],
    ['a CDN field that forbids', { cdnCacheControl: ['no-store'] }, 'private'],
    [
      'a CDN field that forbids beside private',
      { cacheControl: 'private', cdnCacheControl: ['private'] },
      'attach',
    ],
    [
      'one CDN field that forbids, another that shares',
      { cdnCacheControl: ['no-store', 'max-age=60'] },
      'withhold',
    ],
    ['a 304', { status: 304, cacheControl: 'private' }, 'withhold'],
    ['a 304 in need', { status: 304, isUrgent: true }, 'withhold'],
    ['public in need', { cacheControl: 'public, max-age=60', isUrgent: true }, 'max-age=60, private'],
    [
      's-maxage in need',
      { cacheControl: 's-maxage=9, max-age=1, proxy-revalidate', isUrgent: true },
      'max-age=1, private',
    ],
    [
      'a CDN field in need',
      { cacheControl: 'private', cdnCacheControl: ['max-age=60'], isUrgent: true },
      'private',
    ],
    ['an error page', { status: 500 }, 'private'],
  ]
  for (const [name, changes, expected] of cases) {
    const facts: DeliveryFacts = {
      status: 200,
      cacheControl: '',
      cdnCacheControl: [],
      isUrgent: false,
      ...changes,
    }
    const delivery = tokenDelivery(facts)
    t.equal(delivery.kind === 'attach-private' ? delivery.cacheControl : delivery.kind, expected, name)
  }
})

t.test(
  'nobody grows older in a span: what is handed out afterwards lasts as long as what it replaces',
  async (t) => {
    const short = { ...policy, maxAgeMs: 40 * minute }
    const bornAt = now - 30 * minute
    const span = { from: now + minute, lengthMs: 60 * minute }
    const back = now + 62 * minute
    const terms = termsOf(short, [span])
    const token = tokenOf({ bornAt, issuedAt: now, until: promiseUntil(termsOf(short), bornAt, now, 0) })
    t.equal(token.until, now + 10 * minute, 'its age ends it')
    t.equal(honouredUntil(token, [span]), now + 70 * minute)
    t.equal(promiseUntil(terms, bornAt, back, 0), now + 70 * minute)
    t.equal(endOfAge(terms, bornAt), now + 70 * minute, 'a stream that begins afterwards')
    t.equal(stayUntil(terms, token, back), now + 70 * minute, 'a stream that goes on')
    t.equal(endOfAge(terms, back), back + 40 * minute, 'who is born afterwards has nothing of it')
  },
)

t.test(
  'a session counts for all that its token is honoured, however short the maximum age has become',
  async (t) => {
    const short = termsOf({ ...policy, maxAgeMs: 40 * minute })
    const bornAt = now - 60 * minute
    t.equal(promiseUntil(short, bornAt, now, 0), now - 20 * minute, 'over by its age')
    t.equal(promiseUntil(short, bornAt, now, now + 600 * minute), now + 36 * minute, 'held from before')
    t.equal(promiseUntil(short, bornAt, now, now + 5 * minute), now + 5 * minute)
    const held = tokenOf({ bornAt, issuedAt: now - 30 * minute, until: now + 600 * minute, held: true })
    t.equal(stayUntil(short, held, now), now + 600 * minute, 'so may what it keeps open')
    t.equal(stayUntil(short, { ...held, until: now }, now), now, 'but no longer')
    const forEver = termsOf({ ...policy, maxAgeMs: Infinity, idleTimeoutMs: Infinity })
    t.equal(promiseUntil(forEver, bornAt, now, 2 * endOfTime), endOfTime)
  },
)

t.test('whatever spans there were, a response to a live session never shortens its promise', async (t) => {
  const spansOf = fc.array(fc.tuple(fc.nat(1e6), fc.nat(1e6)), { maxLength: 4 }).map((gaps) => {
    let at = now
    return gaps.map(([after, lengthMs]) => {
      const span = { from: at + after, lengthMs }
      at = span.from + lengthMs
      return span
    })
  })
  fc.assert(
    fc.property(policies, spansOf, fc.nat(1e6), fc.nat(1e6), fc.nat(1e6), (lasts, all, aged, rest, later) => {
      const chosen = { ...policy, idleTimeoutMs: lasts.idle, maxAgeMs: lasts.age }
      // Nothing is handed out in a span: the token comes before the first, and the visitor after the last.
      const back = all.reduce((_, { from, lengthMs }) => from + lengthMs, now) + later
      const bornAt = now - aged - rest
      const issuedAt = now - rest
      const token = tokenOf({ bornAt, issuedAt, until: promiseUntil(termsOf(chosen), bornAt, issuedAt, 0) })
      if (!isHonoured(token, all, back)) return true
      return (
        promiseUntil(termsOf(chosen, all), bornAt, back, 0) >=
        Math.min(honouredUntil(token, all), back + lasts.idle)
      )
    }),
    { numRuns: 2000 },
  )
  t.pass()
})
