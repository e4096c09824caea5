// One response on its way out: what it does to the visitor's token, what the ledger hears of it, which of its fields
// go on; and the list of exchanges that are open.
import fc from 'fast-check'
import t from 'tap'
import { Activity } from '../../gateway/dataplane/activity.js'
import { TokenReader, type KeyRing } from '../../gateway/dataplane/affinity-token.js'
import { ExchangeSession } from '../../gateway/dataplane/exchange-session.js'
import { OpenExchanges, type OpenExchange } from '../../gateway/dataplane/open-exchanges.js'
import { publicError, type FailedRoute } from '../../gateway/dataplane/refusal.js'
import type { RequestIdentity } from '../../gateway/dataplane/request-identity.js'
import { fieldMasks, fieldValues, isEventStream, keptRuns } from '../../gateway/dataplane/response-fields.js'
import { handout, type HandoutInput, type ResponseFacts } from '../../gateway/dataplane/session-handout.js'
import { MovePace } from '../../gateway/dataplane/move-pace.js'
import { MovedSessions } from '../../gateway/dataplane/moved-sessions.js'
import { Tombstones } from '../../gateway/dataplane/tombstones.js'
import { FieldNames } from '../../gateway/dataplane/upstream/field-names.js'
import { ParsedHead } from '../../gateway/dataplane/upstream/response-head.js'
import type { WorkerState } from '../../gateway/dataplane/worker-state.js'
import type { SessionDecision } from '../../gateway/domain/affinity.js'
import { GatewayError, type ErrorCode } from '../../gateway/domain/errors.js'
import { fieldKindOf, responseFields } from '../../gateway/domain/headers.js'
import type {
  ReleaseIndex,
  ReleaseVersion,
  SessionId,
  SiteName,
  TargetUrl,
} from '../../gateway/domain/ids.js'
import {
  buildRoutingTable,
  type ReleaseRoute,
  type RoutingTable,
} from '../../gateway/domain/routing-table.js'
import type { TimeSpan, Token } from '../../gateway/domain/session.js'
import type { SessionPolicy } from '../../gateway/domain/site-policy.js'
import type { MovedSession } from '../../gateway/plane-protocol.js'
import { sessionPolicy, siteSpec } from '../fixtures/site-spec.js'

const minute = 60_000
const now = 1_800_000_000_000
const issuer = 'aa'.repeat(8)
const ring: KeyRing = {
  keys: [
    { id: 1, secret: Buffer.alloc(32, 1) },
    { id: 2, secret: Buffer.alloc(32, 2) },
  ],
  signsWith: 1,
}

const policy = sessionPolicy({ idleTimeoutMs: 32 * minute })

/** A table in which release 1 of the shop serves from two targets, or none does. */
function tableOf(
  session: Partial<SessionPolicy> = {},
  isServed = true,
  spans: TimeSpan[] = [],
  endsAt: number | null = null,
): RoutingTable {
  const targets = ['http://a:1', 'http://b:1'].map((url) => ({ url: url as TargetUrl, isHealthy: true }))
  const release = {
    index: 3 as ReleaseIndex,
    version: '1' as ReleaseVersion,
    share: 1,
    isLive: true,
    targets,
    endsAt,
  }
  const sites = [siteSpec({ session: { ...policy, ...session }, releases: isServed ? [release] : [] })]
  return buildRoutingTable({ generation: 1, issuer, spans, futureToleranceMs: 0, sites })
}

function releaseOf(table: RoutingTable): ReleaseRoute {
  const release = table.siteOf('x')?.release('1' as ReleaseVersion)
  if (release === null || release === undefined) throw new Error('no release')
  return release
}

function tokenOf(changes: Partial<Token> = {}): Token {
  const [target] = releaseOf(tableOf()).targets
  return {
    site: 'shop' as SiteName,
    release: '1' as ReleaseVersion,
    targetTag: target?.tag ?? 0,
    id: '1'.repeat(16) as SessionId,
    bornAt: now - 60 * minute,
    issuedAt: now - minute,
    until: now + 35 * minute,
    held: false,
    issuer,
    keyId: 1,
    ...changes,
  }
}

interface Visit {
  readonly token?: Token | null
  readonly kind?: HandoutInput['session']['kind']
  readonly revives?: boolean
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly isSecure?: boolean
  readonly isHeaderClient?: boolean
  readonly response?: Partial<ResponseFacts>
  readonly session?: Partial<SessionPolicy>
  readonly target?: number
  readonly isOver?: boolean
  readonly signsWith?: number
  readonly nextReportAt?: number
}

function identityOf(visit: Visit, token: Token | null): RequestIdentity {
  const { headers = {} } = visit
  return {
    method: visit.method ?? 'GET',
    isSecure: visit.isSecure ?? false,
    isHeaderClient: visit.isHeaderClient ?? false,
    token,
    verified:
      token === null ? null : { token, nextReportAt: visit.nextReportAt ?? 0, reportedUntil: Infinity },
    header: (name: string) => headers[name] ?? '',
  } as unknown as RequestIdentity
}

