// The pure parts of the control plane, with time as an argument: keys over time, what a start makes of the saved
// state, figures of workers that come and go, publications, doubts and the evidence for a verdict.
import fc from 'fast-check'
import t from 'tap'
import { Doubts } from '../../gateway/controlplane/doubts.js'
import { EvidenceBook } from '../../gateway/controlplane/evidence-book.js'
import { HealthProber, type Probe, type ProbePlan } from '../../gateway/controlplane/health-prober.js'
import {
  KeyRingError,
  parseKeyRing,
  signingKeyId,
  withNewestSigning,
  withNewKey,
  withoutExpired,
  type SavedKeyRing,
} from '../../gateway/controlplane/key-ring.js'
import { ProvisionalWindow } from '../../gateway/controlplane/provisional-window.js'
import { Publisher } from '../../gateway/controlplane/publisher.js'
import {
  lossAfter,
  phantomsOf,
  recover,
  widened,
  type RecoveryInput,
} from '../../gateway/controlplane/recovery.js'
import {
  readCheckpoint,
  reopenCheckpoint,
  saveCheckpoint,
  type SavedCheckpoint,
  type SavedLifecycle,
} from '../../gateway/controlplane/saved-state.js'
import { SessionLedger } from '../../gateway/controlplane/session-ledger.js'
import { longestPromiseMs, longestTokenMs, SiteRegister, type Site } from '../../gateway/controlplane/site-register.js'
import { TimeKeeper } from '../../gateway/controlplane/time-keeper.js'
import { Traffic } from '../../gateway/controlplane/traffic.js'
import type { ReleaseIndex, ReleaseVersion, SiteName, TargetUrl } from '../../gateway/domain/ids.js'
import type { LifecycleStore } from '../../gateway/domain/ports.js'
import type { Registration } from '../../gateway/domain/registration.js'
import type { SiteSpec } from '../../gateway/domain/routing-table.js'
import type { HealthPolicy, SitePolicy } from '../../gateway/domain/site-policy.js'
import type { Publication, ReleaseFigures, WorkerReport } from '../../gateway/plane-protocol.js'
import { batchOf } from '../ledger/batches.js'
import type { ModelRow } from '../ledger/model.js'

const now = 1_800_000_000_000
const minute = 60_000
const hour = 60 * minute
const shop = 'shop' as SiteName
const one = 1 as ReleaseIndex

// -- keys -----------------------------------------------------------------------------------------------------------------

const secret = Buffer.alloc(32, 1)
const ringOf = (...keys: SavedKeyRing['keys']): SavedKeyRing => ({ version: 1, keys })
const keyOf = (id: number, retired: SavedKeyRing['keys'][number]['retired'] = null) => ({
  id,
  secret: secret.toString('base64'),
  createdAt: now,
  retired,
})

t.test(
  'a rotation has two steps: the new key verifies, then it signs and the former only verifies',
  async (t) => {
    const before = ringOf(keyOf(1))
    const known = withNewKey(before, Buffer.alloc(32, 2), now)
    t.match(known.keys, [
      { id: 1, retired: null },
      { id: 2, createdAt: now, retired: null },
    ])
    t.equal(signingKeyId(known), 1, 'nobody signs with what a worker may not know yet')
    const signing = withNewestSigning(known, 5000, now + 1)
    t.equal(signingKeyId(signing), 2)
    t.match(signing.keys, [
      { id: 1, retired: { verifiesUntil: now + 5001 } },
      { id: 2, retired: null },
    ])
    const again = withNewestSigning(withNewKey(signing, Buffer.alloc(32, 3), now + 9), 5000, now + 9)
    t.match(
      again.keys.map((key) => key.retired?.verifiesUntil),
      [now + 5001, now + 5009, undefined],
      'a retired key keeps its end',
    )
    t.match(withNewestSigning(known, Infinity, now).keys, [{ retired: { verifiesUntil: null } }, {}])
  },
)

t.test(
  'a key goes when the last token that it signed can have expired, and never while tokens have no end',
  async (t) => {
    const ring = ringOf(keyOf(1, { verifiesUntil: now }), keyOf(2, { verifiesUntil: null }), keyOf(3))
    t.equal(withoutExpired(ring, now - 1), ring, 'the same object: nothing changed')
    t.same(
      withoutExpired(ring, now).keys.map((key) => key.id),
      [2, 3],
    )
  },
)

function thrownBy(call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    return error
  }
}

