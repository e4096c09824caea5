// A control plane over stops, kills and jumps of the clock: what it says of a release and how long its tokens are
// honoured never part, and no time is counted twice.
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { SavedCheckpoint } from '../../gateway/controlplane/saved-state.js'
import { honouredUntil, type Token } from '../../gateway/domain/session.js'
import type { LifecycleStore } from '../../gateway/domain/ports.js'
import type { Owner } from '../fixtures/owner.js'
import { batchOf } from '../ledger/batches.js'
import { hour, Machine, minute, promiseMs, type Run } from './harness.js'

/** A token handed out at that instant, as far as time goes. */
const tokenAt = (issuedAt: number): Token => ({ issuedAt, until: issuedAt + promiseMs }) as Token

const honoured = (run: Run, token: Token): number => honouredUntil(token, run.table.spans)

/** 1.0.0 drains behind 2.0.0, nothing is in doubt, and everything is saved. */
async function draining(t: Owner): Promise<{ readonly machine: Machine; readonly run: Run }> {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  const run = await machine.boot()
  machine.drop('2.0.0')
  // Somebody is on it, so that it stays.
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 1 })
  await run.follow()
  await run.pass(promiseMs + minute)
  await run.beat()
  return { machine, run }
}

/** Nobody is left on 1.0.0, and that is saved. */
async function emptied(t: Owner): Promise<{ readonly machine: Machine; readonly run: Run }> {
  const { machine, run } = await draining(t)
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 0 })
  await run.pass(promiseMs + minute)
  await run.beat()
  if (run.verdictWords('1.0.0') !== 'retirable') throw new Error('1.0.0 is not empty')
  return { machine, run }
}

/** A store that reads what is committed, as LMDB does, and commits in order. */
function committing(machine: Machine, isAlive: () => boolean): LifecycleStore {
  const store = Machine.prototype.store.call(machine, isAlive)
  let last = Promise.resolve()
  const commit = (write: () => Promise<void>) => (last = last.then(() => nextTurn()).then(write))
  return {
    ...store,
    put: (key, value) => commit(() => store.put(key, value)),
    remove: (key) => commit(() => store.remove(key)),
  }
}

/** A birth on 1.0.0 at this moment, reported. */
async function bear(run: Run): Promise<Token> {
  const token = tokenAt(run.clock.now())
  const { index } = run.release('1.0.0')
  run.first.saw(index, { birthsUntil: Math.max(run.first.figures.get(index)?.birthsUntil ?? 0, token.until) })
  await run.pass(1)
  return token
}

const birthsUntil = (run: Run): number | undefined =>
  run.plane.evidence.save().find(({ index }) => index === run.release('1.0.0').index)?.birthsUntil

t.test('starts that die before their first checkpoint add the time down only once', async (t) => {
  const { machine, run } = await draining(t)
  const token = await bear(run)
  await run.beat()
  await run.kill()
  const killedAt = run.clock.now()
  for (let start = 0; start < 3; start++) {
    machine.monotonic += hour
    await (await machine.boot({ listens: false })).kill()
  }
  machine.monotonic += hour
  const last = await machine.boot()
  t.equal(honoured(last, token), token.until + (last.clock.now() - killedAt))
  t.equal(birthsUntil(last), honoured(last, token), 'the bound of the births is that of their tokens')
  await last.pass(0)
  const found = last.verdict('1.0.0')
  const lastToken = tokenAt(last.clock.now() - 1)
  t.equal(
    found.kind === 'blocked' && found.emptyBy,
    honoured(last, lastToken) + 1,
    'and what may have been lost',
  )
})

t.test(
  'while the saved sessions are being read visitors are served, nothing is certain and nothing is saved',
  async (t) => {
    const { machine, run } = await draining(t)
    const at = run.clock.now()
    const row = { high: 1, low: 1, release: run.release('1.0.0').index, bornAt: at, until: at + promiseMs }
    await run.pass(1, { touched: batchOf([row]) })
    run.first.saw(row.release, { exchangesOpen: 0 })
    await run.pass(1)
    await run.stop()

    const reading = await machine.boot({ restores: false })
    const saved = structuredClone(machine.documents.get('checkpoint')) as SavedCheckpoint
    t.equal(reading.served('2.0.0')?.share, 1, 'births go on')
    const here = reading.clock.now()
    const other = { ...row, low: 2, bornAt: here, until: here + promiseMs }
    for (let second = 0; second < 5; second++) {
      await reading.pass(1000, { touched: batchOf([other]) })
      await reading.beat()
      t.equal(reading.verdictWords('1.0.0'), 'unknown starting')
    }
    t.same(
      machine.documents.get('checkpoint'),
      { ...saved, writtenAt: reading.clock.now() },
      'or a next start would take it for all there is',
    )
    await reading.restore()
    t.equal(reading.verdictWords('1.0.0'), 'blocked sessions')
    const { active, latestUntil } = reading.plane.parts.ledger.of(row.release)
    t.same([active, latestUntil], [2, other.until], 'what was saved, and what was seen meanwhile')
    t.ok((machine.documents.get('checkpoint') as SavedCheckpoint).asOf > saved.asOf)
    await reading.stop()
    t.equal((await machine.boot()).plane.parts.ledger.of(row.release).active, 2)
  },
)

