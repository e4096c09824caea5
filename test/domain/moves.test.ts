// Which sessions change their release, by which cause, where to and at which request: the rules of moving as tables,
// and what the decision makes of them.
import fc from 'fast-check'
import t from 'tap'
import { decide, type Decision } from '../../gateway/domain/affinity.js'
import { GoneReleases } from '../../gateway/domain/gone-releases.js'
import type {
  ReleaseIndex,
  ReleaseVersion,
  SessionId,
  SiteName,
  TargetUrl,
} from '../../gateway/domain/ids.js'
import { moveOf, type Move, type MoveRules, type MovingRelease } from '../../gateway/domain/moves.js'
import type { RequestFacts } from '../../gateway/domain/request-facts.js'
import { buildRoutingTable, type ReleaseSpec, type SiteSpec } from '../../gateway/domain/routing-table.js'
import type { Token } from '../../gateway/domain/session.js'
import type { SessionPolicy } from '../../gateway/domain/site-policy.js'
import { canServe, compareVersions, type VersionOrder } from '../../gateway/domain/version-order.js'
import { sessionPolicy, siteSpec } from '../fixtures/site-spec.js'

const minute = 60_000
const now = 1_800_000_000_000
const version = (text: string) => text as ReleaseVersion
const orNull = (text: string | null) => (text === null ? null : version(text))

// -- the rule -------------------------------------------------------------------------------------------------------------

interface Shape extends Partial<Omit<MovingRelease, 'compatibility'>> {
  readonly compatibleFrom?: string
  readonly rollbackTo?: string
}

function releaseOf(own: string, shape: Shape): MovingRelease {
  const { compatibleFrom = null, rollbackTo = null, ...rest } = shape
  return {
    compatibility: {
      version: version(own),
      compatibleFrom: orNull(compatibleFrom),
      rollbackTo: orNull(rollbackTo),
    },
    isActive: false,
    isFormer: true,
    isDead: false,
    isOverflowing: false,
    takeOver: 'never',
    order: null,
    mayTake: true,
    activatedAt: 0,
    ...rest,
  }
}

const active: Shape = { isActive: true, isFormer: false, compatibleFrom: '1' }
const recallTo = (to: string, changes = {}): Shape => ({
  order: {
    to: version(to),
    because: 'recall',
    perSecond: null,
    isForced: false,
    by: 'test',
    since: 0,
    ...changes,
  },
})
const usual: MoveRules = { order: compareVersions, onReleaseGone: 'move', onOverflow: 'move' }

function told(move: Move | null): string {
  if (move === null) return 'stay'
  const pace = move.perSecond === Infinity ? '' : ` ${move.perSecond}/s`
  return `${move.because} to ${move.to} at ${move.at}${pace}`
}

