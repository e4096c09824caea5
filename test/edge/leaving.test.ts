// How processes go: workers one after the other on SIGHUP, everybody at once when it must be, and never by halves.
import t from 'tap'
import { deploy } from '../fixtures/fleet.js'
import { startGateway, type Gateway } from '../fixtures/gateway.js'
import { isRunning } from '../fixtures/gateway-process.js'
import { Crowd } from '../fixtures/crowd.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'
import { Visitor } from '../fixtures/visitor.js'

const failing = { NODE_OPTIONS: `--import ${new URL('./failing-on-signal.js', import.meta.url).href}` }
const quickly = { AMARRE_LIMITS_DRAIN_ON_EXIT: '2s' }

/** Forks and leave-taking of three workers, one after the other, on a machine that has much else to do. */
const rollLimitMs = 40_000

/** Resolves when none of those workers is left and as many others listen. */
async function replaced(gateway: Gateway, before: readonly number[]): Promise<readonly number[]> {
  return until(
    'the workers are replaced',
    async () => {
      const { workers } = await gateway.status()
      const isDone =
        workers.length === before.length &&
        workers.every(({ pid, state }) => state === 'listening' && !before.includes(pid))
      return isDone ? workers.map(({ pid }) => pid) : null
    },
    rollLimitMs,
  )
}

t.test('SIGHUP replaces the workers one after the other, and nobody notices', async (t) => {
  const gateway = await startGateway({ t, workers: 2, env: quickly })
  // One target: whoever waits, waits for the gate that is opened.
  const [application] = await deploy(gateway, '1.0.0', t, { targets: ['a'] })
  const crowd = new Crowd(gateway.url, 2)
  await crowd.welcome(8)
  crowd.walk(40)
  const waiting = new Visitor(gateway.url, { t })
  const slow = waiting.go('/gate?name=slow')
  const [before, answered] = [await gateway.workers(), application?.requests ?? 0]

  let most = 0
  process.kill(gateway.pid, 'SIGHUP')
  const after = await until(
    'the workers are replaced',
    async () => {
      const { workers } = await gateway.status()
      most = Math.max(most, workers.length)
      if (workers.some(({ state }) => state === 'leaving')) application?.open('slow')
      const isDone =
        workers.length === 2 &&
        workers.every(({ pid, state }) => state === 'listening' && !before.includes(pid))
      return isDone ? workers : null
    },
    rollLimitMs,
  )
  t.equal(most, 3, 'one more than usual at a time')
  t.ok(application !== undefined && application.requests > answered)
  application?.open('slow')
  t.equal((await slow).status, 200, 'what was under way is answered')
  await crowd.leave()
  t.same(
    crowd.guests.flatMap(({ faults }) => faults),
    [],
  )
  t.same(crowd.crawlerFaults, [])
  t.equal(
    crowd.guests.reduce((sum, { unanswered }) => sum + unanswered, 0),
    0,
  )
  t.notOk(after.some(({ pid }) => before.includes(pid)))
  t.equal((await gateway.metrics()).value('amarre_workers_lost_total'), 0, 'none was lost')
  const counted = (await gateway.metrics()).sum('amarre_requests_total', { code: '200' })
  t.ok(counted > 0, 'their counters live on')

  process.kill(gateway.pid, 'SIGHUP')
  await replaced(
    gateway,
    after.map(({ pid }) => pid),
  )
  t.equal(await gateway.stop(), 0)
})

