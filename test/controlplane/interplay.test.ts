// Where two features meet: announced ends and what comes back, adoption and the limits of retention, orders to move and
// rollouts, births that change hands while a release leaves, and the first moments of a restart.
import t from 'tap'
import type { Owner } from '../fixtures/owner.js'
import { batchOf } from '../ledger/batches.js'
import { hour, Machine, minute, promiseMs, type Run } from './harness.js'

const order = { by: 'test', force: false }
const instant = (at: number): string => new Date(at).toISOString()

interface Begun {
  readonly machine: Machine
  readonly run: Run
}

/** 1.0.0 drains with somebody on it, 2.0.0 is active and can take its sessions; nothing is in doubt. */
async function superseded(t: Owner, { site = {}, workers = 1 } = {}): Promise<Begun> {
  const machine = new Machine(t, site)
  machine.drop('1.0.0')
  const run = await machine.boot({ workers })
  await run.pass(promiseMs + minute)
  machine.monotonic++
  machine.drop('2.0.0', { compatibleFrom: '1.0.0' })
  await run.follow()
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
  await run.pass(1000)
  if (run.states.join() !== '1.0.0 draining,2.0.0 active') throw new Error(run.states.join())
  return { machine, run }
}

/** Time passes in small steps, each with reports. */
async function passed(run: Run, ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= minute) await run.pass(Math.min(minute, left))
  await run.beat()
}

/** How it comes back: by an order, or as a new registration of the same version. */
async function broughtBack({ machine, run }: Begun, how: 'rolled back' | 'dropped again'): Promise<void> {
  if (how === 'dropped again') {
    machine.withdraw('1.0.0')
    await run.follow()
    if (run.find('1.0.0') !== null) throw new Error('it is known still')
    machine.drop('1.0.0', { activate: 'manual' })
    await run.follow()
    await run.probed('1.0.0 is staged', () => run.release('1.0.0').state.name === 'staged')
    run.plane.controller.orders.activate(run.site, run.release('1.0.0'), order)
  } else run.plane.controller.orders.rollback(run.site, { ...order, to: null })
  await run.probed('1.0.0 boards again', () => run.release('1.0.0').state.name === 'active')
}

for (const how of ['rolled back', 'dropped again'] as const) {
  t.test(`what ended as announced and is ${how} waits for the tokens that are still held`, async (t) => {
    const { machine, run } = await superseded(t)
    run.plane.controller.departures.announceEnd(run.site, run.release('1.0.0'), order)
    const { index } = run.release('1.0.0')
    await run.pass(promiseMs - 2000)
    const honouredUntil = run.clock.now() + promiseMs
    const touched = batchOf([
      { high: 1, low: 2, release: index, bornAt: run.clock.now(), until: honouredUntil },
    ])
    run.first.saw(index, { exchangesOpen: 0 })
    await run.pass(1000, { touched })
    for (let i = 0; i < 4; i++) await run.pass(1000)
    t.equal(run.release('1.0.0').state.name, 'retired')
    await broughtBack({ machine, run }, how)
    machine.monotonic++
    run.plane.controller.orders.activate(run.site, run.release('2.0.0'), order)
    await run.pass(1000)
    await passed(run, 2 * minute)
    t.equal(run.release('1.0.0').state.name, 'draining')
    t.equal(run.verdictWords('1.0.0'), 'blocked births')
    await run.pass(honouredUntil - run.clock.now() - 1)
    t.equal(run.release('1.0.0').state.name, 'draining', 'a millisecond before the last of them is over')
    await passed(run, 4 * minute)
    t.equal(run.release('1.0.0').state.name, 'retired')
  })
}

t.test(
  'limits of retention leave a release alone as long as visitors from before may board it',
  async (t) => {
    for (const onOverflow of ['end', 'move']) {
      const machine = new Machine(t, {
        session: {
          legacy: { cookie: 'sid', release: '1.0.0', until: instant(1_800_000_000_000 + 24 * hour) },
        },
        retain: { previous: 0, maxDrain: '1h', onOverflow },
      })
      machine.drop('1.0.0')
      machine.drop('2.0.0', { compatibleFrom: '1.0.0' })
      const run = await machine.boot()
      await run.pass(promiseMs + minute)
      await passed(run, 2 * hour)
      t.same(run.states, ['1.0.0 draining', '2.0.0 active'], onOverflow)
      t.equal(run.release('1.0.0').ending, null)
      t.equal(run.served('1.0.0')?.move ?? null, null)
      t.equal(run.table.sites[0]?.adoption?.release, run.release('1.0.0').index)
      t.notOk(run.eventTypes().includes('retention-exceeded'))
      machine.site({ retain: { previous: 0, maxDrain: '1h', onOverflow } })
      run.first.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
      await run.pass(1000)
      await run.follow()
      await run.pass(1000)
      t.ok(run.eventTypes().includes('retention-exceeded'), 'adoption was ended by the file')
      await run.end()
    }
  },
)