t.test('a key ring that cannot be right is refused, naming what is wrong', async (t) => {
  const text = (keys: unknown, version: unknown = 1) => JSON.stringify({ version, keys })
  const cases: [text: string, wrong: RegExp][] = [
    ['{', /not valid JSON/],
    ['null', /a key ring is/],
    ['{}', /a key ring is/],
    [text('x'), /a key ring is/],
    [text([keyOf(1)], 2), /version 1/],
    [text([]), /no key of the ring may sign/],
    [text([keyOf(1, { verifiesUntil: 5 })]), /no key of the ring may sign/],
    [text([keyOf(1), keyOf(1)]), /two keys have one id/],
    [text([null]), /keys\[0\]\.id/],
    [text([keyOf(0)]), /keys\[0\]\.id/],
    [text([keyOf(1), keyOf(2 ** 32)]), /keys\[1\]\.id/],
    [text([keyOf(1.5)]), /keys\[0\]\.id/],
    [text([{ ...keyOf(1), secret: 'c2hvcnQ=' }]), /keys\[0\]\.secret/],
    [text([{ ...keyOf(1), secret: 5 }]), /keys\[0\]\.secret/],
    [text([keyOf(1), { ...keyOf(2), retired: 'soon' }]), /keys\[1\]\.retired/],
    [text([keyOf(1), { ...keyOf(2), retired: {} }]), /keys\[1\]\.retired/],
    [text([keyOf(1), { ...keyOf(2), retired: { verifiesUntil: '2030' } }]), /keys\[1\]\.retired/],
  ]
  for (const [bad, wrong] of cases) {
    t.throws(() => parseKeyRing(bad), wrong, bad)
    t.ok(thrownBy(() => parseKeyRing(bad)) instanceof KeyRingError)
  }
  const ring = ringOf(keyOf(1, { verifiesUntil: 5 }), keyOf(2, { verifiesUntil: null }), keyOf(3))
  t.same(parseKeyRing(JSON.stringify(ring)), ring)
  t.match(parseKeyRing(text([{ id: 1, secret: secret.toString('base64') }])).keys, [
    { createdAt: 0, retired: null },
  ])
})

// -- a start ----------------------------------------------------------------------------------------------------------------

function policyOf(idleTimeoutMs: number, maxAgeMs = 604_800_000): SitePolicy {
  return {
    site: shop,
    hosts: ['*'],
    order: 'version',
    session: { idleTimeoutMs, maxAgeMs },
  } as unknown as SitePolicy
}

const lifecycle = {
  version: 1,
  issuer: 'saved',
  register: { nextIndex: 0, sites: [] },
  lastGood: {},
} as unknown as SavedLifecycle

function checkpointOf(changes: Partial<SavedCheckpoint> = {}): SavedCheckpoint {
  return {
    version: 1,
    asOf: now - 1000,
    isClean: true,
    promises: [],
    spans: [{ from: 1, lengthMs: 2 }],
    tolerance: null,
    doubts: { stateLostAt: null, clockJumpedAt: 5, foreignSeenAt: [['shop', 7]] },
    ...changes,
  }
}

const input: RecoveryInput = {
  lifecycle,
  checkpoint: checkpointOf(),
  hasLedger: true,
  freshIssuer: 'fresh',
  now,
}

t.test('a clean stop knows everything, and the time until the start does not count as idling', async (t) => {
  t.same(recover(input), {
    issuer: 'saved',
    doubts: checkpointOf().doubts,
    spans: checkpointOf().spans,
    gap: { from: now - 1000, lengthMs: 1000 },
    tolerance: null,
    isLossy: false,
  })
  const checkpoint = checkpointOf({ asOf: now, isClean: false })
  t.match(
    recover({ ...input, checkpoint }),
    { isLossy: true, gap: null },
    'an unclean one may have lost something',
  )
})

t.test(
  'without lifecycle, checkpoint or ledger the state is lost: a doubt, and only what is still there is used',
  async (t) => {
    const lost = { stateLostAt: now, clockJumpedAt: null, foreignSeenAt: [] }
    const time = { spans: checkpointOf().spans, gap: { from: now - 1000, lengthMs: 1000 } }
    const cases: [missing: Partial<RecoveryInput>, issuer: string, time: object][] = [
      [{ lifecycle: null }, 'fresh', time],
      [{ checkpoint: null }, 'saved', { spans: [], gap: null }],
      [{ lifecycle: null, checkpoint: null }, 'fresh', { spans: [], gap: null }],
      [{ hasLedger: false }, 'saved', time],
    ]
    for (const [missing, issuer, known] of cases) {
      const expected = { issuer, doubts: lost, ...known, tolerance: null, isLossy: false }
      t.same(recover({ ...input, ...missing }), expected, Object.keys(missing).join(' '))
    }
  },
)