t.test('no release is retired by a clock that was set a moment ago', async (t) => {
  const { machine, run } = await emptied(t)
  machine.epochMs -= hour
  for (let i = 0; i < 4; i++) await run.pass(10)
  t.equal(run.release('1.0.0').state.name, 'draining')
  t.not(run.verdictWords('1.0.0'), 'retirable', 'what had expired is honoured again')
})

t.test('nor is one found empty by such a clock when the gateway stops', async (t) => {
  const { machine, run } = await draining(t)
  run.first.saw(run.release('1.0.0').index, { exchangesOpen: 0 })
  await bear(run)
  machine.monotonic += promiseMs + minute
  machine.epochMs -= hour
  await run.stop()
  t.equal(run.release('1.0.0').state.name, 'draining')
})

/** 1.0.0 counts as empty in what is saved; now somebody came back, while that is still being read. */
async function returned(t: Owner): Promise<{ readonly machine: Machine; readonly reading: Run }> {
  const { machine, run } = await emptied(t)
  await run.stop()
  const reading = await machine.boot({ restores: false })
  const here = reading.clock.now()
  const { index } = reading.release('1.0.0')
  const back = { high: 1, low: 1, release: index, bornAt: here - minute, until: here + promiseMs }
  await reading.pass(1000, { touched: batchOf([back]) })
  return { machine, reading }
}

t.test('a stop while the saved sessions are being read waits for them and knows everything', async (t) => {
  const { machine, reading } = await returned(t)
  await reading.stop()
  const again = await machine.boot()
  await again.pass(1000)
  t.equal(again.verdictWords('1.0.0'), 'blocked sessions')
  t.notOk(again.eventTypes().includes('unclean-stop'))
})

t.test('no release counts as empty by what was found before its sessions were read', async (t) => {
  const { reading } = await returned(t)
  t.equal(reading.release('1.0.0').state.name, 'retirable')
  await reading.restore()
  t.equal(reading.release('1.0.0').state.name, 'draining')
})

t.test(
  'a start that is killed while it reads the saved sessions has lost what came meanwhile, and knows that',
  async (t) => {
    const { machine, run } = await emptied(t)
    await run.stop()
    const reading = await machine.boot({ restores: false })
    await reading.pass(1000)
    const token = tokenAt(reading.clock.now())
    await reading.kill()
    machine.monotonic += minute
    const again = await machine.boot()
    await again.pass(1000)
    t.equal(again.verdictWords('1.0.0'), 'blocked phantoms')
    const found = again.verdict('1.0.0')
    t.ok(
      found.kind === 'blocked' && (found.emptyBy ?? 0) >= honoured(again, token),
      'as long as a token of then lives',
    )
  },
)

/** A start by a clock that was set back since tokens were handed out. */
async function expectFollowed(test: Test, machine: Machine, handedOut: number): Promise<void> {
  const next = await machine.boot()
  await next.pass(1)
  test.ok(next.clock.now() + next.table.futureToleranceMs > handedOut, 'its tokens are accepted')
  const found = next.verdict('1.0.0')
  test.ok(found.kind === 'unknown' && (found.until ?? 0) >= handedOut + promiseMs, 'and may have been many')
}

t.test(
  'a clock that is set back between two starts, of which the first never read its sessions, is followed',
  async (t) => {
    const { machine, run } = await draining(t)
    await run.kill()
    machine.epochMs += hour
    const reading = await machine.boot({ restores: false })
    await reading.beat()
    const handedOut = reading.clock.now()
    await reading.kill()
    machine.epochMs -= hour
    await expectFollowed(t, machine, handedOut)
  },
)

t.test(
  'what is handed out by a clock that stands a little behind is not older than the time down',
  async (t) => {
    const { machine, run } = await draining(t)
    await run.kill()
    machine.monotonic += hour
    await (await machine.boot()).kill()
    machine.epochMs -= 4000
    const again = await machine.boot()
    await again.pass(1)
    const token = await bear(again)
    t.equal(honoured(again, token), token.until, 'it was handed out after the span')
  },
)