function sessionOf(
  kind: HandoutInput['session']['kind'],
  token: Token,
  revives: boolean,
): HandoutInput['session'] {
  switch (kind) {
    case 'none':
      return { kind }
    case 'birth':
      return { kind, id: '2'.repeat(16) as SessionId, bornAt: now }
    case 'own':
      return { kind, verified: { token, nextReportAt: 0, reportedUntil: 0 }, revives }
    case 'moving':
      return { kind, verified: { token, nextReportAt: 0, reportedUntil: 0 }, from: null, because: 'takeover' }
    default:
      return { kind, token }
  }
}

function given(visit: Visit) {
  const release = releaseOf(tableOf(visit.session))
  const kind = visit.kind ?? (visit.token === undefined ? 'birth' : 'own')
  const token = visit.token ?? null
  const target = release.targets[visit.target ?? 0]
  if (target === undefined) throw new Error('no target')
  return handout({
    session: sessionOf(kind, token ?? tokenOf(), visit.revives ?? false),
    identity: identityOf(visit, token),
    release,
    target,
    response: {
      status: 200,
      signal: 'none',
      cacheControl: 'private',
      cdnCacheControl: [],
      isHeld: false,
      ...visit.response,
    },
    isOver: visit.isOver ?? false,
    ring: { ...ring, signsWith: visit.signsWith ?? 1 },
    issuer,
    now,
  })
}

const nothing = { lines: '', cacheControl: null, issued: null, ended: null }
const fresh = tokenOf()
const due = tokenOf({ issuedAt: now - 4 * minute, until: now + 32 * minute })

t.test('a birth is handed the token of its release and target, readable by every worker', async (t) => {
  const birth = given({})
  const [target] = releaseOf(tableOf()).targets
  t.match(birth.issued, {
    id: '2'.repeat(16),
    bornAt: now,
    issuedAt: now,
    until: now + 36 * minute,
    held: false,
    issuer,
  })
  t.equal(birth.issued?.targetTag, target?.tag)
  const text = /^Set-Cookie: amarre=([^;]+);/.exec(birth.lines)?.[1] ?? ''
  const found = new TokenReader(ring).read(text, { site: 'shop' as SiteName, now, futureToleranceMs: 0 })
  t.match(found, { token: { ...birth.issued, keyId: 1 } })
})

t.test('a token is renewed exactly when a new one says something new', async (t) => {
  const cases: [name: string, visit: Visit, issued: Partial<Token> | null][] = [
    ['a young one', { token: fresh }, null],
    ['a grain later', { token: due }, { until: now + 36 * minute, bornAt: due.bornAt, id: due.id }],
    ['revived', { token: fresh, revives: true }, { until: now + 36 * minute }],
    [
      'served by another target',
      { token: fresh, target: 1 },
      { targetTag: releaseOf(tableOf()).targets[1]?.tag ?? 0 },
    ],
    ['signed by a former key', { token: fresh, signsWith: 2 }, { until: now + 36 * minute }],
    ['of another gateway', { token: { ...fresh, issuer: 'bb'.repeat(8) } }, { issuer }],
    [
      'a long exchange begins',
      { token: fresh, response: { isHeld: true } },
      { held: true, until: fresh.bornAt + policy.maxAgeMs },
    ],
    ['a long exchange, held already', { token: { ...fresh, held: true }, response: { isHeld: true } }, null],
    ['held ones stay held', { token: { ...fresh, held: true }, target: 1 }, { held: true }],
    ['the session ended meanwhile', { token: due, isOver: true }, null],
    ['an answer in flight of an ended session', { token: due, kind: 'trailing' }, null],
    ['no session', { kind: 'none' }, null],
    ['a birth whose release went meanwhile', { isOver: true }, null],
    [
      'a birth on a long exchange',
      { response: { isHeld: true } },
      { held: true, until: now + policy.maxAgeMs },
    ],
  ]
  for (const [name, visit, issued] of cases) {
    const found = given(visit)
    if (issued === null) t.same(found, nothing, name)
    else t.match(found.issued, issued, name)
  }
})

t.test('a maximum age that was cut takes back nothing that was promised', async (t) => {
  const session = { maxAgeMs: 40 * minute }
  const promised = { until: now + 20 * minute }
  const held = { ...fresh, held: true, until: now + 600 * minute }
  const cases: [name: string, visit: Visit, issued: Partial<Token> | null][] = [
    ['a token that is due for another', { token: { ...due, ...promised } }, null],
    ['signed by a former key', { token: { ...due, ...promised }, signsWith: 2 }, promised],
    ['a long exchange begins', { token: { ...due, ...promised }, response: { isHeld: true } }, promised],
    ['a held one, signed by a former key', { token: held, signsWith: 2 }, { until: held.until, held: true }],
    ['beyond its age, revived', { token: { ...due, until: now - minute }, revives: true }, null],
  ]
  for (const [name, visit, issued] of cases) {
    const found = given({ ...visit, session })
    if (issued === null) t.same(found, nothing, name)
    else t.match(found.issued, issued, name)
  }
})

