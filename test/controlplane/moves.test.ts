// Sessions that change their release, in a whole control plane: what workers are told of takeovers, recalls, dead
// releases and the limits of retention, and when.
import t from 'tap'
import type { Move } from '../../gateway/domain/moves.js'
import type { Owner } from '../fixtures/owner.js'
import { readLifecycle } from '../../gateway/controlplane/saved-state.js'
import { RuleRefusal } from '../../gateway/controlplane/rule-refusal.js'
import { batchOf } from '../ledger/batches.js'
import { hour, Machine, minute, promiseMs, type Run } from './harness.js'

interface Begun {
  readonly machine: Machine
  readonly run: Run
}

/** 1.0.0 is active, and nothing is in doubt any more. */
async function begun(t: Owner, { site = {}, workers = 1, words = {} } = {}): Promise<Begun> {
  const machine = new Machine(t, site)
  machine.drop('1.0.0', words)
  const run = await machine.boot({ workers })
  await run.pass(promiseMs + minute)
  return { machine, run }
}

/** Where the sessions of a release move by the table in force: `takeover 2.0.0 document`, or `stay`. */
function movesOf(run: Run, version: string): string {
  const move: Move | null | undefined = run.served(version)?.move
  return move === null || move === undefined ? 'stay' : `${move.because} ${move.to} ${move.at}`
}

t.test(
  'takeOver: a former release loses its sessions to the active one once every worker serves that',
  async (t) => {
    const { machine, run } = await begun(t, { workers: 2 })
    machine.drop('2.0.0', { compatibleFrom: '1.0.0', takeOver: 'onDocument' })
    const [, slow] = run.workers
    if (slow === undefined) throw new Error('no second worker')
    slow.isPrompt = false
    await run.follow()
    await run.beat()
    t.same(run.states, ['1.0.0 active', '2.0.0 staged'])
    t.equal(movesOf(run, '1.0.0'), 'stay', 'not every worker serves it')
    slow.take(run.latest)
    slow.isPrompt = true
    await run.settled()
    t.same(run.states, ['1.0.0 draining', '2.0.0 active'])
    t.equal(movesOf(run, '1.0.0'), 'takeover 2.0.0 document')
    t.equal(movesOf(run, '2.0.0'), 'stay')
    run.first.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
    await run.pass(1000)

    machine.drop('3.0.0', { compatibleFrom: '2.0.0', takeOver: 'immediately' })
    await run.follow()
    t.equal(movesOf(run, '1.0.0'), 'stay', 'the active release cannot take it')
    t.equal(movesOf(run, '2.0.0'), 'takeover 3.0.0 safe')
    machine.drop('3.0.0', { compatibleFrom: '1.0.0', takeOver: 'immediately' })
    await run.follow()
    t.equal(movesOf(run, '1.0.0'), 'takeover 3.0.0 safe', 'as its file says now')
    machine.withdraw('3.0.0')
    await run.follow()
    t.same(run.states, ['1.0.0 draining', '2.0.0 active', '3.0.0 draining withdrawn'])
    t.equal(movesOf(run, '3.0.0'), 'stay', 'going back takes nobody along')
    t.equal(movesOf(run, '1.0.0'), 'takeover 2.0.0 document')
  },
)

t.test('after a restart no worker has a table without the release that takes over', async (t) => {
  const { machine, run } = await superseded(t, {}, { takeOver: 'onDocument' })
  t.equal(movesOf(run, '1.0.0'), 'takeover 2.0.0 document')
  await run.beat()
  await run.stop()
  const again = await machine.boot({ workers: 2 })
  t.ok(
    again.published.every(({ table }) => again.served('2.0.0', table) !== null),
    'so that two steps are not needed, and the first moves already',
  )
  t.match(again.served('1.0.0', again.published[0]?.table)?.move, { to: '2.0.0' })
  t.equal(movesOf(again, '1.0.0'), 'takeover 2.0.0 document')
})

// -- recall -----------------------------------------------------------------------------------------------------------

const order = { by: 'test', force: false }
const recallTo = (to: string, changes = {}) => ({ ...order, to, perSecond: null, ...changes })

/** 1.0.0 drains with somebody on it, 2.0.0 is active and can take its sessions. */
async function superseded(t: Owner, around = {}, words = {}): Promise<Begun> {
  const { machine, run } = await begun(t, around)
  machine.monotonic++
  machine.drop('2.0.0', { compatibleFrom: '1.0.0', ...words })
  await run.follow()
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
  await run.pass(1000)
  if (run.states.join() !== '1.0.0 draining,2.0.0 active') throw new Error(run.states.join())
  return { machine, run }
}

