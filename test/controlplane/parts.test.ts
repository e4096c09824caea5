// The pure parts of the control plane, with time as an argument: what a start makes of the saved state, sites,
// publications, doubts and jumps of the clock.
import t from 'tap'
import { Doubts } from '../../gateway/controlplane/doubts.js'
import { LifecycleFingerprints } from '../../gateway/controlplane/lifecycle-fingerprints.js'
import { Publisher } from '../../gateway/controlplane/publisher.js'
import { phantomsOf, recover, widened, type RecoveryInput } from '../../gateway/controlplane/recovery.js'
import {
  readCheckpoint,
  reopenCheckpoint,
  saveCheckpoint,
  type SavedCheckpoint,
  type SavedLifecycle,
} from '../../gateway/controlplane/saved-state.js'
import {
  longestPromiseMs,
  longestTokenMs,
  SiteRegister,
  type Site,
} from '../../gateway/controlplane/site-register.js'
import { TimeKeeper } from '../../gateway/controlplane/time-keeper.js'
import type { ReleaseIndex, ReleaseVersion, SiteName } from '../../gateway/domain/ids.js'
import type { LifecycleStore } from '../../gateway/domain/ports.js'
import type { Registration } from '../../gateway/domain/registration.js'
import type { SiteSpec } from '../../gateway/domain/routing-table.js'
import type { SitePolicy } from '../../gateway/domain/site-policy.js'
import type { Publication } from '../../gateway/plane-protocol.js'

const now = 1_800_000_000_000
const minute = 60_000
const hour = 60 * minute
const shop = 'shop' as SiteName
const one = 1 as ReleaseIndex

// -- a start ---------------------------------------------------------------------------------------------------------

function policyOf(idleTimeoutMs: number, maxAgeMs = 604_800_000): SitePolicy {
  return {
    site: shop,
    hosts: ['*'],
    order: 'version',
    session: { idleTimeoutMs, maxAgeMs },
  } as unknown as SitePolicy
}

const lifecycle = {
  version: 3,
  issuer: 'saved',
  register: { nextIndex: 0, sites: [] },
  lastGood: {},
} as unknown as SavedLifecycle

function checkpointOf(changes: Partial<SavedCheckpoint> = {}): SavedCheckpoint {
  return {
    version: 2,
    asOf: now - 1000,
    writtenAt: changes.asOf ?? now - 1000,
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
    loss: null,
    handedOutUntil: now - 1000,
  })
  const checkpoint = checkpointOf({ asOf: now, isClean: false })
  t.match(
    recover({ ...input, checkpoint }),
    { loss: { since: now }, gap: null },
    'an unclean one may have lost something',
  )
})

