// Boarding a few first: how births are shared, what a candidate is judged by, what comes next, and when births go back
// because a release fails. Tables of cases, and properties over every plan and every history.
import fc from 'fast-check'
import t from 'tap'
import {
  armsBetween,
  errorRate,
  quantileMs,
  recentArms,
  withSample,
  type ArmFigures,
  type ArmSample,
} from '../../gateway/domain/arm-figures.js'
import { fnv1a32 } from '../../gateway/domain/fnv.js'
import { hasFailed, isNetworkIll } from '../../gateway/domain/give-back.js'
import type { ReleaseIndex, ReleaseVersion, TargetUrl } from '../../gateway/domain/ids.js'
import { latencyBoundsMs, latencyBucket } from '../../gateway/domain/latency-buckets.js'
import type { AbortLimits } from '../../gateway/domain/registration.js'
import { satisfies, unmetRequirements, unmetText } from '../../gateway/domain/requirements.js'
import {
  begunRollout,
  candidateShare,
  earliestEnd,
  holdUntil,
  judge,
  moved,
  nextMove,
  shareIn,
  type Rollout,
  type RolloutEvidence,
  type RolloutRules,
  type StepPlan,
} from '../../gateway/domain/rollout.js'
import { roadBook } from '../../gateway/domain/road-book.js'
import { buildRoutingTable, type SiteSpec } from '../../gateway/domain/routing-table.js'
import type { HealthPolicy } from '../../gateway/domain/site-policy.js'
import type { TargetHealth } from '../../gateway/domain/target-health.js'
import { siteSpec } from '../fixtures/site-spec.js'

const minute = 60_000
const now = 1_800_000_000_000
const version = (text: string) => text as ReleaseVersion
const versions = { candidate: version('2.0.0'), stable: version('1.0.0') }

const limits: AbortLimits = { errorRate: 0.05, p95Ms: Infinity, minRequests: 100, windowMs: 5 * minute }

function planOf(changes: Partial<StepPlan> = {}): StepPlan {
  const steps = [
    { share: 0.05, holdMs: 10 * minute },
    { share: 0.25, holdMs: 20 * minute },
  ]
  return { kind: 'steps', steps, abortOn: limits, ifMissed: 'next-window', ...changes }
}

/** Figures whose requests all took so long. */
function figuresOf(requests: number, failed = 0, tookMs = 20): ArmFigures {
  const durations = new Array<number>(latencyBoundsMs.length + 1).fill(0)
  durations[latencyBucket(tookMs)] = requests
  return { births: requests, requests, failed, durations }
}

const nobody = figuresOf(0)
const open: RolloutRules = { isFrozen: false, windows: [], spans: [] }
/** Open on no day that comes soon: a window of one minute a week. */
const closed: RolloutRules = {
  ...open,
  windows: [{ days: ['mon'], from: '03:00', to: '03:01', zone: 'UTC' }],
}

const wellDone: RolloutEvidence = {
  judged: { candidate: figuresOf(200), stable: figuresOf(2000) },
  birthsInStep: 100,
}

// -- shares -------------------------------------------------------------------------------------------------------------

const stepPlans = fc
  .uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 8 })
  .map((shares) =>
    planOf({ steps: shares.sort((a, b) => a - b).map((share) => ({ share: share / 100, holdMs: minute })) }),
  )

t.test(
  'in every step of every plan both shares are the whole, and the candidate gets what is written',
  async () => {
    fc.assert(
      fc.property(stepPlans, (plan) => {
        let rollout = begunRollout(versions, plan, now)
        for (const { share } of plan.steps) {
          if (candidateShare(rollout) !== share) return false
          if (Math.abs(shareIn(rollout, versions.candidate) + shareIn(rollout, versions.stable) - 1) > 1e-9)
            return false
          if (shareIn(rollout, version('3.0.0')) !== 0) return false
          rollout = moved(rollout, 'advance', now)
        }
        return candidateShare(rollout) === 1
      }),
    )
  },
)