t.test('a connection that rests during a roll is good for one more request', async (t) => {
  const gateway = await startGateway({ t, workers: 1 })
  await deploy(gateway, '1.0.0', t)
  const client = await RawClient.connect(gateway.port, t)
  client.send('GET /status?code=200 HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.reads(/200 OK/)
  const before = await gateway.workers()
  process.kill(gateway.pid, 'SIGHUP')
  await until('the worker is leaving', async () =>
    (await gateway.status()).workers.some(({ pid, state }) => pid === before[0] && state === 'leaving'),
  )
  const leavingSince = performance.now()
  await until('a second has passed', () => performance.now() - leavingSince > 1_000)
  client.send('POST /status?code=202 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
  await client.reads(/202 Accepted/)
  t.match(client.text, /202 Accepted[^]*connection: close/i, 'and the client is told that it was the last')
  await replaced(gateway, before)
})

t.test('a worker that dies during a roll is replaced once, and the roll goes on', async (t) => {
  const gateway = await startGateway({ t, workers: 3, env: quickly })
  await deploy(gateway, '1.0.0', t)
  const before = await gateway.workers()
  process.kill(gateway.pid, 'SIGHUP')
  process.kill(before[0] ?? 0, 'SIGKILL')
  process.kill(before[2] ?? 0, 'SIGKILL')
  const after = await replaced(gateway, before)
  t.equal(after.length, 3)
  t.equal((await new Visitor(gateway.url, { t }).go()).status, 200)
})

t.test('SIGTERM during a roll ends it all', async (t) => {
  const gateway = await startGateway({ t, workers: 2, env: quickly })
  const before = await gateway.workers()
  process.kill(gateway.pid, 'SIGHUP')
  await until('a third worker has been started', async () => (await gateway.workers()).length === 3)
  t.equal(await gateway.stop(), 0)
  await until('no worker is left', () => !before.some(isRunning))
})

t.test('a second SIGTERM does not wait', async (t) => {
  const gateway = await startGateway({ t, workers: 1, env: { AMARRE_LIMITS_DRAIN_ON_EXIT: '1m' } })
  const [application] = await deploy(gateway, '1.0.0', t, { targets: ['a'] })
  const workers = await gateway.workers()
  const client = await RawClient.connect(gateway.port, t)
  client.send('GET /gate?name=never HTTP/1.1\r\nHost: a\r\n\r\n')
  await until('the request has arrived', () => application !== undefined && application.requests > 0)
  process.kill(gateway.pid, 'SIGTERM')
  await gateway.waitForLog(/"msg":"leaving"/)
  t.equal(await gateway.stop(), 1)
  await until('the workers follow', () => !workers.some(isRunning))
})

t.test('an uncaught error in a worker ends that worker only, and it is replaced', async (t) => {
  const gateway = await startGateway({ t, workers: 2, env: failing })
  await deploy(gateway, '1.0.0', t)
  const before = await gateway.workers()
  process.kill(before[0] ?? 0, 'SIGUSR2')
  t.match(await gateway.waitForLog(/worker is gone/), /code 70/)
  await gateway.waitForLog(/nobody expected this.*uncaught error, the worker ends/)
  const { workers } = await until('it is replaced', async () => {
    const status = await gateway.status()
    const isWhole = status.workers.length === 2 && status.workers.every(({ state }) => state === 'listening')
    return isWhole ? status : null
  })
  t.ok(
    workers.some(({ pid }) => pid === before[1]),
    'the other one stays',
  )
  t.equal((await gateway.metrics()).value('amarre_workers_lost_total'), 1)
  t.equal((await new Visitor(gateway.url, { t }).go()).status, 200)
})

t.test(
  'an uncaught error in the main process ends everything with code 70, and the next start goes on',
  async (t) => {
    const gateway = await startGateway({ t, workers: 2, env: failing })
    await deploy(gateway, '1.0.0', t)
    const visitor = new Visitor(gateway.url, { t })
    const { session } = (await visitor.go()).page
    const workers = await gateway.workers()
    process.kill(gateway.pid, 'SIGUSR2')
    await gateway.waitForLog(/uncaught error, the gateway ends.*nobody expected this/)
    await until('the gateway ends', () => !isRunning(gateway.pid))
    t.equal(await gateway.stop(), 70, 'it had ended before')
    await until('the workers follow', () => !workers.some(isRunning))
    await gateway.restart()
    t.equal((await visitor.go()).page.session, session)
  },
)
