// First adoption in a whole control plane: the legacy release serves without ever having been active, is boarded only
// when every worker serves it, and is not retired before everybody from before the gateway may have come.
import t from 'tap'
import { GatewayReader } from '../../gateway/controlplane/gateway-reader.js'
import type { AdoptionSpec } from '../../gateway/domain/adoption-spec.js'
import type { Owner } from '../fixtures/owner.js'
import { hour, Machine, minute, promiseMs, type Run } from './harness.js'

const epoch = 1_800_000_000_000
const instant = (at: number): string => new Date(at).toISOString()

/** A site whose visitors from before board 1.0.0, for a day from the machine's start unless told otherwise. */
function adopting(ms = 24 * hour, release = '1.0.0') {
  return { session: { legacy: { cookie: 'sid', release, until: instant(epoch + ms) } } }
}

const adoptionOf = (run: Run): AdoptionSpec | null => run.table.sites[0]?.adoption ?? null

const warningsOf = (run: Run): readonly string[] =>
  new GatewayReader({
    plane: run.plane,
    startedAt: 0,
    publicUrl: () => '',
    usesGeneratedKeys: false,
    exchangeTimeoutMs: Infinity,
  } as ConstructorParameters<typeof GatewayReader>[0]).sites()[0]?.warnings ?? []

/** 2.0.0 is active, and 1.0.0 is there for those from before. */
async function begun(t: Owner, { plan = 'auto', workers = 1, ms = 24 * hour } = {}) {
  const machine = new Machine(t, adopting(ms))
  machine.drop('1.0.0', { activate: plan })
  machine.drop('2.0.0')
  const run = await machine.boot({ workers })
  await run.pass(promiseMs + minute)
  return { machine, run }
}

t.test(
  'from an empty state the legacy release serves whatever its plan is, and never needs to be active',
  async (t) => {
    for (const plan of ['auto', 'manual']) {
      const { run } = await begun(t, { plan })
      t.same(run.states, ['1.0.0 draining', '2.0.0 active'], plan)
      t.equal(adoptionOf(run)?.release, run.release('1.0.0').index)
      t.equal(run.served('1.0.0')?.isLive, true)
      t.same(warningsOf(run), [])
    }
    const machine = new Machine(t, { ...adopting(), active: '2.0.0' })
    machine.drop('1.0.0')
    machine.drop('2.0.0', { activate: 'manual' })
    const steered = await machine.boot()
    t.same(steered.states, ['1.0.0 draining', '2.0.0 active'], 'where the file steers')
  },
)

t.test(
  'a legacy release that comes later serves too; one that was retired comes back by its file',
  async (t) => {
    const machine = new Machine(t, adopting())
    machine.drop('2.0.0')
    const run = await machine.boot()
    t.same(warningsOf(run), [
      '"session.legacy" names "1.0.0", which is not registered: holders of "sid" without a token are refused',
    ])
    t.equal(adoptionOf(run)?.release, null)
    machine.down.add('http://1.0.0:1')
    machine.drop('1.0.0')
    await run.follow()
    t.match(warningsOf(run)[0], /"1.0.0", which is checking/)
    machine.down.clear()
    await run.probed('it has passed', () => run.release('1.0.0').state.name === 'draining')
    t.equal(adoptionOf(run)?.release, run.release('1.0.0').index)
  },
)

t.test('a retired release that is named serves again when its file changes', async (t) => {
  const { machine, run } = await begun(t, { ms: 0 })
  for (let i = 0; i < 3; i++) await run.pass(1000)
  t.equal(run.release('1.0.0').state.name, 'retired')
  machine.site(adopting())
  await run.follow()
  t.match(warningsOf(run), [/"1.0.0", which is retired/])
  machine.drop('1.0.0', { notes: 'for those from before' })
  await run.follow()
  await run.probed('it has passed', () => run.release('1.0.0').state.name === 'draining')
  t.equal(adoptionOf(run)?.release, run.release('1.0.0').index)
  t.same(warningsOf(run), [])
})

t.test('the legacy release is blocked by adoption until its end, and is retired after it', async (t) => {
  const { run } = await begun(t)
  t.equal(run.verdictWords('1.0.0'), 'blocked adoption')
  t.match(run.verdict('1.0.0'), { emptyBy: epoch + 24 * hour })
  run.first.saw(run.release('1.0.0').index, { births: 1, birthsUntil: run.clock.now() + promiseMs })
  await run.pass(1000)
  t.equal(run.verdictWords('1.0.0'), 'blocked adoption births')
  await run.pass(22 * hour)
  t.equal(run.verdictWords('1.0.0'), 'blocked adoption', 'however long nobody has come')
  await run.pass(epoch + 24 * hour - run.clock.now() - 1)
  t.equal(run.verdictWords('1.0.0'), 'blocked adoption', 'one millisecond before its end')
  await run.beat()
  t.ok(adoptionOf(run))
  await run.pass(1)
  await run.beat()
  t.equal(adoptionOf(run), null, 'workers adopt nobody any more')
  for (let i = 0; i < 3; i++) await run.pass(1000)
  t.same(run.states, ['1.0.0 retired', '2.0.0 active'])
  t.match(warningsOf(run), [/"session.legacy" may be removed/])
})