/** Which rule refuses; empty for none. */
function refusedBy(act: () => unknown): string {
  try {
    act()
    return ''
  } catch (error) {
    if (error instanceof RuleRefusal) return error.rule
    throw error
  }
}

t.test('nobody is moved to a release that is about to leave, or he would find it gone', async (t) => {
  const { machine, run } = await superseded(t)
  machine.monotonic++
  machine.drop('3.0.0', { compatibleFrom: '3.0.0' })
  await run.follow()
  t.same(run.states, ['1.0.0 draining', '2.0.0 draining', '3.0.0 active'])
  run.plane.controller.departures.recall(run.site, run.release('1.0.0'), recallTo('2.0.0'))
  t.equal(movesOf(run, '1.0.0'), 'recall 2.0.0 document')
  run.first.isPrompt = false
  await run.pass(1000)
  t.match(run.served('2.0.0'), { isClosing: true })
  t.equal(movesOf(run, '1.0.0'), 'stay')
  run.first.saw(run.release('2.0.0').index, { exchangesOpen: 1 })
  await run.pass(1000)
  t.notOk(run.served('2.0.0')?.isClosing)
  t.equal(movesOf(run, '1.0.0'), 'recall 2.0.0 document', 'somebody is on it, and it stays')
})

t.test('a recall is refused by the rule that stands against it, and changes nothing then', async (t) => {
  const { machine, run } = await superseded(t, {}, { rollbackTo: '1.0.0' })
  machine.drop('3.0.0', { activate: 'manual' })
  await run.follow()
  const { departures, orders } = run.plane.controller
  const recall = (from: string, to: string) =>
    refusedBy(() => departures.recall(run.site, run.release(from), recallTo(to)))
  t.equal(recall('2.0.0', '1.0.0'), 'recall-needs-former', 'it accepts births')
  t.equal(recall('3.0.0', '2.0.0'), 'recall-needs-former', 'nobody is on it')
  t.equal(recall('1.0.0', '3.0.0'), 'recall-needs-target', 'it was never active')
  t.equal(recall('1.0.0', '9.0.0'), 'recall-needs-target', 'it is not there')
  t.equal(recall('1.0.0', '1.0.0'), 'recall-needs-target', 'to itself')
  machine.monotonic++
  orders.activate(run.site, run.release('3.0.0'), order)
  await run.settled()
  t.equal(recall('2.0.0', '3.0.0'), 'recall-incompatible', 'it takes over its own version only')
  t.equal(recall('1.0.0', '3.0.0'), 'recall-incompatible')
  machine.down.add('http://1.0.0:1')
  const health = () => run.plane.prober.healthOf(run.release('1.0.0').index, 'http://1.0.0:1' as never)
  await run.probed('1.0.0 is seen to fail', () => health()?.state === 'unhealthy')
  t.equal(recall('2.0.0', '1.0.0'), 'recall-needs-health')
  t.notOk(run.eventTypes().includes('move-ordered'))
})

t.test(
  'a recall moves at documents, divided over the workers, until nobody is left; forced at any safe request',
  async (t) => {
    const { run } = await superseded(t, { workers: 2 })
    const { departures } = run.plane.controller
    departures.recall(run.site, run.release('1.0.0'), recallTo('2.0.0', { perSecond: 3 }))
    t.match(run.served('1.0.0')?.move, { to: '2.0.0', because: 'recall', at: 'document', perSecond: 1.5 })
    departures.recall(run.site, run.release('1.0.0'), recallTo('2.0.0', { perSecond: 3 }))
    t.equal(
      run.eventTypes().filter((type) => type === 'move-ordered').length,
      1,
      'given again it changes nothing',
    )
    departures.recall(run.site, run.release('1.0.0'), recallTo('2.0.0', { force: true }))
    t.match(run.served('1.0.0')?.move, { at: 'safe', perSecond: Infinity }, 'another order replaces it')
    departures.cancelRecall(run.site, run.release('1.0.0'), order)
    t.equal(movesOf(run, '1.0.0'), 'stay')
    departures.recall(run.site, run.release('1.0.0'), recallTo('2.0.0'))
    run.first.saw(run.release('1.0.0').index, { exchangesOpen: 0 })
    for (let i = 0; i < 3; i++) await run.pass(1000)
    await run.beat()
    t.equal(run.release('1.0.0').moveOrder, null)
    t.same(
      run.machine.events.filter(({ type }) => type === 'move-order-over').map(({ cause }) => cause),
      ['test', 'nobody is left'],
    )
  },
)