t.test('a clock that is set back while the state is being saved is followed after a kill', async (t) => {
  const { machine, run } = await draining(t)
  machine.epochMs += hour
  await run.pass(1)
  const handedOut = run.clock.now()
  const { sessions } = machine
  const save = sessions.saveSessions.bind(sessions)
  let goOn = (): void => {}
  const mayGoOn = new Promise<void>((resolve) => (goOn = resolve))
  sessions.saveSessions = async (each) => {
    sessions.saveSessions = () => Promise.reject(new Error('no space left'))
    await mayGoOn
    await save(each)
  }
  await run.beat()
  machine.epochMs -= hour
  await run.pass(1)
  goOn()
  await run.settled()
  await run.kill()
  sessions.saveSessions = save
  await expectFollowed(t, machine, handedOut)
})

t.test('a checkpoint that is given up stays so, whatever is being saved', async (t) => {
  const { machine, run } = await emptied(t)
  await run.stop()
  machine.store = (isAlive) => committing(machine, isAlive)
  const { state } = (await machine.boot({ restores: false })).plane
  const first = state.checkpoint()
  const given = state.giveUp()
  await first
  // While the removal is on its way.
  await Promise.all([given, state.checkpoint()])
  t.notOk(machine.documents.has('checkpoint'))
})

t.test('saved sessions that cannot be read are a lost state, though workers serve already', async (t) => {
  const { machine, run } = await emptied(t)
  await run.stop()
  const reading = await machine.boot({ restores: false })
  await reading.pass(1000)
  await reading.plane.ledgerRestored({ isLost: true })
  await reading.pass(1000)
  t.equal(reading.verdictWords('1.0.0'), 'unknown state-lost')
  t.ok(reading.eventTypes().includes('state-lost'))
  await reading.pass(promiseMs)
  t.equal(reading.verdictWords('1.0.0'), 'retirable')
})

t.test('a worker that goes on by a former policy makes its promises, whatever becomes of it', async (t) => {
  const { machine, run } = await draining(t)
  run.first.isPrompt = false
  machine.site({ session: { idleTimeout: '1m' } })
  await run.follow()
  await run.pass(10_000)
  await run.beat()
  const token = tokenAt(run.clock.now())
  await run.kill()
  const again = await machine.boot()
  await again.pass(1000)
  const found = again.verdict('1.0.0')
  t.equal(again.verdictWords('1.0.0'), 'blocked phantoms')
  t.ok(found.kind === 'blocked' && (found.emptyBy ?? 0) >= honoured(again, token), 'after a kill')
  await again.pass(2 * promiseMs)
  const later = tokenAt(again.clock.now())
  again.first.exit('killed')
  await again.probed('another one has its place', () => again.workers.length === 2)
  await again.pass(1000)
  const lost = again.verdict('1.0.0')
  t.ok(lost.kind !== 'blocked' || (lost.emptyBy ?? 0) < later.until, 'and no longer than it does')
})

t.test('a session counts for as long as its token is honoured, over kills, stops and jumps', async (t) => {
  const { machine, run } = await draining(t)
  const token = tokenAt(run.clock.now())
  const row = {
    high: 1,
    low: 1,
    release: run.release('1.0.0').index,
    bornAt: token.issuedAt,
    until: token.until,
  }
  await run.pass(1, { touched: batchOf([row]) })
  await run.beat()
  await run.kill()
  const counted = (current: Run) => current.plane.parts.ledger.of(current.release('1.0.0').index).latestUntil
  machine.monotonic += hour
  await (await machine.boot({ listens: false })).kill()
  machine.monotonic += hour
  const again = await machine.boot()
  t.equal(counted(again), honoured(again, token))
  await again.pass(minute)
  machine.epochMs += hour
  await again.beat()
  t.equal(counted(again), honoured(again, token))
  await again.stop()
  machine.monotonic += hour
  const last = await machine.boot()
  t.equal(counted(last), honoured(last, token))
  t.ok(honoured(last, token) >= token.until + 4 * hour)
  await last.pass(honoured(last, token) - last.clock.now() - 1)
  t.match(last.verdictWords('1.0.0'), /^blocked sessions/, 'one millisecond before')
  await last.pass(1)
  t.notMatch(last.verdictWords('1.0.0'), /sessions/)
})

t.test('a jump of the clock and a kill before the next checkpoint are counted once', async (t) => {
  const { machine, run } = await draining(t)
  const token = await bear(run)
  await run.beat()
  machine.epochMs += hour
  run.plane.beat()
  t.equal(honoured(run, token), token.until + hour)
  t.equal(birthsUntil(run), token.until + hour)
  await run.kill()
  const again = await machine.boot()
  t.equal(honoured(again, token), token.until + hour)
  t.equal(birthsUntil(again), token.until + hour)
  await again.pass(minute)
  await again.beat()
  await again.stop()
  machine.monotonic += minute
  const third = await machine.boot()
  t.equal(honoured(third, token), token.until + hour + minute)
  t.equal(birthsUntil(third), honoured(third, token), 'kept with the promises')
})