t.test('ended early by the file, it is not retirable before every worker has reported since', async (t) => {
  const { machine, run } = await begun(t, { workers: 2 })
  const [, slow] = run.workers
  if (slow === undefined) throw new Error('no second worker')
  slow.isPrompt = false
  machine.site({ session: { legacy: null } })
  await run.follow()
  for (let i = 0; i < 3; i++) await run.pass(1000)
  t.equal(run.verdictWords('1.0.0'), 'blocked accepts-births', 'one worker may still adopt')
  slow.saw(run.release('1.0.0').index, { births: 1, birthsUntil: run.clock.now() + promiseMs })
  slow.take(run.latest)
  await run.pass(1000)
  t.equal(run.verdictWords('1.0.0'), 'blocked births', 'whoever it has adopted meanwhile is known then')
  await run.pass(promiseMs)
  t.same(run.states, ['1.0.0 retirable', '2.0.0 active'])
})

t.test('nobody is adopted by one worker while another does not serve the release', async (t) => {
  const machine = new Machine(t, adopting())
  machine.drop('2.0.0')
  const run = await machine.boot({ workers: 2 })
  const [, slow] = run.workers
  if (slow === undefined) throw new Error('no second worker')
  slow.isPrompt = false
  machine.drop('1.0.0')
  await run.follow()
  await run.probed('it has passed', () => run.release('1.0.0').state.name === 'staged')
  await run.pass(1000)
  t.same(run.states, ['2.0.0 active', '1.0.0 staged'])
  t.ok(run.served('1.0.0'))
  t.equal(adoptionOf(run)?.release, null)
  slow.isPrompt = true
  slow.take(run.latest)
  await run.settled()
  t.same(run.states, ['2.0.0 active', '1.0.0 draining'])
  t.equal(adoptionOf(run)?.release, run.release('1.0.0').index)
})

t.test(
  'a release on its way out that is named comes back, and is boarded when every worker serves it again',
  async (t) => {
    const machine = new Machine(t)
    machine.drop('1.0.0')
    const run = await machine.boot()
    await run.pass(promiseMs + minute)
    machine.drop('2.0.0')
    await run.follow()
    run.first.isPrompt = false
    while (run.served('1.0.0') !== null) {
      run.first.take(run.latest)
      await run.pass(1000)
    }
    t.equal(run.served('1.0.0'), null, 'it is leaving')
    machine.site(adopting())
    await run.follow()
    t.equal(adoptionOf(run)?.release ?? null, null, 'not yet: a worker may be without it')
    await run.pass(1000)
    t.same(run.states, ['1.0.0 draining', '2.0.0 active'])
    t.ok(run.served('1.0.0'))
    t.equal(adoptionOf(run)?.release, null, 'nor is it boarded by a table that not every worker has')
    run.first.take(run.latest)
    await run.settled()
    t.equal(adoptionOf(run)?.release, run.release('1.0.0').index)
    t.equal(run.verdictWords('1.0.0'), 'blocked adoption')
  },
)

t.test('adoption outlives the gateway, and the loss of its state', async (t) => {
  const { machine, run } = await begun(t)
  await run.stop()
  const again = await machine.boot()
  await again.pass(promiseMs + minute)
  t.equal(again.verdictWords('1.0.0'), 'blocked adoption')
  t.equal(adoptionOf(again)?.release, again.release('1.0.0').index)
  await again.stop()
  machine.documents.clear()
  const anew = await machine.boot()
  await anew.pass(1000)
  t.same(anew.states, ['1.0.0 draining', '2.0.0 active'])
  t.equal(anew.verdictWords('1.0.0'), 'blocked adoption')
})

t.test(
  'a legacy release that ends as announced is boarded by no worker while another has let go of it',
  async (t) => {
    const { run } = await begun(t, { workers: 2 })
    const [, slow] = run.workers
    if (slow === undefined) throw new Error('no second worker')
    const { departures } = run.plane.controller
    departures.announceEnd(run.site, run.release('1.0.0'), { by: 'test', force: true })
    await run.settled()
    t.equal(adoptionOf(run)?.release, run.release('1.0.0').index, 'boarded until then')
    slow.isPrompt = false
    await run.pass(promiseMs)
    t.equal(adoptionOf(run)?.release, null, 'no worker is to send anybody there any more')
    await run.pass(1000)
    t.ok(run.served('1.0.0'), 'one may still do so')
    slow.take(run.latest)
    await run.pass(1000)
    t.equal(run.served('1.0.0'), null)
    slow.take(run.latest)
    for (let i = 0; i < 2; i++) await run.pass(1000)
    t.same(run.states, ['1.0.0 retired', '2.0.0 active'])
  },
)