t.test(
  'a recall survives a restart, waits while its target cannot take anybody, and ends with it',
  async (t) => {
    const { machine, run } = await superseded(t, {}, { rollbackTo: '1.0.0' })
    const { orders } = run.plane.controller
    machine.monotonic++
    orders.rollback(run.site, { ...order, to: null })
    run.first.saw(run.release('2.0.0').index, { exchangesOpen: 1 })
    await run.pass(1000)
    t.same(run.states, ['1.0.0 active', '2.0.0 draining'])
    t.equal(movesOf(run, '2.0.0'), 'stay', 'going back moves nobody by itself')
    run.plane.controller.departures.recall(run.site, run.release('2.0.0'), recallTo('1.0.0'))
    t.equal(movesOf(run, '2.0.0'), 'recall 1.0.0 document')
    await run.beat()
    await run.kill()
    const again = await machine.boot()
    await again.pass(1000)
    t.equal(movesOf(again, '2.0.0'), 'recall 1.0.0 document')
    machine.drop('2.0.0', { compatibleFrom: '1.0.0' })
    await again.follow()
    t.equal(movesOf(again, '2.0.0'), 'stay', 'its file no longer allows it')
    t.not(again.release('2.0.0').moveOrder, null, 'the order waits')
    again.plane.controller.orders.activate(again.site, again.release('2.0.0'), order)
    t.equal(again.release('2.0.0').moveOrder, null, 'what takes births again is not recalled')
  },
)

t.test('nobody is sent round in a circle: what takes in keeps', async (t) => {
  const { machine, run } = await superseded(t, {}, { rollbackTo: '1.0.0' })
  machine.monotonic++
  machine.drop('3.0.0')
  await run.follow()
  const { departures } = run.plane.controller
  departures.recall(run.site, run.release('1.0.0'), recallTo('2.0.0'))
  departures.recall(run.site, run.release('2.0.0'), recallTo('1.0.0'))
  t.equal(movesOf(run, '2.0.0'), 'recall 1.0.0 document')
  t.equal(movesOf(run, '1.0.0'), 'stay')
})

// -- dead and gone ----------------------------------------------------------------------------------------------------

async function seenDown(run: Run, ...versions: readonly string[]): Promise<void> {
  for (const version of versions) run.machine.down.add(`http://${version}:1`)
  for (const version of versions) {
    const health = () => run.plane.prober.healthOf(run.release(version).index, `http://${version}:1` as never)
    await run.probed(`${version} is seen to fail`, () => health()?.state === 'unhealthy')
  }
}

t.test(
  'a release is dead when all its targets have failed for deadAfter, and then its sessions move',
  async (t) => {
    const { machine, run } = await superseded(t)
    await seenDown(run, '1.0.0')
    await run.pass(59_000)
    await run.beat()
    t.equal(movesOf(run, '1.0.0'), 'stay', 'not for long enough')
    await run.pass(1000)
    await run.beat()
    t.equal(movesOf(run, '1.0.0'), 'gone 2.0.0 document')
    t.match(run.served('1.0.0'), { isDead: true })
    t.ok(run.eventTypes().includes('release-dead'))
    machine.down.clear()
    const health = () => run.plane.prober.healthOf(run.release('1.0.0').index, 'http://1.0.0:1' as never)
    await run.probed('it answers again', () => health()?.state === 'healthy')
    t.equal(movesOf(run, '1.0.0'), 'stay')
    t.ok(run.eventTypes().includes('release-alive'))
  },
)

t.test(
  'onReleaseGone: restart lets sessions of a dead release be born anew, refuse lets them try',
  async (t) => {
    for (const [onReleaseGone, startsOver] of [
      ['restart', true],
      ['refuse', undefined],
    ] as const) {
      const { run } = await superseded(t, { site: { session: { onReleaseGone } } })
      await seenDown(run, '1.0.0')
      await run.pass(minute)
      await run.beat()
      t.match(run.served('1.0.0'), { isDead: true })
      t.equal(run.served('1.0.0')?.startsOver, startsOver)
      t.equal(movesOf(run, '1.0.0'), 'stay')
    }
  },
)

t.test('when more than half of the releases fail together nobody is dead, and that is told', async (t) => {
  const { run } = await superseded(t)
  await seenDown(run, '1.0.0', '2.0.0')
  await run.pass(hour)
  await run.beat()
  t.equal(run.served('1.0.0')?.isDead, undefined)
  t.equal(movesOf(run, '1.0.0'), 'stay')
  t.ok(run.eventTypes().includes('network-suspected'))
  t.notOk(run.eventTypes().includes('release-dead'))
})

