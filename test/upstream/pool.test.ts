// The pool against real servers: which connection carries which request, who waits, and that bodies of any size pass
// both ways unchanged without being piled up.
import { ok, strictEqual } from 'node:assert'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { createUpstreamPool } from '../../gateway/dataplane/upstream/pool.js'
import type {
  UpstreamCall,
  UpstreamLimits,
  UpstreamPool,
  UpstreamRequest,
} from '../../gateway/dataplane/upstream/upstream.js'
import { IntervalTick } from '../../gateway/dataplane/upstream/tick.js'
import { malformed } from '../faults/malformed.js'
import { notReading } from '../faults/not-reading.js'
import { onRequestHead, startRawServer, targetUrl } from '../faults/raw-server.js'
import { eventually } from './eventually.js'
import { ManualTick } from './manual-tick.js'
import { RecordingHandler } from './recording-handler.js'

const limits: UpstreamLimits = {
  connectTimeoutMs: 2000,
  upstreamTimeoutMs: 5000,
  maxConnections: 3,
  maxQueue: 2,
  maxHeadBytes: 16 * 1024,
}

interface Bench {
  readonly pool: UpstreamPool
  readonly tick: ManualTick
  readonly server: Server
  /** Ports of the clients in order of their requests: which connection carried which. */
  readonly ports: number[]
}

