// Sessions that change their release, in a whole control plane: what workers are told of takeovers, recalls, dead
// releases and the limits of retention, and when.
import t from 'tap'
import type { Move } from '../../gateway/domain/moves.js'
import type { Owner } from '../fixtures/owner.js'
import { Machine, minute, promiseMs, type Run } from './harness.js'

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