t.test('after a restart nobody is dead before his targets have failed for so long again', async (t) => {
  const { machine, run } = await superseded(t)
  await seenDown(run, '1.0.0')
  await run.pass(minute)
  await run.beat()
  await run.stop()
  machine.monotonic += hour
  const again = await machine.boot()
  again.first.saw(again.release('1.0.0').index, { exchangesOpen: 1 })
  await seenDown(again, '1.0.0')
  await again.beat()
  t.equal(again.served('1.0.0')?.isDead, undefined)
  await again.pass(minute)
  await again.beat()
  t.match(again.served('1.0.0'), { isDead: true })
})

t.test('sessions of a release that is gone are left to what can take them', async (t) => {
  const { run } = await superseded(t)
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 0 })
  for (let i = 0; i < 4; i++) await run.pass(1000)
  t.same(run.states, ['1.0.0 retired', '2.0.0 active'])
  t.match(run.table.sites[0]?.gone, {
    heirs: [{ version: '1.0.0', to: '2.0.0' }],
    takers: [{ version: '2.0.0', compatibleFrom: '1.0.0' }],
    ended: [],
  })
})

// -- retention --------------------------------------------------------------------------------------------------------

t.test(
  'onOverflow: move, by retain.previous and by retain.maxDrain, counted from when the draining began',
  async (t) => {
    const { machine, run } = await superseded(t, { site: { retain: { previous: 1, onOverflow: 'move' } } })
    t.equal(movesOf(run, '1.0.0'), 'stay', 'one former release is allowed')
    machine.monotonic++
    machine.drop('3.0.0', { compatibleFrom: '1.0.0' })
    await run.follow()
    t.equal(movesOf(run, '1.0.0'), 'overflow 3.0.0 document')
    t.equal(movesOf(run, '2.0.0'), 'stay')
    run.first.saw(run.release('2.0.0').index, { exchangesOpen: 1 })
    await run.pass(1000)
    t.ok(run.eventTypes().includes('retention-exceeded'))
    machine.site({ retain: { previous: 4, maxDrain: '1h', onOverflow: 'move' } })
    await run.follow()
    t.equal(movesOf(run, '1.0.0'), 'stay')
    await run.pass(hour)
    await run.beat()
    t.equal(movesOf(run, '1.0.0'), 'overflow 3.0.0 document')
  },
)

t.test(
  'onOverflow: end is announced a promise ahead, carried out in two steps, counted, and outlives a restart',
  async (t) => {
    const { machine, run } = await superseded(t, {
      site: { retain: { previous: 0, onOverflow: 'end' } },
      workers: 2,
    })
    const announced = run.release('1.0.0').ending
    t.equal(announced?.at, run.clock.now() - 1000 + promiseMs, 'at least one idle time ahead')
    t.equal(run.served('1.0.0')?.endsAt, announced?.at)
    const { index } = run.release('1.0.0')
    const touched = batchOf([
      { high: 1, low: 2, release: index, bornAt: run.clock.now(), until: run.clock.now() + 2 * hour },
    ])
    await run.pass(promiseMs - 2000, { touched })
    t.same(run.states, ['1.0.0 draining', '2.0.0 active'], 'a second before')
    const [, slow] = run.workers
    if (slow === undefined) throw new Error('no second worker')
    slow.isPrompt = false
    await run.pass(1000)
    t.equal(run.served('1.0.0'), null, 'its time has come: no worker is to serve it')
    t.same(run.table.sites[0]?.gone?.ended, ['1.0.0'], 'and its tokens are over')
    await run.pass(1000)
    run.first.saw(index, { exchangesOpen: 0 })
    slow.saw(index, { exchangesOpen: 0 })
    await run.pass(1000)
    t.equal(run.release('1.0.0').state.name, 'draining', 'one worker serves it still')
    slow.take(run.latest)
    slow.isPrompt = true
    slow.saw(index, { socketsOpen: 1 })
    await run.pass(1000)
    t.equal(run.release('1.0.0').state.name, 'draining', 'a socket is still open on it')
    slow.saw(index, { socketsOpen: 0 })
    await run.pass(1000)
    t.equal(run.release('1.0.0').state.name, 'retired')
    await run.pass(1000)
    t.match(run.plane.parts.ledger.of(index), { active: 0, ended: { overflow: 1 } })
    await run.beat()
    await run.stop()
    const again = await machine.boot()
    t.same(again.table.sites[0]?.gone?.ended, ['1.0.0'])
    await again.pass(2 * promiseMs)
    await again.beat()
    t.equal(again.site.ended.length, 0, 'none of its tokens is honoured any more')
  },
)

