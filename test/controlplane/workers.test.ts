// Workers as the control plane knows them: which of them count as listening, what is lost with one, and what a response
// says whose head comes after another publication.
import { connect as connectSecurely } from 'node:tls'
import t from 'tap'
import { forkAhead, forkWorker } from '../../gateway/adapters/worker-process.js'
import { Activity } from '../../gateway/dataplane/activity.js'
import { TokenReader } from '../../gateway/dataplane/affinity-token.js'
import { ExchangeSession } from '../../gateway/dataplane/exchange-session.js'
import type { RequestIdentity } from '../../gateway/dataplane/request-identity.js'
import { MovedSessions } from '../../gateway/dataplane/moved-sessions.js'
import { Tombstones } from '../../gateway/dataplane/tombstones.js'
import { FieldNames } from '../../gateway/dataplane/upstream/field-names.js'
import { ParsedHead } from '../../gateway/dataplane/upstream/response-head.js'
import type { WorkerState } from '../../gateway/dataplane/worker-state.js'
import { responseFields } from '../../gateway/domain/headers.js'
import { buildRoutingTable } from '../../gateway/domain/routing-table.js'
import type { FromWorker, TlsMaterial } from '../../gateway/plane-protocol.js'
import type { WorkerHandle } from '../../gateway/controlplane/worker-handle.js'
import { makeCertificate } from '../contract/certificates.js'
import type { Owner } from '../fixtures/owner.js'
import { isRunning, runAmarre } from '../fixtures/gateway-process.js'
import { until } from '../fixtures/until.js'
import { Machine, minute, promiseMs, shop, type Run } from './harness.js'

const statesOf = (run: Run): string[] => run.plane.parts.supervisor.workers.map(({ state }) => state)

const phantomsIn = (run: Run): number =>
  run.plane.evidence.save().reduce((sum, each) => sum + each.phantoms.length, 0)

async function begun(t: Owner): Promise<{ readonly machine: Machine; readonly run: Run }> {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  const run = await machine.boot()
  await run.pass(minute)
  return { machine, run }
}

t.test('a worker that cannot listen is not counted as listening, and is replaced', async (t) => {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  const run = await machine.boot({ listens: false })
  run.first.cannotListen = true
  const seen: string[][] = []
  const { send } = run.first
  run.first.send = (message) => {
    send.call(run.first, message)
    if (message.kind === 'listen') queueMicrotask(() => seen.push(statesOf(run)))
  }
  await run.settled()
  await run.listen()
  t.equal(run.first.hasExited, true)
  t.notOk(seen.flat().includes('listening'))
  t.notSame(run.plane.readiness.waitingFor(), [])
  await run.probed('another one listens', () => statesOf(run).join() === 'listening')
  t.equal(run.workers.length, 2)
  t.same(run.plane.readiness.waitingFor(), [])
})

t.test(
  'a worker that reports and takes no publication is killed, or everything would wait for it',
  async (t) => {
    const { machine, run } = await begun(t)
    run.first.isPrompt = false
    machine.drop('2.0.0')
    await run.follow()
    for (let second = 0; second < 29; second++) {
      await run.pass(1000)
      await run.beat()
    }
    t.notOk(run.first.hasExited)
    t.same(run.states, ['1.0.0 active', '2.0.0 staged'])
    run.first.take(run.latest)
    for (let second = 0; second < 29; second++) {
      await run.pass(1000)
      await run.beat()
    }
    t.notOk(run.first.hasExited, 'it took one meanwhile')
    for (let second = 0; second < 2; second++) {
      await run.pass(1000)
      await run.beat()
    }
    t.ok(run.first.hasExited)
    await run.probed('another one has its place', () => statesOf(run).join() === 'listening')
  },
)