t.test('where the sessions of release 2 go, by cause and in order of precedence', async (t) => {
  const onDocument = { ...active, takeOver: 'onDocument' } as const
  const cases: [rule: string, all: Record<string, Shape>, expected: string, rules?: Partial<MoveRules>][] = [
    ['nothing asks for it', { 2: {}, 3: active }, 'stay'],
    ['takeOver: onDocument', { 2: {}, 3: onDocument }, 'takeover to 3 at document'],
    ['takeOver: immediately', { 2: {}, 3: { ...active, takeOver: 'immediately' } }, 'takeover to 3 at safe'],
    ['taken over by an incompatible release', { 2: {}, 3: { ...onDocument, compatibleFrom: '2.5' } }, 'stay'],
    [
      'from the very floor',
      { 2: {}, 3: { ...onDocument, compatibleFrom: '2' } },
      'takeover to 3 at document',
    ],
    [
      'takeOver goes forwards only, whatever may be rolled back to',
      { 2: { rollbackTo: '1' }, 1: onDocument },
      'stay',
    ],
    [
      'by a former release: takeOver is said of an activation',
      { 2: {}, 3: { ...onDocument, isActive: false, isFormer: true } },
      'stay',
    ],
    ['a release that accepts births keeps its own', { 2: { isFormer: false }, 3: onDocument }, 'stay'],
    ['before every worker serves the new one', { 2: {}, 3: { ...onDocument, mayTake: false } }, 'stay'],
    ['a recall', { 2: recallTo('3'), 3: active }, 'recall to 3 at document'],
    ['a forced recall', { 2: recallTo('3', { isForced: true }), 3: active }, 'recall to 3 at safe'],
    ['a throttled recall', { 2: recallTo('3', { perSecond: 2 }), 3: active }, 'recall to 3 at document 2/s'],
    [
      'recalled to an incompatible release, as its file says now',
      { 2: recallTo('3', { isForced: true }), 3: { isActive: true } },
      'stay',
    ],
    [
      'recalled backwards, declared',
      { 2: { ...recallTo('1'), rollbackTo: '1' }, 1: active },
      'recall to 1 at document',
    ],
    ['recalled backwards, not declared', { 2: recallTo('1'), 1: active }, 'stay'],
    ['recalled to a release that is gone', { 2: recallTo('4'), 3: active }, 'stay'],
    ['recalled to one that is not well', { 2: recallTo('3'), 3: { ...active, mayTake: false } }, 'stay'],
    [
      'a recall goes before everything else',
      { 2: { ...recallTo('4'), isDead: true }, 3: onDocument, 4: { compatibleFrom: '1' } },
      'recall to 4 at document',
    ],
    [
      'while a recall waits the others hold',
      { 2: recallTo('4'), 3: onDocument, 4: { compatibleFrom: '1', mayTake: false } },
      'takeover to 3 at document',
    ],
    [
      'an abort',
      { 2: { ...recallTo('1', { because: 'abort' }), rollbackTo: '1' }, 1: active },
      'abort to 1 at document',
    ],
    ['dead', { 2: { isDead: true, mayTake: false }, 3: active }, 'gone to 3 at document'],
    [
      'dead, restart',
      { 2: { isDead: true, mayTake: false }, 3: active },
      'stay',
      { onReleaseGone: 'restart' },
    ],
    ['dead, refuse', { 2: { isDead: true, mayTake: false }, 3: active }, 'stay', { onReleaseGone: 'refuse' }],
    [
      'dead, and nobody is compatible',
      { 2: { isDead: true, mayTake: false }, 3: { isActive: true }, 1: active },
      'stay',
    ],
    [
      'dead while active: to a former one, where it may go back',
      { 2: { isDead: true, isActive: true, isFormer: false, mayTake: false, rollbackTo: '1' }, 1: {} },
      'gone to 1 at document',
    ],
    [
      'dead: the active release goes before one activated later',
      { 2: { isDead: true, mayTake: false }, 3: active, 4: { compatibleFrom: '1', activatedAt: 9 } },
      'gone to 3 at document',
    ],
    [
      'dead: else the one activated last',
      {
        2: { isDead: true, mayTake: false },
        3: { compatibleFrom: '1', activatedAt: 1 },
        4: { compatibleFrom: '1', activatedAt: 2 },
      },
      'gone to 4 at document',
    ],
    ['overflow', { 2: { isOverflowing: true }, 3: active }, 'overflow to 3 at document'],
    ['overflow, keep', { 2: { isOverflowing: true }, 3: active }, 'stay', { onOverflow: 'keep' }],
    ['overflow, end', { 2: { isOverflowing: true }, 3: active }, 'stay', { onOverflow: 'end' }],
    ['overflow, incompatible', { 2: { isOverflowing: true }, 3: { isActive: true } }, 'stay'],
    [
      'overflow never fills another former release',
      { 2: { isOverflowing: true }, 3: { compatibleFrom: '1' } },
      'stay',
    ],
  ]
  for (const [rule, shapes, expected, rules = {}] of cases) {
    const all = Object.entries(shapes).map(([own, shape]) => releaseOf(own, shape))
    const from = all.find(({ compatibility }) => compatibility.version === '2')
    if (from === undefined) throw new Error('no release 2')
    t.equal(told(moveOf(from, all, { ...usual, ...rules })), expected, rule)
  }
})

t.test('no rule moves a session where compatibility forbids it, and none moves it to itself', async (t) => {
  const own = fc.constantFrom('1', '2', '3', '4')
  const shape = fc.record({
    compatibleFrom: fc.option(own, { nil: undefined }),
    rollbackTo: fc.option(own, { nil: undefined }),
    isFormer: fc.boolean(),
    isDead: fc.boolean(),
    isOverflowing: fc.boolean(),
    mayTake: fc.boolean(),
    takeOver: fc.constantFrom('never', 'onDocument', 'immediately'),
    wanted: fc.option(own, { nil: null }),
    activatedAt: fc.nat(9),
  })
  fc.assert(
    fc.property(fc.tuple(shape, shape, shape, shape), fc.nat(3), (shapes, whichIsActive) => {
      const all = shapes.map(({ wanted, compatibleFrom, rollbackTo, takeOver, ...rest }, i) =>
        releaseOf(String(i + 1), {
          ...rest,
          takeOver: takeOver as MovingRelease['takeOver'],
          ...(compatibleFrom === undefined ? {} : { compatibleFrom }),
          ...(rollbackTo === undefined ? {} : { rollbackTo }),
          ...(wanted === null ? {} : recallTo(wanted)),
          isActive: i === whichIsActive,
        }),
      )
      return all.every((from) => {
        const move = moveOf(from, all, usual)
        if (move === null) return true
        const to = all.find(({ compatibility }) => compatibility.version === move.to)
        return to !== undefined && to.mayTake && canServe(from.compatibility, to.compatibility)
      })
    }),
    { numRuns: 3000 },
  )
  t.pass()
})

