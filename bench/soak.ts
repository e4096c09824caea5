// A long day in a few minutes: visitors click, crawlers crawl, releases are deployed, targets and workers are killed,
// clients go away in the middle. At the end nothing may have leaked, and every request that failed has to be explained.
import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { startApplication, type Application } from '../test/fixtures/application.js'
import { siteWords } from '../test/fixtures/config-place.js'
import { startGateway, type Gateway } from '../test/fixtures/gateway.js'
import type { Owner } from '../test/fixtures/owner.js'
import { until } from '../test/fixtures/until.js'
import { Visitor } from '../test/fixtures/visitor.js'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '10' } } })
const durationMs = Number(values.minutes) * 60_000
const ends: (() => unknown)[] = []
const owner: Owner = { teardown: (end) => void ends.push(end) }

/** What happens to the gateway, and for how long afterwards requests may fail by it. */
interface Disturbance {
  readonly what: string
  readonly from: number
  until: number
}

const disturbances: Disturbance[] = []
const failures: { readonly at: number; readonly what: string }[] = []
const counts = { answered: 0, failed: 0, aborted: 0, births: 0, deployments: 0, kills: 0, rolls: 0 }

/** Requests may fail while it happens and for a moment afterwards. */
async function disturb(what: string, happen: () => Promise<unknown>, afterMs = 1_500): Promise<void> {
  const disturbance: Disturbance = { what, from: Date.now(), until: Infinity }
  disturbances.push(disturbance)
  await happen()
  disturbance.until = Date.now() + afterMs
}

function isExplained(at: number): boolean {
  return disturbances.some(({ from, until }) => at >= from && at <= until)
}

/** Everything open in a process. */
function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

function residentOf(pid: number): number {
  const pages = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]
  return (Number(pages) * 4096) / 1_048_576
}

class Soak {
  readonly #gateway: Gateway
  #live: Application[] = []
  #version = 0
  readonly #endsAt = Date.now() + durationMs

  constructor(gateway: Gateway) {
    this.#gateway = gateway
  }

  get isOver(): boolean {
    return Date.now() >= this.#endsAt
  }

  async deploy(): Promise<void> {
    const release = `1.${this.#version++}.0`
    const started = await Promise.all(
      ['a', 'b'].map((target) => startApplication({ release, target, t: owner })),
    )
    await this.#gateway.deploy(
      release,
      started.map(({ url }) => url),
    )
    this.#live.push(...started)
    counts.deployments++
    for (const { version, state } of await this.#gateway.releases()) {
      if (state !== 'retired') continue
      for (const each of this.#live.filter(({ release }) => release === version)) await each.stop()
      this.#live = this.#live.filter(({ release }) => release !== version)
      await this.#gateway.config.withdraw('shop', version)
    }
  }

  /** Kills a target of the newest release and brings it back at the same address. */
  async killTarget(): Promise<void> {
    const target = this.#live.at(-1)
    if (target === undefined) return
    counts.kills++
    const port = Number(new URL(target.url).port)
    await target.stop()
    await pause(1_000)
    await target.listen(port)
    await pause(1_000)
  }

  /** One visitor after the other: some clicks, sometimes a logout, often just gone. */
  async visit(): Promise<void> {
    while (!this.isOver) {
      const visitor = new Visitor(this.#gateway.url)
      counts.births++
      const clicks = 3 + Math.floor(Math.random() * 12)
      for (let i = 0; i < clicks && !this.isOver; i++) {
        await this.#click(visitor)
        await pause(20 + Math.random() * 60)
      }
      if (Math.random() < 0.5) await this.#counted('logout', () => visitor.go('/logout'))
      await visitor.leave()
    }
  }

  async #click(visitor: Visitor): Promise<void> {
    const dice = Math.random()
    if (dice < 0.6) return this.#counted('page', () => visitor.go('/'))
    if (dice < 0.75) return this.#counted('form', () => visitor.post('/echo', 'x'.repeat(20_000)))
    if (dice < 0.9) return this.#counted('download', () => visitor.fetch('/chunked?bytes=300000'))
    counts.aborted++
    const answer = await visitor.open('/sized?bytes=5000000').catch(() => null)
    answer?.abort()
  }