t.test(
  'a clock set back while the gateway was down is a jump: tokens from ahead are taken, and nothing is certain',
  async (t) => {
    const checkpoint = checkpointOf({ asOf: now + minute, isClean: false })
    const found = recover({ ...input, checkpoint })
    t.equal(found.gap, null)
    t.equal(found.tolerance?.ms, minute)
    t.equal(found.doubts.clockJumpedAt, now + minute, 'one promise from the later of the two clocks')
    t.equal(
      recover({ ...input, checkpoint, hasLedger: false }).doubts.stateLostAt,
      now + minute,
      'also where the sessions are lost with it',
    )
  },
)

t.test(
  'what an unclean stop lost is honoured by the later of the two clocks, and for the time of the stop',
  async (t) => {
    t.same(lossAfter(now - 10, now), { since: now - 10, end: now, slackMs: 10 })
    t.same(lossAfter(now + 10, now), { since: now + 10, end: now + 10, slackMs: 0 }, 'set back meanwhile')
  },
)

t.test('a second set-back adds to the tolerance of the first, while that lasts', async (t) => {
  const first = widened(null, 1000, now)
  t.equal(first.ms, 1000)
  t.equal(widened(first, 500, now).ms, 1500)
  t.equal(widened(first, 500, first.until).ms, 500)
})

function storeOf(): LifecycleStore {
  const documents = new Map<string, unknown>()
  return {
    get: (key: string) => documents.get(key),
    put: async (key: string, value: unknown) => void documents.set(key, value),
  } as unknown as LifecycleStore
}

t.test('a gateway that is killed before its first checkpoint did not stop cleanly', async (t) => {
  const store = storeOf()
  await reopenCheckpoint(store, null)
  t.equal(readCheckpoint(store), null)
  await saveCheckpoint(store, checkpointOf())
  await reopenCheckpoint(store, readCheckpoint(store))
  t.same(readCheckpoint(store), checkpointOf({ isClean: false }))
})

// -- sites ------------------------------------------------------------------------------------------------------------------

const registrationOf = (version: string) =>
  ({ site: shop, version, hash: version, targets: [] }) as unknown as Registration

function add(register: SiteRegister, site: Site, version: string, forgetting: readonly number[] = []) {
  return register.addRelease(site, registrationOf(version), (index) => forgetting.includes(index))
}

t.test('an index goes round and passes over what is known or still being forgotten', async (t) => {
  const register = new SiteRegister()
  const site = register.addSite(policyOf(minute), 'site.yaml')
  t.equal(add(register, site, 'a').index, 0)
  register.restore({ ...register.save(), nextIndex: 65_534 })
  const restored = register.site(shop)
  if (restored === null) throw new Error('no site')
  t.equal(add(register, restored, 'b').index, 65_534)
  t.equal(add(register, restored, 'c').index, 1, '65535 is none, 0 is taken')
  t.equal(add(register, restored, 'd', [2, 3]).index, 4)
  const removed = restored.releases.get('a' as ReleaseVersion)
  if (removed === undefined) throw new Error('no release')
  register.removeRelease(restored, removed)
  t.equal(add(register, restored, 'e').index, 5, 'a free one is not taken again at once')
  t.same(
    [...restored.releases.values()].map((release) => release.ordinal),
    [1, 2, 3, 4],
    'ordinals only grow',
  )
})

t.test('a site goes with its last release once its file is gone', async (t) => {
  const register = new SiteRegister()
  const site = register.addSite(policyOf(minute), 'site.yaml')
  const [a, b] = [add(register, site, 'a'), add(register, site, 'b')]
  register.removeRelease(site, a)
  site.file = null
  t.equal(register.sites.length, 1)
  register.removeRelease(site, b)
  t.equal(register.sites.length, 0)
})

t.test(
  'an idle time changed in either direction: what was promised before counts for as long as it can last',
  async (t) => {
    const register = new SiteRegister()
    const site = register.addSite(policyOf(80 * minute), 'site.yaml')
    register.usePolicy(site, policyOf(8 * minute), now)
    t.equal(longestPromiseMs(site, now), 90 * minute, 'handed out at the last moment of the former policy')
    t.equal(longestPromiseMs(site, now + 1), 9 * minute)
    register.usePolicy(site, policyOf(16 * minute), now + 10)
    t.equal(longestPromiseMs(site, now), 90 * minute)
    t.equal(longestPromiseMs(site, now + 11), 18 * minute)
    register.usePolicy(site, policyOf(16 * minute), now + 20)
    t.equal(site.superseded.length, 2, 'a change that leaves the promise alone is none')
    register.usePolicy(site, policyOf(16 * minute, 1e12), now + 30)
    t.equal(longestTokenMs(site), 1e12, 'a held token can last for the maximum age')
    register.usePolicy(site, policyOf(16 * minute, hour), now + 40)
    t.equal(longestTokenMs(site), 1e12, 'and one from before the edit still does')
    t.equal(longestPromiseMs(site, now + 21), 18 * minute)
  },
)