t.test('nobody is recalled to a candidate any more whose rollout was aborted', async (t) => {
  const { machine, run } = await superseded(t)
  machine.monotonic++
  const activate = { steps: [{ share: '10%', hold: '10m' }] }
  machine.drop('3.0.0', { compatibleFrom: '1.0.0', activate })
  await run.follow()
  t.same(run.states, ['1.0.0 draining', '2.0.0 active', '3.0.0 active'])
  const { departures, orders } = run.plane.controller
  departures.recall(run.site, run.release('1.0.0'), { ...order, to: '3.0.0', perSecond: null })
  t.match(run.served('1.0.0')?.move, { to: '3.0.0' })
  machine.monotonic++
  orders.rollback(run.site, { ...order, to: null })
  t.same(run.states, ['1.0.0 draining', '2.0.0 active', '3.0.0 draining'])
  t.equal(run.served('1.0.0')?.move ?? null, null)
  t.equal(run.release('1.0.0').moveOrder, null)
  machine.monotonic++
  departures.recall(run.site, run.release('1.0.0'), { ...order, to: '3.0.0', perSecond: null })
  await run.beat()
  t.match(run.served('1.0.0')?.move, { to: '3.0.0' }, 'an operator may all the same')
})

t.test('births are given back to nothing that is leaving while there is another', async (t) => {
  const { machine, run } = await superseded(t, { workers: 2 })
  machine.monotonic++
  machine.drop('3.0.0')
  await run.follow()
  run.first.saw(run.release('2.0.0').index, { exchangesOpen: 1 })
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 0 })
  const [, slow] = run.workers
  if (slow === undefined) throw new Error('no second worker')
  run.first.saw(run.release('2.0.0').index, { exchangesOpen: 0 })
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
  while (run.served('2.0.0') !== null) await run.pass(0)
  t.equal(run.release('2.0.0').state.name, 'retirable', 'it is on its way out, and no worker serves it')
  slow.isPrompt = false
  machine.monotonic++
  run.plane.controller.orders.drain(run.site, run.release('3.0.0'), order)
  await run.settled()
  t.equal(run.served('2.0.0')?.share ?? 0, 0, 'no births before every worker serves it')
  t.equal(run.served('1.0.0')?.share, 1)
})

t.test('who is to be adopted or moved is so by the first table of a restart', async (t) => {
  const until = instant(1_800_000_000_000 + 24 * hour)
  const machine = new Machine(t, { session: { legacy: { cookie: 'sid', release: '1.0.0', until } } })
  machine.drop('1.0.0')
  machine.drop('2.0.0', { compatibleFrom: '1.0.0', takeOver: 'onDocument' })
  const run = await machine.boot()
  await run.pass(promiseMs + minute)
  t.match(run.served('1.0.0')?.move, { to: '2.0.0' })
  await run.beat()
  await run.stop()
  const again = await machine.boot({ listens: false })
  const [first] = again.published
  t.equal(first?.table.sites[0]?.adoption?.release, again.release('1.0.0').index)
  t.match(again.served('1.0.0', first?.table)?.move, { to: '2.0.0' })
})

t.test(
  'a changed file of a release whose end was announced is a new registration, without an end',
  async (t) => {
    const { machine, run } = await superseded(t)
    run.plane.controller.departures.announceEnd(run.site, run.release('1.0.0'), order)
    machine.withdraw('1.0.0')
    await run.follow()
    t.not(run.release('1.0.0').ending, null, 'its file says nothing of its end')
    machine.drop('1.0.0', { activate: 'manual', notes: 'again' })
    await run.follow()
    t.equal(run.release('1.0.0').ending, null)
    t.equal(run.served('1.0.0')?.endsAt ?? null, null)
  },
)

t.test(
  'a dead legacy release is boarded by nobody: who comes from before is told, with a way out',
  async (t) => {
    const until = instant(1_800_000_000_000 + 24 * hour)
    const machine = new Machine(t, { session: { legacy: { cookie: 'sid', release: '1.0.0', until } } })
    machine.drop('1.0.0')
    machine.drop('2.0.0')
    const run = await machine.boot()
    await run.pass(promiseMs + minute)
    const adoption = () => run.table.sites[0]?.adoption
    t.equal(adoption()?.release, run.release('1.0.0').index)
    machine.down.add('http://1.0.0:1')
    const health = () => run.plane.prober.healthOf(run.release('1.0.0').index, 'http://1.0.0:1' as never)
    await run.probed('it is seen to fail', () => health()?.state === 'unhealthy')
    await passed(run, 2 * minute)
    t.ok(run.eventTypes().includes('release-dead'))
    t.equal(adoption()?.release, null)
    t.equal(run.verdictWords('1.0.0'), 'blocked adoption', 'and it is not retired for that')
    machine.down.clear()
    await run.probed('it answers again', () => health()?.state === 'healthy')
    await run.beat()
    t.equal(adoption()?.release, run.release('1.0.0').index)
  },
)
