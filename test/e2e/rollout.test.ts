// Boarding a few first, end to end: newcomers are shared between two releases and stay where they began, a candidate
// that breaks loses its births by itself, and one that does well gets them all.
import t from 'tap'
import { startApplication, type Application } from '../fixtures/application.js'
import { siteWords, type Words } from '../fixtures/config-place.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway, type Gateway } from '../fixtures/gateway.js'
import type { Owner } from '../fixtures/owner.js'
import { until } from '../fixtures/until.js'
import { Visitor } from '../fixtures/visitor.js'

let browsers = 0

/** Newcomers whose browsers differ, as the split goes by address and browser; where each of them landed. */
async function newcomers(gateway: Gateway, t: Owner, count: number): Promise<Map<Visitor, string>> {
  const visitors = Array.from({ length: count }, () => {
    return new Visitor(gateway.url, { t, userAgent: `browser ${browsers++}` })
  })
  const homes = new Map<Visitor, string>()
  for (const visitor of visitors) homes.set(visitor, (await visitor.go()).page.release)
  return homes
}

const of = (homes: ReadonlyMap<Visitor, string>, release: string): Visitor[] =>
  [...homes].filter(([, home]) => home === release).map(([visitor]) => visitor)

async function dropSteps(gateway: Gateway, version: string, activate: Words, t: Owner): Promise<Application> {
  const application = await startApplication({ release: version, t })
  await gateway.config.drop('shop', version, { targets: [application.url], activate })
  await gateway.waitForRelease(version, ({ state }) => state === 'active')
  return application
}

const eventOf = async (gateway: Gateway, type: string, version: string): Promise<string> =>
  until(`${type} of ${version}`, async () => {
    const found = (await gateway.events()).find((event) => event.type === type && event.release === version)
    return found?.cause ?? null
  })

/** Whoever was born somewhere is still there. */
async function strayed(homes: ReadonlyMap<Visitor, string>): Promise<string[]> {
  const faults: string[] = []
  for (const [visitor, home] of homes) {
    const { status, page } = await visitor.go('/')
    if (status !== 200 || page.release !== home || page.isNewSession)
      faults.push(`${home}: ${status} ${page.release}`)
  }
  return faults
}

t.test(
  'a quarter of the newcomers meets the candidate, which breaks, and the next one is taken whole',
  async (t) => {
    const words = siteWords({ session: { idleTimeout: '60s' } })
    const gateway = await startGateway({ t, config: { 'sites/shop/site.yaml': words } })
    await deploy(gateway, '1.0.0', t)
    const before = await newcomers(gateway, t, 10)

    const steps = [{ share: '25%', hold: '1h' }]
    const broken = await dropSteps(
      gateway,
      '2.0.0',
      { steps, abortOn: { errorRate: '10%', minRequests: 20, window: '30s' } },
      t,
    )
    const during = await newcomers(gateway, t, 120)
    const met = of(during, '2.0.0')
    // 30 within five standard deviations of a binomial, sqrt(120 * 0.25 * 0.75) = 4.7 each.
    t.ok(met.length >= 7 && met.length <= 53, `${met.length} of 120 met the candidate`)
    t.same(await strayed(before), [], 'who was there before notices nothing')
    t.same(await strayed(during), [], 'both arms are pinned from the first answer')
    const { stdout: out } = await gateway.amarre('status', 'shop')
    t.match(out, /rollout of 2\.0\.0: step 1 of 1, 25% of the births until .*Z, then all/)
    t.match(out, /2\.0\.0 with 25%: \d+ births, \d+ requests, 0 failed \(0%\), p95 \d+ ms/)
    t.match(out, /1\.0\.0 with 75%/)

    broken.isBroken = true
    await until('the rollout is aborted', async () => {
      for (const visitor of met) await visitor.go('/')
      return (await gateway.release('2.0.0'))?.state === 'draining'
    })
    const cause = await eventOf(gateway, 'rollout-aborted', '2.0.0')
    t.match(
      cause,
      /^error rate \d[\d.]*% against 0%, tolerated 10% more; "2\.0\.0": \d+ births, \d+ requests, [1-9]\d* failed/,
    )
    t.match(cause, /; "1\.0\.0": \d+ births, \d+ requests, 0 failed \(0%\), p95 \d+ ms; its sessions stay$/)
    const after = await newcomers(gateway, t, 20)
    t.equal(of(after, '1.0.0').length, 20, 'nobody is born on it any more')
    broken.isBroken = false
    t.same(await strayed(during), [], 'onAbort: keep, who was born on it stays')

    const brief = [
      // Long enough for the command that waits to start on a busy machine.
      { share: '25%', hold: '5s' },
      { share: '50%', hold: '1s' },
    ]
    await dropSteps(gateway, '3.0.0', { steps: brief, abortOn: { errorRate: '10%', minRequests: 5 } }, t)
    const waiting = gateway.amarre('wait', 'shop', '3.0.0', '--for', 'active', '--timeout', '60s')
    const third = new Map<Visitor, string>()
    await until(
      'the rollout has passed its steps',
      async () => {
        for (const [visitor, home] of await newcomers(gateway, t, 10)) third.set(visitor, home)
        return (await gateway.release('1.0.0'))?.state === 'draining'
      },
      30_000,
    )
    const waited = await waiting
    t.equal(waited.code, 0)
    t.match(waited.stdout, /3\.0\.0 active: step [12] of 2, (25|50)% of the births/)
    t.match(waited.stdout, /shop 3\.0\.0 is active\n$/)
    t.match(
      await eventOf(gateway, 'rollout-finished', '3.0.0'),
      /^every step has passed; "3\.0\.0": \d+ births/,
    )
    const last = await newcomers(gateway, t, 10)
    t.equal(of(last, '3.0.0').length, 10, 'everybody boards it now')
    for (const homes of [before, during, third])
      t.same(await strayed(homes), [], 'and nobody has left his release')
    const { json } = (await gateway.order('/sites/shop/rollback')) as { json: { version: string } }
    t.equal(json.version, '1.0.0', 'going back passes over the one that was aborted')
  },
)