t.test(
  'where versions are hashes the order of registration decides, and what is not known never moves',
  async (t) => {
    const known: Readonly<Record<string, number>> = { fff: 0, aaa: 1, ccc: 2 }
    const order: VersionOrder = (a, b) => (a === b ? 0 : (known[a] ?? NaN) - (known[b] ?? NaN))
    const of = (own: string, from: string | null = null, to: string | null = null) => ({
      version: version(own),
      compatibleFrom: orNull(from),
      rollbackTo: orNull(to),
    })
    t.equal(canServe(of('fff'), of('aaa', 'fff'), order), true, 'fff came before aaa')
    t.equal(canServe(of('aaa'), of('fff', 'fff'), order), false, 'backwards, not declared')
    t.equal(canServe(of('ccc', null, 'fff'), of('aaa'), order), true, 'backwards, declared')
    t.equal(canServe(of('fff'), of('ccc', 'aaa'), order), false, 'below the floor')
    t.equal(canServe(of('fff'), of('ccc', 'eee'), order), false, 'a floor that nobody knows')
    t.equal(canServe(of('eee'), of('ccc', 'fff'), order), false, 'a session of a version that nobody knows')
    t.equal(canServe(of('ccc', null, 'eee'), of('aaa'), order), false)
  },
)

t.test(
  'of a release that is gone its heir takes the sessions, of one that nobody knows whoever may',
  async (t) => {
    const gone = new GoneReleases({
      heirs: [{ version: version('9'), to: version('3') }],
      takers: [
        { version: version('3'), compatibleFrom: version('2') },
        { version: version('2.5'), compatibleFrom: version('1') },
      ],
      ended: [version('0')],
    })
    t.equal(gone.heirOf(version('9')), '3', 'backwards, as that release declared')
    t.equal(gone.heirOf(version('2.1')), '3')
    t.equal(gone.heirOf(version('1.5')), '2.5')
    t.equal(gone.heirOf(version('0.9')), null)
    t.equal(gone.heirOf(version('4')), null, 'newer than all: what it can go back to is not known')
    t.equal(gone.hasEnded(version('0')), true)
    t.equal(new GoneReleases().heirOf(version('1')), null)
  },
)

// -- the decision -----------------------------------------------------------------------------------------------------------

const policy = sessionPolicy({ idleTimeoutMs: 32 * minute, onReleaseGone: 'move' })

type Releases = Readonly<Record<string, Partial<ReleaseSpec>>>

function siteOf(releases: Releases, session: Partial<SessionPolicy> = {}, changes: Partial<SiteSpec> = {}) {
  const site = siteSpec({
    session: { ...policy, ...session },
    releases: Object.entries(releases).map(([own, spec], index) => ({
      index: index as ReleaseIndex,
      version: version(own),
      share: 0,
      isLive: true,
      targets: [{ url: `http://t${own}:1` as TargetUrl, isHealthy: true }],
      ...spec,
    })),
    ...changes,
  })
  const spec = { generation: 1, issuer: 'aa'.repeat(8), spans: [], futureToleranceMs: 0, sites: [site] }
  const built = buildRoutingTable(spec).siteOf('x')
  if (built === null) throw new Error('no site')
  return built
}

