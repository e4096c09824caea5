// Rollouts in a whole control plane: both arms active by shares, steps by holds and births, aborts with figures, what
// an operator, a file or a restart does in the middle. Also births given back because of health, and requirements.
import t from 'tap'
import { GatewayReader } from '../../gateway/controlplane/gateway-reader.js'
import { readLifecycle } from '../../gateway/controlplane/saved-state.js'
import { RuleRefusal } from '../../gateway/controlplane/rule-refusal.js'
import { latencyBoundsMs } from '../../gateway/domain/latency-buckets.js'
import type { Words } from '../fixtures/config-place.js'
import type { Owner } from '../fixtures/owner.js'
import { batchOf } from '../ledger/batches.js'
import { Machine, minute, promiseMs, type Run } from './harness.js'

const order = { by: 'the test', force: false }

const steps = [
  { share: '25%', hold: '10m' },
  { share: '50%', hold: '10m' },
]
const abortOn = { errorRate: '5%', minRequests: 20, window: '5m' }
const activate = { steps, abortOn }

interface Begun {
  readonly machine: Machine
  readonly run: Run
}

/** 1.0.0 is active, nothing in doubt, 2.0.0 was dropped with a plan in steps. */
async function begun(t: Owner, words: Words = {}, site: Words = {}): Promise<Begun> {
  const machine = new Machine(t, site)
  machine.drop('1.0.0')
  const run = await machine.boot()
  await run.pass(promiseMs + minute)
  machine.drop('2.0.0', { activate, ...words })
  await run.follow()
  return { machine, run }
}

/** Each worker saw so many more births on a release, each one request, some of them failed. */
function saw(run: Run, version: string, births: number, failed = 0): void {
  const { index } = run.release(version)
  const { first } = run
  const before = first.figures.get(index)
  const counts = new Map(before?.requests)
  counts.set(200, (counts.get(200) ?? 0) + births - failed)
  counts.set(502, (counts.get(502) ?? 0) + failed)
  const durations = before?.durations.slice() ?? []
  for (let bucket = 0; bucket <= latencyBoundsMs.length; bucket++) durations[bucket] ??= 0
  durations[4] = (durations[4] ?? 0) + births
  first.saw(index, { births: (before?.births ?? 0) + births, requests: [...counts], durations })
}

async function passed(run: Run, ms: number): Promise<void> {
  await run.pass(ms)
  await run.beat()
}

const shares = (run: Run): Record<string, number> =>
  Object.fromEntries((run.table.sites[0]?.releases ?? []).map(({ version, share }) => [version, share]))

function readerOf(run: Run): GatewayReader {
  return new GatewayReader({ plane: run.plane, startedAt: 0, publicUrl: () => '', usesGeneratedKeys: false })
}

const warnings = (run: Run, site = 'shop'): readonly string[] =>
  readerOf(run)
    .sites()
    .find((each) => each.site === site)?.warnings ?? []

/** The rule that refuses an order, and what it says. */
function refusalOf(act: () => unknown): { readonly rule: string; readonly message: string } | null {
  try {
    act()
    return null
  } catch (error) {
    if (error instanceof RuleRefusal) return { rule: error.rule, message: error.message }
    throw error
  }
}

const statusOf = (run: Run, version: string) =>
  readerOf(run)
    .releases('shop')
    ?.find((release) => release.version === version)

const eventsOf = (run: Run, type: string): readonly string[] =>
  run.machine.events.filter((event) => event.type === type).map(({ cause }) => cause)

