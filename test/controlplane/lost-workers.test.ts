// What the event log keeps of workers that were lost: each that had reported, and no flood of those that cannot start.
import t from 'tap'
import { LostWorkers } from '../../gateway/controlplane/lost-workers.js'
import { nullLog } from '../../gateway/domain/ports.js'
import { hour } from './harness.js'

function begun(): { readonly lost: LostWorkers; readonly told: string[]; pass: (ms: number) => void } {
  const told: string[] = []
  let monotonic = 5
  const lost = new LostWorkers({
    clock: { now: () => 0, monotonic: () => monotonic },
    log: nullLog,
    events: { add: (_, cause) => told.push(cause) },
  })
  return { lost, told, pass: (ms) => void (monotonic += ms) }
}

t.test('each worker that had reported is told at once', async (t) => {
  const { lost, told } = begun()
  lost.add('signal SIGKILL', true)
  lost.add('signal SIGKILL', true)
  t.same(told, Array(2).fill('signal SIGKILL; what it saw last may be lost'))
})

t.test('of those that cannot start the first is told, then one an hour with their number', async (t) => {
  const { lost, told, pass } = begun()
  for (let second = 0; second < 2 * 3600; second += 5) {
    lost.add('exit code 1', false)
    pass(5000)
  }
  const text = 'exit code 1; it had not reported yet'
  t.same(told, [text, `${text}, nor had 719 others since that was last told`])
  lost.add('signal SIGSEGV', true)
  t.equal(
    told.at(-1),
    'signal SIGSEGV; what it saw last may be lost',
    'one that had reported is told all the same',
  )
  pass(2 * hour)
  lost.add('exit code 1', false)
  t.equal(told.at(-1), `${text}, nor had 719 others since that was last told`)
  pass(hour)
  lost.add('exit code 1', false)
  t.equal(told.at(-1), text)
})