t.test('however often a policy is edited, the longest promise since any of its edits is known', async (t) => {
  const register = new SiteRegister()
  const site = register.addSite(policyOf(80 * minute), 'site.yaml')
  for (let edit = 1; edit <= 200; edit++)
    register.usePolicy(site, policyOf((8 + (edit % 2)) * minute), now + edit)
  t.equal(longestPromiseMs(site, now), 90 * minute)
  t.ok(site.superseded.length <= 50)
  t.equal(longestPromiseMs(site, now + 201), 9 * minute)
})

t.test(
  'a loss is one phantom for every release that serves, honoured for the longest promise since',
  async (t) => {
    const register = new SiteRegister()
    const site = register.addSite(policyOf(8 * minute), 'site.yaml')
    const retired = add(register, site, 'a')
    site.releases.set('a' as ReleaseVersion, { ...retired, state: { name: 'retired', since: 0 } })
    const kept = add(register, site, 'b')
    const until = now + 9 * minute + 5
    t.same(phantomsOf(register.sites, { since: now - 10, end: now, slackMs: 5 }), [
      { index: kept.index, until },
    ])
  },
)

// -- figures ----------------------------------------------------------------------------------------------------------------

function figuresOf(changes: Partial<ReleaseFigures> = {}): ReleaseFigures {
  return {
    index: 1,
    births: 0,
    birthsUntil: 0,
    lastTouchAt: 0,
    exchangesOpen: 0,
    socketsOpen: 0,
    requests: [],
    durations: [],
    durationSumMs: 0,
    upstreamErrors: [],
    ...changes,
  }
}

function reportOf(changes: Partial<WorkerReport> = {}): WorkerReport {
  return {
    generation: 1,
    madeAt: 0,
    isLast: false,
    releases: [],
    unrouted: [],
    rejected: [],
    foreignSeen: [],
    touched: batchOf([]),
    frontRefusals: [],
    ...changes,
  }
}

t.test(
  'counters never run backwards and gauges are those of the living, however workers report and die',
  async (t) => {
    const step = fc.record({ worker: fc.nat(2), dies: fc.boolean(), more: fc.nat(5), open: fc.nat(3) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const traffic = new Traffic()
        const slots = [0, 1, 2].map((key) => ({ key, count: 0, open: 0 }))
        let nextKey = 3
        let total = 0
        for (const { worker, dies, more, open } of steps) {
          const slot = slots[worker]
          if (slot === undefined) return false
          if (dies) {
            traffic.died(slot.key)
            slots[worker] = { key: nextKey++, count: 0, open: 0 }
          } else {
            slot.count += more
            slot.open = open
            total += more
            const { count } = slot
            const figures = figuresOf({
              births: count,
              requests: [[200, count]],
              exchangesOpen: open,
              durations: [count],
              upstreamErrors: [['x', count]],
              durationSumMs: count,
            })
            traffic.reported(
              slot.key,
              reportOf({
                releases: [figures],
                unrouted: [['', 404, count]],
                rejected: [['shop', 'key', count]],
                frontRefusals: [['y', count]],
              }),
            )
          }
          const sum = traffic.of(1)
          const [site] = traffic.sites().filter(({ site: name }) => name === '')
          const counters = [
            sum.births,
            sum.requests.get(200),
            sum.durations[0],
            sum.upstreamErrors.get('x'),
            sum.durationSumMs,
            site?.unrouted.get(404),
            traffic.frontRefusals()[0]?.[1],
          ]
          const gauge = slots.reduce((all, each) => all + each.open, 0)
          if (counters.some((counter) => (counter ?? 0) !== total)) return false
          if (sum.exchangesOpen !== gauge || traffic.openOf(1).exchanges !== gauge) return false
        }
        return true
      }),
    )
    t.pass()
  },
)

t.test('a forgotten index begins at nothing', async (t) => {
  const traffic = new Traffic()
  traffic.reported(1, reportOf({ releases: [figuresOf({ births: 4 })] }))
  traffic.died(1)
  t.equal(traffic.of(1).births, 4)
  traffic.forget(1)
  t.equal(traffic.of(1).births, 0)
  traffic.died(9)
  t.equal(traffic.of(2).births, 0)
})