/** A pool on a real node:http server. */
async function bench(t: Test, answer: RequestListener, keepAliveTimeout = 60_000): Promise<Bench> {
  const ports: number[] = []
  const server = createServer({ keepAliveTimeout }, (request, response) => {
    ports.push(request.socket.remotePort ?? 0)
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const tick = new ManualTick()
  const url = targetUrl(`http://127.0.0.1:${port}`)
  const pool = createUpstreamPool({ url, limits, knownFields: ['content-length', 'x-two'], tick })
  t.teardown(async () => {
    pool.close()
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  return { pool, tick, server, ports }
}

function request(method: string, more: Partial<UpstreamRequest> = {}, fields = ''): UpstreamRequest {
  return {
    head: `${method} / HTTP/1.1\r\nHost: a\r\n${fields}\r\n`,
    isHead: method === 'HEAD',
    isIdempotent: method !== 'POST',
    bodyFraming: 'none',
    fresh: false,
    ...more,
  }
}

const get = request('GET')
const post = request('POST', {}, 'Content-Length: 0\r\n')

async function exchange(pool: UpstreamPool, what: UpstreamRequest): Promise<RecordingHandler> {
  const handler = new RecordingHandler()
  pool.send(what, handler)
  await handler.outcome
  return handler
}

/** Answers when the test says so. */
function gate(): { listener: RequestListener; open: (count: number) => void; waiting: () => number } {
  const held: (() => void)[] = []
  return {
    listener: (_request, response) => held.push(() => response.end('x')),
    open: (count) => held.splice(0, count).forEach((answer) => answer()),
    waiting: () => held.length,
  }
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const piece of message) pieces.push(piece as Buffer)
  return Buffer.concat(pieces)
}

t.test('a response arrives whole: fields byte-exact and in order, body, framing', async (t) => {
  const { pool } = await bench(t, (_request, response) => {
    response.sendDate = false
    response.writeHead(200, 'Fine', ['X-One', 'caf\xe9', 'X-Two', '1', 'X-Two', '2', 'Content-Length', '5'])
    response.end(Buffer.from('hello'))
  })
  const handler = await exchange(pool, get)
  t.equal(handler.status, 200)
  t.equal(handler.reason, 'Fine')
  t.same(handler.fields.slice(0, 4), ['0 X-One: caf\xe9', '2 X-Two: 1', '2 X-Two: 2', '1 Content-Length: 5'])
  t.equal(handler.text, 'hello')
  t.equal(handler.contentLength, 5)
  t.equal(handler.reads, 0, 'a response that came in one read has no pause to flush in')
})

t.test(
  'one connection serves one request after the other: HEAD, 204, 304, chunked and empty bodies',
  async (t) => {
    const { pool, ports } = await bench(t, (request, response) => {
      const what = request.headers['x-what']
      if (what === '204' || what === '304') response.writeHead(Number(what)).end()
      else if (what === 'chunked') response.write('a', () => response.end('b'))
      else if (what === 'empty') response.writeHead(200, { 'Content-Length': 0 }).end()
      else response.writeHead(200, { 'Content-Length': 4 }).end('full')
    })
    const bodies: string[] = []
    for (const what of ['204', '304', 'chunked', 'empty', 'full']) {
      const handler = await exchange(pool, request('GET', {}, `X-What: ${what}\r\n`))
      bodies.push(`${handler.status} ${handler.framing} ${handler.text}`)
    }
    t.same(bodies, ['204 none ', '304 none ', '200 chunked ab', '200 length ', '200 length full'])
    const head = await exchange(pool, request('HEAD'))
    t.match(
      { framing: head.framing, length: head.contentLength, text: head.text },
      { framing: 'none', length: 4, text: '' },
    )
    t.equal(new Set(ports).size, 1)
    t.equal(pool.connections, 1)
    t.equal(pool.load, 0)
  },
)

t.test('the connection used last is used first', async (t) => {
  const { listener, open, waiting } = gate()
  const { pool, ports } = await bench(t, listener)
  const handlers = [1, 2, 3].map(() => new RecordingHandler())
  for (const [i, handler] of handlers.entries()) {
    pool.send(get, handler)
    await eventually(() => waiting() === i + 1)
  }
  t.equal(pool.load, 3)
  for (const handler of handlers) {
    open(1)
    await handler.outcome
  }
  t.equal(pool.connections, 3)
  const next = new RecordingHandler()
  pool.send(get, next)
  await eventually(() => waiting() === 1)
  open(1)
  await next.outcome
  t.equal(ports[3], ports[2])
})

t.test(
  'a request that may not be sent twice follows another within a second, else it goes alone',
  async (t) => {
    const { pool, ports, tick } = await bench(t, (_request, response) => void response.end('x'))
    await exchange(pool, get)
    tick.advance(750)
    await exchange(pool, post)
    t.equal(ports[1], ports[0], 'at most a second of rest, the coarseness of the clock included')
    tick.advance(751)
    await exchange(pool, post)
    t.not(ports[2], ports[0])
    tick.advance(751)
    await exchange(pool, get)
    t.equal(ports[3], ports[2], 'any other takes what rests')
  },
)

t.test('so does one with a body, which could not be sent again from its beginning', async (t) => {
  const { pool, ports, tick } = await bench(t, (request, response) => {
    request.resume().on('end', () => response.end('x'))
  })
  const put = async (): Promise<void> => {
    const handler = new RecordingHandler()
    const call = pool.send(request('PUT', { bodyFraming: 'length' }, 'Content-Length: 1\r\n'), handler)
    call.write(Buffer.from('x'))
    call.end()
    await handler.outcome
  }
  await exchange(pool, get)
  tick.advance(750)
  await put()
  t.equal(ports[1], ports[0])
  tick.advance(751)
  await put()
  t.not(ports[2], ports[0])
})

t.test(
  'where connections were closed right after an answer, without a word, such a request goes alone for a minute',
  async (t) => {
    let closes = true
    const { pool, ports, tick } = await bench(t, (request, response) => {
      response.end('x', () => closes && request.socket.end())
    })
    await exchange(pool, get)
    await eventually(() => pool.connections === 0)
    closes = false
    await exchange(pool, get)
    await exchange(pool, post)
    t.not(ports[2], ports[1], 'the answer before it may have been the last of its connection')
    await exchange(pool, get)
    t.equal(ports[3], ports[2], 'any other takes what rests')
    for (let i = 0; i < 3; i++) tick.advance(20_000)
    await exchange(pool, get)
    await exchange(pool, post)
    t.equal(ports[5], ports[4], 'after that it is trusted again')
  },
)

t.test('that a connection is closed after a long rest says nothing against the next', async (t) => {
  const { pool, ports, server, tick } = await bench(t, (_request, response) => void response.end('x'))
  await exchange(pool, get)
  tick.advance(5_000)
  server.closeIdleConnections()
  await eventually(() => pool.connections === 0)
  await exchange(pool, get)
  await exchange(pool, post)
  t.equal(ports[2], ports[1])
})

t.test('a fresh connection is a new one, and makes room for itself', async (t) => {
  const { pool, ports } = await bench(t, (_request, response) => void response.end('x'))
  const fresh = { ...get, fresh: true }
  for (let i = 0; i < 5; i++) await exchange(pool, fresh)
  t.equal(new Set(ports).size, 5)
  t.equal(pool.connections, 3, 'never more than allowed')
})

t.test('connections are bounded, the line is bounded, and it is served in order', async (t) => {
  const { listener, open, waiting } = gate()
  const { pool, ports } = await bench(t, listener)
  const ended: number[] = []
  const send = (i: number): RecordingHandler => {
    const handler = new RecordingHandler()
    pool.send(get, handler)
    void handler.outcome.then(() => ended.push(i))
    return handler
  }
  const handlers = [1, 2, 3, 4, 5].map(send)
  await eventually(() => waiting() === 3)
  t.equal(pool.connections, 3)
  t.equal(pool.load, 5)
  const refused = new RecordingHandler()
  const call = pool.send(get, refused)
  t.equal(refused.error, null, 'not before send has returned')
  t.equal(await refused.outcome, 'queue_full/other-target')
  call.cancel()
  t.equal(pool.load, 5)
  while (ended.length < 5) {
    await eventually(() => waiting() > 0)
    const before = ended.length
    open(1)
    await eventually(() => ended.length > before)
  }
  await Promise.all(handlers.map((handler) => handler.outcome))
  t.same(ended, [1, 2, 3, 4, 5])
  t.equal(new Set(ports).size, 3)
  t.equal(pool.load, 0)
})

t.test('waiting ends with a timeout; who gives up leaves the line', async (t) => {
  const { listener, waiting } = gate()
  const { pool, tick } = await bench(t, listener)
  // paused, they have no timeouts of their own
  for (let i = 0; i < 3; i++) pool.send(get, new RecordingHandler()).pause()
  await eventually(() => waiting() === 3)
  const cancelled = new RecordingHandler()
  const late = new RecordingHandler()
  const call = pool.send(get, cancelled)
  pool.send(get, late)
  call.cancel()
  call.cancel()
  t.equal(pool.load, 4)
  tick.advance(0)
  tick.advance(4999)
  t.equal(late.error, null, 'one millisecond before the timeout: still waiting')
  tick.advance(1)
  t.equal(await late.outcome, 'queue_timeout/other-target')
  t.equal(pool.load, 3)
  t.equal(cancelled.error, null)
  t.equal(cancelled.late, 0)
})

t.test('a body written while the request waits goes out when its turn comes', async (t) => {
  const { pool } = await bench(t, (request, response) => {
    void bodyOf(request).then((body) => response.end(`${request.method}:${body.toString()}`))
  })
  const chunked = request('POST', { bodyFraming: 'chunked' }, 'Transfer-Encoding: chunked\r\n')
  const handlers: RecordingHandler[] = []
  for (let i = 0; i < 5; i++) {
    const handler = new RecordingHandler()
    handlers.push(handler)
    const call = pool.send(chunked, handler)
    const piece = Buffer.from(`one${i}`)
    const mayFlow = call.write(piece)
    piece.fill('!')
    t.equal(mayFlow, i < 3, 'in the line the sender is asked to wait')
    if (mayFlow) {
      call.write(Buffer.alloc(0))
      call.write(Buffer.from('two'))
      call.end()
    } else {
      handler.whenDrain = () => {
        call.write(Buffer.from('two'))
        call.end()
      }
    }
  }
  for (const [i, handler] of handlers.entries()) {
    t.equal(await handler.outcome, 'ended')
    t.equal(handler.text, `POST:one${i}two`)
  }
})

t.test(
  'a resting connection is closed after 30 s, or a second before the upstream would close it',
  async (t) => {
    const { pool, tick } = await bench(t, (_request, response) => {
      response.removeHeader('Keep-Alive')
      response.end('x')
    })
    await exchange(pool, get)
    tick.advance(29_750 - 60)
    t.equal(pool.connections, 1)
    const brief = await bench(t, (_request, response) => void response.end('x'), 5000)
    await exchange(brief.pool, get)
    brief.tick.advance(3750)
    t.equal(brief.pool.connections, 1)
    brief.tick.advance(1)
    t.equal(brief.pool.connections, 0)
    t.equal(brief.tick.listeners.size, 0, 'without connections the clock is not listened to')
    const momentary = await bench(t, (_request, response) => void response.end('x'), 1000)
    await exchange(momentary.pool, get)
    t.equal(momentary.pool.connections, 0, 'not worth keeping')
  },
)

t.test('Connection: close and HTTP/1.0 end the connection with the response', async (t) => {
  const { pool } = await bench(
    t,
    (_request, response) => void response.setHeader('Connection', 'close').end('x'),
  )
  await exchange(pool, get)
  t.equal(pool.connections, 0)
  const old = await malformed('HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx')
  t.teardown(() => old.close())
  const oldPool = createUpstreamPool({ url: old.url, limits, knownFields: [], tick: new ManualTick() })
  t.equal((await exchange(oldPool, get)).text, 'x')
  t.equal(oldPool.connections, 0)
})

t.test('without a length the end of the connection is the end of the body', async (t) => {
  const server = await startRawServer((socket) =>
    onRequestHead(socket, () => socket.end('HTTP/1.1 200 OK\r\n\r\nto the end')),
  )
  t.teardown(() => server.close())
  const pool = createUpstreamPool({ url: server.url, limits, knownFields: [], tick: new ManualTick() })
  const handler = new RecordingHandler()
  pool.send(get, handler)
  t.equal(await handler.outcome, 'ended')
  t.equal(handler.text, 'to the end')
  t.equal(handler.framing, 'close')
  t.equal(pool.connections, 0)
})

t.test('a head that comes in halves is unharmed by what other pools read meanwhile', async (t) => {
  const knownFields = ['content-length', 'x-two']
  const opened: ((socket: Socket) => void)[] = []
  const parts = ['HTTP/1.1 201 First\r\nX-Two: 1\r\nX-', 'HTTP/1.1 404 Second\r\nContent-Length: 0\r\n\r\n']
  const both = await Promise.all(
    parts.map(async (part) => {
      const server = await startRawServer((socket) =>
        onRequestHead(socket, () => {
          socket.write(part)
          opened.shift()?.(socket)
        }),
      )
      t.teardown(() => server.close())
      const tick = new ManualTick()
      return { pool: createUpstreamPool({ url: server.url, limits, knownFields, tick }) }
    }),
  )
  const begin = async (pool: UpstreamPool | undefined) => {
    const handler = new RecordingHandler()
    const socket = new Promise<Socket>((resolve) => void opened.push(resolve))
    pool?.send(get, handler)
    return { handler, socket: await socket }
  }
  const first = await begin(both[0]?.pool)
  const second = await begin(both[1]?.pool)
  t.equal(await second.handler.outcome, 'ended')
  first.socket.write('Other: 2\r\nContent-Length: 1\r\n\r\nx')
  t.equal(await first.handler.outcome, 'ended')
  t.same([first.handler.status, first.handler.reason, first.handler.text], [201, 'First', 'x'])
  t.same(first.handler.fields, ['2 X-Two: 1', '0 X-Other: 2', '1 Content-Length: 1'])
  t.same([second.handler.status, second.handler.reason], [404, 'Second'])
  for (const { pool } of both) pool.close()
})

t.test('interim responses are told before the final one', async (t) => {
  const { pool } = await bench(t, (_request, response) => {
    response.writeProcessing()
    response.writeEarlyHints({ link: '</a.css>; rel=preload' }, () => response.end('x'))
  })
  const handler = await exchange(pool, get)
  t.same(handler.interim, [102, 103])
  t.equal(handler.text, 'x')
  t.equal(pool.connections, 1)
})

t.test(
  'a closed pool closes what rests now and the rest as it ends; who comes later is served all the same',
  async (t) => {
    const { listener, open, waiting } = gate()
    const { pool, tick } = await bench(t, listener)
    const first = new RecordingHandler()
    const second = new RecordingHandler()
    pool.send(get, first)
    pool.send(get, second)
    await eventually(() => waiting() === 2)
    open(1)
    await Promise.race([first.outcome, second.outcome])
    t.equal(pool.connections, 2)
    pool.close()
    t.equal(pool.connections, 1)
    open(1)
    await Promise.all([first.outcome, second.outcome])
    t.equal(pool.connections, 0)
    const later = new RecordingHandler()
    pool.send(get, later)
    await eventually(() => waiting() === 1)
    open(1)
    t.equal(await later.outcome, 'ended')
    t.equal(pool.connections, 0)
    t.equal(tick.listeners.size, 0)
  },
)

t.test('large bodies pass both ways unchanged, in either framing', async (t) => {
  const { pool } = await bench(t, (request, response) => {
    if (request.headers['content-length'] !== undefined) {
      response.writeHead(200, { 'Content-Length': request.headers['content-length'] })
    }
    request.pipe(response)
  })
  const body = randomBytes(8 * 1024 * 1024 + 7)
  const sizes = [1, 100, 4096, 5000, 65_536, 65_568, 200_000, 1_000_000]
  for (const framing of ['length', 'chunked'] as const) {
    const field =
      framing === 'length' ? `Content-Length: ${body.length}\r\n` : 'Transfer-Encoding: chunked\r\n'
    const handler = new RecordingHandler()
    const received = createHash('sha256')
    let paused = 0
    const call = pool.send(request('PUT', { bodyFraming: framing }, field), handler)
    handler.whenData = (chunk) => {
      received.update(chunk)
      // now and then a slow reader
      if (handler.bytes % 5 !== 0 || paused > 50) return
      paused++
      call.pause()
      setImmediate(() => call.resume())
    }
    let at = 0
    let piece = 0
    const flow = (): void => {
      let mayFlow = true
      while (mayFlow && at < body.length) {
        const size = sizes[piece++ % sizes.length] ?? 1
        // the sender's buffer is overwritten as soon as write returns
        const lent = Buffer.from(body.subarray(at, at + size))
        at += size
        mayFlow = call.write(lent)
        lent.fill(0)
      }
      if (at >= body.length && mayFlow) call.end()
    }
    handler.whenDrain = flow
    flow()
    t.equal(await handler.outcome, 'ended')
    t.equal(handler.bytes, body.length)
    t.equal(received.digest('hex'), createHash('sha256').update(body).digest('hex'), framing)
    t.ok(handler.drains > 0, 'the sender was held back')
    t.ok(paused > 0, 'and so was the upstream')
    t.ok(handler.reads > 0)
  }
  t.equal(pool.connections, 1)
})

t.test('an upstream that does not read holds the sender back within a bounded window', async (t) => {
  const { server, read } = await notReading()
  t.teardown(() => server.close())
  const pool = createUpstreamPool({ url: server.url, limits, knownFields: [], tick: new ManualTick() })
  const handler = new RecordingHandler()
  const call = pool.send(request('PUT', { bodyFraming: 'length' }, 'Content-Length: 1000000000\r\n'), handler)
  const piece = Buffer.alloc(64 * 1024)
  await eventually(() => call.isWritten)
  const before = process.memoryUsage().arrayBuffers
  let written = 0
  let mayFlow = true
  // the system's own buffers take some megabytes first
  for (let rounds = 0; rounds < 2000 && mayFlow; rounds++) {
    mayFlow = call.write(piece)
    written += piece.length
  }
  t.notOk(mayFlow)
  t.ok(
    process.memoryUsage().arrayBuffers - before < 16 * piece.length,
    'no more than a mebibyte is kept here',
  )
  let arrived = 0
  const drained = new Promise<void>((resolve) => (handler.whenDrain = resolve))
  read((bytes) => (arrived += bytes))
  await drained
  t.equal(handler.drains, 1)
  await eventually(() => arrived >= written)
  call.cancel()
  t.equal(pool.connections, 0)
})

t.test('a reader that pauses holds the upstream back within a bounded window', async (t) => {
  const total = 64 * 1024 * 1024
  let pending: Socket | null = null
  const server = await startRawServer((socket) => {
    pending = socket
    onRequestHead(socket, () => {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${total}\r\n\r\n`)
      const piece = Buffer.alloc(64 * 1024, 'x')
      let left = total / piece.length
      const flow = (): void => {
        while (left-- > 0) if (!socket.write(piece)) return
      }
      socket.on('drain', flow)
      flow()
    })
  })
  t.teardown(() => server.close())
  const pool = createUpstreamPool({ url: server.url, limits, knownFields: [], tick: new ManualTick() })
  const handler = new RecordingHandler()
  const call = pool.send(get, handler)
  handler.whenData = () => call.pause()
  await handler.head
  // as long as anything can still move, it moves: wait until the upstream's side has stood still for many turns
  let stillFor = 0
  let last = -1
  await eventually(() => {
    const now = (pending?.bytesWritten ?? 0) - (pending?.writableLength ?? 0)
    stillFor = now === last ? stillFor + 1 : 0
    last = now
    return stillFor > 200
  })
  t.ok(handler.bytes <= 2 * 64 * 1024, 'what was read when the pause came, and no more')
  t.ok(last < total / 2, 'the upstream is held back')
  handler.whenData = () => {}
  call.resume()
  t.equal(await handler.outcome, 'ended')
  t.equal(handler.bytes, total, 'not a byte is lost')
})

t.test('paused before there is a connection: nothing arrives until resumed', async (t) => {
  let answered = 0
  const { pool } = await bench(t, (_request, response) => void response.end('x', () => answered++))
  const handlers = [1, 2, 3, 4].map(() => new RecordingHandler())
  // the last of them has to wait in line
  const calls = handlers.map((handler) => pool.send(get, handler))
  for (const call of calls) call.pause()
  await eventually(() => answered === 3)
  let turns = 0
  await eventually(() => ++turns > 100)
  t.same(
    handlers.map((handler) => handler.status),
    [0, 0, 0, 0],
  )
  calls[0]?.resume()
  await handlers[0]?.outcome
  await eventually(() => answered === 4)
  turns = 0
  await eventually(() => ++turns > 100)
  t.equal(handlers[3]?.status, 0)
  for (const call of calls) call.resume()
  await Promise.all(handlers.map((handler) => handler.outcome))
  t.same(
    handlers.map((handler) => handler.text),
    ['x', 'x', 'x', 'x'],
  )
})

const answers: readonly string[] = [
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx',
  'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx',
  'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxx',
  'nonsense\r\n',
  '',
]

t.test('whatever happens in whatever order: every request ends once, and nothing is left', async (t) => {
  const server = await startRawServer((socket) =>
    onRequestHead(socket, (head) => {
      const which = Number(/^GET \/(\d)/.exec(head)?.[1])
      socket.write(answers[which] ?? '', 'latin1')
      if (which === 6) socket.end()
    }),
  )
  t.teardown(() => server.close())
  const action = fc.record({
    verb: fc.constantFrom(
      'send',
      'send',
      'send',
      'cancel',
      'pause',
      'resume',
      'turn',
      'turn',
      'tick',
      'close',
    ),
    which: fc.nat({ max: 6 }),
    fresh: fc.boolean(),
    isIdempotent: fc.boolean(),
  })
  const run = async (
    actions: { verb: string; which: number; fresh: boolean; isIdempotent: boolean }[],
  ): Promise<void> => {
    const tick = new ManualTick()
    const pool = createUpstreamPool({ url: server.url, limits, knownFields: [], tick })
    const running: { call: UpstreamCall; handler: RecordingHandler; isCancelled: boolean }[] = []
    for (const { verb, which, fresh, isIdempotent } of actions) {
      const one = running.at(-1 - which)
      if (verb === 'send') {
        const handler = new RecordingHandler()
        const head = `GET /${which} HTTP/1.1\r\nHost: a\r\n\r\n`
        running.push({
          call: pool.send({ ...get, head, fresh, isIdempotent }, handler),
          handler,
          isCancelled: false,
        })
      } else if (verb === 'cancel' && one !== undefined) {
        one.isCancelled = true
        one.call.cancel()
      } else if (verb === 'pause') one?.call.pause()
      else if (verb === 'resume') one?.call.resume()
      else if (verb === 'tick') tick.advance(1000)
      else if (verb === 'close') pool.close()
      else await new Promise((resolve) => setImmediate(resolve))
      ok(pool.load >= 0 && pool.connections >= 0 && pool.connections <= limits.maxConnections)
    }
    for (const { call } of running) call.resume()
    await eventually(() => {
      // what never ends by itself ends by its timeout
      tick.advance(10)
      return pool.load === 0
    })
    for (const { handler, isCancelled } of running) {
      if (!isCancelled) await handler.outcome
      strictEqual(handler.late, 0)
    }
    pool.close()
    strictEqual(pool.connections, 0)
    strictEqual(tick.listeners.size, 0)
  }
  await fc.assert(fc.asyncProperty(fc.array(action, { minLength: 5, maxLength: 40 }), run), { numRuns: 60 })
})

t.test('one timer tells all its listeners the time, and stands still without any', async (t) => {
  const tick = new IntervalTick(1)
  t.equal(tick.now, 0)
  const told: number[] = []
  const twice = { onTick: (now: number) => void told.push(now) }
  tick.add(twice)
  tick.add(twice)
  await eventually(() => told.length >= 3)
  t.ok(told[0]! < told[1]! && told[1]! < told[2]!)
  tick.remove(twice)
  tick.remove(twice)
  const { now } = tick
  let turns = 0
  await eventually(() => ++turns > 1000)
  t.equal(tick.now, now)
})
