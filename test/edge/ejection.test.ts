// A target whose connections fail is passed over for a while, tried with one request, and then warmed up; nobody who is
// bound to it is kept from it.
import t from 'tap'
import fc from 'fast-check'
import { TargetPools } from '../../gateway/dataplane/target-pools.js'
import { freeTarget } from '../../gateway/domain/balancing.js'
import {
  afterFailure,
  afterSending,
  afterSuccess,
  cameBack,
  countsAgainstTarget,
  mayEject,
  shareOf,
  sound,
  type Standing,
} from '../../gateway/domain/ejection.js'
import { GatewayError } from '../../gateway/domain/errors.js'
import type { ReleaseIndex, ReleaseVersion, SiteName, TargetUrl } from '../../gateway/domain/ids.js'
import { buildRoutingTable, type ReleaseRoute, type TargetRoute } from '../../gateway/domain/routing-table.js'
import { onRequestHead, startRawServer } from '../faults/raw-server.js'
import { startApplication } from '../fixtures/application.js'
import { startGateway } from '../fixtures/gateway.js'
import { until } from '../fixtures/until.js'
import { Crawler, Visitor } from '../fixtures/visitor.js'
import { policy } from '../websocket/front.js'
import { siteSpec } from '../fixtures/site-spec.js'

const now = 1_000_000

function failing(times: number, from: Standing = sound, at = now): Standing {
  let standing = from
  for (let i = 0; i < times; i++) standing = afterFailure(standing, at, true)
  return standing
}

/** Ejected once, and its trial on its way. */
function tried(): Standing {
  return afterSending(failing(3), now + 10_000)
}

// -- one target's standing ----------------------------------------------------------------------------------------------

t.test(
  'three failures in a row eject a target; an answer between them does not let them add up',
  async (t) => {
    t.equal(shareOf(failing(2), now), 1)
    t.equal(shareOf(failing(3), now), 0)
    const interrupted = afterFailure(afterSuccess(failing(2), now), now, true)
    t.equal(shareOf(interrupted, now), 1)
    t.equal(afterSuccess(failing(2), now), sound, 'nothing is kept of it')
  },
)

t.test('after ten seconds one request is the trial, and nobody else is sent until it is known', async (t) => {
  const ejected = failing(3)
  t.equal(shareOf(ejected, now + 9_999), 0)
  t.equal(shareOf(ejected, now + 10_000), 1)
  t.equal(afterSending(ejected, now + 9_999), ejected, 'a session that is bound to it is no trial before')
  t.equal(shareOf(tried(), now + 10_001), 0)
  t.equal(shareOf(tried(), now + 20_000), 1, 'a trial of which nothing is heard makes room for another')
})

t.test('each trial that fails doubles the time, up to a minute', async (t) => {
  let standing = failing(3)
  let at = now
  const spans: number[] = []
  for (let i = 0; i < 5; i++) {
    const spanMs = standing.kind === 'ejected' ? standing.spanMs : 0
    spans.push(spanMs)
    at += spanMs
    standing = afterFailure(afterSending(standing, at), at, true)
  }
  t.same(spans, [10_000, 20_000, 40_000, 60_000, 60_000])
})

t.test(
  'a trial that succeeds warms the target up over ten seconds, and then nothing is kept of it',
  async (t) => {
    const at = now + 10_000
    const returning = afterSuccess(tried(), at)
    t.equal(shareOf(returning, at), 0.1)
    t.equal(Math.round(shareOf(returning, at + 5_000) * 100), 55)
    t.equal(shareOf(returning, at + 10_000), 1)
    t.equal(afterSuccess(returning, at + 9_999), returning)
    t.equal(afterSuccess(returning, at + 10_000), sound)
    t.match(failing(3, returning, at), { kind: 'ejected', spanMs: 20_000 }, 'failing again, it waits longer')
    t.match(
      failing(3, cameBack(now)),
      { kind: 'ejected', spanMs: 10_000 },
      'back by its probes, it begins anew',
    )
  },
)

t.test('what is bound to an ejected target and succeeds brings it back', async (t) => {
  t.match(afterSuccess(failing(3), now + 1), { kind: 'returning', since: now + 1 })
  t.equal(afterFailure(failing(3), now + 1, true).kind, 'ejected')
})