t.test('provisional sessions are the births of the last moments', async (t) => {
  const window = new ProvisionalWindow()
  t.equal(window.bornWithin(one, 3, now, 1000), 3, 'none sampled yet: all of them')
  const births = [0, 2, 5, 9]
  births.forEach((count, second) =>
    window.sample(one, { births: count, now: now + second * 1000, windowMs: 2000 }),
  )
  t.equal(window.bornWithin(one, 9, now + 3000, 2000), 7)
  t.equal(window.bornWithin(one, 9, now + 3999, 2000), 7)
  t.equal(window.bornWithin(one, 9, now + 4000, 2000), 4)
  t.equal(window.bornWithin(one, 9, now + 60_000, 2000), 0)
  window.forget(one)
  t.equal(window.bornWithin(one, 9, now, 2000), 9)
})

// -- publications -------------------------------------------------------------------------------------------------------------

const keys = { keys: [{ id: 1, secret: new Uint8Array([1]) }], signsWith: 1 }
const time = { epochMs: 0, spans: [], futureToleranceMs: 0 }
const settings = {
  issuer: 'i',
  limits: {},
  trustedProxies: [],
  access: { share: 0, errors: false },
} as unknown as Parameters<Publisher['publish']>[3]
const sitesWith = (...indexes: number[]): SiteSpec[] =>
  [{ site: shop, releases: indexes.map((index) => ({ index, share: 0 })) }] as unknown as SiteSpec[]

t.test('only differences are published, each under the next number', async (t) => {
  const sent: Publication[] = []
  const publisher = new Publisher({ publish: (each) => sent.push(each), acknowledged: 0 })
  t.equal(publisher.nextGeneration, 1)
  publisher.publish(sitesWith(1), keys, time, settings)
  publisher.publish(sitesWith(1), { ...keys }, { ...time }, { ...settings })
  t.equal(sent.length, 1)
  publisher.publish(sitesWith(1, 2), keys, time, settings)
  publisher.publish(
    sitesWith(1, 2),
    { ...keys, keys: [{ id: 1, secret: new Uint8Array([2]) }] },
    time,
    settings,
  )
  publisher.publish(
    sitesWith(1, 2),
    { ...keys, keys: [{ id: 1, secret: new Uint8Array([2]) }] },
    { ...time, spans: [{ from: 1, lengthMs: 1 }] },
    settings,
  )
  t.same(
    sent.map((each) => each.table.generation),
    [1, 2, 3, 4],
  )
  t.equal(publisher.generation, 4)
})

t.test(
  'a release is served everywhere only when every worker has acknowledged a table that holds it',
  async (t) => {
    const channel = { acknowledged: null as number | null, publish: () => {} }
    const publisher = new Publisher(channel)
    publisher.publish(sitesWith(1), keys, time, settings)
    t.equal(publisher.isServedEverywhere(one), false, 'no worker at all')
    channel.acknowledged = 0
    t.equal(publisher.isServedEverywhere(one), false)
    channel.acknowledged = 1
    t.equal(publisher.isServedEverywhere(one), true)
    publisher.publish(sitesWith(1, 2), keys, time, settings)
    t.equal(publisher.isServedEverywhere(one), true, 'since its first publication')
    t.equal(publisher.isServedEverywhere(2 as ReleaseIndex), false)
    publisher.publish(sitesWith(2), keys, time, settings)
    channel.acknowledged = 3
    t.equal(publisher.isServedEverywhere(one), false, 'gone from the table')
    publisher.publish(sitesWith(1, 2), keys, time, settings)
    t.equal(publisher.isServedEverywhere(one), false, 'back, but not everywhere yet')
    channel.acknowledged = 4
    t.equal(publisher.isServedEverywhere(one), true)
  },
)

// -- doubts -----------------------------------------------------------------------------------------------------------------

const about10s = (doubts: Doubts, asOf: number | null, at: number) =>
  doubts.about(shop, { promiseMs: () => 10_000, spans: [], asOf, now: at })