t.test(
  'without lifecycle or checkpoint the state is lost: a doubt, and only what is still there is used',
  async (t) => {
    const lost = { stateLostAt: now, clockJumpedAt: null, foreignSeenAt: [] }
    const time = { spans: checkpointOf().spans, gap: { from: now - 1000, lengthMs: 1000 } }
    const known = { ...time, handedOutUntil: now - 1000 }
    const unknown = { spans: [], gap: null, handedOutUntil: now }
    const cases: [missing: Partial<RecoveryInput>, issuer: string, time: object][] = [
      [{ lifecycle: null }, 'fresh', known],
      [{ checkpoint: null }, 'saved', unknown],
      [{ lifecycle: null, checkpoint: null }, 'fresh', unknown],
    ]
    for (const [missing, issuer, found] of cases) {
      const expected = { issuer, doubts: lost, ...found, tolerance: null, loss: null }
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
    t.equal(
      found.doubts.clockJumpedAt,
      now + minute + 5000,
      'one promise from the later of the two clocks, and from what came after the last save',
    )
  },
)

t.test(
  'a clock that was set back while the saved sessions were being read is seen by when the checkpoint was written',
  async (t) => {
    const checkpoint = checkpointOf({ asOf: now - 1000, writtenAt: now + minute, isClean: false })
    const found = recover({ ...input, checkpoint })
    t.same(found.gap, { from: now - 1000, lengthMs: 1000 })
    t.equal(found.tolerance?.ms, minute)
    t.equal(found.doubts.clockJumpedAt, now + minute + 5000)
    t.same(found.loss, { since: now - 1000, end: now + minute + 5000, slackMs: 1000 })
    const clean = recover({ ...input, checkpoint: { ...checkpoint, isClean: true } })
    t.same([clean.loss, clean.doubts.clockJumpedAt], [null, now + minute], 'nothing came after a clean stop')
    const later = { ...checkpoint.doubts, clockJumpedAt: now + 60 * minute }
    const doubted = recover({ ...input, checkpoint: { ...checkpoint, doubts: later } })
    t.equal(doubted.doubts.clockJumpedAt, now + 60 * minute, 'a doubt that lasts longer goes on')
  },
)

t.test(
  'what an unclean stop lost is honoured by the later of the two clocks, and for the time of the stop',
  async (t) => {
    const lossAfter = (asOf: number) =>
      recover({ ...input, checkpoint: checkpointOf({ asOf, isClean: false }) }).loss
    t.same(lossAfter(now - minute), { since: now - minute, end: now, slackMs: minute })
    t.same(lossAfter(now + 10), { since: now + 10, end: now + 5010, slackMs: 0 }, 'set back meanwhile')
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
  await reopenCheckpoint(store, now)
  t.equal(readCheckpoint(store), null)
  await saveCheckpoint(store, checkpointOf())
  await reopenCheckpoint(store, now)
  t.same(readCheckpoint(store), checkpointOf({ isClean: false, writtenAt: now }))
  await reopenCheckpoint(store, now - minute)
  t.equal(readCheckpoint(store)?.writtenAt, now, 'the clock was set back')
})

t.test('a checkpoint of an older version was written when everything was known', async (t) => {
  const store = storeOf()
  const { writtenAt: _, ...first } = checkpointOf()
  await store.put('checkpoint', { ...first, version: 1 })
  t.same(readCheckpoint(store), checkpointOf())
})

// -- sites -----------------------------------------------------------------------------------------------------------

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
    register.usePolicy(site, policyOf(8 * minute))
    t.equal(
      longestPromiseMs(site, now + 60 * minute),
      90 * minute,
      'as long as a worker may go by the former',
    )
    register.formerPoliciesEnded(now)
    t.equal(longestPromiseMs(site, now), 90 * minute, 'handed out at the last moment of the former policy')
    t.equal(longestPromiseMs(site, now + 1), 9 * minute)
    register.usePolicy(site, policyOf(16 * minute))
    register.formerPoliciesEnded(now + 10)
    t.equal(longestPromiseMs(site, now), 90 * minute)
    t.equal(longestPromiseMs(site, now + 11), 18 * minute)
    register.usePolicy(site, policyOf(16 * minute))
    register.formerPoliciesEnded(now + 20)
    t.equal(site.superseded.length, 2, 'a change that leaves the promise alone is none')
    register.usePolicy(site, policyOf(16 * minute, 1e12))
    register.formerPoliciesEnded(now + 30)
    t.equal(longestTokenMs(site), 1e12, 'a held token can last for the maximum age')
    register.usePolicy(site, policyOf(16 * minute, hour))
    register.formerPoliciesEnded(now + 40)
    t.equal(longestTokenMs(site), 1e12, 'and one from before the edit still does')
    t.equal(longestPromiseMs(site, now + 21), 18 * minute)
  },
)

t.test('however often a policy is edited, the longest promise since any of its edits is known', async (t) => {
  const register = new SiteRegister()
  const site = register.addSite(policyOf(80 * minute), 'site.yaml')
  for (let edit = 1; edit <= 200; edit++) {
    register.usePolicy(site, policyOf((8 + (edit % 2)) * minute))
    register.formerPoliciesEnded(now + edit)
  }
  t.equal(longestPromiseMs(site, now), 90 * minute)
  t.ok(site.superseded.length <= 50)
  t.equal(longestPromiseMs(site, now + 201), 9 * minute)
})

t.test(
  'where the maximum age is cut below the idle time, what is touched may be a held token of before',
  async (t) => {
    const register = new SiteRegister()
    const site = register.addSite(policyOf(8 * minute, 70 * minute), 'site.yaml')
    t.equal(longestPromiseMs(site, now), 9 * minute)
    register.usePolicy(site, policyOf(Infinity, 20 * minute))
    register.formerPoliciesEnded(now)
    t.equal(longestPromiseMs(site, now + 1), 70 * minute)
    const fresh = register.addSite(
      { ...policyOf(Infinity, 20 * minute), site: 'fresh' as SiteName },
      'fresh.yaml',
    )
    t.equal(longestPromiseMs(fresh, now), 20 * minute, 'without one of before its own maximum age bounds it')
  },
)

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

// -- publications ----------------------------------------------------------------------------------------------------

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
    publisher.publish(sitesWith(3), keys, time, settings)
    publisher.publish(sitesWith(1, 3), keys, time, settings)
    t.equal(publisher.isServedEverywhere(one), false, 'no worker at all')
    channel.acknowledged = 1
    t.equal(publisher.isServedEverywhere(one), false)
    channel.acknowledged = 2
    t.equal(publisher.isServedEverywhere(one), true)
    publisher.publish(sitesWith(1, 2, 3), keys, time, settings)
    t.equal(publisher.isServedEverywhere(one), true, 'since its first publication')
    t.equal(publisher.isServedEverywhere(2 as ReleaseIndex), false)
    publisher.publish(sitesWith(2), keys, time, settings)
    channel.acknowledged = 4
    t.equal(publisher.isServedEverywhere(one), false, 'gone from the table')
    publisher.publish(sitesWith(1, 2), keys, time, settings)
    t.equal(publisher.isServedEverywhere(one), false, 'back, but not everywhere yet')
    channel.acknowledged = 5
    t.equal(publisher.isServedEverywhere(one), true)
  },
)