t.test(
  'both arms are active, and births follow the share of each step until the candidate has them all',
  async (t) => {
    const { run } = await begun(t)
    t.same(run.states, ['1.0.0 active', '2.0.0 active'])
    t.same(shares(run), { '2.0.0': 0.25, '1.0.0': 0.75 })
    const { rolloutId } = run.table.sites[0] ?? {}
    saw(run, '2.0.0', 20)
    await passed(run, 10 * minute - 1)
    t.same(shares(run), { '2.0.0': 0.25, '1.0.0': 0.75 }, 'a millisecond before the hold is over')
    await passed(run, 1)
    t.same(shares(run), { '2.0.0': 0.5, '1.0.0': 0.5 })
    t.equal(run.table.sites[0]?.rolloutId, rolloutId, 'one rollout, one id')
    await passed(run, 20 * minute)
    t.same(shares(run), { '2.0.0': 0.5, '1.0.0': 0.5 }, 'nobody was born on it in this step')
    t.match(readerOf(run).sites()[0]?.rollout, {
      step: 2,
      text: 'step 2 of 2, 50% of the births, 0 of 20 births judged, then all',
    })
    saw(run, '2.0.0', 20)
    await passed(run, 1000)
    t.same(run.states, ['1.0.0 draining', '2.0.0 active'])
    t.same(shares(run), { '2.0.0': 1, '1.0.0': 0 })
    t.not(run.table.sites[0]?.rolloutId, rolloutId)
    t.equal(run.site.rollout, null)
    t.match(eventsOf(run, 'rollout-started'), [/^step 1 of 2: 25% of the births; "1.0.0" keeps the rest$/])
    t.match(eventsOf(run, 'rollout-step'), ['step 2 of 2: 50% of the births'])
    t.match(eventsOf(run, 'rollout-finished'), [/^every step has passed; "2.0.0": 20 births/])
  },
)

t.test(
  'the candidate gets no birth before every worker serves it, and none is without a release on the way',
  async (t) => {
    const machine = new Machine(t)
    machine.drop('1.0.0')
    const run = await machine.boot({ workers: 2 })
    const [, slow] = run.workers
    if (slow === undefined) throw new Error('no second worker')
    slow.isPrompt = false
    machine.drop('2.0.0', { activate })
    await run.follow()
    t.same(shares(run), { '2.0.0': 0, '1.0.0': 1 })
    slow.take(run.latest)
    await run.settled()
    t.same(shares(run), { '2.0.0': 0.25, '1.0.0': 0.75 })
    const first = run.published.findIndex(({ table }) =>
      table.sites[0]?.releases.some(({ share }) => share > 0),
    )
    for (const { table } of run.published.slice(first)) {
      const sum = table.sites[0]?.releases.reduce((all, { share }) => all + share, 0)
      t.equal(sum, 1, `publication ${table.generation}`)
    }
  },
)

t.test(
  'a candidate that fails more than is tolerated loses its births at once, with the figures of both arms',
  async (t) => {
    const { run } = await begun(t)
    saw(run, '1.0.0', 300, 3)
    saw(run, '2.0.0', 19, 19)
    await passed(run, minute)
    t.same(run.states, ['1.0.0 active', '2.0.0 active'], 'too few to judge')
    saw(run, '2.0.0', 21)
    await passed(run, minute)
    t.same(run.states, ['1.0.0 active', '2.0.0 draining'])
    t.same(shares(run), { '2.0.0': 0, '1.0.0': 1 })
    t.same(eventsOf(run, 'rollout-aborted'), [
      'error rate 47.5% against 1%, tolerated 5% more; ' +
        '"2.0.0": 40 births, 40 requests, 19 failed (47.5%), p95 24 ms; ' +
        '"1.0.0": 300 births, 300 requests, 3 failed (1%), p95 24 ms; its sessions stay',
    ])
    t.match(run.release('2.0.0'), { wasGivenUp: true, state: { because: 'aborted' } })
    for (const ms of [promiseMs, 1000, 1000]) await passed(run, ms)
    t.same(run.states, ['1.0.0 active', '2.0.0 retired'], 'and retires when nobody is left')
    const refused = refusalOf(() => run.plane.controller.orders.rollback(run.site, { ...order, to: null }))
    t.equal(refused?.rule, 'rollback-needs-former', 'nobody goes back to it but by name')
  },
)

t.test('what the candidate answered before its rollout is not judged', async (t) => {
  const { machine, run } = await begun(t, { activate: 'manual' })
  saw(run, '2.0.0', 100, 100)
  await passed(run, 1000)
  machine.drop('2.0.0', { activate })
  await run.follow()
  await passed(run, 1000)
  saw(run, '2.0.0', 30)
  await passed(run, 1000)
  t.same(shares(run), { '2.0.0': 0.25, '1.0.0': 0.75 })
})