t.test(
  'with affinity: release a session lives on no target, and another target is no reason for another token',
  async (t) => {
    const session = { affinity: 'release' } as const
    t.equal(given({ session }).issued?.targetTag, 0)
    const token = { ...fresh, targetTag: 0 }
    for (const target of [0, 1]) t.same(given({ session, token, target }), nothing)
    t.equal(
      given({ session, token: fresh }).issued?.targetTag,
      0,
      'one from before the policy changed is renewed once',
    )
    t.not(given({ token }).issued?.targetTag, 0, 'and the other way round')
  },
)

t.test(
  'a header client gets its token in the header, everybody else in a cookie of his scheme',
  async (t) => {
    t.match(given({ isHeaderClient: true }).lines, /^Amarre-Token: [A-Za-z0-9_-]+$/)
    t.match(given({ isSecure: true }).lines, /^Set-Cookie: __Host-amarre=/)
    t.match(given({}).lines, /^Set-Cookie: amarre=/)
  },
)

t.test('a token keeps out of shared caches, and waits for the next response', async (t) => {
  const shared = { cacheControl: 'Public, max-age=60' }
  t.same(given({ response: shared }), nothing, 'a birth waits too')
  t.same(given({ token: due, response: shared }), nothing)
  t.same(given({ token: due, response: { cdnCacheControl: ['', 'Max-Age=60'] } }), nothing)
  t.same(given({ isHeaderClient: true, response: shared }), nothing, 'in the header as well')
  t.same(given({ token: due, response: { status: 304 } }), nothing)
  t.match(given({ response: { cacheControl: 'max-age=60' } }), {
    cacheControl: 'max-age=60, private',
    issued: {},
  })
  t.match(given({ response: { cacheControl: 'No-Store' } }), { cacheControl: null, issued: {} })
  const late = tokenOf({ issuedAt: now - 21 * minute, until: now + 16 * minute - 1 })
  t.match(
    given({ token: late, response: shared }),
    { cacheControl: 'max-age=60, private', issued: {} },
    'past half the idle time',
  )
})

t.test(
  'a cross-site POST in clear without our cookie never sets one: the cookie may only have been withheld',
  async (t) => {
    const cross = { 'sec-fetch-site': 'cross-site' }
    const cases: [name: string, visit: Visit, isGiven: boolean][] = [
      ['cross-site', { method: 'POST', headers: cross }, false],
      ['cross-site, but by GET', { method: 'GET', headers: cross }, true],
      [
        'cross-site, under TLS: the cookie is SameSite=None',
        { method: 'POST', headers: cross, isSecure: true },
        true,
      ],
      ['a header client', { method: 'POST', headers: cross, isHeaderClient: true }, true],
      ['same-origin', { method: 'POST', headers: { 'sec-fetch-site': 'same-origin' } }, true],
      [
        'by Origin',
        { method: 'POST', headers: { origin: 'https://pay.example', host: 'shop.example' } },
        false,
      ],
      ['by an opaque Origin', { method: 'POST', headers: { origin: 'null', host: 'shop.example' } }, false],
      [
        'by its own Origin',
        { method: 'POST', headers: { origin: 'http://shop.example', host: 'shop.example' } },
        true,
      ],
      ['from no browser', { method: 'POST' }, true],
      ['with our token', { method: 'POST', headers: cross, token: due }, true],
    ]
    for (const [name, visit, isGiven] of cases) t.equal(given(visit).issued !== null, isGiven, name)
  },
)

t.test('Amarre-Session: end takes the token away in the same response', async (t) => {
  const end = { signal: 'end' as const }
  const plain = 'Set-Cookie: amarre=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax'
  t.same(given({ token: due, response: end }), {
    lines: plain,
    cacheControl: null,
    issued: null,
    ended: due.id,
  })
  t.match(
    given({ token: due, response: end, isSecure: true }).lines,
    /^Set-Cookie: __Host-amarre=;.*\r\nSet-Cookie: amarre=;/,
  )
  t.equal(given({ token: due, response: end, isHeaderClient: true }).lines, 'Amarre-Token: ')
  t.equal(given({ token: due, response: end, isOver: true }).ended, due.id, 'even where the release is gone')
  t.equal(given({ token: due, response: end, kind: 'trailing' }).ended, due.id, 'a second time')
  t.equal(given({ token: due, response: end, kind: 'birth' }).ended, due.id, 'the former session of a birth')
  t.same(given({ response: end }), nothing, 'a birth without a former session has nothing to lose')
  t.same(given({ response: end, kind: 'none' }), nothing)
  t.match(given({ token: due, response: { signal: 'start' } }).issued, {}, 'a beginning ends nothing')
})