function tokenOf(release: string, changes: Partial<Token> = {}): Token {
  return {
    site: 'shop' as SiteName,
    release: version(release),
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

interface Request extends Partial<Omit<RequestFacts, 'header'>> {
  readonly headers?: Readonly<Record<string, string>>
}

function outcome(site: ReturnType<typeof siteOf>, request: Request): string {
  const { headers = {}, ...rest } = request
  const decision: Decision = decide(
    {
      method: 'GET',
      path: '/',
      target: '/',
      clientAddress: '10.0.0.1',
      isHeaderClient: false,
      token: tokenOf('1'),
      hasEnded: false,
      header: (name) => headers[name] ?? '',
      hasCookie: () => false,
      pass: null,
      ...rest,
    },
    site,
    now,
  )
  switch (decision.kind) {
    case 'refuse':
      return `refuse ${decision.error}`
    case 'board':
      return `board ${decision.release.version} ${decision.because}`
    case 'move':
      return `move ${decision.from?.version ?? '-'} to ${decision.release.version} ${decision.because}`
    case 'stay':
    case 'trail':
    case 'pass':
    case 'page':
    case 'unpinned':
    case 'preview':
      return `${decision.kind} ${decision.release.version}`
    default:
      return decision satisfies never
  }
}

const dest = (destination: string) => ({ headers: { 'sec-fetch-dest': destination } })
const page = dest('document')
const moveTo = (to: string, at: Move['at'] = 'document'): Partial<ReleaseSpec> => ({
  move: { to: version(to), because: 'takeover', at, perSecond: Infinity },
})

t.test('rule 4: a session moves at the moment that its move asks for, and at no other request', async (t) => {
  const onDocument = siteOf({ '1': moveTo('2'), '2': { share: 1 } })
  const atOnce = siteOf({ '1': moveTo('2', 'safe'), '2': { share: 1 } })
  const cases: [request: string, facts: Request, onDocument: string, atOnce: string][] = [
    ['a document', page, 'move 1 to 2 takeover', 'move 1 to 2 takeover'],
    [
      'any safe one of a header client',
      { isHeaderClient: true },
      'move 1 to 2 takeover',
      'move 1 to 2 takeover',
    ],
    ['a script', dest('script'), 'stay 1', 'move 1 to 2 takeover'],
    ['a fetch', dest('empty'), 'stay 1', 'move 1 to 2 takeover'],
    ['a form', { ...page, method: 'POST' }, 'stay 1', 'stay 1'],
    ['an unsafe one of a header client', { method: 'PUT', isHeaderClient: true }, 'stay 1', 'stay 1'],
    ['one that is on the new release already', { ...page, token: tokenOf('2') }, 'stay 2', 'stay 2'],
    ['a page of a session that has ended', { ...page, hasEnded: true }, 'board 2 expired', 'board 2 expired'],
    ['a fetch of one', { ...dest('empty'), hasEnded: true }, 'trail 1', 'trail 1'],
    [
      'a page after its promise',
      { ...page, token: tokenOf('1', { until: now }) },
      'board 2 expired',
      'board 2 expired',
    ],
    [
      'a held session',
      { ...page, token: tokenOf('1', { held: true }) },
      'move 1 to 2 takeover',
      'move 1 to 2 takeover',
    ],
  ]
  for (const [rule, facts, first, second] of cases) {
    t.equal(outcome(onDocument, facts), first, `${rule}, onDocument`)
    t.equal(outcome(atOnce, facts), second, `${rule}, immediately`)
  }
  t.equal(outcome(siteOf({ '1': moveTo('3') }), page), 'stay 1', 'to a release that is not in the table')
  t.equal(outcome(siteOf({ '1': moveTo('1') }), page), 'stay 1', 'to itself')
})

t.test(
  'rule 4: a dead release is left at a document, as onReleaseGone says, and tried by everything else',
  async (t) => {
    const restart = siteOf({ '1': { isDead: true, startsOver: true }, '2': { share: 1 } })
    t.equal(outcome(restart, page), 'board 2 restart')
    t.equal(outcome(restart, dest('empty')), 'stay 1')
    t.equal(outcome(restart, { ...page, method: 'POST' }), 'stay 1')
    const alone = siteOf({ '1': { isDead: true, startsOver: true, share: 1 } })
    t.equal(outcome(alone, page), 'stay 1', 'nothing else takes births')
    t.equal(outcome(siteOf({ '1': { isDead: true, startsOver: true } }), page), 'stay 1')
    t.equal(
      outcome(siteOf({ '1': { isDead: true }, '2': { share: 1 } }), page),
      'stay 1',
      'refuse: it is tried',
    )
  },
)

t.test('rule 4: a release that is gone leaves its sessions to its heir, or to nobody', async (t) => {
  const gone = {
    gone: { heirs: [{ version: version('0'), to: version('2') }], takers: [], ended: [version('9')] },
  }
  const site = siteOf({ '2': { share: 1 } }, {}, gone)
  t.equal(outcome(site, { ...page, token: tokenOf('0') }), 'move - to 2 gone')
  t.equal(outcome(site, { ...dest('empty'), token: tokenOf('0') }), 'refuse release_gone')
  t.equal(outcome(site, { ...page, method: 'POST', token: tokenOf('0') }), 'refuse release_gone')
  t.equal(outcome(site, { ...page, token: tokenOf('0', { held: true }) }), 'board 2 expired')
  t.equal(outcome(site, { ...page, token: tokenOf('5') }), 'refuse release_gone', 'nobody can take it')
  t.equal(outcome(site, { ...page, token: tokenOf('9') }), 'board 2 expired', 'its end was announced')
  t.equal(outcome(site, { ...dest('empty'), token: tokenOf('9') }), 'refuse release_gone')
  for (const [onReleaseGone, expected] of [
    ['restart', 'board 2 restart'],
    ['refuse', 'refuse release_gone'],
  ] as const) {
    const other = siteOf({ '2': { share: 1 } }, { onReleaseGone }, gone)
    t.equal(outcome(other, { ...page, token: tokenOf('0') }), expected)
    t.equal(outcome(other, { ...page, token: tokenOf('9') }), 'board 2 expired')
  }
})
