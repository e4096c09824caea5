// The life of releases in a whole control plane: births change hands without a gap, what stands by or is leaving is
// known as that, and nothing is called retirable that a worker may still touch.
import t from 'tap'
import { GatewayReader } from '../../gateway/controlplane/gateway-reader.js'
import { hour, Machine, minute, promiseMs, type Run } from './harness.js'

/** 1.0.0 drains behind 2.0.0, which is active. */
async function superseded(t: import('../fixtures/owner.js').Owner, site = {}): Promise<{ machine: Machine; run: Run }> {
  const machine = new Machine(t, site)
  machine.drop('1.0.0')
  const run = await machine.boot()
  machine.drop('2.0.0')
  await run.follow()
  // Of a state that was never saved nothing is certain for one promise.
  await run.pass(promiseMs + minute)
  return { machine, run }
}

t.test('debug', async (t) => {
  const { run } = await superseded(t)
  console.error(run.states, run.verdictWords('1.0.0'), run.eventTypes(), run.machine.events.map(e=>e.cause))
})
t.test('debug2', async (t) => {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  console.error(machine.load(null).problems)
})