/** The routing table of a rollout. */
function tableOf(rollout: Rollout): SiteSpec {
  const spec = (name: ReleaseVersion, index: number) => ({
    index: index as ReleaseIndex,
    version: name,
    share: shareIn(rollout, name),
    isLive: true,
    targets: [{ url: `http://${name}:1` as TargetUrl, isHealthy: true }],
  })
  return siteSpec({
    rolloutId: rollout.id,
    releases: [spec(versions.candidate, 1), spec(versions.stable, 0)],
  })
}

t.test(
  'births follow the shares within statistics, and who met the candidate meets it in every later step',
  async (t) => {
    const [first, second] = [0.05, 0.25]
    const steps = [first, second].map((share) => ({ share, holdMs: minute }))
    const begun = begunRollout(versions, planOf({ steps }), now)
    const visitors = Array.from({ length: 20_000 }, (_, i) =>
      fnv1a32(`10.0.${i >> 8}.${i & 255}\nbrowser\n${begun.id}`),
    )
    const boarded = [begun, moved(begun, 'advance', now)].map((rollout) => {
      const site = buildRoutingTable({ sites: [tableOf(rollout)], spans: [] } as never).sites[0]
      return new Set(visitors.filter((hash) => site?.accepting(hash)?.version === versions.candidate))
    })
    for (const [step, share] of [first, second].entries()) {
      const sigma = Math.sqrt(visitors.length * share * (1 - share))
      const off = Math.abs((boarded[step]?.size ?? 0) - visitors.length * share)
      t.ok(off < 5 * sigma, `${share}: ${boarded[step]?.size} of ${visitors.length}`)
    }
    t.ok([...(boarded[0] ?? [])].every((hash) => boarded[1]?.has(hash)))
  },
)

// -- judging ------------------------------------------------------------------------------------------------------------

const judgements: readonly [
  what: string,
  candidate: ArmFigures,
  stable: ArmFigures,
  with_: Partial<AbortLimits>,
  kind: string,
][] = [
  ['fewer requests than are needed', figuresOf(99, 99), nobody, {}, 'too-few'],
  ['no errors', figuresOf(100), figuresOf(1000), {}, 'good'],
  ['errors as tolerated', figuresOf(100, 5), figuresOf(1000), {}, 'good'],
  ['one more', figuresOf(100, 6), figuresOf(1000), {}, 'bad'],
  ['as many errors as the stable release has beside', figuresOf(100, 12), figuresOf(1000, 80), {}, 'good'],
  ['with a stable release that nobody asked', figuresOf(100, 6), nobody, {}, 'bad'],
  [
    'errors where they are not judged',
    figuresOf(100, 100),
    nobody,
    { errorRate: Infinity, p95Ms: 500 },
    'good',
  ],
  ['fast enough', figuresOf(100, 0, 300), figuresOf(1000), { p95Ms: 500 }, 'good'],
  ['too slow', figuresOf(100, 0, 900), figuresOf(1000), { p95Ms: 500 }, 'bad'],
  [
    'too slow, and the stable release no faster',
    figuresOf(100, 0, 900),
    figuresOf(1000, 0, 900),
    { p95Ms: 500 },
    'good',
  ],
  ['too slow, with nobody to compare to', figuresOf(100, 0, 900), nobody, { p95Ms: 500 }, 'bad'],
  ['beyond the last bucket', figuresOf(100, 0, 60_000), figuresOf(1000), { p95Ms: 50_000 }, 'bad'],
]

t.test('a candidate is judged against the stable release over the same time', async (t) => {
  for (const [what, candidate, stable, changes, kind] of judgements) {
    t.equal(judge({ candidate, stable }, { ...limits, ...changes }).kind, kind, what)
  }
  t.match(judge({ candidate: figuresOf(100, 20, 900), stable: figuresOf(10) }, { ...limits, p95Ms: 500 }), {
    excesses: [
      { of: 'errorRate', candidate: 0.2, stable: 0, limit: 0.05 },
      { of: 'p95', limit: 500 },
    ],
  })
})

