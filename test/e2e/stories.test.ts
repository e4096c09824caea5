// The stories of docs/stories.md, played as they stand there: their files are dropped, their commands typed, against a
// real gateway and real little applications. Times are made shorter and addresses real, nothing else.
import t from 'tap'
import { startApplication, type Application } from '../fixtures/application.js'
import { siteWords } from '../fixtures/config-place.js'
import { startGateway, type Gateway } from '../fixtures/gateway.js'
import type { Owner } from '../fixtures/owner.js'
import { until } from '../fixtures/until.js'
import { Visitor } from '../fixtures/visitor.js'
import { storyOf, unsaid, type Shown, type ShownCommand } from '../fixtures/walk-through.js'

const document = new URL('../../../docs/stories.md', import.meta.url)
const host = 'shop.example.com'
const quick = `
retire: { quietPeriod: 300ms }
health: { interval: 200ms, timeout: 1s, healthyAfter: 1, unhealthyAfter: 2, deadAfter: 1s }`

/** What of the document's files is made to fit a test. */
type Changes = readonly (readonly [shown: string, instead: string])[]

t.jobs = 4

interface Begun {
  readonly t: Tap
  readonly heading: string
  readonly changes?: Changes
  /** Releases that are there before the story begins. */
  readonly before?: readonly string[]
  readonly idleTimeout?: string
}

type Tap = Owner & {
  same(found: unknown, wanted: unknown, ...message: [string]): unknown
  equal(found: unknown, wanted: unknown, ...message: [string]): unknown
}

class Story {
  readonly gateway: Gateway
  readonly #t: Tap
  readonly #shown: Shown[]
  #changes: Changes
  readonly #applications = new Map<string, Application>()

  constructor(t: Tap, gateway: Gateway, shown: Shown[], changes: Changes) {
    this.#t = t
    this.gateway = gateway
    this.#shown = shown
    this.#changes = changes
  }