t.test('onAbort: move orders those who were born on it back, where the rule lets them', async (t) => {
  for (const [rollbackTo, order_, told] of [
    ['1.0.0', { to: '1.0.0', because: 'abort', isForced: false }, /; its sessions move to "1.0.0"$/],
    [undefined, null, /; its sessions stay, as "rollbackTo" does not let them go back to "1.0.0"$/],
  ] as const) {
    const words = { onAbort: 'move', ...(rollbackTo !== undefined && { rollbackTo }) }
    const { run } = await begun(t, words)
    run.first.saw(run.release('2.0.0').index, { exchangesOpen: 1 })
    saw(run, '2.0.0', 40, 30)
    await passed(run, minute)
    t.same(run.states, ['1.0.0 active', '2.0.0 draining'])
    t.match(run.release('2.0.0').moveOrder, order_)
    t.match(eventsOf(run, 'rollout-aborted'), [told])
    run.plane.controller.orders.activate(run.site, run.release('2.0.0'), order)
    t.equal(run.release('2.0.0').moveOrder, null, 'made active after all it keeps them')
  }
})

t.test('an operator ends a rollout either way, and each way says who', async (t) => {
  const ways: [what: string, act: (run: Run) => unknown, states: string[], event: string][] = [
    [
      'activate the candidate',
      (run) => run.plane.controller.orders.activate(run.site, run.release('2.0.0'), order),
      ['1.0.0 draining', '2.0.0 active'],
      'rollout-finished',
    ],
    [
      'activate the stable release',
      (run) => run.plane.controller.orders.activate(run.site, run.release('1.0.0'), order),
      ['1.0.0 active', '2.0.0 draining'],
      'rollout-aborted',
    ],
    [
      'rollback',
      (run) => run.plane.controller.orders.rollback(run.site, { ...order, to: null }),
      ['1.0.0 active', '2.0.0 draining'],
      'rollout-aborted',
    ],
    [
      'drain the candidate',
      (run) => run.plane.controller.orders.drain(run.site, run.release('2.0.0'), order),
      ['1.0.0 active', '2.0.0 draining'],
      'rollout-aborted',
    ],
    [
      'drain the stable release',
      (run) => run.plane.controller.orders.drain(run.site, run.release('1.0.0'), order),
      ['1.0.0 draining', '2.0.0 active'],
      'rollout-finished',
    ],
  ]
  for (const [what, act, states, event] of ways) {
    const { run } = await begun(t)
    act(run)
    await run.settled()
    t.same(run.states, states, what)
    t.match(eventsOf(run, event), [/the test/], what)
    t.equal(
      Object.values(shares(run)).reduce((sum, share) => sum + share, 0),
      1,
      what,
    )
    await passed(run, 1000)
    t.same(
      run.states.filter((state) => state.includes('active')),
      states.filter((state) => state.includes('active')),
    )
  }
})

t.test('a rollout can be aborted by hand while a target of the stable release is ill', async (t) => {
  const { machine, run } = await begun(t)
  machine.down.add('http://1.0.0:1')
  const health = () => run.plane.prober.healthOf(run.release('1.0.0').index, 'http://1.0.0:1' as never)
  await run.probed('it fails', () => health()?.state === 'unhealthy')
  run.plane.controller.orders.rollback(run.site, { ...order, to: null })
  t.same(run.states, ['1.0.0 active', '2.0.0 draining'])
})

t.test('a file that goes ends its rollout, and dropped again it does not come back by itself', async (t) => {
  const { machine, run } = await begun(t)
  machine.withdraw('2.0.0')
  await run.follow()
  t.same(run.states, ['1.0.0 active', '2.0.0 draining withdrawn'])
  t.match(eventsOf(run, 'rollout-aborted'), [/is gone/])
  machine.drop('2.0.0', { activate })
  await run.follow()
  t.same(run.states, ['1.0.0 active', '2.0.0 draining'])
  machine.withdraw('2.0.0')
  await run.follow()
  machine.drop('2.0.0', { activate, notes: 'mended' })
  await run.follow()
  await run.probed('it is tried anew', () => run.site.rollout !== null)
  t.same(shares(run), { '2.0.0': 0.25, '1.0.0': 0.75 }, 'another content is another try')
  machine.withdraw('1.0.0')
  await run.follow()
  t.same(
    run.states,
    ['1.0.0 draining withdrawn', '2.0.0 active'],
    'without the stable release the candidate has all',
  )
  t.same(shares(run), { '2.0.0': 1, '1.0.0': 0 })
})