t.test(
  'a worker that exits with 0 and without its last report is lost, whether told to leave or not',
  async (t) => {
    const { run } = await begun(t)
    run.first.exit('exit code 0')
    t.equal(phantomsIn(run), 1)
    t.equal(run.plane.parts.supervisor.lost, 1)

    const { run: told } = await begun(t)
    const left = told.plane.parts.supervisor.leave(1000)
    told.first.report(told.machine.monotonic)
    told.first.exit('exit code 0')
    await left
    t.equal(phantomsIn(told), 1, 'what it had still open is not known')
    t.ok(told.eventTypes().includes('worker-lost'))
  },
)

t.test('a worker that leaves in order is not lost', async (t) => {
  const { run } = await begun(t)
  const left = run.plane.parts.supervisor.leave(1000)
  run.first.report(run.machine.monotonic, { isLast: true })
  run.first.exit('exit code 0')
  await left
  t.equal(phantomsIn(run), 0)
  t.equal(run.plane.parts.supervisor.lost, 0)
  t.notOk(run.eventTypes().includes('worker-lost'))
})

function plainHead(): ParsedHead {
  const head = new ParsedHead(new FieldNames(responseFields))
  const bytes = Buffer.from('HTTP/1.1 200 OK\r\n\r\n', 'latin1')
  if (head.parse(bytes, 0, bytes.length, false) !== bytes.length) throw new Error(head.fault)
  return head
}

t.test('a response whose head comes after a policy edit hands out by the table in force then', async (t) => {
  const { machine, run } = await begun(t)
  const state = {
    table: buildRoutingTable(run.table),
    activity: new Activity(),
    tombstones: new Tombstones(),
    moved: new MovedSessions(),
    reader: new TokenReader(run.first.publication?.keys ?? { keys: [], signsWith: 0 }),
    clock: run.clock,
    endSession: () => {},
  }
  const release = state.table.siteNamed(shop)?.releases[0]
  const [target] = release?.targets ?? []
  if (release === undefined || target === undefined) throw new Error('no release')
  const identity = {
    method: 'GET',
    isSecure: false,
    isHeaderClient: false,
    token: null,
    verified: null,
    header: () => '',
  }
  const board = () =>
    new ExchangeSession(
      state as unknown as WorkerState,
      identity as unknown as RequestIdentity,
      { kind: 'board', release, because: 'new' },
      run.clock.now(),
    )
  const [before, after, late] = [board(), board(), board()]
  const now = run.clock.now()
  t.equal(before.handOut(plainHead(), target, now).issued?.until, now + promiseMs)
  machine.site({ session: { idleTimeout: '80m', cookie: 'other' } })
  await run.follow()
  state.table = buildRoutingTable(run.table)
  const given = after.handOut(plainHead(), target, now)
  t.equal(given.issued?.until, now + 90 * minute)
  t.match(given.lines, /^Set-Cookie: other=/i)
  state.table = buildRoutingTable({ ...run.table, sites: [] })
  t.equal(late.handOut(plainHead(), target, now).issued, null, 'nothing for a release that serves no more')
})

interface RealWorker {
  readonly worker: WorkerHandle
  readonly said: readonly FromWorker[]
}

/** A real worker process, and what it says. */
async function forkReal(t: Owner): Promise<RealWorker> {
  const said: FromWorker[] = []
  const gone: string[] = []
  const fronts = { engines: ['uws', 'node'], requestHeadBytes: 16_384 } as const
  const worker = forkWorker(fronts, {
    onMessage: (message) => said.push(message),
    onFault: (reason) => gone.push(reason),
    onExit: (how) => gone.push(how),
  })
  t.teardown(async () => {
    worker.send({ kind: 'leave', withinMs: 0, isRelieved: false })
    await until('it leaves', () => gone.length > 0)
  })
  await until('its first word', () => said[0]?.kind === 'started')
  return { worker, said }
}

const pidOfReal = async (t: Owner): Promise<number> => (await forkReal(t)).worker.pid

t.test('the worker forked ahead is the first one, and no other is', async (t) => {
  const ahead = forkAhead()
  t.equal(await pidOfReal(t), ahead)
  t.not(await pidOfReal(t), ahead)
})