t.test('a quantile lies straight between the bounds of its bucket', async (t) => {
  t.equal(quantileMs(nobody, 0.95), null)
  t.equal(quantileMs(figuresOf(100, 0, 20), 0.5), 17.5, 'half of a bucket from 10 to 25')
  t.equal(quantileMs(figuresOf(100, 0, 0.5), 1), 1)
  t.equal(quantileMs(figuresOf(1, 0, 40_000), 0.95), Infinity)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 29_000 }), { minLength: 1, maxLength: 200 }), (tookMs) => {
      const durations = new Array<number>(latencyBoundsMs.length + 1).fill(0)
      for (const ms of tookMs) durations[latencyBucket(ms)]!++
      const found = quantileMs({ ...nobody, durations }, 0.95) ?? NaN
      const exact = tookMs.sort((a, b) => a - b)[Math.ceil(tookMs.length * 0.95) - 1] ?? NaN
      const bucket = latencyBucket(exact)
      return found >= (latencyBoundsMs[bucket - 1] ?? 0) && found <= (latencyBoundsMs[bucket] ?? Infinity)
    }),
  )
  t.equal(errorRate(nobody), 0)
})

/** A sample at an instant at which the candidate has answered so many. */
const sampleOf = (at: number, requests: number, failed = 0): ArmSample => ({
  at,
  candidate: figuresOf(requests, failed),
  stable: figuresOf(10 * requests),
})

t.test('what is judged is the window, or as much more as it takes for enough requests', async (t) => {
  const samples = [0, 1, 2, 3, 4, 5, 6].map((minutes) => sampleOf(now + minutes * minute, minutes * 50))
  const after = sampleOf(now + 7 * minute, 350)
  const judged = (windowMs: number, minRequests: number) =>
    recentArms(samples, after, { windowMs, minRequests }).candidate.requests
  t.equal(judged(2 * minute, 50), 100)
  t.equal(judged(2 * minute, 200), 200, 'two minutes held too few')
  t.equal(judged(2 * minute, 1000), 350, 'never more than there were')
  t.equal(judged(hour, 1), 350, 'a rollout that is younger than its window')
  t.equal(recentArms([], after, limits).candidate.requests, 0)
  t.same(
    armsBetween(after, after).stable.durations.filter((count) => count !== 0),
    [],
  )
})
const hour = 60 * minute

t.test(
  'samples are bounded however long a rollout lasts, the first is kept, and a window stays exact to its grain',
  async (t) => {
    let samples: readonly ArmSample[] = []
    let most = 0
    for (let second = 0; second < 30_000; second++) {
      samples = withSample(samples, sampleOf(now + second * 1000, second), minute)
      most = Math.max(most, samples.length)
    }
    t.ok(most <= 400, `${most} samples`)
    t.equal(samples[0]?.at, now)
    const last = sampleOf(now + 30_000_000, 30_000)
    const { requests } = recentArms(samples, last, { windowMs: minute, minRequests: 1 }).candidate
    t.ok(requests >= 60 && requests <= 62, `${requests} in a minute`)
  },
)

// -- what comes next ----------------------------------------------------------------------------------------------------

const begun = begunRollout(versions, planOf(), now)
const lastStep = moved(begun, 'advance', now)
const due = now + 10 * minute
const bad: RolloutEvidence = {
  ...wellDone,
  judged: { candidate: figuresOf(200, 50), stable: figuresOf(2000) },
}
const few: RolloutEvidence = { ...wellDone, birthsInStep: 99 }