t.test('a clock that goes ahead and back: no token is honoured longer than the evidence says', async (t) => {
  const { machine, run } = await draining(t)
  const tokens = [await bear(run)]
  const jump = async (ms: number): Promise<void> => {
    await run.pass(minute)
    machine.epochMs += ms
    await run.beat()
    tokens.push(await bear(run))
    for (const token of tokens) {
      t.ok(honoured(run, token) <= (birthsUntil(run) ?? 0), `${ms} ms, issued at ${token.issuedAt}`)
    }
  }
  await jump(hour)
  await jump(-hour)
  const between = tokens[1]
  t.equal(between && honoured(run, between), between?.until, 'the hour came before it')
  await jump(2 * hour)
  await jump(-minute)
  await run.beat()
  await run.stop()
  machine.monotonic += minute
  const again = await machine.boot()
  for (const token of tokens) t.ok(honoured(again, token) <= (birthsUntil(again) ?? 0), 'nor after a restart')
})

t.test('a state that was lost is in doubt for as long as tokens from before are honoured', async (t) => {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  machine.drop('2.0.0')
  const run = await machine.boot()
  const before = tokenAt(run.clock.now() - 1)
  await run.probed('both serve', () => run.states.join() === '1.0.0 draining,2.0.0 active')
  await run.pass(minute)
  t.equal(run.verdictWords('1.0.0'), 'unknown state-lost')
  await run.stop()
  machine.monotonic += hour
  const again = await machine.boot()
  await again.pass(0)
  t.equal(honoured(again, before), before.until + hour)
  await again.pass(before.until + hour - again.clock.now())
  t.equal(again.verdictWords('1.0.0'), 'unknown state-lost', 'as the last of them ends')
  await again.pass(1)
  t.equal(again.verdictWords('1.0.0'), 'retirable')
})

t.test(
  'the file of the active release is deleted while the gateway is down: the former one accepts births',
  async (t) => {
    const { machine, run } = await draining(t)
    await run.stop()
    machine.withdraw('2.0.0')
    const again = await machine.boot()
    t.same(again.states, ['1.0.0 active', '2.0.0 retirable withdrawn'], 'nobody was on it')
    t.match(again.served('1.0.0'), { share: 1 })
  },
)

t.test('and when it becomes healthy only later, it accepts them then', async (t) => {
  const { machine, run } = await draining(t)
  machine.down.add('http://1.0.0:1')
  const { index, registration } = run.release('1.0.0')
  const [target] = registration.targets
  if (target === undefined) throw new Error('no target')
  await run.probed('it is ill', () => run.plane.prober.healthOf(index, target)?.state === 'unhealthy')
  machine.withdraw('2.0.0')
  await run.follow()
  t.same(run.states, ['1.0.0 draining', '2.0.0 draining withdrawn'])
  machine.down.clear()
  await run.probed('it accepts births', () => run.release('1.0.0').state.name === 'active')
  t.match(run.served('1.0.0'), { share: 1 })
})

t.test('tokens of another gateway are an event when they begin to come, and not while they do', async (t) => {
  const { machine, run } = await draining(t)
  const told = () => machine.events.filter(({ type }) => type === 'foreign-tokens').length
  const seen = (current: Run, ms: number) =>
    current.pass(ms, { foreignSeen: [['shop', current.clock.now() + ms]] })
  await seen(run, 1000)
  t.equal(told(), 1)
  for (let i = 0; i < 5; i++) await seen(run, 5 * minute)
  t.equal(told(), 1)
  await run.beat()
  await run.stop()
  const again = await machine.boot()
  await seen(again, 1000)
  t.equal(told(), 1, 'nor after a restart')
  await again.pass(promiseMs)
  await again.pass(minute)
  await seen(again, 0)
  t.equal(told(), 2, 'when none came for one promise they begin anew')
})

t.test('boots whose clocks differ by a few milliseconds are no clock jump', async (t) => {
  for (const bootMs of [-40, -3, 3, 40]) {
    const { machine, run } = await draining(t)
    await run.stop()
    const again = await machine.boot({ bootMs })
    await again.pass(1000)
    await again.beat()
    t.equal(again.verdictWords('1.0.0'), 'retirable', `${bootMs} ms`)
    t.notOk(again.eventTypes().includes('clock-jump'))
    t.equal(again.table.futureToleranceMs, 5 * minute)
    await again.stop()
  }
})

t.test('a restart with the same files is no change of policy', async (t) => {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  const run = await machine.boot()
  await run.beat()
  await run.stop()
  const again = await machine.boot()
  t.notOk(again.eventTypes().includes('policy'))
})