t.test('a response that takes a token away never takes it from others: no cache may share it', async (t) => {
  const farewell = (response: Partial<ResponseFacts>) =>
    given({ token: due, response: { signal: 'end', ...response } }).cacheControl
  t.equal(farewell({ cacheControl: '' }), 'private')
  t.equal(farewell({ cacheControl: 'public, max-age=60' }), 'max-age=60, private')
  t.equal(farewell({ cacheControl: 'private', cdnCacheControl: ['max-age=60'] }), 'private')
  t.equal(farewell({ cacheControl: 'no-store' }), null, 'as it is, where it says so itself')
})

// -- what the ledger hears ------------------------------------------------------------------------------------------------------

/** A worker as an exchange's session sees it. */
function workerOf(table: RoutingTable) {
  const ended: [string, number][] = []
  const moves: MovedSession[] = []
  const clock = { at: now, now: () => clock.at, monotonic: () => 0 }
  const tombstones = new Tombstones()
  const state = {
    table,
    activity: new Activity(),
    tombstones,
    moved: new MovedSessions(),
    tellMoved: (session: MovedSession) => moves.push(session),
    reader: new TokenReader(ring),
    clock,
    endSession: (id: SessionId, until: number) => {
      ended.push([id, until])
      tombstones.add(id, until)
    },
  }
  const exchange = (decision: SessionDecision, token: Token | null = null, nextReportAt = 0) => {
    const identity = identityOf({ nextReportAt }, token)
    return new ExchangeSession(state as unknown as WorkerState, identity, decision, clock.at)
  }
  const touches = () => {
    const { until, ids, releases } = state.activity.takeTouches()
    return [...until].map((each, i) => ({
      until: each - now,
      id: ids[2 * i]?.toString(16),
      release: releases[i],
    }))
  }
  const figures = () => {
    const { births, birthsUntil, lastTouchAt } = state.activity.of(3 as ReleaseIndex)
    return { births, until: birthsUntil - now, lastTouchAt: lastTouchAt - now }
  }
  return { state, clock, exchange, touches, figures, ended, moves }
}

function parsed(lines: readonly string[], status = 200): ParsedHead {
  const head = new ParsedHead(new FieldNames(responseFields))
  const bytes = Buffer.from(
    `HTTP/1.1 ${status} OK\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`,
    'latin1',
  )
  if (head.parse(bytes, 0, bytes.length, false) !== bytes.length) throw new Error(head.fault)
  return head
}

const idHigh = '11111111'

t.test('a birth costs a counter and a promise, and only where its token was handed out', async (t) => {
  const table = tableOf()
  const release = releaseOf(table)
  const [target] = release.targets
  if (target === undefined) throw new Error('no target')
  const worker = workerOf(table)
  const exchange = worker.exchange({ kind: 'board', release, because: 'new' })
  t.same(worker.figures(), { births: 0, until: -now, lastTouchAt: 0 }, 'it has been touched, no more')
  exchange.handOut(parsed(['cache-control: public']), target, now)
  t.equal(worker.figures().births, 0, 'a token withheld is no birth')
  exchange.close(now + 60 * minute)
  t.equal(worker.figures().until, -now, 'and promises nothing, however long it lasted')
  const second = worker.exchange({ kind: 'board', release, because: 'new' })
  second.handOut(parsed([]), target, now)
  t.match(worker.figures(), { births: 1, until: 36 * minute })
  second.close(now + 60 * minute)
  t.match(
    worker.figures(),
    { births: 1, until: 96 * minute },
    'a long one counts until its end, idle time and grain',
  )
  t.same(worker.touches(), [], 'nobody has come back: the ledger hears nothing')
})