const moves: readonly [
  what: string,
  rollout: Rollout,
  evidence: RolloutEvidence,
  rules: RolloutRules,
  at: number,
  move: object,
][] = [
  [
    'a millisecond before the hold is over',
    begun,
    wellDone,
    open,
    due - 1,
    { kind: 'stay', because: 'hold', until: due },
  ],
  ['when it is over', begun, wellDone, open, due, { kind: 'advance' }],
  ['after the last step', lastStep, wellDone, open, now + 20 * minute, { kind: 'finish' }],
  [
    'with too few births judged',
    begun,
    few,
    open,
    due + hour,
    { kind: 'stay', because: 'births', until: null },
  ],
  [
    'a plan that judges nothing asks for no births',
    { ...begun, plan: planOf({ abortOn: null }) },
    few,
    open,
    due,
    { kind: 'advance' },
  ],
  ['a bad candidate, in the middle of a hold', begun, bad, open, now + 1, { kind: 'abort' }],
  ['a bad candidate of a frozen site', begun, bad, { ...open, isFrozen: true }, due, { kind: 'abort' }],
  ['a bad candidate where no window is open', begun, bad, closed, due, { kind: 'abort' }],
  [
    'a bad one in a plan that judges nothing',
    { ...begun, plan: planOf({ abortOn: null }) },
    bad,
    open,
    due,
    { kind: 'advance' },
  ],
  ['a frozen site', begun, wellDone, { ...open, isFrozen: true }, due, { kind: 'stay', because: 'frozen' }],
  ['no window open', begun, wellDone, closed, due, { kind: 'stay', because: 'closed-window' }],
  [
    'no window open, immediately',
    { ...begun, plan: planOf({ ifMissed: 'immediately' }) },
    wellDone,
    closed,
    due,
    { kind: 'advance' },
  ],
  [
    'no window open, immediately, but frozen',
    { ...begun, plan: planOf({ ifMissed: 'immediately' }) },
    wellDone,
    { ...closed, isFrozen: true },
    due,
    { kind: 'stay', because: 'frozen' },
  ],
  [
    'no window open, skip',
    { ...begun, plan: planOf({ ifMissed: 'skip' }) },
    wellDone,
    closed,
    due,
    { kind: 'park' },
  ],
  [
    'parked, and a window opens',
    moved({ ...begun, plan: planOf({ ifMissed: 'skip' }) }, 'park', due),
    wellDone,
    open,
    due,
    { kind: 'stay', because: 'missed', until: null },
  ],
  ['parked, and bad', moved(begun, 'park', due), bad, open, due, { kind: 'abort' }],
]

t.test('what comes next in a rollout', async (t) => {
  for (const [what, rollout, evidence, rules, at, move] of moves) {
    t.match(nextMove(rollout, evidence, rules, at), move, what)
  }
})

t.test('time in which the gateway was down does not count as holding', async (t) => {
  const spans = [
    { from: now - hour, lengthMs: 30 * minute },
    { from: now + minute, lengthMs: 5 * minute },
  ]
  t.equal(holdUntil(begun, spans), due + 5 * minute)
  t.match(nextMove(begun, wellDone, { ...open, spans }, due), { kind: 'stay', because: 'hold' })
  t.equal(earliestEnd(begun, spans), due + 25 * minute)
})

t.test(
  'over any history a rollout only grows its share, ends once, and ends whole or with nothing',
  async () => {
    const beats = fc.array(
      fc.record({
        ms: fc.integer({ min: 1, max: 40 * minute }),
        births: fc.nat(300),
        failed: fc.constantFrom(0, 0, 0, 90),
        isFrozen: fc.boolean(),
        isClosed: fc.boolean(),
      }),
      { maxLength: 40 },
    )
    fc.assert(
      fc.property(stepPlans, beats, (plan, history) => {
        let rollout = begunRollout(versions, plan, now)
        let at = now
        for (const { ms, births, failed, isFrozen, isClosed } of history) {
          at += ms
          const judged = { candidate: figuresOf(births, Math.min(failed, births)), stable: figuresOf(1000) }
          const rules = { ...(isClosed ? closed : open), isFrozen }
          const move = nextMove(rollout, { judged, birthsInStep: births }, rules, at)
          if (move.kind === 'abort') return births >= limits.minRequests && failed > 0
          if (move.kind === 'finish') return rollout.step === plan.steps.length - 1 && !isFrozen
          if (move.kind === 'stay') continue
          if (isFrozen || births < limits.minRequests) return false
          const next = moved(rollout, move.kind, at)
          if (candidateShare(next) < candidateShare(rollout) || next.step >= plan.steps.length) return false
          rollout = next
        }
        return true
      }),
    )
  },
)