  /** The server that the document calls so: `shop-2-4-0`. */
  async server(name: string): Promise<Application> {
    const known = this.#applications.get(name)
    if (known !== undefined) return known
    const release = name.split('-').slice(1).join('.')
    const application = await startApplication({ release, t: this.#t })
    this.#applications.set(name, application)
    return application
  }

  /** One more change to the files to come. */
  change(shown: string, instead: string): void {
    this.#changes = [...this.#changes, [shown, instead]]
  }

  visitor(): Visitor {
    return new Visitor(this.gateway.url, { t: this.#t, host })
  }

  /** Writes the next so many files of the document. */
  async drop(count = 1): Promise<void> {
    for (let i = 0; i < count; i++) {
      const next = this.#shown.shift()
      if (next?.kind !== 'file') throw new Error(`the document shows no file here: ${JSON.stringify(next)}`)
      await this.gateway.config.write(next.path, await this.#fitted(next.text))
    }
  }

  async #fitted(text: string): Promise<string> {
    let fitted = text
    for (const [shown, instead] of this.#changes) fitted = fitted.replace(shown, instead)
    for (const [address, name] of text.matchAll(/http:\/\/([a-z0-9-]+):3000/g)) {
      fitted = fitted.replace(address, (await this.server(name ?? '')).url)
    }
    return fitted
  }

  /** Types the next command of the document, and compares what it says; gives that. */
  async type(): Promise<string> {
    const next = this.#shown.shift()
    if (next?.kind !== 'command')
      throw new Error(`the document shows no command here: ${JSON.stringify(next)}`)
    return this.#run(next)
  }

  async #run({ words, lines, exitCode }: ShownCommand): Promise<string> {
    const { code, stdout, stderr } = await this.gateway.amarre(...words.slice(1))
    const said = stdout + stderr
    const missing = unsaid(lines, said)
    this.#t.same({ missing, code }, { missing: [], code: exitCode }, `${words.join(' ')}\n${said}`)
    return stdout
  }

  /** Everything that the document shows has been done. */
  end(): void {
    this.#t.equal(this.#shown.length, 0, 'the story is at its end')
  }
}

async function begin({ t, heading, changes = [], before = [], idleTimeout = '60s' }: Begun): Promise<Story> {
  const site = siteWords({ hosts: [host], session: { idleTimeout } })
  const gateway = await startGateway({ t, config: { 'sites/shop/site.yaml': site } })
  const story = new Story(t, gateway, await storyOf(document, heading), changes)
  for (const version of before) {
    await gateway.deploy(version, [(await story.server(`shop-${version.replaceAll('.', '-')}`)).url])
  }
  return story
}

const releaseOf = async (visitor: Visitor): Promise<string> => (await visitor.go()).page.release

t.test('a hot update, and nobody is disconnected', { buffered: true }, async (t) => {
  const changes: Changes = [['session: { idleTimeout: 30m }', `session: { idleTimeout: 12s }${quick}`]]
  const heading = 'A hot update, and nobody is disconnected'
  const story = await begin({ t, heading, changes, idleTimeout: '12s' })
  await story.drop(2)
  await story.gateway.waitForRelease('2.3.0', ({ state }) => state === 'active')
  const early = story.visitor()
  await early.go('/add?item=scarf')
  await story.drop()
  await story.type()
  t.equal(await releaseOf(story.visitor()), '2.4.0')
  const { page } = await early.go()
  t.match(page, { release: '2.3.0', basket: ['scarf'] })
  await until(
    'his session is known',
    async () => (await story.gateway.release('2.3.0'))?.sessions.active === 1,
  )
  await story.type()
  await story.type()
  t.equal(await releaseOf(early), '2.4.0', 'after his session')
  story.end()
})

t.test('test, accept, then open', { buffered: true }, async (t) => {
  const story = await begin({ t, heading: 'Test, accept, then open', before: ['2.3.0'] })
  const early = story.visitor()
  await early.go()
  await early.go()
  await story.drop()
  await story.gateway.waitForRelease('2.4.0', ({ state }) => state === 'staged')
  await story.type()
  const link = new URL((await story.type()).trim())
  const tester = story.visitor()
  t.equal((await tester.go(link.pathname + link.search)).status, 303)
  t.equal(await releaseOf(tester), '2.4.0')
  t.equal(await releaseOf(story.visitor()), '2.3.0')
  await story.type()
  await story.type()
  await story.type()
  const later = story.visitor()
  t.equal(await releaseOf(later), '2.4.0')
  await story.type()
  t.equal(await releaseOf(later), '2.4.0', 'he began there')
  t.equal(await releaseOf(story.visitor()), '2.3.0')
  story.end()
})

t.test('a component with a compatibility floor', { buffered: true }, async (t) => {
  const heading = 'A component with a compatibility floor'
  const story = await begin({ t, heading, before: ['2.3.0'] })
  const below = story.visitor()
  await below.go()
  await below.go()
  await story.gateway.deploy('2.4.0', [(await story.server('shop-2-4-0')).url])
  const [moving, waiting] = [story.visitor(), story.visitor()]
  for (const visitor of [moving, waiting, moving, waiting]) t.equal(await releaseOf(visitor), '2.4.0')
  await story.drop(2)
  await story.gateway.waitForRelease('3.0.0', ({ state }) => state === 'active', { site: 'billing' })
  await story.drop()
  await story.gateway.waitForRelease('2.5.0', ({ state }) => state === 'staged')
  await story.type()
  await story.type()
  await story.drop()
  await story.type()
  await story.type()
  t.equal(await releaseOf(moving), '2.5.0')
  t.equal(await releaseOf(below), '2.3.0')
  await story.type()
  await story.type()
  t.equal(await releaseOf(waiting), '2.5.0')
  story.end()
})

t.test('download now, install at night, restore on failure', { buffered: true }, async (t) => {
  const clock = (hours: number): string =>
    new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16)
  const changes: Changes = [
    ["from: '02:00', to: '05:00', zone: Europe/Paris", `from: '${clock(-2)}', to: '${clock(2)}', zone: UTC`],
    ['health: { interval: 2s, unhealthyAfter: 3 }', quick],
  ]
  const heading = 'Download now, install at night, restore on failure'
  const story = await begin({ t, heading, changes, before: ['2.3.0'] })
  await story.drop()
  const boardsAt = new Date(Date.now() + 12_000)
  story.change('2026-05-02T03:00:00+02:00', boardsAt.toISOString())
  await story.drop()
  await story.gateway.waitForRelease('2.4.0', ({ state }) => state === 'staged')
  await story.type()
  t.equal(await releaseOf(story.visitor()), '2.3.0')
  await story.type()
  t.ok(Date.now() >= boardsAt.getTime(), 'not before its time')
  t.equal(await releaseOf(story.visitor()), '2.4.0')
  const server = await story.server('shop-2-4-0')
  server.isHealthy = false
  await story.type()
  t.equal(await releaseOf(story.visitor()), '2.3.0')
  await story.type()
  await story.type()
  await story.type()
  story.end()
})