t.test('the site that goes takes its rollout with it', async (t) => {
  const { machine, run } = await begun(t)
  machine.files.delete('sites/shop/site.yaml')
  await run.follow()
  await passed(run, 1000)
  t.same(run.states, ['1.0.0 retirable withdrawn', '2.0.0 retirable withdrawn'])
  t.equal(run.site.rollout, null)
})

t.test('an edit of the plan changes nothing in the rollout that it began', async (t) => {
  const { machine, run } = await begun(t)
  machine.drop('2.0.0', { activate: { steps: [{ share: '99%', hold: 'immediately' }] } })
  await run.follow()
  await passed(run, 1000)
  t.same(shares(run), { '2.0.0': 0.25, '1.0.0': 0.75 })
})

t.test('a newer automatic release takes the place of both arms; another one in steps waits', async (t) => {
  const { machine, run } = await begun(t)
  machine.drop('3.0.0', { activate })
  await run.follow()
  t.match(warnings(run), ['"3.0.0" stays staged: the rollout of "2.0.0" goes on'])
  machine.drop('1.5.0')
  await run.follow()
  t.match(warnings(run)[1], /"1.5.0" stays staged: "activate: auto" never goes below the active "2.0.0"/)
  machine.drop('4.0.0')
  await run.follow()
  t.same(run.states, ['1.0.0 draining', '2.0.0 draining', '3.0.0 staged', '1.5.0 staged', '4.0.0 active'])
  t.match(eventsOf(run, 'rollout-ended'), [/^"4.0.0" takes its place: activate: auto/])
  run.plane.controller.orders.rollback(run.site, { ...order, to: null })
  t.match(
    run.states,
    ['1.0.0 active', '2.0.0 draining'],
    'back to what was good, not to what was being tried',
  )
})

t.test('a freeze and a closed window hold a rollout where it is; going back is free', async (t) => {
  const { machine, run } = await begun(t)
  saw(run, '2.0.0', 20)
  run.plane.controller.orders.freeze(run.site, order)
  await passed(run, 11 * minute)
  t.same(shares(run), { '2.0.0': 0.25, '1.0.0': 0.75 })
  t.match(statusOf(run, '2.0.0')?.rollout?.text, /held: the site is frozen/)
  const windows = [{ days: ['mon'], from: '03:00', to: '03:01', zone: 'UTC' }]
  machine.site({ windows })
  await run.follow()
  run.plane.controller.orders.unfreeze(run.site, order)
  await passed(run, minute)
  t.same(shares(run), { '2.0.0': 0.25, '1.0.0': 0.75 })
  t.match(statusOf(run, '2.0.0')?.rollout?.text, /held: no window is open until 20/)
  run.plane.controller.orders.rollback(run.site, { ...order, to: null })
  t.same(run.states, ['1.0.0 active', '2.0.0 draining'])
})

t.test(
  'steps wait for a stable release, and are refused where nothing could be given back to it',
  async (t) => {
    const machine = new Machine(t)
    machine.drop('2.0.0', { activate })
    const run = await machine.boot()
    t.same(run.states, ['2.0.0 staged'])
    t.match(warnings(run), [
      /new visitors get 503; "2\.0\.0" is staged: `amarre activate shop 2\.0\.0` gives it births/,
      /stays staged: no release is active to be compared with/,
    ])
    const { machine: other, run: barred } = await begun(t, { rollbackTo: '1.5.0' })
    t.same(barred.states, ['1.0.0 active', '2.0.0 staged'])
    t.match(warnings(barred), [/data that "2.0.0" has written needs "1.5.0" or later/])
    other.drop('2.0.0', { activate, rollbackTo: '1.0.0' })
    await barred.follow()
    t.same(shares(barred), { '2.0.0': 0.25, '1.0.0': 0.75 })
  },
)

