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
    const saved = run.clock.now()
    t.same(readerOf(run).status().state, { savedAt: new Date(saved).toISOString(), problem: null })
    t.notMatch(linesOf(run), /saved/, 'what is in order is not worth a line')

    machine.isDiskFull = true
    await run.pass(3 * minute)
    await run.beat()
    t.equal(readerOf(run).reading().stateSavedAt, saved, 'what the metric shows grows old')
    t.match(linesOf(run), /the state has not been saved for 3m: no space left on device; a crash forgets/)

    machine.isDiskFull = false
    await run.pass(1000)
    await run.beat()
    t.equal(readerOf(run).reading().stateSavedAt, run.clock.now())
    t.equal(readerOf(run).status().state.problem, null)
  },
)
