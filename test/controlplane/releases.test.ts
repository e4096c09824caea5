// The life of releases in a whole control plane: births change hands without a gap, what stands by or is leaving is
// known as that, and nothing is called retirable that a worker may still touch.
import t from 'tap'
import { GatewayReader } from '../../gateway/controlplane/gateway-reader.js'
import { buildRoutingTable } from '../../gateway/domain/routing-table.js'
import type { Owner } from '../fixtures/owner.js'
import { hour, Machine, minute, promiseMs, shop, type Run } from './harness.js'

const order = { by: 'test', force: false }

interface Begun {
  readonly machine: Machine
  readonly run: Run
}

/** 1.0.0 is active, and nothing is in doubt any more. */
async function begun(t: Owner, { site = {}, workers = 1 } = {}): Promise<Begun> {
  const machine = new Machine(t, site)
  machine.drop('1.0.0')
  const run = await machine.boot({ workers })
  await run.pass(promiseMs + minute)
  return { machine, run }
}

/** A newer release has taken its place; workers have reported since. */
async function superseded(t: Owner, around = {}): Promise<Begun> {
  const { machine, run } = await begun(t, around)
  machine.drop('2.0.0')
  await run.follow()
  return { machine, run }
}

const retirableOf = (run: Run, version: string): number | undefined => {
  const reader = new GatewayReader({
    plane: run.plane,
    startedAt: 0,
    publicUrl: () => '',
    usesGeneratedKeys: false,
  })
  return reader.reading().releases.find((release) => release.version === version)?.retirable
}

t.test(
  'a superseded release is not retirable before every worker has reported by a table in which it gives no births',
  async (t) => {
    const { machine, run } = await begun(t, { workers: 2 })
    machine.drop('2.0.0', { activate: 'manual' })
    await run.follow()
    t.same(run.states, ['1.0.0 active', '2.0.0 staged'])
    const [, slow] = run.workers
    if (slow === undefined) throw new Error('no second worker')
    slow.isPrompt = false
    run.plane.controller.orders.activate(run.site, run.release('2.0.0'), order)
    for (let i = 0; i < 3; i++) await run.pass(1000)
    t.equal(run.verdictWords('1.0.0'), 'blocked accepts-births', 'one worker may still give it births')
    t.same(run.states, ['1.0.0 draining', '2.0.0 active'])
    slow.saw(run.release('1.0.0').index, { births: 1, birthsUntil: run.clock.now() + promiseMs })
    slow.take(run.latest)
    run.plane.judge()
    t.equal(run.verdictWords('1.0.0'), 'blocked accepts-births', 'it has not reported since')
    await run.pass(1000)
    t.equal(run.verdictWords('1.0.0'), 'blocked births', 'and then the birth is known')
    await run.pass(promiseMs)
    t.same(run.states, ['1.0.0 retirable', '2.0.0 active'])
  },
)

t.test('a release that stands by is blocked, its metric 0, however long nobody is on it', async (t) => {
  const { machine, run } = await begun(t)
  machine.down.add('http://2.0.0:1')
  machine.drop('2.0.0')
  machine.drop('3.0.0', { activate: 'manual' })
  await run.follow()
  for (const ms of [0, 1000, promiseMs, hour]) {
    await run.pass(ms)
    t.same(run.states, ['1.0.0 active', '2.0.0 checking', '3.0.0 staged'])
    for (const version of ['2.0.0', '3.0.0']) {
      t.equal(run.verdictWords(version), 'blocked standing-by')
      t.equal(retirableOf(run, version), 0)
    }
  }
})

/** 1.0.0 is retirable and in no table any more, but not every worker has taken that one. */
async function leaving(t: Owner): Promise<Begun> {
  const { machine, run } = await superseded(t)
  run.first.isPrompt = false
  // The worker serves on, and takes nothing else.
  for (let i = 0; i < 3; i++) {
    run.first.take(run.latest)
    await run.pass(1000)
    if (run.served('1.0.0') === null) break
  }
  if (run.served('1.0.0') !== null) throw new Error('1.0.0 is not leaving')
  return { machine, run }
}

t.test(
  'a release that is leaving and is made active again is served first, then accepts births',
  async (t) => {
    const { machine, run } = await leaving(t)
    t.same(run.states, ['1.0.0 retirable', '2.0.0 active'])
    run.first.take(run.latest)
    machine.withdraw('2.0.0')
    await run.follow()
    t.same(run.states, ['1.0.0 active', '2.0.0 draining withdrawn'])
    t.match(run.served('1.0.0'), { share: 0 }, 'the worker does not serve it')
    t.match(run.served('2.0.0'), { share: 1 }, 'births stay meanwhile')
    run.first.take(run.latest)
    await run.settled()
    t.match(run.served('1.0.0'), { share: 1 })
    t.match(run.served('2.0.0'), { share: 0 })
    run.first.take(run.latest)
    await run.pass(1000)
    t.equal(run.verdictWords('1.0.0'), 'blocked accepts-births')
    await run.pass(hour)
    t.match(run.states[0], '1.0.0 active')
    t.match(run.served('1.0.0'), { share: 1 })
  },
)