t.test(
  'a move is told to the ledger on its former release, and on the new one as soon as its token is given',
  async (t) => {
    const table = tableOf()
    const release = releaseOf(table)
    const from = { ...release, index: 4 as ReleaseIndex, version: '0' as ReleaseVersion } as typeof release
    const [target] = release.targets
    if (target === undefined) throw new Error('no target')
    const token = tokenOf({ release: from.version })
    const decision = { kind: 'move', release, from, token, because: 'takeover' } as const
    const worker = workerOf(table)
    const on = (index: number) => ({ release: index, id: idHigh })
    const moved = () => worker.state.activity.of(3 as ReleaseIndex).takenOver

    const failing = worker.exchange(decision, token)
    t.match(worker.touches(), [on(4)], 'it lives there until it has another token')
    t.match(
      failing.handOut(parsed([], 500), target, now),
      { lines: '', issued: null },
      'the new release fails',
    )
    t.match(failing.handOut(parsed([], 304), target, now), { issued: null }, 'never on 304')
    failing.close(now + 60 * minute)
    t.same(worker.touches(), [], 'a move that was not given promises nothing')
    t.same([moved(), worker.moves], [[], []])

    const given = worker
      .exchange(decision, token)
      .handOut(parsed(['cache-control: public, max-age=9']), target, now)
    t.match(given, {
      issued: { id: token.id, bornAt: token.bornAt, release: release.version, until: now + 36 * minute },
    })
    t.equal(given.cacheControl, 'max-age=9, private', 'a page of the new release goes with its token')
    t.match(worker.touches(), [on(4), { ...on(3), until: 36 * minute }])
    t.match(moved(), [{ from: '0', because: 'takeover', count: 1 }])
    t.match(worker.moves, [{ id: token.id, to: release.version }], 'everybody else hears of it')

    worker.exchange(decision, token).handOut(parsed([]), target, now)
    t.match(moved(), [{ count: 1 }], 'another of its pages at the same time is the same move')
    t.equal(worker.moves.length, 1)
    worker
      .exchange({ ...decision, from: null }, { ...token, id: '9'.repeat(16) as SessionId })
      .handOut(parsed([]), target, now)
    t.match(moved(), [{ count: 2 }], 'another session is another one')
  },
)

t.test(
  'a late answer of the former release hands out nothing that would take the session back',
  async (t) => {
    const table = tableOf()
    const release = releaseOf(table)
    const [target] = release.targets
    if (target === undefined) throw new Error('no target')
    const worker = workerOf(table)
    const late = worker.exchange({ kind: 'stay', release, token: due, revives: false }, due)
    worker.state.moved.add({ id: due.id, to: 'another' as ReleaseVersion, until: now + minute })
    t.equal(late.handOut(parsed([]), target, now).issued, null)
    t.not(late.handOut(parsed([]), target, now + minute).issued, null, 'a grain later it is no late answer')
    worker.state.moved.add({ id: due.id, to: release.version, until: now + minute })
    t.not(late.handOut(parsed([]), target, now).issued, null, 'nor on the release where it went')
    t.equal(new MovedSessions().hasLeft(due.id, release.version, now), false)
  },
)

t.test(
  'the pace of a recall: one at once, then so many a second, and never more than a second of them',
  async (t) => {
    const table = tableOf()
    const route = (perSecond: number) => ({
      ...releaseOf(table),
      move: { to: releaseOf(table), because: 'recall', at: 'document', perSecond } as const,
    })
    const pace = new MovePace()
    const admitted = (perSecond: number, at: number, tries = 20): number =>
      Array.from({ length: tries }, () => pace.admits(route(perSecond) as never, at)).filter(Boolean).length
    t.equal(admitted(0.5, 0), 1)
    t.equal(admitted(0.5, 1_999), 0)
    t.equal(admitted(0.5, 2_000), 1)
    t.equal(admitted(0.5, 60_000), 1, 'nothing is saved up')
    t.equal(admitted(4, 60_250), 1, 'another order goes on from there')
    t.equal(admitted(4, 120_000), 4)
    t.equal(admitted(Infinity, 120_000), 20, 'without a rate they go as they come')
  },
)

t.test('the end of a release is announced on each of its answers, as a date of HTTP', async (t) => {
  const table = tableOf({}, true, [], Date.UTC(2027, 0, 15, 8, 30))
  const release = releaseOf(table)
  const [target] = release.targets
  if (target === undefined) throw new Error('no target')
  const announcement = 'Amarre-Release-Ends: Fri, 15 Jan 2027 08:30:00 GMT'
  const worker = workerOf(table)
  const linesOf = (token: Token) =>
    worker
      .exchange({ kind: 'stay', release, token, revives: false }, token)
      .handOut(parsed([]), target, now)
      .lines.split('\r\n')
  t.same(linesOf(fresh), [announcement])
  t.match(linesOf(due), [/^Set-Cookie: amarre=/, announcement])
})

t.test('a session that came back is told with the promise it has, once a unit', async (t) => {
  const table = tableOf({}, true, [{ from: now - 1000, lengthMs: 500 }])
  const release = releaseOf(table)
  const worker = workerOf(table)
  const token = { ...fresh, issuedAt: now - 2000 }
  worker.exchange({ kind: 'stay', release, token, revives: false }, token)
  t.same(worker.touches(), [{ until: 35 * minute + 500, id: idHigh, release: 3 }], 'spans added')
  worker.exchange({ kind: 'stay', release, token, revives: false }, token, now + 1)
  t.same(worker.touches(), [], 'told a moment ago')
  worker.exchange({ kind: 'stay', release, token: fresh, revives: true }, fresh)
  t.match(worker.touches(), [{ until: 36 * minute }], 'revived: until a whole promise from now')
  const held = { ...fresh, held: true, until: now + policy.maxAgeMs }
  worker.exchange({ kind: 'stay', release, token: held, revives: false }, held)
  t.match(worker.touches(), [{ until: 36 * minute }], 'held: not until its maximum age')
})