t.test('what the first table has is in whatever any worker routes by, until it goes', async (t) => {
  const channel = { acknowledged: null as number | null, publish: () => {} }
  const publisher = new Publisher(channel)
  t.equal(publisher.isServedEverywhere(one), true, 'as it is about to be published')
  publisher.publish(sitesWith(1), keys, time, settings)
  t.equal(publisher.isServedEverywhere(one), true)
  publisher.publish(sitesWith(2), keys, time, settings)
  t.equal(publisher.isServedEverywhere(one), false)
  publisher.publish(sitesWith(1, 2), keys, time, settings)
  t.equal(publisher.isServedEverywhere(one), false)
})

// -- doubts ----------------------------------------------------------------------------------------------------------

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

// -- time ------------------------------------------------------------------------------------------------------------

t.test('a span is kept as long as a token of before may live, however long the next one is', async (t) => {
  const clock = { epochMs: 0, at: now, now: () => clock.at, monotonic: () => 0, wallEpochMs: () => 0 }
  const keeper = new TimeKeeper(clock, { spans: [], tolerance: null }, () => 20 * minute)
  const first = { from: now, lengthMs: 10 * minute }
  clock.at += 10 * minute
  keeper.addSpan(first)
  const second = { from: now + 11 * minute, lengthMs: 60 * minute }
  clock.at = now + 71 * minute
  keeper.addSpan(second)
  t.same(keeper.spans, [first, second], 'a token of before the first has a minute behind it')
  clock.at = now + 121 * minute
  const third = { from: clock.at - 1, lengthMs: 1 }
  keeper.addSpan(third)
  t.same(keeper.spans, [second, third])
})

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
    clock.wall = now + 20_000
    t.same(keeper.followJump(), { byMs: 20_000, at: now + 20_000, span: { from: now, lengthMs: 20_000 } })
    t.equal(keeper.followJump(), null, 'once')
    clock.wall = now + 14_000
    t.same(keeper.followJump(), { byMs: -6_000, at: now + 20_000, span: null })
    t.same(keeper.published, {
      epochMs: now + 14_000,
      spans: [{ from: now, lengthMs: 14_000 }],
      futureToleranceMs: 306_000,
    })
    t.equal(keeper.spannedMs, 14_000, 'none lies ahead of the clock')
    clock.wall = now - 1_000
    t.match(keeper.followJump(), { byMs: -15_000, span: null })
    t.match(keeper.published, { spans: [], futureToleranceMs: 321_000 })
    t.equal(keeper.spannedMs, 0)
  },
)

t.test('a lifecycle is new where a site, its policy, a release or a file of it is another', async (t) => {
  const release = { ordinal: 1 }
  const site = { policy: { hosts: ['*'] }, wasEverActive: false, releases: [release, { ordinal: 2 }] }
  const lifecycleOf = (sites: readonly object[], words: object = {}): SavedLifecycle =>
    ({
      version: 3,
      issuer: 'i',
      register: { nextIndex: 3, sites },
      lastGood: {},
      ...words,
    }) as unknown as SavedLifecycle
  const fingerprints = new LifecycleFingerprints()
  const isNew = (lifecycle: SavedLifecycle): boolean => {
    const first = fingerprints.isNew(lifecycle)
    t.equal(fingerprints.isNew(structuredClone(lifecycle)), false, 'not a second time')
    return first
  }
  t.equal(isNew(lifecycleOf([site])), true, 'the first')
  t.equal(isNew(lifecycleOf([{ ...site, policy: { hosts: ['a'] } }])), true, 'a policy')
  t.equal(isNew(lifecycleOf([{ ...site, wasEverActive: true }])), true, 'a site')
  t.equal(isNew(lifecycleOf([{ ...site, releases: [release] }])), true, 'a release less')
  t.equal(isNew(lifecycleOf([{ ...site, releases: [{ ordinal: 4 }, release] }])), true, 'a release')
  t.equal(isNew(lifecycleOf([site, site])), true, 'a site more')
  t.equal(isNew(lifecycleOf([site, site], { lastGood: { 'gateway.yaml': '' } })), true, 'a file')
  t.equal(isNew(lifecycleOf([site], { issuer: 'j' })), true, 'an issuer')
  fingerprints.forget()
  t.equal(isNew(lifecycleOf([site], { issuer: 'j' })), true, 'what could not be saved')
})