t.test(
  'nobody comes back to a release that is about to leave, or he would be refused when it has left',
  async (t) => {
    const { run } = await superseded(t)
    run.first.isPrompt = false
    await run.pass(1000)
    t.match(run.served('1.0.0'), { isClosing: true })
    for (let i = 0; i < 3; i++) await run.pass(1000)
    t.match(run.served('1.0.0'), { isClosing: true }, 'a worker may still let somebody come back')
    run.first.take(run.latest)
    run.first.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
    await run.pass(1000)
    t.same(run.states, ['1.0.0 draining', '2.0.0 active'], 'as it did')
    t.notOk(run.served('1.0.0')?.isClosing)
    run.first.isPrompt = true
    run.first.take(run.latest)
    run.first.saw(run.release('1.0.0').index, { exchangesOpen: 0 })
    for (let i = 0; i < 4; i++) await run.pass(promiseMs)
    t.same(run.states, ['1.0.0 retired', '2.0.0 active'])
  },
)

t.test('a release that is leaving stays when somebody is on it after all', async (t) => {
  const { run } = await leaving(t)
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
  await run.pass(1000)
  t.same(run.states, ['1.0.0 draining', '2.0.0 active'])
  t.not(run.served('1.0.0'), null, 'served again')
})

t.test(
  'a file removed and dropped again unchanged before its activation is checked and goes live as before',
  async (t) => {
    const { machine, run } = await begun(t)
    machine.down.add('http://2.0.0:1')
    machine.drop('2.0.0')
    await run.follow()
    machine.withdraw('2.0.0')
    await run.follow()
    t.same(run.states, ['1.0.0 active', '2.0.0 draining withdrawn'])
    machine.drop('2.0.0')
    await run.follow()
    t.same(run.states, ['1.0.0 active', '2.0.0 checking'], 'checked, whatever it was called meanwhile')
    machine.down.clear()
    await run.probed('2.0.0 goes live', () => run.release('2.0.0').state.name === 'active')
    t.same(run.states, ['1.0.0 draining', '2.0.0 active'])
  },
)

t.test('one that was staged by hand and comes back waits for the same hand', async (t) => {
  const { machine, run } = await begun(t)
  machine.drop('2.0.0', { activate: 'manual' })
  await run.follow()
  machine.withdraw('2.0.0')
  await run.follow()
  machine.drop('2.0.0', { activate: 'manual' })
  await run.follow()
  await run.probed('it is staged', () => run.release('2.0.0').state.name === 'staged')
  t.same(run.states, ['1.0.0 active', '2.0.0 staged'])
})

t.test(
  'all targets of a live release replaced: the old ones serve until one new one has proved itself',
  async (t) => {
    const { machine, run } = await begun(t)
    const [next, other] = ['http://next:1', 'http://other:1'] as const
    machine.down.add(next).add(other)
    machine.drop('1.0.0', { targets: [next, other] })
    await run.follow()
    const usable = () =>
      buildRoutingTable(run.table)
        .siteNamed(shop)
        ?.releases[0]?.usableTargets.map(({ url }) => url)
    t.same(usable(), ['http://1.0.0:1'])
    machine.drop('1.0.0', { targets: [next, other], notes: 'another edit' })
    await run.follow()
    await run.pass(hour)
    t.same(usable(), ['http://1.0.0:1'], 'however long that takes, and however often it is edited')
    machine.down.delete(next)
    await run.probed('one has proved itself', () => usable()?.join() === next)
    t.same(usable(), [next])
    t.same(
      run.served('1.0.0')?.targets.map(({ url }) => url),
      [next, other],
    )
  },
)

t.test('targets replaced while the gateway was down have to prove themselves like any other', async (t) => {
  const { machine, run } = await begun(t)
  await run.stop()
  machine.down.add('http://next:1')
  machine.drop('1.0.0', { targets: ['http://next:1'] })
  const again = await machine.boot()
  t.match(again.served('1.0.0', again.published[0]?.table), {
    targets: [
      { url: 'http://next:1', isHealthy: false },
      { url: 'http://1.0.0:1', isHealthy: true },
    ],
  })
  await again.stop()
  const third = await machine.boot()
  t.match(third.served('1.0.0', third.published[0]?.table), {
    targets: [{ isHealthy: false }, { url: 'http://1.0.0:1', isHealthy: true }],
  })
})