t.test('a raised idle time is told with the next visit, however soon that comes', async (t) => {
  const held = { ...fresh, held: true, until: now + policy.maxAgeMs }
  const verified = { token: held, nextReportAt: 0, reportedUntil: 0 }
  const told = (session: Partial<SessionPolicy>): number[] => {
    const table = tableOf(session)
    const worker = workerOf(table)
    const decision = { kind: 'stay', release: releaseOf(table), token: held, revives: false } as const
    const identity = Object.assign(identityOf({}, held), { verified })
    void new ExchangeSession(worker.state as unknown as WorkerState, identity, decision, now)
    return worker.touches().map(({ until }) => until)
  }
  t.same(told({}), [36 * minute])
  t.same(told({}), [], 'told a moment ago')
  t.same(told({ idleTimeoutMs: 64 * minute }), [72 * minute])
})

t.test('a clock that is set back silences nobody: neither who comes nor what lasts', async (t) => {
  const table = tableOf()
  const release = releaseOf(table)
  const worker = workerOf(table)
  const held = { ...fresh, held: true, until: now + policy.maxAgeMs }
  const exchange = worker.exchange({ kind: 'stay', release, token: held, revives: false }, held)
  worker.touches()
  exchange.refresh(now - 60 * minute)
  t.match(worker.touches(), [{ until: -24 * minute }])
  exchange.refresh(now - 60 * minute)
  t.same(worker.touches(), [], 'once')
  worker.clock.at = now - 60 * minute
  worker.exchange({ kind: 'stay', release, token: held, revives: false }, held, now + minute / 2)
  t.match(worker.touches(), [{ until: -24 * minute }], 'it was told that in an hour')
})

t.test('a renewed token is told at once, with what it says', async (t) => {
  const table = tableOf()
  const release = releaseOf(table)
  const [target] = release.targets
  if (target === undefined) throw new Error('no target')
  const worker = workerOf(table)
  const exchange = worker.exchange({ kind: 'stay', release, token: due, revives: false }, due)
  worker.touches()
  exchange.handOut(parsed([]), target, now)
  t.match(worker.touches(), [{ until: 36 * minute, id: idHigh }])
  exchange.handOut(parsed(['content-type: text/event-stream', 'transfer-encoding: chunked']), target, now)
  t.match(
    worker.touches(),
    [{ until: 36 * minute }],
    'a stream counts until its end, not until the maximum age',
  )
})

t.test(
  'a long exchange is told again every half grain and at its end; an ended session is not',
  async (t) => {
    const table = tableOf()
    const release = releaseOf(table)
    const worker = workerOf(table)
    const exchange = worker.exchange({ kind: 'stay', release, token: fresh, revives: false }, fresh)
    worker.touches()
    exchange.refresh(now + 2 * minute - 1)
    t.same(worker.touches(), [])
    exchange.refresh(now + 2 * minute)
    t.match(worker.touches(), [{ until: 38 * minute }])
    exchange.close(now + 3 * minute)
    t.match(worker.touches(), [{ until: 39 * minute }])
    worker.state.tombstones.add(fresh.id, now + 60 * minute)
    exchange.refresh(now + 5 * minute)
    exchange.close(now + 5 * minute)
    t.same(worker.touches(), [], 'ended by signal meanwhile')
    const short = worker.exchange({ kind: 'stay', release, token: due, revives: false }, due, now + 1000)
    short.close(now + 1000)
    t.same(worker.touches(), [], 'a short one is told once, when it begins')
  },
)

t.test('a held token of before the maximum age was cut counts as long as it is honoured', async (t) => {
  const table = tableOf({ maxAgeMs: 40 * minute })
  const release = releaseOf(table)
  const worker = workerOf(table)
  const held = tokenOf({ held: true, until: now + 600 * minute })
  const exchange = worker.exchange({ kind: 'stay', release, token: held, revives: false }, held)
  t.match(worker.touches(), [{ until: 36 * minute }])
  exchange.close(now + 10 * minute)
  t.match(worker.touches(), [{ until: 46 * minute }])
})

t.test('an exchange that goes on while the maximum age is raised counts by the longer one', async (t) => {
  const table = tableOf({ maxAgeMs: 70 * minute })
  const release = releaseOf(table)
  const worker = workerOf(table)
  const held = tokenOf({ held: true, until: now + 10 * minute })
  const exchange = worker.exchange({ kind: 'stay', release, token: held, revives: false }, held)
  worker.touches()
  worker.state.table = tableOf()
  exchange.close(now + 20 * minute)
  t.match(
    worker.touches(),
    [{ until: 56 * minute }],
    'its visitor may have been handed another token meanwhile',
  )
})