t.test('a doubt lasts one whole promise from its cause', async (t) => {
  const doubts = new Doubts({ stateLostAt: now, clockJumpedAt: null, foreignSeenAt: [] })
  const about = (at: number, asOf: number | null = at) =>
    about10s(doubts, asOf, at).map((doubt) => `${doubt.because} ${doubt.until}`)
  t.same(about(now + 9_999), [`state-lost ${now + 10_000}`], 'one millisecond before')
  t.same(about(now + 10_000), [])
  doubts.clockJumped(now + 5)
  doubts.clockJumped(now)
  t.equal(doubts.foreignSeen('shop', now + 7, 1000), true, 'it begins')
  t.equal(doubts.foreignSeen('shop', now + 6, 1000), false)
  t.equal(doubts.foreignSeen('blog', now + 9_000, 1000), true, 'another site')
  t.same(
    about(now + 10_004),
    [`clock-jump ${now + 10_005}`, `foreign-tokens ${now + 10_007}`],
    'the latest cause counts, of this site',
  )
  t.same(about(now + 20_000, null), ['starting null'])
  t.same(about(now + 20_000, now + 17_000), [])
  t.same(about(now + 20_000, now + 16_999), ['worker-silent null'])
  t.same(new Doubts(doubts.save()).save(), doubts.save(), 'kept over a restart')
  t.same(doubts.about(shop, { promiseMs: () => Infinity, spans: [], asOf: now, now })[0], {
    because: 'state-lost',
    until: null,
  })
})

t.test('a doubt lasts as long as the policy of its time promised', async (t) => {
  const asked: number[] = []
  const doubts = new Doubts({ stateLostAt: 5, clockJumpedAt: 6, foreignSeenAt: [['shop', 7]] })
  doubts.about(shop, { promiseMs: (since) => asked.push(since), spans: [], asOf: now, now })
  t.same(asked, [5, 6, 7])
})

// -- time -------------------------------------------------------------------------------------------------------------------

t.test(
  'a jump of the wall clock is followed: ahead it is a span, back it is a tolerance, a drift is neither',
  async (t) => {
    const clock = {
      epochMs: now,
      wall: now,
      now: () => clock.epochMs,
      monotonic: () => 0,
      wallEpochMs: () => clock.wall,
    }
    const keeper = new TimeKeeper(clock, { spans: [], tolerance: null }, () => minute)
    clock.wall = now + 4_999
    t.equal(keeper.followJump(), null)
    clock.wall = now + 5_000
    t.same(keeper.followJump(), { byMs: 5_000, at: now + 5_000, span: { from: now, lengthMs: 5_000 } })
    t.equal(keeper.followJump(), null, 'once')
    clock.wall = now - 1_000
    t.same(keeper.followJump(), { byMs: -6_000, at: now + 5_000, span: null })
    t.same(keeper.published, {
      epochMs: now - 1_000,
      spans: [{ from: now, lengthMs: 5_000 }],
      futureToleranceMs: 306_000,
    })
    t.equal(keeper.spannedMs, 5_000)
  },
)

// -- evidence ---------------------------------------------------------------------------------------------------------------

/** A book over real figures and a real ledger; monotonic time is wall time minus `now`. */
function bookOf() {
  const clock = { at: 0, now: () => now + clock.at, monotonic: () => clock.at }
  const ledger = new SessionLedger({ maxSessions: 100, segments: 1 })
  const traffic = new Traffic()
  const book = new EvidenceBook(ledger, traffic, clock)
  const report = (
    worker: number,
    madeAt: number,
    figures: Partial<ReleaseFigures> = {},
    changes: Partial<WorkerReport> = {},
  ) => {
    clock.at = Math.max(clock.at, madeAt)
    const made = reportOf({ madeAt, releases: [figuresOf(figures)], ...changes })
    traffic.reported(worker, made)
    book.reported(worker, made, () => true)
  }
  const seen = (acceptsBirths = false) => {
    if (book.asOf !== null) ledger.sweep(book.asOf, () => false)
    return book.observe(one, { acceptsBirths, isStandingBy: false })
  }
  const touch = (until: number, low = 1): WorkerReport['touched'] =>
    batchOf([{ high: 1, low, release: 1, until: now + until, bornAt: now } satisfies ModelRow])
  return { clock, ledger, traffic, book, report, seen, touch }
}

t.test(
  'everything is as of the oldest report of any worker, and nothing is known before the first listens',
  async (t) => {
    const { clock, book, report, seen } = bookOf()
    t.equal(seen(), null)
    t.equal(book.asOf, null)
    book.listening(1, 100)
    book.listening(2, 150)
    clock.at = 1000
    t.equal(book.asOf, now + 100)
    report(1, 500)
    t.equal(book.asOf, now + 150, 'the other one is silent since it listens')
    report(2, 400)
    t.equal(seen()?.asOf, now + 400)
    report(3, 900)
    t.equal(book.asOf, now + 400, 'one that does not listen proves nothing')
    t.equal(book.reportedAt(1), now + 500)
    t.equal(book.reportedAt(3), null)
    book.left(2)
    t.equal(book.asOf, now + 500)
    book.left(1)
    clock.at = 5000
    t.equal(book.asOf, now + 500, 'without workers it stays where it was')
  },
)

