// Webhooks against a real receiver: signature, order, retry, filter, and the cursor over a restart.
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { httpPost } from '../../gateway/adapters/http-post.js'
import { openLmdbStore } from '../../gateway/adapters/lmdb-store.js'
import { SystemClock } from '../../gateway/adapters/system-clock.js'
import { EventLog } from '../../gateway/controlplane/event-log.js'
import { Webhooks, type WebhookTarget } from '../../gateway/controlplane/webhooks.js'
import { nullLog } from '../../gateway/domain/ports.js'
import { until } from '../fixtures/until.js'

interface Delivered {
  readonly body: string
  readonly signature: string
}

/** A receiver that answers what `answer` says, and remembers what it got. */
async function receiver(t: Test, answer: (count: number) => number) {
  const got: Delivered[] = []
  const server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      got.push({ body, signature: String(request.headers['amarre-signature']) })
      response.writeHead(answer(got.length)).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook` }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = ''
  for await (const chunk of request) body += String(chunk)
  return body
}

/** Stopped before the store that they read is closed. */
const running: Webhooks[] = []

async function store(t: Test) {
  const directory = await mkdtemp(join(tmpdir(), 'amarre-webhooks-'))
  const opened = await openLmdbStore(directory)
  t.teardown(async () => {
    for (const webhooks of running.splice(0)) await webhooks.stop()
    await opened.flushed()
    await opened.close()
    await rm(directory, { recursive: true })
  })
  return opened
}

async function start(t: Test, targets: readonly WebhookTarget[], kept?: Awaited<ReturnType<typeof store>>) {
  const clock = new SystemClock()
  const used = kept ?? (await store(t))
  const events = new EventLog(used, clock, nullLog)
  const webhooks = new Webhooks({ targets, post: httpPost, events, store: used, clock, log: nullLog })
  events.onKept = () => webhooks.wake()
  running.push(webhooks)
  return { events, webhooks, kept: used }
}

const typesOf = (got: readonly Delivered[]): unknown[] =>
  got.map(({ body }) => (JSON.parse(body) as { cause: string }).cause)

t.test('events arrive signed, in order, and only those that are wanted', async (t) => {
  const { got, url } = await receiver(t, () => 204)
  const { events } = await start(t, [{ url, secret: 'shared', events: ['retired', 'worker-lost'] }])
  events.add('transition', 'one', { from: 'retirable', to: 'retired' })
  events.add('started', 'not wanted')
  events.add('worker-lost', 'two')
  await until('the webhook is told', () => got.length === 2)
  t.same(typesOf(got), ['one', 'two'])
  for (const { body, signature } of got) {
    const [, time = '', mac = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? []
    t.equal(mac, createHmac('sha256', 'shared').update(`${time}.${body}`).digest('hex'))
  }
})

t.test('what is not accepted is sent again, within five seconds, with the same id', async (t) => {
  const { got, url } = await receiver(t, (count) => (count === 1 ? 503 : 200))
  const { events } = await start(t, [{ url, secret: 's', events: null }])
  const startedAt = performance.now()
  events.add('started', 'first')
  events.add('stopped', 'second')
  await until('the webhook is told', () => got.length === 3, 8000)
  t.same(typesOf(got), ['first', 'first', 'second'])
  t.equal(JSON.parse(got[0]?.body ?? '').id, JSON.parse(got[1]?.body ?? '').id)
  t.ok(performance.now() - startedAt < 5000)
})

t.test('what was not told before a restart is told after it, and nothing twice', async (t) => {
  const isUp = { value: false }
  const { got, url } = await receiver(t, () => (isUp.value ? 200 : 500))
  const target = { url, secret: 's', events: null }
  const before = await start(t, [target])
  before.events.add('started', 'lost at first')
  await until('the webhook is told', () => got.length === 1)
  await before.webhooks.stop()
  isUp.value = true
  const after = await start(t, [target], before.kept)
  after.webhooks.wake()
  await until('the webhook is told', () => got.length === 2)
  after.events.add('stopped', 'later')
  await until('the webhook is told', () => got.length === 3)
  t.same(typesOf(got), ['lost at first', 'lost at first', 'later'])
})

t.test('a webhook that is new hears of what happens from now on', async (t) => {
  const { got, url } = await receiver(t, () => 200)
  const kept = await store(t)
  const { events } = await start(t, [], kept)
  events.add('started', 'long ago')
  await until('the webhook is told', () => events.list(1).length === 1)
  const later = await start(t, [{ url, secret: 's', events: null }], kept)
  later.events.add('stopped', 'now')
  await until('the webhook is told', () => got.length === 1)
  t.same(typesOf(got), ['now'])
})

t.test('of two webhooks with one address each is told of what it wants', async (t) => {
  const { got, url } = await receiver(t, (count) => (count === 1 ? 500 : 200))
  const { events, webhooks } = await start(t, [
    { url, secret: 'a', events: ['started'] },
    { url, secret: 'b', events: ['stopped'] },
  ])
  events.add('started', 'for one')
  await until('the first is told', () => got.length === 1)
  events.add('stopped', 'for the other')
  await until('both are told', () => got.length === 3, 8000)
  t.same(typesOf(got).toSorted(), ['for one', 'for one', 'for the other'])
  await webhooks.stop()
})

t.test(
  'what gathered for days is found one after the other, and what is no longer kept is said',
  async (t) => {
    const kept = await store(t)
    const clock = new SystemClock()
    const lookedUp: number[] = []
    const told: string[] = []
    const warned: unknown[] = []
    const log = {
      ...nullLog,
      warn: (message: string, fields?: object) => void warned.push({ message, ...fields }),
    }
    const reading = { eventAfter: kept.eventAfter.bind(kept), events: kept.events.bind(kept) }
    kept.eventAfter = (sequence) => {
      lookedUp.push(sequence)
      return reading.eventAfter(sequence)
    }
    const events = new EventLog(kept, clock, nullLog)
    await kept.put('webhook-cursors', { 'http://slow': 3 })
    const bodies = Array.from({ length: 10_100 }, (_, i) => ({
      type: 'started',
      cause: `${i + 1}`,
      at: 0,
      to: null,
    }))
    await Promise.all(bodies.map((body) => kept.appendEvent(body)))
    kept.events = () => {
      throw new Error('the whole log is not read for one event')
    }
    const post = async (_url: string, body: string): Promise<number> => {
      told.push((JSON.parse(body) as { cause: string }).cause)
      return told.length < 300 ? 200 : 500
    }
    const list = {
      list: () => [],
      after: (sequence: number) => events.after(sequence),
    } as unknown as EventLog
    const targets = [{ url: 'http://slow', secret: 's', events: null }]
    const webhooks = new Webhooks({ targets, post, events: list, store: kept, clock, log })
    running.push(webhooks)
    webhooks.wake()
    await until('some are told', () => told.length === 300)
    await webhooks.stop()
    t.same(told.slice(0, 2), ['101', '102'], 'the oldest that is kept comes first')
    t.ok(lookedUp.length <= 301, 'one look for each')
    t.match(warned, [{ message: /no longer kept/, url: 'http://slow', count: 97 }])
  },
)

t.test(
  'an event that cannot be kept is kept and told later, and those after it wait behind it',
  async (t) => {
    const { got, url } = await receiver(t, () => 200)
    const kept = await store(t)
    const append = kept.appendEvent.bind(kept)
    let isFull = true
    kept.appendEvent = (event) => (isFull ? Promise.reject(new Error('no room')) : append(event))
    const { events } = await start(t, [{ url, secret: 's', events: null }], kept)
    events.add('started', 'one')
    await new Promise((resolve) => setImmediate(resolve))
    await events.keepAgain()
    isFull = false
    events.add('stopped', 'two')
    await events.keepAgain()
    events.add('started', 'three')
    await until('all are told', () => got.length === 3)
    t.same(typesOf(got), ['one', 'two', 'three'])
  },
)

t.test(
  'a stop takes the answer that is on its way, and does not wait for one that never comes',
  async (t) => {
    const { got, url } = await receiver(t, () => 200)
    const held = createServer((request) => request.resume())
    held.listen(0, '127.0.0.1')
    await once(held, 'listening')
    t.teardown(() => held.closeAllConnections())
    t.teardown(() => held.close())
    const hanging = `http://127.0.0.1:${(held.address() as AddressInfo).port}/hook`
    const kept = await store(t)
    const targets = [url, hanging].map((each) => ({ url: each, secret: 's', events: null }))
    const { events, webhooks } = await start(t, targets, kept)
    events.add('stopped', 'the last')
    await until('both are being told', () => got.length === 1)
    const startedAt = performance.now()
    await webhooks.stop()
    t.ok(performance.now() - startedAt < 6000, 'sooner than the ten seconds of an answer')
    const cursors = kept.get('webhook-cursors') as Record<string, number>
    t.same([cursors[url], cursors[hanging]], [1, 0], 'whoever answered is not told again')
  },
)