t.test('an exchange that goes on over a span counts by the age that its session has then', async (t) => {
  const session = { maxAgeMs: 70 * minute }
  const table = tableOf(session)
  const release = releaseOf(table)
  const worker = workerOf(table)
  const held = tokenOf({ held: true, until: now + 10 * minute })
  const exchange = worker.exchange({ kind: 'stay', release, token: held, revives: false }, held)
  t.match(worker.touches(), [{ until: 10 * minute }], 'its age ends it')
  worker.state.table = tableOf(session, true, [{ from: now, lengthMs: 60 * minute }])
  exchange.close(now + 65 * minute)
  t.match(worker.touches(), [{ until: 70 * minute }], 'as long as its token is honoured')
})

t.test(
  'a session that the application ends leaves a tombstone of one grain, and its answers in flight revive nothing',
  async (t) => {
    const table = tableOf()
    const release = releaseOf(table)
    const [target] = release.targets
    if (target === undefined) throw new Error('no target')
    const worker = workerOf(table)
    const first = worker.exchange({ kind: 'stay', release, token: due, revives: false }, due)
    const inFlight = worker.exchange({ kind: 'stay', release, token: due, revives: false }, due)
    worker.touches()
    t.equal(first.handOut(parsed(['amarre-session: End ']), target, now).ended, due.id)
    t.same(worker.ended, [[due.id, now + 4 * minute]])
    t.equal(inFlight.handOut(parsed([]), target, now + 1).lines, '', 'no slide')
    t.same(worker.touches(), [])
    worker.state.table = tableOf({}, false)
    const late = worker.exchange(
      { kind: 'stay', release, token: { ...due, id: '3'.repeat(16) as SessionId }, revives: true },
      due,
    )
    t.equal(late.handOut(parsed([]), target, now).lines, '', 'nor on a release that no longer serves')
  },
)

t.test('what a request without a session leaves is the instant of its touch', async (t) => {
  const table = tableOf()
  const worker = workerOf(table)
  const exchange = worker.exchange({ kind: 'pass', release: releaseOf(table) })
  exchange.close(now + 60 * minute)
  t.equal(exchange.id, null)
  t.match(worker.figures(), { births: 0, lastTouchAt: 0 })
  t.same(worker.touches(), [])
})

// -- fields ----------------------------------------------------------------------------------------------------------------------

/** The kept fields as text, and that every run tells where its first name ends. */
function kept(head: ParsedHead, writesDate = true, withoutCaching = false): string[] {
  const masks = fieldMasks(writesDate)
  const runs = keptRuns(head, withoutCaching ? masks.withoutCaching : masks.usual)
  const lines: string[] = []
  for (let i = 0; i < runs.length; i += 3) {
    const text = head.bytes.toString('latin1', runs[i], runs[i + 2])
    if (head.bytes[runs[i + 1] ?? -1] !== 58) throw new Error('a run does not tell where its first name ends')
    lines.push(...text.split('\r\n'))
  }
  return lines
}

t.test(
  'fields of one connection, of our own and those that the front writes go; the rest stays in order',
  async (t) => {
    const lines = [
      'Server: app',
      'Connection: X-Hop, close',
      'X-Hop: 1',
      'Set-Cookie: a=1',
      'Date: now',
      'Set-Cookie: b=2',
      'Keep-Alive: timeout=5',
      'Amarre-Session: start',
      'Amarre-Token: x',
      'Cache-Control: public',
      'CDN-Cache-Control: max-age=1',
      'Surrogate-Control: max-age=1',
      'Content-Length: 3',
      'Trailer: x',
      'HTTP2-Settings: AAMAAABkAAQ',
      'X-Last: 1',
    ]
    const rest = ['Server: app', 'Set-Cookie: a=1', 'Set-Cookie: b=2']
    const caching = lines.slice(9, 12)
    t.same(kept(parsed(lines)), [...rest, ...caching, 'X-Last: 1'])
    t.same(kept(parsed(lines), true, true), [...rest, 'X-Last: 1'])
    t.same(kept(parsed(lines), false).includes('Date: now'), true, 'a front that writes no Date keeps it')
    t.same(kept(parsed([])), [])
  },
)

t.test(
  'whatever the fields, the runs joined are the lines that were not dropped, and neighbours share a run',
  async (t) => {
    const name = fc.constantFrom(
      'a',
      'x-b',
      'Content-Length',
      'Connection',
      'Keep-Alive',
      'Set-Cookie',
      'Date',
      'amarre-session',
      'Upgrade',
    )
    const value = fc.constantFrom('1', 'close', '', 'a', 'x-b, a')
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, value), { maxLength: 8, selector: ([each]) => each }),
        (fields) => {
          const lines = fields.map(([each, text]) => `${each}: ${each === 'Content-Length' ? '5' : text}`)
          const head = parsed(lines)
          const named =
            fields
              .find(([each]) => each === 'Connection')?.[1]
              .split(',')
              .map((each) => each.trim()) ?? []
          const dropped = new Set([
            'content-length',
            'connection',
            'keep-alive',
            'date',
            'amarre-session',
            'upgrade',
            ...named,
          ])
          const expected = lines.filter(
            (line) => !dropped.has(line.slice(0, line.indexOf(':')).toLowerCase()),
          )
          return (
            JSON.stringify(kept(head).map((line) => line.trimEnd())) ===
            JSON.stringify(expected.map((line) => line.trimEnd()))
          )
        },
      ),
      { numRuns: 1000 },
    )
    const runs = keptRuns(parsed(['a: 1', 'b: 2', 'Date: now', 'c: 3']), fieldMasks(true).usual)
    t.equal(runs.length, 6, 'two runs around the one that went')
  },
)

