// What the sender of a request is told when the upstream fails, for each way in which upstreams fail; and that nothing
// of a failed request stays behind.
import { once } from 'node:events'
import Module from 'node:module'
import t, { type Test } from 'tap'
import { connectWithWs } from '../../gateway/adapters/ws-client.js'
import { createUpstreamPool } from '../../gateway/dataplane/upstream/pool.js'
import type {
  UpstreamCall,
  UpstreamLimits,
  UpstreamPool,
  UpstreamRequest,
} from '../../gateway/dataplane/upstream/upstream.js'
import { answeringEarly } from '../faults/answering-early.js'
import { cutBody } from '../faults/cut-body.js'
import { dripping } from '../faults/dripping.js'
import { extraBytes } from '../faults/extra-bytes.js'
import { halfAHead } from '../faults/half-a-head.js'
import { hangingBeforeHead } from '../faults/hanging-before-head.js'
import { hangingConnect } from '../faults/hanging-connect.js'
import { closingAfterAnswer, closingOnReuse } from '../faults/idle-close.js'
import { lyingLength } from '../faults/lying-length.js'
import { malformed } from '../faults/malformed.js'
import { startRawServer, type FaultyUpstream } from '../faults/raw-server.js'
import { refusing } from '../faults/refusing.js'
import { reset } from '../faults/reset.js'
import { speakingUnasked } from '../faults/speaking-unasked.js'
import { ManualTick } from './manual-tick.js'
import { RecordingHandler } from './recording-handler.js'
import { eventually } from './eventually.js'

const limits: UpstreamLimits = {
  connectTimeoutMs: 2000,
  upstreamTimeoutMs: 5000,
  maxConnections: 4,
  maxQueue: 4,
  maxHeadBytes: 16 * 1024,
}
const get: UpstreamRequest = {
  head: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  isHead: false,
  isIdempotent: true,
  bodyFraming: 'none',
  fresh: false,
}
const post: UpstreamRequest = {
  head: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n',
  isHead: false,
  isIdempotent: false,
  bodyFraming: 'length',
  fresh: false,
}

interface Bench {
  readonly pool: UpstreamPool
  readonly tick: ManualTick
  readonly handler: RecordingHandler
}

function against(t: Test, server: FaultyUpstream): Bench {
  const tick = new ManualTick()
  const pool = createUpstreamPool({ url: server.url, limits, knownFields: [], tick })
  t.teardown(async () => {
    pool.close()
    await server.close()
  })
  return { pool, tick, handler: new RecordingHandler() }
}

/** Nothing is left: no load, no connection, no listener of the clock, no call after the end. */
async function leavesNothing(t: Test, { pool, tick, handler }: Bench, server: FaultyUpstream): Promise<void> {
  t.equal(pool.load, 0, 'no load')
  t.equal(pool.connections, 0, 'no connection')
  t.equal(tick.listeners.size, 0, 'the clock is not listened to')
  await eventually(() => server.sockets.size === 0)
  t.equal(handler.late, 0, 'nothing was called after the end')
}

async function fails(t: Test, server: FaultyUpstream, outcome: string): Promise<RecordingHandler> {
  const bench = against(t, server)
  const call = bench.pool.send(get, bench.handler)
  t.equal(bench.pool.load, 1)
  t.equal(await bench.handler.outcome, outcome)
  t.equal(call.isWritten, !outcome.endsWith('other-target'))
  await leavesNothing(t, bench, server)
  return bench.handler
}

t.test('refused: another target may be tried', async (t) => {
  const handler = await fails(t, await refusing(), 'connect_refused/other-target')
  t.match(handler.error?.detail, /ECONNREFUSED/)
})

t.test('no answer to connecting: another target may be tried, after the connect timeout', async (t) => {
  const server = await hangingConnect()
  const bench = against(t, server)
  const call = bench.pool.send(post, bench.handler)
  call.write(Buffer.from('x'))
  bench.tick.advance(0)
  bench.tick.advance(1999)
  call.write(Buffer.from('a piece of body is no sign of life'))
  t.equal(bench.pool.load, 1, 'one millisecond before the timeout: still waiting')
  bench.tick.advance(1)
  t.equal(await bench.handler.outcome, 'connect_timeout/other-target')
  t.notOk(call.isWritten)
  await leavesNothing(t, bench, server)
})

t.test('no answer: a timeout, after the whole time', async (t) => {
  const server = await hangingBeforeHead()
  const bench = against(t, server)
  const call = bench.pool.send(get, bench.handler)
  await eventually(() => call.isWritten)
  bench.tick.advance(0)
  bench.tick.advance(4999)
  t.equal(bench.pool.load, 1, 'one millisecond before the timeout: still waiting')
  bench.tick.advance(1)
  t.equal(await bench.handler.outcome, 'response_timeout/never')
  await leavesNothing(t, bench, server)
})

