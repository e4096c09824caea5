// An exchange is open until its last byte was taken: a worker that leaves waits for what is open, so a slow client has
// its whole answer.
import t from 'tap'
import { beginExchange } from '../../gateway/dataplane/exchange.js'
import type { Downstream, ResponseStart } from '../../gateway/dataplane/downstream.js'
import type { RequestHead } from '../../gateway/dataplane/request-head.js'
import { fieldMasks } from '../../gateway/dataplane/response-fields.js'
import { TargetPools } from '../../gateway/dataplane/target-pools.js'
import { startRawServer } from '../faults/raw-server.js'
import { startApplication } from '../fixtures/application.js'
import { plainStart, startFront } from '../contract/fronts.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'
import { openFront, policy } from '../websocket/front.js'

const head: RequestHead = {
  method: 'GET',
  target: '/sized?bytes=100000',
  path: '/sized',
  names: ['host'],
  values: ['shop.example.com'],
  remoteAddress: '192.0.2.1',
  isSecure: false,
  version: '1.1',
  clientCertificate: '',
}

/** A client who takes nothing of what follows the end of his answer, until the test lets him. */
class SlowAtTheEnd implements Downstream {
  readonly head: RequestHead = head
  status = 0
  bytes = 0
  hasEnded = false
  wasCut = false
  interim(): void {}
  pauseBody(): void {}
  resumeBody(): void {}
  start({ status }: ResponseStart): void {
    this.status = status
  }
  write(chunk: Buffer): void {
    this.bytes += chunk.length
  }
  end(): void {
    this.hasEnded = true
  }
  flush(): boolean {
    return !this.hasEnded
  }
  cut(): void {
    this.wasCut = true
  }
}

t.test('an answer that waits for its client is open until he has taken it', async (t) => {
  const application = await startApplication({ release: '1.0', t })
  const front = await openFront(t, [{ version: '1.0', share: 1, targets: [application.url] }])
  const client = new SlowAtTheEnd()
  const exchange = beginExchange(front.state, fieldMasks(true), client)
  await until('the answer is complete', () => client.hasEnded)
  t.match(client, { status: 200, bytes: 100_000 })
  t.equal(front.state.open.size, 1, 'a worker that leaves waits for it')
  t.equal(front.seen().exchangesOpen, 1, 'it keeps its release alive')
  t.same([...front.seen().requests], [], 'and is no answer yet')
  exchange.onDrained()
  t.equal(front.state.open.size, 0)
  t.equal(front.seen().exchangesOpen, 0)
  t.same([...front.seen().requests], [[200, 1]])
  t.notOk(client.wasCut)
})

t.test('one that is given up while it waits counts as such, once', async (t) => {
  const application = await startApplication({ release: '1.0', t })
  const front = await openFront(t, [{ version: '1.0', share: 1, targets: [application.url] }])
  const client = new SlowAtTheEnd()
  const exchange = beginExchange(front.state, fieldMasks(true), client)
  await until('the answer is complete', () => client.hasEnded)
  exchange.onAborted()
  exchange.onDrained()
  t.equal(front.state.open.size, 0)
  t.equal(front.seen().exchangesOpen, 0)
  t.same([...front.seen().requests], [[499, 1]])
})

for (const name of ['uws', 'node'] as const) {
  for (const framing of ['length', 'unknown'] as const) {
    t.test(
      `${name}: an answer that is complete but not taken yet is said to be so, ${framing}`,
      async (t) => {
        const body = Buffer.alloc(32 * 1024 * 1024, 'x')
        const contentLength = framing === 'length' ? body.length : -1
        const isTaken: boolean[] = []
        const front = await startFront(t, name, ({ downstream }) =>
          setImmediate(() => {
            downstream.start({ ...plainStart, framing, contentLength })
            downstream.write(body)
            downstream.end()
            isTaken.push(downstream.flush())
          }),
        )
        const client = await RawClient.connect(front.port, t)
        client.pause()
        client.send('GET / HTTP/1.1\r\nHost: front.test\r\n\r\n')
        await until('the answer is complete', () => isTaken.length === 1)
        t.same(isTaken, [false])
        const [scripted] = front.begun
        t.equal(scripted?.drains, 0, 'nobody has read')
        client.resume()
        await until('all of it has come', () => client.size > body.length)
        await until('it is told', () => (scripted?.drains ?? 0) > 0)
      },
    )
  }
}

/** A client with a body, who sends on only while he may. */
class Uploader extends SlowAtTheEnd {
  override readonly head: RequestHead = {
    ...head,
    method: 'POST',
    target: '/echo',
    path: '/echo',
    names: ['host', 'content-length'],
    values: ['shop.example.com', '4'],
  }
  isPaused = false
  override pauseBody(): void {
    this.isPaused = true
  }
  override resumeBody(): void {
    this.isPaused = false
  }
}

t.test('an upload that waited in vain for one target goes on at another', async (t) => {
  const dripping = await startRawServer((socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    const timer = setInterval(() => socket.write('1\r\na\r\n'), 50)
    socket.on('close', () => clearInterval(timer))
  })
  t.teardown(() => dripping.close())
  const application = await startApplication({ release: '1.0', t })
  const session = { ...policy, affinity: 'release' as const }
  const targets = [dripping.url, application.url]
  const front = await openFront(t, [{ version: '1.0', share: 1, targets }], 500, { session })
  const pools = new TargetPools({ ...front.state.pools.limits, maxConnections: 1 })
  t.teardown(() => pools.close())
  const balancing = { loadOf: () => 0, random: () => 0 }
  const state = { ...front.state, pools, balancing }
  beginExchange(state, fieldMasks(true), new SlowAtTheEnd())
  const client = new Uploader()
  const exchange = beginExchange(state, fieldMasks(true), client)
  exchange.onBody(Buffer.from('ab'), false)
  t.ok(client.isPaused, 'it stands in line')
  await until('it may go on', () => !client.isPaused)
  exchange.onBody(Buffer.from('cd'), true)
  await until('the answer is complete', () => client.hasEnded)
  t.match(client, { status: 200, bytes: 4 })
})
