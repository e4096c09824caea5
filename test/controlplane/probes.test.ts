// Probes of targets, answered one by one.
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { httpProbe } from '../../gateway/adapters/http-probe.js'
import { HealthProber, type Probe, type ProbePlan } from '../../gateway/controlplane/health-prober.js'
import { OnceATurn } from '../../gateway/controlplane/once-a-turn.js'
import type { ReleaseIndex, TargetUrl } from '../../gateway/domain/ids.js'
import type { HealthPolicy } from '../../gateway/domain/site-policy.js'

const now = 1_800_000_000_000
const one = 1 as ReleaseIndex

const health: HealthPolicy = {
  path: '/healthz',
  intervalMs: 1,
  timeoutMs: 50,
  healthyAfter: 2,
  unhealthyAfter: 2,
  deadAfterMs: 1,
}
const url = 'http://a:1' as TargetUrl

/** A probe whose answers the test gives one by one. */
function proberOf() {
  const asked: { url: string; path: string | null; answer: (ok: boolean) => void }[] = []
  const waiting: (() => void)[] = []
  const changes: number[] = []
  const probe: Probe = (target, path) =>
    new Promise((resolve) => {
      asked.push({ url: target, path, answer: (ok) => resolve({ ok, detail: ok ? '200 OK' : 'refused' }) })
      waiting.shift()?.()
    })
  const clock = { now: () => now, monotonic: () => 0 }
  const prober = new HealthProber(probe, clock, (release) => changes.push(release))
  /** The next question that has not been answered. */
  const next = async () => {
    if (asked.length === 0) await new Promise<void>((resolve) => waiting.push(resolve))
    const question = asked.shift()
    if (question === undefined) throw new Error('nobody asked')
    return question
  }
  return { prober, asked, changes, next }
}

const planOf = (changes: Partial<ProbePlan> = {}): ProbePlan => ({
  release: one,
  targets: [url],
  policy: health,
  isChecking: false,
  assumed: [],
  ...changes,
})

t.test('a target is probed as long as it is planned, and each change of its standing is told', async (t) => {
  const { prober, changes, next } = proberOf()
  t.teardown(() => prober.stop())
  prober.follow([planOf()])
  t.equal(prober.healthOf(one, url)?.state, 'unproven')
  for (const ok of [true, true, true, false, false]) (await next()).answer(ok)
  const last = await next()
  t.match(last, { url, path: '/healthz' })
  t.same(changes, [1, 1], 'healthy after two, unhealthy after two')
  t.match(prober.healthOf(one, url), {
    state: 'unhealthy',
    streak: 2,
    last: { ok: false, detail: 'refused', at: now },
  })
  prober.follow([])
  t.equal(prober.healthOf(one, url), null)
})

t.test(
  'what served before a restart is used until a probe says otherwise, and keeps its health when plans change',
  async (t) => {
    const { prober, changes, next } = proberOf()
    t.teardown(() => prober.stop())
    prober.follow([planOf({ assumed: [url] })])
    t.equal(prober.healthOf(one, url)?.state, 'assumed')
    ;(await next()).answer(false)
    const second = await next()
    prober.follow([planOf({ assumed: [url], policy: { ...health, unhealthyAfter: 1 } })])
    t.equal(prober.healthOf(one, url)?.state, 'assumed')
    second.answer(false)
    await next()
    t.equal(prober.healthOf(one, url)?.state, 'unhealthy')
    t.same(changes, [1])
  },
)

t.test(
  'an answer that comes after the target is no longer probed, or is probed anew, counts for nothing',
  async (t) => {
    const { prober, changes, next } = proberOf()
    t.teardown(() => prober.stop())
    prober.follow([planOf()])
    const stale = await next()
    prober.follow([])
    prober.follow([planOf()])
    const fresh = await next()
    stale.answer(true)
    fresh.answer(true)
    ;(await next()).answer(false)
    await next()
    t.match(prober.healthOf(one, url), { state: 'unproven', streak: 1, last: { ok: false } })
    t.same(changes, [])
  },
)

t.test('a release that is to be checked is asked at once, whatever the interval of its site', async (t) => {
  const { prober, asked, next } = proberOf()
  t.teardown(() => prober.stop())
  const policy = { ...health, intervalMs: 3_600_000 }
  prober.follow([planOf({ policy })])
  ;(await next()).answer(true)
  // The answer has been taken when the next turn comes; the hour begins.
  await new Promise<void>((resolve) => setImmediate(resolve))
  t.equal(prober.healthOf(one, url)?.streak, 1)
  t.equal(asked.length, 0)
  prober.follow([planOf({ policy, isChecking: true })])
  ;(await next()).answer(true)
  const third = await next()
  t.equal(prober.healthOf(one, url)?.state, 'healthy', 'and again soon after')
  third.answer(true)
  await new Promise<void>((resolve) => setImmediate(resolve))
  prober.follow([planOf({ policy })])
  ;(await next()).answer(true)
  await new Promise<void>((resolve) => setImmediate(resolve))
  prober.follow([planOf({ policy: { ...policy, intervalMs: 60_000 } })])
  t.equal(asked.length, 1, 'nor does a shorter interval wait for the end of the long one')
  ;(await next()).answer(true)
})

t.test('what is said in one turn is acted upon once, and not at all when it was called off', async (t) => {
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
  let done = 0
  const settling = new OnceATurn(() => done++)
  settling.ask()
  settling.ask()
  t.equal(done, 0, 'others of this turn may still speak')
  await turn()
  t.equal(done, 1)
  settling.ask()
  await turn()
  t.equal(done, 2, 'another turn is another time')
  settling.ask()
  settling.cancel()
  await turn()
  t.equal(done, 2)
})

t.test('whatever a target answers, and whatever is asked, a probe ends with a word', async (t) => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n'),
    )
  })
  t.teardown(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}` as TargetUrl
  t.same(await httpProbe(target, '/healthz', 10_000), {
    ok: false,
    detail: 'the connection was closed without an answer',
  })
  t.match(await httpProbe(target, '/健康', 10_000), { ok: false, detail: /unescaped characters/ })
})
