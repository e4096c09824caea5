// What operators ask beside the state of releases: who may be previewed and at which address, who keeps a release alive,
// and what becomes of a question that no worker answers.
import t from 'tap'
import { OperatorDesk } from '../../gateway/controlplane/operator-desk.js'
import { publicOrigin } from '../../gateway/controlplane/preview-link.js'
import { RuleRefusal } from '../../gateway/controlplane/rule-refusal.js'
import { longestPreviewMs } from '../../gateway/domain/preview-pass.js'
import type { Explanation, ToWorker } from '../../gateway/plane-protocol.js'
import { until } from '../fixtures/until.js'
import { batchOf } from '../ledger/batches.js'
import { hour, Machine, minute, type FakeWorker, type Run } from './harness.js'

function deskOf(run: Run): OperatorDesk {
  return new OperatorDesk({
    plane: run.plane,
    urls: () => ({ http: 'http://0.0.0.0:8080', https: null }),
    randomBytes: () => new Uint8Array(8),
  })
}

/** The rule that refuses. */
async function ruleAgainst(asked: Promise<unknown>): Promise<string> {
  const refusal: unknown = await asked.catch((error: unknown) => error)
  return refusal instanceof RuleRefusal ? refusal.rule : 'none'
}

const order = { by: 'operator', ttlMs: hour, url: null }

t.test('a link is given for what every worker serves, and for nothing else', async (t) => {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  const run = await machine.boot({ workers: 2 })
  const desk = deskOf(run)
  await run.probed('1.0.0 is active', () => run.find('1.0.0')?.state.name === 'active')
  const [first] = run.workers
  if (first === undefined) throw new Error('no worker')
  machine.down.add('http://2.0.0:1')
  machine.drop('2.0.0', { activate: 'manual' })
  await run.follow()
  t.equal(await ruleAgainst(desk.preview('shop', '2.0.0', order)), 'preview-needs-checked')
  first.isPrompt = false
  machine.down.clear()
  machine.drop('3.0.0', { activate: 'manual' })
  await run.follow()
  await run.probed('3.0.0 is staged', () => run.find('3.0.0')?.state.name === 'staged')
  t.equal(await ruleAgainst(desk.preview('shop', '3.0.0', order)), 'preview-needs-serving')
  first.isPrompt = true
  first.take(run.latest)
  const link = await desk.preview('shop', '3.0.0', order)
  t.match(link, {
    site: 'shop',
    version: '3.0.0',
    url: /^http:\/\/localhost:8080\/\?amarre-preview=[\w.-]+$/,
  })
  t.equal(Date.parse(link.until), run.clock.now() + hour)
  t.equal(run.release('3.0.0').state.name, 'staged')
  t.match(
    machine.events.find(({ type }) => type === 'preview-link'),
    { site: 'shop', release: '3.0.0' },
  )
  t.equal(await ruleAgainst(desk.preview('shop', '9', order)), 'no-such-release')
})

t.test(
  'where a browser begins: the first exact host at the listener, or what the operator says',
  async (t) => {
    const http = { http: 'http://0.0.0.0:8080', https: null }
    const both = { http: 'http://0.0.0.0:8080', https: 'https://[::]:443' }
    t.equal(publicOrigin(['*'], http), 'http://localhost:8080/')
    t.equal(publicOrigin(['*'], { http: 'http://10.0.0.1:80', https: null }), 'http://10.0.0.1/')
    t.equal(publicOrigin(['*.example.com', 'shop.example.com'], http), 'http://shop.example.com:8080/')
    t.equal(publicOrigin(['shop.example.com'], both), 'https://shop.example.com/')
    t.throws(() => publicOrigin(['*.example.com'], both), /names no exact host/)
  },
)

t.test(
  'a key verifies for as long as a preview can last that it signed, however short the sessions',
  async (t) => {
    const machine = new Machine(t, { session: { idleTimeout: '1m', maxAge: '10m' } })
    const run = await machine.boot()
    await run.plane.keyKeeper.rotate('a test')
    const former = machine.ring.keys[0]?.retired?.verifiesUntil ?? 0
    t.ok(former >= run.clock.now() + longestPreviewMs, String(former - run.clock.now()))
  },
)

t.test('who keeps a release alive: those honoured longest first, at most so many', async (t) => {
  const machine = new Machine(t)
  machine.drop('1.0.0')
  const run = await machine.boot()
  await run.probed('1.0.0 is active', () => run.find('1.0.0')?.state.name === 'active')
  const now = run.clock.now()
  const { index } = run.release('1.0.0')
  const touched = batchOf(
    [1, 2, 3].map((id) => ({
      high: id,
      low: id,
      release: index,
      bornAt: now - minute,
      until: now + id * minute,
    })),
  )
  run.first.saw(index, { exchangesOpen: 2, socketsOpen: 1 })
  await run.pass(1, { touched })
  const found = await deskOf(run).sessions('shop', '1.0.0', 2)
  t.match(found, { active: 3, exchangesOpen: 2, websocketsOpen: 1, verdict: { kind: 'blocked' } })
  t.equal(found.sessions.length, 2)
  const all = await deskOf(run).sessions('shop', '1.0.0', 100)
  t.same(
    all.sessions.map(({ honouredUntil }) => Date.parse(honouredUntil ?? '') - now),
    [3 * minute, 2 * minute, minute],
  )
  t.match(all.sessions[0]?.id, /^[0-9a-f]{16}$/)
  t.ok((all.sessions[0]?.ageMs ?? 0) >= minute)
})

t.test('a question to a worker is answered, or it is said that nobody did', async (t) => {
  const machine = new Machine(t)
  const run = await machine.boot()
  const desk = deskOf(run)
  const question = { cookies: [], headers: [], url: null, method: 'GET' }
  const asked: ToWorker[] = []
  const listen = (worker: FakeWorker) => {
    const send = worker.send.bind(worker)
    worker.send = (message) => void (message.kind === 'explain' ? asked.push(message) : send(message))
  }
  listen(run.first)
  const found: Explanation = {
    generation: 1,
    site: 'shop',
    outcome: 'pass',
    rule: { number: 6, name: 'no session needed' },
    release: '1.0.0',
    target: null,
    error: null,
    until: null,
    revives: false,
    because: null,
    token: null,
    rejected: [],
  }
  const answer = desk.explain('shop', question)
  const [message] = asked
  if (message?.kind !== 'explain') throw new Error('nothing was asked')
  run.first.observer.onMessage({ kind: 'explained', id: message.id, explanation: found })
  t.match(await answer, {
    outcome: 'pass',
    text: 'goes to "1.0.0" without a session, by rule 6 (no session needed)',
  })
  run.first.observer.onMessage({ kind: 'explained', id: message.id, explanation: found })

  t.equal(await ruleAgainst(desk.explain('shop', question)), 'explain-needs-worker', 'in two seconds')
  run.onForked = listen
  const lost = t.rejects(desk.explain('shop', question), /is gone/)
  run.first.exit('killed')
  await lost
  await until('its successor', () => run.workers.length === 2)
  t.equal(await ruleAgainst(desk.explain('nope', question)), 'no-such-site')
})