  async #counted(what: string, ask: () => Promise<{ readonly status: number }>): Promise<void> {
    const at = Date.now()
    const problem = await ask().then(
      ({ status }) => (status === 200 ? null : `${what}: ${status}`),
      (error: unknown) => `${what}: ${String(error)}`,
    )
    if (problem === null) {
      counts.answered++
      return
    }
    counts.failed++
    if (!isExplained(at) && !isExplained(Date.now())) failures.push({ at, what: problem })
  }

  async trouble(): Promise<void> {
    const turns: readonly (() => Promise<void>)[] = [
      () => disturb('a target is killed', () => this.killTarget(), 3_000),
      () => this.deploy(),
      () => disturb('a worker is killed', () => this.#gateway.killWorker()),
      () => this.#roll(),
    ]
    for (let i = 0; !this.isOver; i++) {
      await pause(4_000)
      await turns[i % turns.length]?.()
    }
  }

  /** Nothing may fail by it: no disturbance. */
  async #roll(): Promise<void> {
    counts.rolls++
    const before = await this.#gateway.workers()
    process.kill(this.#gateway.pid, 'SIGHUP')
    await until(
      'the workers are replaced',
      async () => {
        const { workers } = await this.#gateway.status()
        return workers.length === before.length && !workers.some(({ pid }) => before.includes(pid))
      },
      60_000,
    )
  }
}

/** What must be as it was: open descriptors and memory of the main process and of fresh workers, sessions, exchanges. */
async function settled(gateway: Gateway) {
  await until(
    'nothing is open any more',
    async () => {
      const metrics = await gateway.metrics()
      return metrics.sum('amarre_exchanges_open') === 0 && metrics.sum('amarre_sessions_active') === 0
    },
    30_000,
  )
  const workers = await gateway.workers()
  return {
    descriptors: descriptorsOf(gateway.pid),
    workerDescriptors: Math.max(...workers.map(descriptorsOf)),
    resident: Math.round(residentOf(gateway.pid)),
    workerResident: Math.round(Math.max(...workers.map(residentOf))),
  }
}

async function run(): Promise<number> {
  const gateway = await startGateway({
    t: owner,
    workers: 2,
    config: { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '3s' } }) },
    env: { AMARRE_LIMITS_DRAIN_ON_EXIT: '3s' },
  })
  const soak = new Soak(gateway)
  await soak.deploy()
  const before = await settled(gateway)
  await Promise.all([soak.trouble(), ...Array.from({ length: 12 }, () => soak.visit())])
  // Kept connections of both sides rest for up to half a minute before they are closed.
  const after = await until(
    'kept connections are closed',
    async () => {
      const now = await settled(gateway)
      return now.workerDescriptors <= before.workerDescriptors + 8 ? now : null
    },
    60_000,
  ).catch(() => settled(gateway))
  const leaks = [
    after.descriptors > before.descriptors + 16 && 'descriptors of the main process',
    after.workerDescriptors > before.workerDescriptors + 8 && 'descriptors of a worker',
    after.resident > before.resident + 64 && 'memory of the main process',
    after.workerResident > before.workerResident + 96 && 'memory of a worker',
  ].filter((leak) => leak !== false)
  const told = {
    counts,
    before,
    after,
    leaks,
    unexplained: failures.slice(0, 20),
    unexplainedCount: failures.length,
  }
  process.stdout.write(`${JSON.stringify(told, null, 2)}\n`)
  if (leaks.length > 0 || failures.length > 0) process.stdout.write(`${gateway.log.slice(-20).join('\n')}\n`)
  return leaks.length === 0 && failures.length === 0 ? 0 : 1
}

const code = await run()
for (const end of ends.toReversed()) await end()
process.exitCode = code
