// Scenario: what a visitor notices of deployments: twenty registrations are dropped, activated, drained and removed in a
// minute while requests come at half of what the gateway can carry.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { BenchGateway, runningOf } from './gateway.js'
import { failedOf, runOpenLoop, type OpenLoopResult } from './load/open-loop.js'
import { pause } from './programs.js'
import { capacityOf } from './rounds.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { startUpstream, type Upstream } from './upstream.js'
import { applicationCookies, boardByVisit, usualHost } from './visits.js'

const deployments = 20
const betweenMs = 2_800
const quietSeconds = 15
/** Files stay for so many deployments after theirs: until then their releases drain. */
const filesKept = 3
/** So many newcomers come in a second, each in the place of a visitor: within twenty seconds everybody has changed. */
const birthsASecond = 60
/** Sessions idle out and releases are removed within this time after the load. */
const departureMs = 30_000
const visitors = 200
/** Sessions end soon after their last request, so that releases can be seen to go. */
const site = `hosts: ["*"]
session: { idleTimeout: 5s, maxAge: 1h }
retain: { previous: 20 }
retire: { quietPeriod: 1s }
health: { interval: 1s, healthyAfter: 1 }
`

interface Event {
  readonly type: string
  readonly to?: string
}

export const deployment: Scenario = {
  name: 'deployment',
  asks: 'what do visitors notice of twenty deployments in a minute?',
  run,
}

async function run({ directory, dist, rate: given }: Setting): Promise<Finding> {
  const upstream = await startUpstream(directory, deployments + 1)
  const folder = join(directory, 'amarre')
  mkdirSync(folder)
  const gateway = new BenchGateway({ dist, directory: folder })
  try {
    gateway.site('shop', site)
    gateway.drop('shop', '1.0.0', upstream.releases[0].port)
    await gateway.start()
    await gateway.birthsOn('r1')
    const rate = given ?? (await halfOf(gateway, upstream, folder))
    const load = (seconds: number) => ({
      port: gateway.port,
      path: '/2k',
      connections: 64,
      rate,
      seconds,
      churn: birthsASecond / rate,
      visitors: Array.from({ length: visitors }, (_, i) => ({
        host: usualHost,
        cookie: applicationCookies(i),
      })),
    })
    // The load's own compiler settles.
    await runOpenLoop(load(3), folder)
    const quiet = await runOpenLoop(load(quietSeconds), folder)
    const minute = (deployments * betweenMs) / 1000 + 4
    const busy = await runOpenLoop(load(minute), folder, () => deployAll(gateway, upstream))
    const events = await eventsOnceRemoved(gateway)
    return { figures: figuresOf({ rate, quiet, busy, events }), raw: { rate, quiet, busy, events } }
  } finally {
    await gateway.stop()
    await upstream.stop()
  }
}

async function halfOf(gateway: BenchGateway, upstream: Upstream, directory: string): Promise<number> {
  const cookies = await boardByVisit(gateway.port, 0, visitors)
  const running = runningOf(gateway, cookies)
  return (await capacityOf({ name: 'amarre', running, cookies, directory }, upstream)) / 2
}

/** One after the other; a file is removed when three newer ones have come. */
async function deployAll(gateway: BenchGateway, { releases }: Upstream): Promise<void> {
  for (let i = 1; i <= deployments; i++) {
    gateway.drop('shop', `1.${i}.0`, releases[i]?.port ?? 0)
    if (i >= filesKept) gateway.remove('shop', `1.${i - filesKept}.0`)
    await pause(betweenMs)
  }
}

/** All that happened; waits until every release whose file is gone has been removed. */
async function eventsOnceRemoved(gateway: BenchGateway): Promise<readonly Event[]> {
  const deadline = performance.now() + departureMs
  for (;;) {
    const events = (await gateway.ask('/api/v1/events?limit=1000')) as readonly Event[]
    const removed = events.filter(({ type }) => type === 'removed').length
    if (removed === deployments - filesKept + 1 || performance.now() > deadline) return events
    await pause(500)
  }
}

interface Seen {
  readonly rate: number
  readonly quiet: OpenLoopResult
  readonly busy: OpenLoopResult
  readonly events: readonly Event[]
}

function figuresOf({ rate, quiet, busy, events }: Seen): Figure[] {
  const count = (is: (event: Event) => boolean): number => events.filter(is).length
  return [
    { what: 'rate', value: rate, unit: '/s', target: null },
    { what: 'releases activated', value: count(({ to }) => to === 'active'), unit: '', target: null },
    { what: 'releases drained', value: count(({ to }) => to === 'draining'), unit: '', target: null },
    { what: 'releases removed', value: count(({ type }) => type === 'removed'), unit: '', target: null },
    { what: 'births meanwhile', value: busy.newcomers, unit: '', target: null },
    { what: 'requests meanwhile', value: busy.requests, unit: '', target: null },
    { what: 'requests that failed', value: failedOf(busy), unit: '', target: 'none' },
    { what: 'answers of another release than its own', value: busy.strayed, unit: '', target: 'none' },
    { what: 'p50 while quiet', value: quiet.p50Us, unit: 'µs', target: null },
    { what: 'p50 meanwhile', value: busy.p50Us, unit: 'µs', target: null },
    { what: 'p99 while quiet', value: quiet.p99Us, unit: 'µs', target: null },
    { what: 'p99 meanwhile', value: busy.p99Us, unit: 'µs', target: null },
    { what: 'p99 meanwhile / quiet', value: busy.p99Us / quiet.p99Us, unit: '×', target: 'at most 2' },
    { what: 'p99 of a tenth of a second while quiet', value: quiet.steadyP99Us, unit: 'µs', target: null },
    { what: 'p99 of a tenth of a second meanwhile', value: busy.steadyP99Us, unit: 'µs', target: null },
    { what: 'p99 by which the load itself was late', value: busy.ownLateP99Us, unit: 'µs', target: null },
    { what: 'worst while quiet', value: quiet.worstUs / 1000, unit: 'ms', target: null },
    { what: 'worst meanwhile', value: busy.worstUs / 1000, unit: 'ms', target: null },
  ]
}
