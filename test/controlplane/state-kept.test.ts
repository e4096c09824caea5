// Whether the state is kept is said wherever an operator looks: while it is, when it is not, and again afterwards.
import t from 'tap'
import { painter } from '../../gateway/cli/terminal.js'
import { statusLines } from '../../gateway/cli/status-text.js'
import { GatewayReader } from '../../gateway/controlplane/gateway-reader.js'
import { Machine, minute, type Run } from './harness.js'

const readerOf = ({ plane }: Run): GatewayReader =>
  new GatewayReader({ plane, startedAt: 0, publicUrl: () => 'http://a', usesGeneratedKeys: false })

const linesOf = (run: Run): string => {
  const overview = { gateway: readerOf(run).status(), sites: [] }
  return statusLines(overview, { paint: painter(false), columns: Infinity, now: run.clock.now() }).join('\n')
}

t.test(
  'a state that cannot be saved is told with its cause and its age, until it is saved again',
  async (t) => {
    const machine = new Machine(t)
    machine.drop('1.0.0')
    const run = await machine.boot()
    await run.pass(1000)
    await run.beat()
    t.same(readerOf(run).status().state, { ageMs: 0, problem: null })
    t.notMatch(linesOf(run), /saved/, 'what is in order is not worth a line')

    machine.isDiskFull = true
    await run.pass(3 * minute)
    await run.beat()
    t.equal(readerOf(run).reading().stateAgeMs, 3 * minute, 'what the metric shows grows')
    t.match(linesOf(run), /not saved for 3m, which a crash would forget: no space left on device/)

    machine.isDiskFull = false
    await run.pass(1000)
    await run.beat()
    t.equal(readerOf(run).reading().stateAgeMs, 0)
    t.equal(readerOf(run).status().state.problem, null)
  },
)

t.test('a lifecycle that cannot be saved is not vouched for, whatever else can be', async (t) => {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  const run = await machine.boot()
  await run.pass(1000)
  await run.beat()
  machine.unsavable.add('lifecycle')
  machine.drop('2.0.0')
  await run.follow()
  await run.pass(2 * minute)
  await run.beat()
  t.match(linesOf(run), /not saved for 2m, which a crash would forget: no space left on device/)
  machine.unsavable.clear()
  await run.beat()
  t.notMatch(linesOf(run), /not saved/)
})

t.test('a gateway that has not saved since its start says so, and since when', async (t) => {
  const machine = new Machine(t)
  machine.isDiskFull = true
  const run = await machine.boot()
  await run.pass(2 * minute)
  await run.beat()
  t.match(readerOf(run).status().state, { problem: 'no space left on device' })
  t.ok(readerOf(run).reading().stateAgeMs >= 2 * minute)
})