t.test('births change hands without a publication in which nobody takes them', async (t) => {
  const { machine, run } = await superseded(t)
  const { orders } = run.plane.controller
  const changes: [how: string, change: () => unknown, active: string][] = [
    ['activated', () => machine.drop('3.0.0'), '3.0.0 active'],
    ['given back', () => machine.withdraw('3.0.0'), '2.0.0 active'],
    ['drained', () => orders.drain(run.site, run.release('2.0.0'), order), '1.0.0 active'],
    ['ordered', () => orders.activate(run.site, run.release('2.0.0'), order), '2.0.0 active'],
    ['activated again', () => machine.drop('4.0.0'), '4.0.0 active'],
    ['rolled back', () => orders.rollback(run.site, { ...order, to: null }), '2.0.0 active'],
  ]
  const first = run.published.findIndex(({ table }) =>
    table.sites[0]?.releases.some(({ share }) => share > 0),
  )
  for (const [how, change, active] of changes) {
    machine.monotonic++
    change()
    await run.follow()
    t.equal(
      run.states.find((each) => each.includes('active')),
      active,
      how,
    )
  }
  for (const { table } of run.published.slice(first)) {
    const accepting = table.sites.map(({ releases }) => releases.filter(({ share }) => share > 0).length)
    t.same(accepting, [1], `publication ${table.generation}`)
  }
})

t.test('retain.warm does not keep a withdrawn release', async (t) => {
  const { machine, run } = await superseded(t, { site: { retain: { warm: 1 } } })
  for (let i = 0; i < 3; i++) await run.pass(1000)
  t.same(run.states, ['1.0.0 retirable', '2.0.0 active'], 'warm')
  t.not(run.served('1.0.0'), null)
  machine.withdraw('1.0.0')
  await run.follow()
  for (let i = 0; i < 3; i++) await run.pass(1000)
  t.same(run.states, ['2.0.0 active'])
})

t.test('a withdrawn release takes no other its warm place', async (t) => {
  const { machine, run } = await superseded(t, { site: { retain: { warm: 1 } } })
  machine.monotonic++
  machine.drop('3.0.0')
  await run.follow()
  run.first.saw(run.release('2.0.0').index, { exchangesOpen: 1 })
  machine.withdraw('2.0.0')
  await run.follow()
  for (let i = 0; i < 3; i++) await run.pass(1000)
  t.same(run.states, ['1.0.0 retirable', '2.0.0 draining withdrawn', '3.0.0 active'])
})

t.test(
  'the index of a removed release makes no account again, whatever workers go on reporting',
  async (t) => {
    const { machine, run } = await superseded(t)
    const { index } = run.release('1.0.0')
    run.first.saw(index, { births: 3, birthsUntil: run.clock.now() })
    machine.withdraw('1.0.0')
    await run.follow()
    for (let i = 0; i < 4; i++) await run.pass(1000)
    t.equal(run.find('1.0.0'), null)
    run.first.saw(index, { births: 3, birthsUntil: run.clock.now() + hour })
    await run.pass(1000)
    t.notOk(run.plane.evidence.save().some((each) => each.index === index))
  },
)

t.test('going back a second time changes nothing; further back goes by name', async (t) => {
  const { machine, run } = await superseded(t)
  machine.monotonic++
  machine.drop('3.0.0')
  await run.follow()
  const back = (gateway: Run, to: string | null = null): string =>
    gateway.plane.controller.orders.rollback(gateway.site, { ...order, to }).registration.version
  t.equal(back(run), '2.0.0')
  t.equal(back(run), '2.0.0', 'not to what was left')
  t.equal(back(run, '2.0.0'), '2.0.0')
  await run.stop()
  const again = await machine.boot()
  t.equal(back(again), '2.0.0', 'after a restart either')
  t.ok(again.states.includes('2.0.0 active'))
  machine.monotonic++
  t.equal(back(again, '1.0.0'), '1.0.0')
  machine.monotonic++
  again.plane.controller.orders.activate(again.site, again.release('3.0.0'), order)
  t.equal(back(again), '1.0.0', 'after another activation it is an order of its own')
})

t.test('a retired release comes back by way of checking, and the order for it may be repeated', async (t) => {
  const { machine, run } = await superseded(t)
  for (let i = 0; i < 6; i++) await run.pass(promiseMs)
  t.same(run.states, ['1.0.0 retired', '2.0.0 active'])
  machine.down.add('http://1.0.0:1')
  const { orders } = run.plane.controller
  for (const force of [false, false, true]) orders.rollback(run.site, { by: 'test', force, to: null })
  orders.activate(run.site, run.release('1.0.0'), order)
  t.same(run.states, ['1.0.0 checking', '2.0.0 active'], 'until it has passed births stay')
  machine.down.clear()
  await run.probed('1.0.0 is active', () => run.release('1.0.0').state.name === 'active')
  t.same(run.states, ['1.0.0 active', '2.0.0 draining'])
})