t.test('several fields of one kind are one list', async (t) => {
  const head = parsed(['Cache-Control: a', 'x: 1', 'cache-control:  b '])
  t.equal(fieldValues(head, fieldKindOf('cache-control')), 'a,b')
  t.equal(fieldValues(head, fieldKindOf('date')), '')
})

t.test('an event stream is one by its type, unless its length is known', async (t) => {
  const stream = 'Content-Type: Text/Event-Stream; charset=utf-8'
  t.equal(isEventStream(parsed([stream, 'transfer-encoding: chunked'])), true)
  t.equal(isEventStream(parsed([stream])), true, 'delimited by the end of the connection')
  t.equal(isEventStream(parsed([stream, 'content-length: 5'])), false)
  t.equal(isEventStream(parsed([stream], 204)), false)
  t.equal(isEventStream(parsed(['content-type: text/html'])), false)
})

// -- open exchanges ----------------------------------------------------------------------------------------------------------------

class Opened implements OpenExchange {
  before: OpenExchange | null = null
  after: OpenExchange | null = null
  refreshed = 0
  leaves = 0
  readonly #list: OpenExchanges

  constructor(list: OpenExchanges) {
    this.#list = list
  }
  refresh(): void {
    this.refreshed++
  }
  leaveWithin(): void {
    this.leaves++
  }
  abandon(): void {
    this.#list.remove(this)
  }
}

t.test(
  'the list of open exchanges holds exactly those that joined and have not left, whatever the order',
  async (t) => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (steps) => {
        const list = new OpenExchanges()
        const model: Opened[] = []
        const all: Opened[] = []
        for (const step of steps) {
          const leaving = model[step]
          if (leaving === undefined) {
            const joining = new Opened(list)
            list.add(joining)
            model.push(joining)
            all.push(joining)
          } else {
            list.remove(leaving)
            model.splice(step, 1)
          }
          for (const each of all) each.refreshed = 0
          list.refresh(0, 0)
          const isRight = all.every((each) => each.refreshed === (model.includes(each) ? 1 : 0))
          if (!isRight || list.size !== model.length) return false
        }
        list.abandonAll()
        return list.size === 0
      }),
    )
    t.pass()
  },
)

t.test('an empty list says so once: at once, or when the last has left', async (t) => {
  const list = new OpenExchanges()
  let calls = 0
  list.whenEmpty(() => calls++)
  t.equal(calls, 1, 'empty already')
  const [one, two] = [new Opened(list), new Opened(list)]
  list.add(one)
  list.add(two)
  list.whenEmpty(() => calls++)
  list.remove(one)
  t.equal(calls, 1)
  list.remove(two)
  t.equal(calls, 2)
  list.add(one)
  list.remove(one)
  t.equal(calls, 2, 'a late request does not make it say so again')
})

t.test('what fails on a dead release has a way out, however it fails; nothing unsafe is tried twice', (t) => {
  const told = (
    code: ErrorCode,
    { isDead = true, method = 'GET', token = true, mayLeaveTarget = false } = {},
  ) =>
    publicError(new GatewayError(code), {
      release: { isDead },
      identity: { method, token: token ? {} : null },
      mayLeaveTarget,
    } as unknown as FailedRoute)
  for (const code of ['connect_refused', 'connection_lost', 'response_timeout', 'queue_timeout'] as const) {
    t.equal(told(code), 'release_gone', code)
    t.equal(told(code, { mayLeaveTarget: true }), 'release_gone')
    t.equal(told(code, { token: false, mayLeaveTarget: true }), code, 'who has no session has no need of it')
    t.equal(told(code, { isDead: false, mayLeaveTarget: true }), code)
  }
  t.equal(told('connect_refused', { method: 'POST' }), 'release_gone', 'nothing was sent')
  t.equal(told('response_timeout', { method: 'POST' }), 'response_timeout', 'it may have been carried out')
  t.equal(told('body_too_large'), 'body_too_large')
  t.equal(told('connect_refused', { isDead: false }), 'target_gone')
  t.equal(told('response_timeout', { isDead: false }), 'response_timeout')
  t.end()
})