t.test(
  'an announced end is called off when the release is within the limits again, and by going back to it',
  async (t) => {
    const { machine, run } = await superseded(t, { site: { retain: { previous: 0, onOverflow: 'end' } } })
    t.not(run.release('1.0.0').ending, null)
    machine.site({ retain: { previous: 1, onOverflow: 'end' } })
    await run.follow()
    t.equal(run.release('1.0.0').ending, null)
    t.ok(run.eventTypes().includes('end-cancelled'))
    run.plane.controller.departures.announceEnd(run.site, run.release('1.0.0'), order)
    t.equal(run.release('1.0.0').ending?.because, 'operator')
    machine.site({ retain: { previous: 3, onOverflow: 'end' } })
    await run.follow()
    t.not(run.release('1.0.0').ending, null, "an operator's word stands")
    run.plane.controller.orders.rollback(run.site, { ...order, to: null })
    t.equal(run.release('1.0.0').ending, null)
    t.equal(
      refusedBy(() => run.plane.controller.departures.announceEnd(run.site, run.release('1.0.0'), order)),
      'retire-needs-draining',
    )
  },
)

t.test('an announced end waits for a worker that may still let sessions begin there', async (t) => {
  const { machine, run } = await begun(t, { workers: 2 })
  machine.drop('2.0.0', { activate: 'manual' })
  await run.follow()
  const [, slow] = run.workers
  if (slow === undefined) throw new Error('no second worker')
  slow.isPrompt = false
  run.plane.controller.orders.activate(run.site, run.release('2.0.0'), order)
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
  run.plane.controller.departures.announceEnd(run.site, run.release('1.0.0'), order)
  await run.pass(promiseMs + minute)
  t.not(run.served('1.0.0'), null, 'or the others would not know who begins there')
  slow.take(run.latest)
  slow.isPrompt = true
  await run.pass(1000)
  t.equal(run.served('1.0.0'), null)
  slow.isPrompt = false
  slow.take({ ...run.latest, table: { ...run.latest.table, generation: 1 } })
  await run.pass(1000)
  t.equal(run.served('1.0.0'), null, 'what has begun goes on whatever becomes of a worker')
})

t.test(
  'where a worker will not let go of a release at its end, its tokens are over for the others all the while',
  async (t) => {
    const { run } = await superseded(t, { site: { retain: { previous: 0, onOverflow: 'end' } }, workers: 2 })
    const [, slow] = run.workers
    if (slow === undefined) throw new Error('no second worker')
    slow.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
    slow.isPrompt = false
    await run.pass(promiseMs)
    t.same(run.table.sites[0]?.gone?.ended, ['1.0.0'])
    await run.pass(2 * promiseMs)
    await run.follow()
    t.equal(run.release('1.0.0').state.name, 'draining')
    t.same(run.table.sites[0]?.gone?.ended, ['1.0.0'])
  },
)

t.test('an end that was announced before a stop waits as long as the gateway was down', async (t) => {
  const { machine, run } = await superseded(t)
  run.plane.controller.departures.announceEnd(run.site, run.release('1.0.0'), order)
  await run.beat()
  await run.stop()
  machine.monotonic += hour
  const again = await machine.boot()
  again.first.saw(again.release('1.0.0').index, { exchangesOpen: 1 })
  await again.pass(1000)
  t.equal(again.release('1.0.0').state.name, 'draining', 'nobody could come meanwhile')
  await again.pass(promiseMs)
  t.equal(again.served('1.0.0'), null)
})

t.test('a state of an older version is read: it knew neither orders nor ends', async (t) => {
  const { machine, run } = await superseded(t)
  await run.beat()
  await run.stop()
  const saved = structuredClone(machine.documents.get('lifecycle')) as {
    version: number
    register: {
      sites: { ended?: unknown; releases: { moveOrder?: unknown; ending?: unknown; state: object }[] }[]
    }
  }
  saved.version = 2
  for (const site of saved.register.sites) {
    delete site.ended
    for (const release of site.releases) {
      delete release.moveOrder
      delete release.ending
      if ('begunAt' in release.state) delete release.state.begunAt
    }
  }
  machine.documents.set('lifecycle', saved)
  const state = run.release('1.0.0').state
  t.match(readLifecycle(machine.store(() => true)), {
    version: 3,
    register: {
      sites: [
        { ended: [], releases: [{ moveOrder: null, ending: null, state: { begunAt: state.since } }, {}] },
      ],
    },
  })
  const again = await machine.boot()
  t.match(again.states[1], '2.0.0 active')
})