t.test('only what the connection did counts, and never that a resting one was closed', async (t) => {
  const counted = (
    ['connect_refused', 'connect_timeout', 'response_timeout', 'connection_lost'] as const
  ).map((code) => countsAgainstTarget(new GatewayError(code)))
  t.same(counted, [true, true, true, true])
  t.notOk(countsAgainstTarget(new GatewayError('connection_lost', 'if-reused')))
  for (const code of ['body_cut', 'bad_response', 'queue_full', 'client_aborted'] as const)
    t.notOk(countsAgainstTarget(new GatewayError(code)), code)
})

// -- the targets of a release ---------------------------------------------------------------------------------------------

const limits = {
  connectTimeoutMs: 1_000,
  upstreamTimeoutMs: 1_000,
  maxConnections: 1,
  maxQueue: 1,
  maxHeadBytes: 1_000,
}

function tableOf(health: readonly boolean[]) {
  const targets = health.map((isHealthy, i) => ({ url: `http://t${i}:1` as TargetUrl, isHealthy }))
  const release = {
    index: 0 as ReleaseIndex,
    version: '1' as ReleaseVersion,
    share: 1,
    isLive: true,
    targets,
  }
  const site = 'shop' as SiteName
  return buildRoutingTable({
    generation: 1,
    issuer: '0000000000000001',
    spans: [],
    futureToleranceMs: 0,
    sites: [siteSpec({ site, session: policy, releases: [release] })],
  })
}

function releaseOf(health: readonly boolean[]): ReleaseRoute {
  return tableOf(health).sites[0]?.releases[0] as ReleaseRoute
}

function all(count: number): boolean[] {
  return new Array<boolean>(count).fill(true)
}

t.test('never more than half of the usable targets are ejected, and never the last', async (t) => {
  t.same(
    [1, 2, 3, 4, 5].map((usable) => [0, 1, 2].filter((ejected) => mayEject(ejected, usable)).length),
    [0, 1, 1, 2, 2],
  )
  const property = fc.property(
    fc.integer({ min: 1, max: 6 }),
    fc.array(
      fc.record({
        target: fc.nat(5),
        what: fc.constantFrom('sent', 'answered', 'failed'),
        ms: fc.nat(15_000),
      }),
    ),
    (count, history) => {
      const pools = new TargetPools(limits)
      const release = releaseOf(all(count))
      let at = now
      for (const { target, what, ms } of history) {
        at += ms
        const chosen = release.targets[target % count] as TargetRoute
        if (what === 'failed') pools.failed(chosen, release, at)
        else pools[what as 'sent' | 'answered'](chosen, at)
        const without = release.targets.filter((each) => pools.shareOf(each, at) === 0).length
        if (without * 2 > count) return false
        if (
          freeTarget(release, {
            loadOf: () => 0,
            random: () => 0.5,
            shareOf: (each) => pools.shareOf(each, at),
          }) === null
        )
          return false
      }
      return true
    },
  )
  fc.assert(property)
})

t.test('free choices pass an ejected target over, and follow its share while it warms up', async (t) => {
  const pools = new TargetPools(limits)
  const release = releaseOf(all(2))
  const [sick] = release.targets as [TargetRoute, TargetRoute]
  const told: number[] = []
  pools.onEjected = (_, spanMs) => told.push(spanMs)
  const portion = (at: number): number => {
    let draws = 0
    const random = (): number => (draws++ % 100) / 100
    const input = { loadOf: () => 0, random, shareOf: (each: TargetRoute) => pools.shareOf(each, at) }
    let taken = 0
    for (let i = 0; i < 100; i++) if (freeTarget(release, input) === sick) taken++
    return taken / 100
  }
  t.notOk(pools.isTroubled)
  t.equal(portion(now), 0.5)
  for (let i = 0; i < 3; i++) pools.failed(sick, release, now)
  t.ok(pools.isTroubled)
  t.equal(portion(now), 0)
  pools.failed(sick, release, now)
  t.same(told, [10_000], 'told once')
  pools.sent(sick, now + 10_000)
  pools.answered(sick, now + 10_000)
  t.ok(portion(now + 10_000) < 0.15, 'a tenth of its share at first')
  pools.answered(sick, now + 20_000)
  t.notOk(pools.isTroubled)
  t.equal(portion(now + 20_000), 0.5)
})