t.test('a release is empty since the report that first shows it, without a break', async (t) => {
  const { book, report, seen, touch } = bookOf()
  book.listening(1, 0)
  report(1, 100, { exchangesOpen: 1 })
  t.match(seen(), { emptySince: null, exchangesOpen: 1 })
  report(1, 200)
  t.equal(seen()?.emptySince, now + 200)
  report(1, 300)
  t.equal(seen()?.emptySince, now + 200, 'still')
  report(1, 400, { socketsOpen: 1 })
  t.equal(seen()?.emptySince, null)
  report(1, 500, {}, { touched: touch(600) })
  t.match(seen(), { emptySince: null, sessions: { count: 1, until: now + 600 } })
  report(1, 599)
  t.equal(seen()?.emptySince, null, 'one millisecond before its promise ends')
  report(1, 600)
  t.equal(seen()?.emptySince, now + 600)
  t.equal(seen(true)?.emptySince, null, 'taking births is not being empty')
})

t.test('a late touch that left nothing behind begins the quiet period anew', async (t) => {
  const { book, report, seen } = bookOf()
  book.listening(1, 0)
  report(1, 100)
  t.equal(seen()?.emptySince, now + 100)
  report(1, 500, { lastTouchAt: now + 450 })
  t.equal(seen()?.emptySince, now + 500)
  report(1, 700, { lastTouchAt: now + 450 })
  t.equal(seen()?.emptySince, now + 500, 'once')
})

t.test('births keep a release for their latest promise; the word of a worker that died stays', async (t) => {
  const { book, traffic, report, seen } = bookOf()
  book.listening(1, 0)
  book.listening(2, 0)
  report(1, 100, { birthsUntil: now + 900, exchangesOpen: 2 })
  report(2, 100, { birthsUntil: now + 300 })
  t.match(seen(), { birthsUntil: now + 900, exchangesOpen: 2 })
  book.left(1)
  traffic.died(1)
  report(2, 200, { birthsUntil: now + 300 })
  t.match(seen(), { birthsUntil: now + 900, exchangesOpen: 0, emptySince: null })
})

t.test('a loss counts as a phantom until it has passed, and begins the quiet period anew', async (t) => {
  const { clock, book, report, seen } = bookOf()
  book.listening(1, 0)
  report(1, 100)
  t.equal(seen()?.emptySince, now + 100)
  book.addPhantom(one, now + 500)
  report(1, 200)
  t.match(seen(), { phantoms: [now + 500], emptySince: null, sessions: { count: 0 } })
  report(1, 500)
  t.equal(seen()?.emptySince, now + 500)
  clock.at = 2000
  book.addPhantom(one, now + 9000)
  t.same(seen()?.phantoms, [now + 9000], 'what has passed long ago is dropped')
})

t.test('a span is added once to every promise, whether its worker knew it or not', async (t) => {
  const { book, report, seen, touch } = bookOf()
  book.listening(1, 0)
  report(1, 100, { birthsUntil: now + 1000 })
  book.addPhantom(one, now + 2000)
  book.addSpan({ from: now + 150, lengthMs: 50 }, 2)
  t.match(seen(), { birthsUntil: now + 1050, phantoms: [now + 2050] })
  report(1, 200, { birthsUntil: now + 1000 }, { generation: 1, touched: touch(3000) })
  t.match(
    seen(),
    { birthsUntil: now + 1050, sessions: { until: now + 3050 } },
    'reported before it was known: added here',
  )
  report(1, 300, { birthsUntil: now + 1050 }, { generation: 2, touched: touch(4000, 2) })
  t.match(
    seen(),
    { birthsUntil: now + 1050, sessions: { until: now + 4000 } },
    'reported since: added by the worker',
  )
})

t.test('promises and phantoms are kept over a restart, and forgotten with their release', async (t) => {
  const { book, report } = bookOf()
  book.listening(1, 0)
  report(1, 100, { birthsUntil: now + 1000 })
  book.addPhantom(one, now + 2000)
  t.same(book.save(), [{ index: 1, birthsUntil: now + 1000, phantoms: [now + 2000] }])
  const later = bookOf()
  later.book.restore(book.save())
  later.book.listening(1, 0)
  t.match(later.seen(), { birthsUntil: now + 1000, phantoms: [now + 2000] })
  later.book.forget(one)
  t.same(later.book.save(), [])
})