t.test('what was forked ahead and has died is no worker', async (t) => {
  const ahead = forkAhead()
  process.kill(ahead, 'SIGKILL')
  await until('it is gone', () => !isRunning(ahead))
  t.not(await pidOfReal(t), ahead)
})

t.test('a start that comes to nothing leaves no worker behind', async (t) => {
  // It ends when its output has: the worker holds that too.
  const { code } = await runAmarre(['start', '--no-such-option'])
  t.equal(code, 2)
})

/** Whose certificate a secure port shows. */
function shownBy(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectSecurely({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

t.test('certificates that change while a worker is opening are those that it shows', async (t) => {
  const { worker, said } = await forkReal(t)
  const rest = { files: null, clients: null, ticketKeys: new Uint8Array(48) }
  const showing = (name: string): TlsMaterial => ({ ...rest, certificates: [makeCertificate(name)] })
  const place = { name: 'https', engine: 'node', host: '127.0.0.1', port: 0 } as const
  worker.send({
    kind: 'listen',
    listeners: [{ ...place, tls: showing('former.test'), isProxied: false, redirectPort: null }],
  })
  worker.send({ kind: 'certificates', tls: showing('present.test') })
  const listening = (): FromWorker | undefined => said.find(({ kind }) => kind === 'listening')
  await until('it listens', () => listening() !== undefined)
  const word = listening()
  t.equal(await shownBy(word?.kind === 'listening' ? (word.ports[0] ?? 0) : 0), 'present.test')
})

t.test('a worker that the system does not let be made has ended: another one is tried', async (t) => {
  const { execPath } = process
  t.teardown(() => (process.execPath = execPath))
  const ends: string[] = []
  const fork = (path: string): void => {
    process.execPath = path
    const observer = { onMessage: () => {}, onFault: () => {}, onExit: (how: string) => void ends.push(how) }
    const handle = forkWorker({ engines: ['uws'], requestHeadBytes: 16_384 }, observer)
    t.equal(handle.pid, 0)
    handle.send({ kind: 'leave', withinMs: 0, isRelieved: false })
    handle.kill('SIGKILL')
    t.same(ends, [], 'whoever forks learns of it afterwards')
  }
  fork('/nowhere/node')
  await until('its end is told', () => ends.length === 1)
  t.match(ends.splice(0), [/ENOENT/])
  // What Node throws of by itself, as it does where the system has no memory left.
  fork('/no\0where')
  await until('its end is told', () => ends.length === 1)
  t.match(ends, [/null bytes/])
})

t.test(
  'a worker that is told to leave while it starts never listens, and nothing is lost with it',
  async (t) => {
    for (const way of ['stop', 'roll'] as const) {
      const machine = new Machine(t)
      machine.drop('1.0.0')
      const made = machine.newWorker
      const forked: ReturnType<typeof made>[] = []
      machine.newWorker = (pid, observer) => {
        const worker = made(pid, observer)
        forked.push(worker)
        // The second reads its code for long.
        worker.isPrompt = pid !== 2
        return worker
      }
      const run = await machine.boot({ workers: 2 })
      await run.pass(minute)
      const { supervisor } = run.plane.parts
      const over = way === 'stop' ? supervisor.leave(1000) : supervisor.roll(1000)
      const leave = async (worker = forked[0]): Promise<void> => {
        worker?.report(machine.monotonic, { isLast: true })
        worker?.exit('code 0')
        await run.settled()
      }
      await run.settled()
      await leave(forked[0])
      forked[1]?.take(run.latest)
      await leave(forked[1])
      await over
      await run.settled()
      t.equal(supervisor.lost, 0, way)
      t.notOk(run.eventTypes().includes('worker-lost'))
      t.equal(phantomsIn(run), 0)
      t.equal(supervisor.workers.length, way === 'stop' ? 0 : 2, 'as many as there were')
    }
  },
)