t.test(
  'a restart in the middle goes on at the same step; the time it was down and the figures before do not count',
  async (t) => {
    const { machine, run } = await begun(t)
    saw(run, '2.0.0', 20)
    await passed(run, 10 * minute)
    t.same(shares(run), { '2.0.0': 0.5, '1.0.0': 0.5 })
    saw(run, '2.0.0', 20)
    await passed(run, 5 * minute)
    await run.stop()
    machine.monotonic += 30 * minute
    const again = await machine.boot()
    t.same(shares(again), { '2.0.0': 0.5, '1.0.0': 0.5 })
    saw(again, '2.0.0', 20)
    await passed(again, 5 * minute - 1000)
    t.same(shares(again), { '2.0.0': 0.5, '1.0.0': 0.5 }, 'half of the hold was still to come')
    await passed(again, 1000)
    t.same(again.states, ['1.0.0 draining', '2.0.0 active'])
  },
)

t.test('a killed gateway comes back with its rollout too, and with who was given up', async (t) => {
  const { machine, run } = await begun(t)
  await run.beat()
  await run.kill()
  const again = await machine.boot()
  t.same(shares(again), { '2.0.0': 0.25, '1.0.0': 0.75 })
  again.plane.controller.orders.rollback(again.site, { ...order, to: null })
  await again.settled()
  await again.kill()
  const third = await machine.boot()
  t.same(third.states, ['1.0.0 active', '2.0.0 draining'])
  t.equal(third.release('2.0.0').wasGivenUp, true)
})

t.test('a state of version 1 is read: it knew no rollouts', async (t) => {
  const { machine, run } = await begun(t, { activate: 'manual' })
  await run.stop()
  const saved = structuredClone(machine.documents.get('lifecycle')) as {
    version: number
    register: { sites: { rollout?: unknown; releases: { wasGivenUp?: unknown }[] }[] }
  }
  saved.version = 1
  for (const site of saved.register.sites) {
    delete site.rollout
    for (const release of site.releases) delete release.wasGivenUp
  }
  machine.documents.set('lifecycle', saved)
  const read = readLifecycle(machine.store(() => true))
  t.match(read, {
    version: 3,
    register: { sites: [{ rollout: null, releases: [{ wasGivenUp: false }, {}] }] },
  })
  const again = await machine.boot()
  t.same(again.states, ['1.0.0 active', '2.0.0 staged'])
})

// -- births given back because of health ------------------------------------------------------------------------------

/** 3.0.0 is active after 2.0.0 and 1.0.0; its targets no longer answer, and probes have seen it. */
async function failing(t: Owner, words: Words = {}, others: readonly string[] = []): Promise<Begun> {
  const { machine, run } = await begun(t, { activate: 'auto' })
  saw(run, '1.0.0', 1)
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
  run.first.saw(run.release('2.0.0').index, { exchangesOpen: 1 })
  machine.monotonic++
  machine.drop('3.0.0', words)
  await run.follow()
  run.first.saw(run.release('3.0.0').index, { exchangesOpen: 1 })
  for (const version of ['3.0.0', ...others]) machine.down.add(`http://${version}:1`)
  for (const version of ['3.0.0', ...others]) {
    const health = () => run.plane.prober.healthOf(run.release(version).index, `http://${version}:1` as never)
    await run.probed(`${version} is seen to fail`, () => health()?.state === 'unhealthy')
  }
  return { machine, run }
}

t.test(
  'an active release whose targets all fail gives its births back, and does not take them again by itself',
  async (t) => {
    const { machine, run } = await failing(t)
    await passed(run, 9_000)
    t.match(run.states, ['1.0.0 draining', '2.0.0 draining', '3.0.0 active'], 'not in its first ten seconds')
    await passed(run, 1_000)
    t.match(run.states, ['1.0.0 draining', '2.0.0 active', '3.0.0 draining'])
    t.match(eventsOf(run, 'births-given-back'), ['every target of "3.0.0" fails: "2.0.0" has them'])
    machine.down.clear()
    const health = () => run.plane.prober.healthOf(run.release('3.0.0').index, 'http://3.0.0:1' as never)
    await run.probed('it answers again', () => health()?.state === 'healthy')
    await passed(run, minute)
    t.match(run.states, ['1.0.0 draining', '2.0.0 active', '3.0.0 draining'], 'nor when it answers again')
    machine.down.add('http://2.0.0:1')
    const next = () => run.plane.prober.healthOf(run.release('2.0.0').index, 'http://2.0.0:1' as never)
    await run.probed('the heir fails too', () => next()?.state === 'unhealthy')
    await passed(run, 10_000)
    t.match(
      run.states,
      ['1.0.0 active', '2.0.0 draining', '3.0.0 draining'],
      'what was given up inherits nothing, however well it answers',
    )
    const refused = refusalOf(() => run.plane.controller.orders.rollback(run.site, { ...order, to: null }))
    t.equal(refused?.rule, 'rollback-needs-former', 'going back passes over it')
    run.plane.controller.orders.activate(run.site, run.release('3.0.0'), order)
    t.match(run.states, ['1.0.0 draining', '2.0.0 draining', '3.0.0 active'], 'an operator may')
    t.equal(run.release('3.0.0').wasGivenUp, false)
  },
)

