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
    for (const webhooks of running.splice(0)) webhooks.stop()
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
  before.webhooks.stop()
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