t.test('a head that drips in does not stretch the wait for it', async (t) => {
  const { server, drip } = await dripping('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
  const bench = against(t, server)
  const call = bench.pool.send(get, bench.handler)
  await eventually(() => call.isWritten)
  bench.tick.advance(0)
  for (let i = 0; i < 5; i++) {
    await drip()
    bench.tick.advance(1000)
  }
  t.equal(await bench.handler.outcome, 'response_timeout/never')
  await leavesNothing(t, bench, server)
})

t.test('a body that drips in may last as long as no silence is too long', async (t) => {
  const head = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
  const { server, drip } = await dripping(`${head}hello`)
  const bench = against(t, server)
  bench.pool.send(get, bench.handler)
  for (let i = 0; i < head.length; i++) await drip()
  await bench.handler.head
  for (let i = 1; i <= 4; i++) {
    await drip()
    await eventually(() => bench.handler.bytes === i)
    bench.tick.advance(4000)
  }
  bench.tick.advance(4999)
  t.equal(bench.pool.load, 1, 'one millisecond before the timeout: still waiting')
  bench.tick.advance(1)
  t.equal(await bench.handler.outcome, 'body_timeout/never')
  t.equal(bench.handler.text, 'hell')
  await leavesNothing(t, bench, server)
})

t.test('half a head: lost', async (t) => {
  const handler = await fails(t, await halfAHead(), 'connection_lost/never')
  t.equal(handler.status, 0)
})

t.test('a cut body is an error in every framing, never an end', async (t) => {
  for (const framing of ['length', 'chunked', 'lastChunk'] as const) {
    const handler = await fails(t, await cutBody(framing), 'body_cut/never')
    t.equal(handler.text, 'first half', framing)
  }
})

t.test('a length that lies: silence, then a timeout', async (t) => {
  const server = await lyingLength()
  const bench = against(t, server)
  bench.pool.send(get, bench.handler)
  await eventually(() => bench.handler.text === 'only this')
  bench.tick.advance(0)
  bench.tick.advance(5000)
  t.equal(await bench.handler.outcome, 'body_timeout/never')
  await leavesNothing(t, bench, server)
})

t.test('bytes after the end: the response is good, the connection is not', async (t) => {
  const server = await extraBytes()
  const bench = against(t, server)
  bench.pool.send(get, bench.handler)
  t.equal(await bench.handler.outcome, 'ended')
  t.equal(bench.handler.text, 'proper')
  await leavesNothing(t, bench, server)
})

t.test('bytes on a resting connection: it is discarded and nobody gets them', async (t) => {
  const { server, speak } = await speakingUnasked()
  const bench = against(t, server)
  bench.pool.send(get, bench.handler)
  t.equal(await bench.handler.outcome, 'ended')
  t.equal(bench.pool.connections, 1)
  speak()
  await eventually(() => bench.pool.connections === 0)
  const next = new RecordingHandler()
  bench.pool.send(get, next)
  t.equal(await next.outcome, 'ended')
  t.equal(next.status, 200)
  t.equal(server.accepted, 2)
})

t.test(
  'reset: lost before the head, cut in the body, also where the end of the connection would be the end',
  async (t) => {
    await fails(t, await reset('before the head'), 'connection_lost/never')
    await fails(t, await reset('in the body'), 'body_cut/never')
    await fails(t, await reset('in a body without length'), 'body_cut/never')
  },
)

t.test('a kept-alive connection that turns out stale may be tried again, a fresh one not', async (t) => {
  const server = await closingOnReuse()
  const bench = against(t, server)
  const first = new RecordingHandler()
  bench.pool.send(get, first)
  t.equal(await first.outcome, 'ended')
  bench.pool.send(get, bench.handler)
  t.equal(await bench.handler.outcome, 'connection_lost/if-reused')
  const again = new RecordingHandler()
  bench.pool.send({ ...get, fresh: true }, again)
  t.equal(await again.outcome, 'ended')
  t.equal(server.accepted, 2)
})

t.test('closed after the answer: the connection is discarded quietly', async (t) => {
  const server = await closingAfterAnswer()
  const bench = against(t, server)
  bench.pool.send(get, bench.handler)
  t.equal(await bench.handler.outcome, 'ended')
  await eventually(() => bench.pool.connections === 0)
  await leavesNothing(t, bench, server)
})

t.test('malformed answers: refused, and the connection discarded', async (t) => {
  const ok = 'HTTP/1.1 200 OK\r\n'
  const answers = [
    'SSH-2.0-OpenSSH_9.2\r\n',
    `${ok}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n`,
    `${ok}Content-Length: 1\r\nContent-Length: 1\r\n\r\nx`,
    `${ok}A: b\n\r\n`,
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    `${ok}A: ${'b'.repeat(16 * 1024)}\r\n\r\n`,
    `${ok}${'a: b\r\n'.repeat(257)}\r\n`,
  ]
  for (const answer of answers) {
    const handler = await fails(t, await malformed(answer), 'bad_response/never')
    t.equal(handler.status, 0)
  }
  const inBody = await fails(
    t,
    await malformed(`${ok}Transfer-Encoding: chunked\r\n\r\nzz\r\n`),
    'bad_response/never',
  )
  t.equal(inBody.status, 200)
})

t.test('an answer before the body is sent is delivered, and the connection not used again', async (t) => {
  for (const closes of [true, false]) {
    const server = await answeringEarly(closes)
    const bench = against(t, server)
    const call = bench.pool.send(post, bench.handler)
    call.write(Buffer.alloc(100))
    t.equal(await bench.handler.outcome, 'ended')
    t.equal(bench.handler.status, 413)
    t.equal(bench.handler.text, 'no!')
    t.ok(call.write(Buffer.alloc(900)), 'writing on does no harm')
    call.end()
    await leavesNothing(t, bench, server)
  }
})

t.test(
  'an answer is read though the body can no longer be sent: its upstream has closed behind it',
  async (t) => {
    const whole = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!'
    for (const [said, outcome, status] of [
      [whole, 'ended', 413],
      [whole.slice(0, -1), 'body_cut/never', 413],
      ['', 'connection_lost/never', 0],
    ] as const) {
      let call: UpstreamCall | null = null
      const server = await startRawServer((socket) => {
        socket.once('data', () => {
          socket.write(said)
          socket.resetAndDestroy()
          // The reset has arrived when this is written, and the answer before it has not been read.
          call?.write(Buffer.alloc(100))
        })
      })
      const bench = against(t, server)
      call = bench.pool.send(post, bench.handler)
      call.write(Buffer.alloc(100))
      t.equal(await bench.handler.outcome, outcome)
      t.equal(bench.handler.status, status)
      await leavesNothing(t, bench, server)
    }
  },
)

t.test("a slow client is not the upstream's silence", async (t) => {
  const server = await hangingBeforeHead()
  const bench = against(t, server)
  const call = bench.pool.send(post, bench.handler)
  await eventually(() => call.isWritten)
  bench.tick.advance(0)
  for (let i = 0; i < 4; i++) bench.tick.advance(4000)
  t.equal(bench.pool.load, 1, 'the body is not there yet: the upstream is not to blame')
  call.write(Buffer.alloc(1000))
  call.end()
  bench.tick.advance(0)
  call.pause()
  bench.tick.advance(5000)
  call.resume()
  bench.tick.advance(0)
  t.equal(bench.pool.load, 1, 'we do not read: the upstream is not to blame')
  bench.tick.advance(5000)
  t.equal(await bench.handler.outcome, 'response_timeout/never')
  await leavesNothing(t, bench, server)
})

t.test('cancelled in any phase: everything is freed, nothing is called', async (t) => {
  const untouched = async (bench: Bench, server: FaultyUpstream): Promise<void> => {
    await leavesNothing(t, bench, server)
    t.equal(bench.handler.error, null)
  }
  const connecting = await hangingConnect()
  const first = against(t, connecting)
  first.pool.send(get, first.handler).cancel()
  await untouched(first, connecting)

  const silent = await hangingBeforeHead()
  const second = against(t, silent)
  const waiting = second.pool.send(post, second.handler)
  await eventually(() => silent.sockets.size === 1)
  waiting.write(Buffer.from('x'))
  waiting.cancel()
  waiting.cancel()
  waiting.write(Buffer.from('x'))
  waiting.end()
  waiting.pause()
  waiting.resume()
  await untouched(second, silent)

  for (const event of ['whenHead', 'whenData'] as const) {
    const answering = await malformed(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n',
    )
    const bench = against(t, answering)
    const call = bench.pool.send(get, bench.handler)
    const cancelled = new Promise<void>((resolve) => {
      bench.handler[event] = () => {
        call.cancel()
        resolve()
      }
    })
    await cancelled
    t.equal(
      bench.handler.bytes,
      event === 'whenHead' ? 0 : 1,
      'nothing more, not even of the bytes already read',
    )
    await untouched(bench, answering)
  }
})

t.test('after the server is gone the sockets of the pool are gone too', async (t) => {
  const server = await hangingBeforeHead()
  const bench = against(t, server)
  const calls = [get, get, get].map((request) => {
    const handler = new RecordingHandler()
    bench.pool.send(request, handler)
    return handler
  })
  await eventually(() => server.sockets.size === 3)
  for (const socket of server.sockets) {
    socket.end()
    await once(socket, 'close')
  }
  for (const handler of calls) t.equal(await handler.outcome, 'connection_lost/never')
  await leavesNothing(t, bench, server)
})

t.test(
  'a socket client that cannot be loaded is no fault of the request, and is tried anew by the next',
  async (t) => {
    const server = await refusing()
    t.teardown(() => server.close())
    // What a process without free descriptors meets.
    const loader = Module as unknown as { _load: (name: string, ...rest: unknown[]) => unknown }
    const load = loader._load
    const ask = (): Promise<string> => {
      const handler = Object.assign(new RecordingHandler(), { onSocket: () => {} })
      const head = 'GET / HTTP/1.1\r\nHost: shop\r\n\r\n'
      const times = { connectTimeoutMs: 2000, upstreamTimeoutMs: 2000, maxHeadBytes: 16_384 }
      connectWithWs({ url: server.url, head, ...times }, handler)
      return handler.outcome
    }
    loader._load = () => {
      throw new Error('EMFILE')
    }
    const first = ask()
    loader._load = load
    t.equal(await first, 'internal/never')
    t.equal(await ask(), 'connect_refused/other-target')
  },
)