t.test('births stay, with an alarm, where the data rule forbids to go back', async (t) => {
  const { run } = await failing(t, { rollbackTo: '3.0.0' })
  for (let i = 0; i < 3; i++) await passed(run, minute)
  t.match(run.states, ['1.0.0 draining', '2.0.0 draining', '3.0.0 active'])
  const cause = /^every target of "3.0.0" fails, and births stay: "2.0.0" may not follow: data that "3.0.0"/
  t.match(eventsOf(run, 'births-stranded'), [cause])
  t.equal(eventsOf(run, 'births-stranded').length, 1, 'said once')
  t.match(warnings(run), [cause])
  t.equal(
    readerOf(run)
      .reading()
      .releases.find(({ version }) => version === '3.0.0')?.isStranded,
    true,
  )
})

t.test('when more than half of the releases fail together nothing is given back', async (t) => {
  const { run } = await failing(t, {}, ['2.0.0'])
  await passed(run, minute)
  t.match(run.states, ['1.0.0 draining', '2.0.0 draining', '3.0.0 active'])
  t.match(eventsOf(run, 'births-stranded'), [/as 2 of 3 releases do: it may be the gateway's own network/])
})

t.test(
  'a candidate whose targets fail loses its rollout; a failing stable release does not make it win',
  async (t) => {
    for (const [ill, states] of [
      ['2.0.0', ['1.0.0 active', '2.0.0 draining']],
      ['1.0.0', ['1.0.0 active', '2.0.0 active']],
    ] as const) {
      const { machine, run } = await begun(t)
      machine.down.add(`http://${ill}:1`)
      const health = () => run.plane.prober.healthOf(run.release(ill).index, `http://${ill}:1` as never)
      await run.probed('it fails', () => health()?.state === 'unhealthy')
      await passed(run, 10_000)
      t.same(run.states, states, ill)
    }
  },
)

/** A target of the last good release is ill, and every target of the active one, or of the candidate. */
async function onlyIllHeirs(t: Owner, plan: Words): Promise<Run> {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  const run = await machine.boot()
  await run.pass(promiseMs + minute)
  for (const [version, words] of [
    ['2.0.0', {}],
    ['3.0.0', plan],
  ] as const) {
    machine.monotonic++
    machine.drop(version, { targets: [`http://${version}:1`, `http://${version}:2`], ...words })
    await run.follow()
    run.first.saw(run.release('2.0.0').index, { exchangesOpen: 1 })
  }
  machine.withdraw('1.0.0')
  await run.follow()
  for (const [version, url] of [
    ['2.0.0', 'http://2.0.0:1'],
    ['3.0.0', 'http://3.0.0:1'],
    ['3.0.0', 'http://3.0.0:2'],
  ] as const) {
    machine.down.add(url)
    const health = () => run.plane.prober.healthOf(run.release(version).index, url as never)
    await run.probed(`${url} is seen to fail`, () => health()?.state === 'unhealthy')
  }
  await passed(run, 10_000)
  return run
}

t.test(
  'a failing release gives its births to one of which a part is well, rather than to none',
  async (t) => {
    for (const plan of [{ activate: 'auto' }, { activate }]) {
      const run = await onlyIllHeirs(t, plan)
      t.match(run.release('2.0.0').state.name, 'active', JSON.stringify(plan))
      t.equal(run.release('3.0.0').state.name, 'draining')
      t.same(eventsOf(run, 'births-stranded'), [])
      await run.end()
    }
  },
)

t.test('a failing candidate gives its births to the other arm, before any former release', async (t) => {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  const run = await machine.boot()
  await run.pass(promiseMs + minute)
  machine.monotonic++
  machine.drop('2.0.0', { targets: ['http://2.0.0:1', 'http://2.0.0:2'] })
  await run.follow()
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
  machine.monotonic++
  machine.drop('3.0.0', { activate })
  await run.follow()
  t.same(run.states, ['1.0.0 draining', '2.0.0 active', '3.0.0 active'])
  for (const [version, url] of [
    ['2.0.0', 'http://2.0.0:1'],
    ['3.0.0', 'http://3.0.0:1'],
  ] as const) {
    machine.down.add(url)
    const health = () => run.plane.prober.healthOf(run.release(version).index, url as never)
    await run.probed(`${url} is seen to fail`, () => health()?.state === 'unhealthy')
  }
  await passed(run, 10_000)
  t.same(run.states, ['1.0.0 draining', '2.0.0 active', '3.0.0 draining'], 'a target of it is well')
})

// -- requirements -------------------------------------------------------------------------------------------------------

t.test(
  'a release whose requirement is unmet waits, says why, is refused to operators, and boards by itself when it is met',
  async (t) => {
    const machine = new Machine(t, { hosts: ['shop.test'] })
    machine.neighbour('billing', '3.0.0')
    machine.drop('1.0.0')
    const run = await machine.boot()
    await run.pass(promiseMs + minute)
    machine.drop('2.0.0', { requires: { billing: '>=3.1 <4' } })
    await run.follow()
    t.same(run.states, ['1.0.0 active', '2.0.0 staged'])
    const unmet = 'needs "billing" at ">=3.1 <4", active there is "3.0.0"'
    t.match(warnings(run), [`"2.0.0" stays staged: "2.0.0" ${unmet}`])
    t.throws(() => run.plane.controller.orders.activate(run.site, run.release('2.0.0'), order), {
      rule: 'requires-unmet',
      message: `"2.0.0" ${unmet}`,
    })
    machine.neighbour('billing', '3.1.0')
    await run.follow()
    await run.probed('it boards', () => run.release('2.0.0').state.name === 'active')
    t.same(eventsOf(run, 'requirement-unmet'), [])
    machine.neighbour('billing', '4.0.0')
    await run.follow()
    await passed(run, 1000)
    t.match(eventsOf(run, 'requirement-unmet'), [
      /"2.0.0" needs "billing" at ">=3.1 <4", active there is "4.0.0"/,
    ])
    t.match(warnings(run)[0], /"2.0.0" needs "billing"/)
    const reading = readerOf(run)
      .reading()
      .releases.find(({ site, version }) => site === 'shop' && version === '2.0.0')
    t.match(reading?.requirements, [{ site: 'billing', isMet: false }])
  },
)

t.test('an order may be forced against a requirement, which is an event of its own', async (t) => {
  const machine = new Machine(t, { hosts: ['shop.test'] })
  machine.neighbour('billing', '3.0.0')
  machine.drop('1.0.0')
  machine.drop('2.0.0', { requires: { billing: '>=3.1' }, activate: 'manual' })
  const run = await machine.boot()
  run.plane.controller.orders.activate(run.site, run.release('2.0.0'), { ...order, force: true })
  t.same(run.states, ['1.0.0 draining', '2.0.0 active'])
  t.match(eventsOf(run, 'forced'), [/against "requires-unmet"/])
})

// -- plans --------------------------------------------------------------------------------------------------------------

/** 1.0.0 drains, 2.0.0 is active, each with a session; 3.0.0 and others are staged; billing is there. */
async function planned(t: Owner): Promise<Begun> {
  const machine = new Machine(t, { hosts: ['shop.test'], retain: { previous: 1 } })
  machine.neighbour('billing', '3.0.0', { requires: { shop: '<2.4' } })
  machine.drop('1.0.0')
  const run = await machine.boot()
  machine.monotonic++
  machine.drop('2.0.0', { rollbackTo: '1.0.0', notes: 'two' })
  await run.follow()
  machine.drop('2.2.0', { activate: 'manual', notes: 'two and a bit\n' })
  machine.drop('2.4.0', {
    activate,
    notes: 'faster',
    compatibleFrom: '2.0.0',
    takeOver: 'onDocument',
    rollbackTo: '2.0.0',
    requires: { billing: '>=3.1' },
  })
  await run.follow()
  const until = run.clock.now() + promiseMs
  await run.pass(1000, {
    touched: batchOf([
      { high: 0, low: 1, release: run.release('1.0.0').index, bornAt: run.clock.now(), until },
      { high: 0, low: 2, release: run.release('2.0.0').index, bornAt: run.clock.now(), until },
      { high: 0, low: 3, release: run.release('2.0.0').index, bornAt: run.clock.now(), until },
    ]),
  })
  return { machine, run }
}

t.test('a plan says what an activation would do, and does nothing', async (t) => {
  const { run } = await planned(t)
  const before = JSON.stringify(run.plane.register.save())
  const plan = readerOf(run).plan('shop', '2.4.0')
  t.match(plan, {
    state: 'staged',
    active: ['2.0.0'],
    boarding: {
      text: 'by itself, but waits: "2.4.0" needs "billing" at ">=3.1", active there is "3.0.0" (activate: in steps, 25% for 10m, 50% for 10m, then all)',
    },
    refusals: [{ rule: 'requires-unmet' }],
    sessions: {
      staying: 1,
      moving: 2,
      movable: 2,
      of: [
        { version: '2.0.0', active: 2, compatible: true, moves: 'onDocument' },
        { version: '1.0.0', active: 1, compatible: false, moves: 'never' },
      ],
    },
    previous: '2.0.0',
    retention: { former: ['2.0.0', '1.0.0'], limit: 1, overflowing: ['1.0.0'], onOverflow: 'keep' },
    requirements: [{ site: 'billing', range: '>=3.1', met: false }],
    unmet: ['needs "billing" at ">=3.1", active there is "3.0.0"'],
    breaks: ['"3.0.0" of "billing" needs "shop" at "<2.4"'],
    goingBack: { rollbackTo: '2.0.0', barred: ['1.0.0'] },
    road: {
      direction: 'up',
      notes: [
        { version: '2.2.0', notes: 'two and a bit' },
        { version: '2.4.0', notes: 'faster' },
      ],
    },
  })
  t.equal(JSON.stringify(run.plane.register.save()), before)
  t.equal(readerOf(run).plan('shop', '9.9.9'), null)
  t.equal(readerOf(run).plan('nosuch', '2.4.0'), null)
})

t.test('a plan of a version below the active one tells what is taken back', async (t) => {
  const { run } = await planned(t)
  const back = readerOf(run).plan('shop', '1.0.0')
  t.match(back, {
    state: 'draining',
    boarding: { text: /^by an order of an operator/ },
    refusals: [],
    previous: '2.0.0',
    retention: { former: ['2.0.0'], overflowing: [] },
    road: { direction: 'down', notes: [{ version: '2.0.0', notes: 'two' }] },
  })
  t.match(readerOf(run).plan('shop', '2.2.0')?.boarding, {
    text: /^by an order of an operator \(activate: manual\)$/,
  })
})

t.test('a plan tells when a release would board: its instant, its window, a freeze', async (t) => {
  const { machine, run } = await begun(t, { activate: 'manual' })
  const at = new Date(run.clock.now() + 60 * minute).toISOString()
  machine.drop('2.0.0', { activate: { at } })
  await run.follow()
  t.match(readerOf(run).plan('shop', '2.0.0')?.boarding, { at, text: /its instant has not come until/ })
  machine.drop('2.0.0', { activate: 'auto' })
  machine.site({ windows: [{ days: ['mon'], from: '03:00', to: '03:01', zone: 'UTC' }] })
  await run.follow()
  const waiting = readerOf(run).plan('shop', '2.0.0')
  t.match(waiting?.boarding, { at: /T03:00:00.000Z$/, text: /by itself, but waits: no window is open until/ })
  t.match(waiting?.refusals, [{ rule: 'closed-window' }])
  run.plane.controller.orders.freeze(run.site, order)
  t.match(readerOf(run).plan('shop', '2.0.0'), {
    boarding: { text: /the site is frozen/ },
    refusals: [{ rule: 'site-frozen' }],
  })
})