t.test('a release may go when every worker has reported since it routes without it', async (t) => {
  const { book, report } = bookOf()
  book.listening(1, 0)
  book.listening(2, 0)
  report(1, 100, {}, { generation: 5 })
  t.equal(book.allReportedAt(5), false)
  report(2, 100, {}, { generation: 4 })
  t.equal(book.allReportedAt(5), false)
  report(2, 200, {}, { generation: 6 })
  t.equal(book.allReportedAt(5), true)
})

// -- probes -----------------------------------------------------------------------------------------------------------------

const health: HealthPolicy = {
  path: '/healthz',
  intervalMs: 1,
  timeoutMs: 50,
  healthyAfter: 2,
  unhealthyAfter: 2,
  deadAfterMs: 1,
}
const url = 'http://a:1' as TargetUrl

/** A probe whose answers the test gives one by one. */
function proberOf() {
  const asked: { url: string; path: string | null; answer: (ok: boolean) => void }[] = []
  const waiting: (() => void)[] = []
  const changes: number[] = []
  const probe: Probe = (target, path) =>
    new Promise((resolve) => {
      asked.push({ url: target, path, answer: (ok) => resolve({ ok, detail: ok ? '200 OK' : 'refused' }) })
      waiting.shift()?.()
    })
  const clock = { now: () => now, monotonic: () => 0 }
  const prober = new HealthProber(probe, clock, (release) => changes.push(release))
  /** The next question that has not been answered. */
  const next = async () => {
    if (asked.length === 0) await new Promise<void>((resolve) => waiting.push(resolve))
    const question = asked.shift()
    if (question === undefined) throw new Error('nobody asked')
    return question
  }
  return { prober, asked, changes, next }
}

const planOf = (changes: Partial<ProbePlan> = {}): ProbePlan => ({
  release: one,
  targets: [url],
  policy: health,
  isChecking: false,
  assumed: [],
  ...changes,
})

t.test('a target is probed as long as it is planned, and each change of its standing is told', async (t) => {
  const { prober, changes, next } = proberOf()
  t.teardown(() => prober.stop())
  prober.follow([planOf()])
  t.equal(prober.healthOf(one, url)?.state, 'unproven')
  for (const ok of [true, true, true, false, false]) (await next()).answer(ok)
  const last = await next()
  t.match(last, { url, path: '/healthz' })
  t.same(changes, [1, 1], 'healthy after two, unhealthy after two')
  t.match(prober.healthOf(one, url), {
    state: 'unhealthy',
    streak: 2,
    last: { ok: false, detail: 'refused', at: now },
  })
  prober.follow([])
  t.equal(prober.healthOf(one, url), null)
})

t.test(
  'what served before a restart is used until a probe says otherwise, and keeps its health when plans change',
  async (t) => {
    const { prober, changes, next } = proberOf()
    t.teardown(() => prober.stop())
    prober.follow([planOf({ assumed: [url] })])
    t.equal(prober.healthOf(one, url)?.state, 'assumed')
    ;(await next()).answer(false)
    const second = await next()
    prober.follow([planOf({ assumed: [url], policy: { ...health, unhealthyAfter: 1 } })])
    t.equal(prober.healthOf(one, url)?.state, 'assumed')
    second.answer(false)
    await next()
    t.equal(prober.healthOf(one, url)?.state, 'unhealthy')
    t.same(changes, [1])
  },
)

t.test(
  'an answer that comes after the target is no longer probed, or is probed anew, counts for nothing',
  async (t) => {
    const { prober, changes, next } = proberOf()
    t.teardown(() => prober.stop())
    prober.follow([planOf()])
    const stale = await next()
    prober.follow([])
    prober.follow([planOf()])
    const fresh = await next()
    stale.answer(true)
    fresh.answer(true)
    ;(await next()).answer(false)
    await next()
    t.match(prober.healthOf(one, url), { state: 'unproven', streak: 1, last: { ok: false } })
    t.same(changes, [])
  },
)

t.test('a release that is to be checked is asked at once, whatever the interval of its site', async (t) => {
  const { prober, asked, next } = proberOf()
  t.teardown(() => prober.stop())
  const policy = { ...health, intervalMs: 3_600_000 }
  prober.follow([planOf({ policy })])
  ;(await next()).answer(true)
  // The answer has been taken when the next turn comes; the hour begins.
  await new Promise<void>((resolve) => setImmediate(resolve))
  t.equal(prober.healthOf(one, url)?.streak, 1)
  t.equal(asked.length, 0)
  prober.follow([planOf({ policy, isChecking: true })])
  ;(await next()).answer(true)
  const third = await next()
  t.equal(prober.healthOf(one, url)?.state, 'healthy', 'and again soon after')
  third.answer(true)
})