// -- giving back because of health ------------------------------------------------------------------------------------

const policy = { deadAfterMs: minute } as HealthPolicy
const failing = (sinceMs: number, state: TargetHealth['state'] = 'unhealthy'): TargetHealth => ({
  state,
  streak: 3,
  failingSince: now - sinceMs,
  last: null,
})

t.test(
  'births are given back when every target has failed for ten seconds, or for a shorter deadAfter',
  async (t) => {
    t.notOk(hasFailed([failing(9_999)], policy, now))
    t.ok(hasFailed([failing(10_000)], policy, now))
    t.ok(hasFailed([failing(500)], { ...policy, deadAfterMs: 500 }, now))
    t.notOk(hasFailed([failing(minute), failing(0)], policy, now), 'one target has only begun to fail')
    t.notOk(hasFailed([failing(minute), { ...failing(0), failingSince: null }], policy, now))
    t.notOk(hasFailed([failing(minute, 'healthy')], policy, now), 'fewer failures than its threshold')
    t.notOk(hasFailed([failing(minute), null], policy, now), 'one is not probed yet')
    t.notOk(hasFailed([], policy, now))
  },
)

t.test('more than half of the releases failing together is the network', async (t) => {
  t.notOk(isNetworkIll(1, 1), 'of one release nothing can be said')
  t.notOk(isNetworkIll(1, 2), 'half')
  t.ok(isNetworkIll(2, 2))
  t.notOk(isNetworkIll(1, 3))
  t.ok(isNetworkIll(2, 3))
})

// -- requirements -------------------------------------------------------------------------------------------------------

const ranges: readonly [range: string, version: string, is: boolean | null][] = [
  ['>=3.1', '3.1.0', true],
  ['>=3.1', '3.0.9', false],
  ['>=3.1 <4', '3.11.0', true],
  ['>=3.1 <4', '4.0.0', false],
  ['^3.1', 'v3.2.0', true],
  ['>=3.1', '3.2.0-rc.1', false],
  ['>=3.2.0-rc.0', '3.2.0-rc.1', true],
  ['>=3.1', '3.1', null],
  ['>=3.1', '1.00C', null],
  ['*', 'a1b2c3', null],
]

t.test(
  'a range means what it means to npm, and says nothing of a version that is no semantic one',
  async (t) => {
    for (const [range, name, is] of ranges)
      t.equal(satisfies(version(name), range), is, `${name} in ${range}`)
  },
)

t.test(
  'a requirement holds for every active release of the other site, both arms of a rollout included',
  async (t) => {
    const sites: Readonly<Record<string, readonly ReleaseVersion[]>> = {
      none: [],
      one: [version('3.1.0')],
      both: [version('3.1.0'), version('4.0.0')],
      odd: [version('1.00C')],
    }
    const unmet = (site: string) =>
      unmetRequirements({ [site]: '>=3 <4' }, (name) => sites[name] ?? null).map(unmetText)
    t.same(unmet('one'), [])
    t.same(unmet('both'), ['needs "both" at ">=3 <4", active there is "4.0.0"'])
    t.same(unmet('none'), ['needs "none" at ">=3 <4", and no release is active there'])
    t.same(unmet('odd'), ['needs "odd" at ">=3 <4", and "1.00C", active there, is no semantic version'])
    t.same(unmet('gone'), ['needs "gone" at ">=3 <4", and there is no such site'])
  },
)

// -- the road book ------------------------------------------------------------------------------------------------------

t.test('the notes between two versions come in the order in which they come true', async (t) => {
  const notes = ['1', '2', '3', '4'].map((name) => ({ version: name, notes: `notes of ${name}` }))
  const road = (from: string | null, to: string) => roadBook(notes, from, to).map((note) => note.version)
  t.same(road('1', '3'), ['2', '3'], 'up: the target is the last')
  t.same(road('4', '2'), ['4', '3'], 'down: what is taken back, the newest first')
  t.same(road('2', '2'), [])
  t.same(road(null, '2'), ['2'])
  t.same(road('1', 'unknown'), [])
})