t.test('a target that its probes bring back warms up, one that was never away does not', async (t) => {
  const pools = new TargetPools(limits)
  pools.follow(tableOf([true, false]), limits, now)
  t.notOk(pools.isTroubled, 'the first publication is no return')
  pools.follow(tableOf([true, true]), limits, now + 1_000)
  const [steady, back] = releaseOf(all(2)).targets as [TargetRoute, TargetRoute]
  t.equal(pools.shareOf(steady, now + 1_000), 1)
  t.equal(pools.shareOf(back, now + 1_000), 0.1)
  pools.follow(tableOf([true, true]), limits, now + 6_000)
  t.equal(Math.round(pools.shareOf(back, now + 6_000) * 100), 55, 'another publication changes nothing')
  pools.follow(tableOf([true]), limits, now + 7_000)
  t.notOk(pools.isTroubled, 'what is gone is forgotten')
})

t.test('a target that nobody asks for has warmed up all the same', async (t) => {
  const pools = new TargetPools(limits)
  pools.follow(tableOf([true, false]), limits, now)
  pools.follow(tableOf([true, true]), limits, now + 1_000)
  pools.sweep(now + 10_999)
  t.ok(pools.isTroubled)
  pools.sweep(now + 11_000)
  t.notOk(pools.isTroubled, 'every request would go on paying for it')
})

t.test('the only target of a release has nobody to share with: it does not warm up', async (t) => {
  const pools = new TargetPools(limits)
  pools.follow(tableOf([false]), limits, now)
  pools.follow(tableOf([true]), limits, now + 1_000)
  t.notOk(pools.isTroubled)
})

// -- through a gateway --------------------------------------------------------------------------------------------------

t.test(
  'a target that answers its probes and resets every request costs three visitors, not half of them',
  async (t) => {
    const sick = await startRawServer((socket) =>
      onRequestHead(socket, (head) => {
        if (!head.startsWith('GET /healthz')) socket.resetAndDestroy()
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}', 'latin1')
      }),
    )
    t.teardown(() => sick.close())
    const sane = await startApplication({ release: '1.0.0', t })
    const gateway = await startGateway({ t, workers: 1 })
    await gateway.deploy('1.0.0', [sick.url, sane.url])
    const crawler = new Crawler(gateway.url, { t })
    const statuses: number[] = []
    for (let i = 0; i < 60; i++) statuses.push((await crawler.go()).status)
    t.equal(statuses.filter((status) => status === 502).length, 3)
    t.equal(statuses.filter((status) => status === 200).length, 57)
    t.match(await gateway.waitForLog(/target is passed over/), new RegExp(`${sick.port}.*10000`))
    await until('the failures are counted, and the ejection is seen', async () => {
      const metrics = await gateway.metrics()
      const errors = metrics.by('reason', 'amarre_upstream_errors_total')
      const ejected = metrics.by('target', 'amarre_target_ejected')
      return errors.connection_lost === 3 && ejected[sick.url] === 1 && ejected[sane.url] === 0
    })
  },
)

t.test('a session on an ejected target is served by it all the same', async (t) => {
  const answer = (name: string) => `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${name}`
  const target = async (name: string): Promise<string> => {
    const server = await startRawServer((socket) =>
      onRequestHead(socket, (head) => {
        if (head.startsWith('GET /reset')) socket.resetAndDestroy()
        else socket.write(answer(name), 'latin1')
      }),
    )
    t.teardown(() => server.close())
    return server.url
  }
  const gateway = await startGateway({ t, workers: 1 })
  await gateway.deploy('1.0.0', [await target('a'), await target('b')])
  const visitor = new Visitor(gateway.url, { t })
  const { text: own } = await visitor.go()
  for (let i = 0; i < 4; i++) t.equal((await visitor.fetch('/reset')).status, 502)
  await gateway.waitForLog(/target is passed over/)
  t.equal((await visitor.go()).text, own)
  const crawler = new Crawler(gateway.url, { t })
  // That answer has brought it back, with a small share, and the other one may still warm up.
  await until('who has no session meets the other one', async () => (await crawler.go()).text !== own)
})
