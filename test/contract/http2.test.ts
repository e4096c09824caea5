// HTTP/2 of the Node front: what a hostile client may not do, and how the connection lives and ends. Frames are written
// by hand where Node's own client is too well-behaved.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import * as http2 from 'node:http2'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import t from 'tap'
import type { Owner } from '../fixtures/owner.js'
import { until } from '../fixtures/until.js'
import { plainStart, startFront, type RunningFront } from './fronts.js'

const { constants } = http2

async function connect(t: Owner, front: RunningFront): Promise<http2.ClientHttp2Session> {
  const session = http2.connect(`https://127.0.0.1:${front.port}`, { rejectUnauthorized: false })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  await once(session, 'remoteSettings')
  return session
}

/** The status of one answer, or the code with which the stream was reset. */
function outcome(stream: http2.ClientHttp2Stream): Promise<number | string> {
  return new Promise((resolve) => {
    stream.on('response', (head) => resolve(head[':status'] ?? 0))
    stream.on('error', () => {})
    stream.on('close', () => resolve(`reset ${stream.rstCode}`))
    stream.resume()
  })
}

// -- frames by hand -----------------------------------------------------------------------------------------------------

const frameTypes = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
}
const [endStream, endHeaders] = [1, 4]

function frame(type: keyof typeof frameTypes, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(frameTypes[type], 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Literal fields without indexing (RFC 7541 section 6.2.2), whatever they hold. */
function fieldBlock(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.from([0]), hpackText(name), hpackText(value)]),
  )
}

function hpackText(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const length = [127]
  let rest = bytes.length - 127
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128)
  return Buffer.concat([Buffer.from([...length, rest]), bytes])
}

/** A connection that speaks frames, and notes what it is told. */
class FrameLine {
  readonly socket: TLSSocket
  /** Frames received: type, stream and payload. */
  readonly heard: { type: number; stream: number; payload: Buffer }[] = []
  hasEnded = false
  #rest: Buffer = Buffer.alloc(0)

  constructor(t: Owner, front: RunningFront) {
    this.socket = connectTls({
      host: '127.0.0.1',
      port: front.port,
      ALPNProtocols: ['h2'],
      rejectUnauthorized: false,
    })
    this.socket.on('data', (bytes: Buffer) => this.#read(Buffer.concat([this.#rest, bytes])))
    this.socket.on('close', () => (this.hasEnded = true))
    this.socket.on('error', () => (this.hasEnded = true))
    t.teardown(() => this.socket.destroy())
    this.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    this.say(frame('settings', 0, 0, Buffer.alloc(0)))
  }

  say(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames))
  }

  #read(bytes: Buffer): void {
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      const length = bytes.readUIntBE(0, 3)
      const stream = bytes.readUInt32BE(5)
      this.heard.push({ type: bytes.readUInt8(3), stream, payload: bytes.subarray(9, 9 + length) })
      bytes = bytes.subarray(9 + length)
    }
    this.#rest = bytes
  }

  /** The first frame of that type. */
  hears(type: keyof typeof frameTypes): Promise<{ readonly payload: Buffer }> {
    return until(`a frame ${type}`, () => this.heard.find((each) => each.type === frameTypes[type]))
  }

  ends(): Promise<unknown> {
    return until('the connection ends', () => this.hasEnded)
  }
}

const goodHead = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/'],
  [':authority', 'front.test'],
] as const

for (const [what, fields] of [
  ['a name in capitals', [['X-Name', 'a']]],
  ['connection', [['connection', 'close']]],
  ['keep-alive', [['keep-alive', '1']]],
  ['upgrade', [['upgrade', 'h2c']]],
  ['transfer-encoding', [['transfer-encoding', 'chunked']]],
  ['te other than trailers', [['te', 'gzip']]],
  [
    'a pseudo field after the others',
    [
      ['x', '1'],
      [':path', '/evil'],
    ],
  ],
  ['an unknown pseudo field', [[':x', '1']]],
  [
    'two lengths',
    [
      ['content-length', '1'],
      ['content-length', '2'],
    ],
  ],
  ['a length without a body', [['content-length', '5']]],
] as const) {
  t.test(`${what}: the stream is refused and never begun`, async (t) => {
    const front = await startFront(t, 'node by HTTP/2', (scripted) => scripted.answer('ok'))
    const line = new FrameLine(t, front)
    line.say(frame('headers', endStream | endHeaders, 1, fieldBlock([...goodHead, ...fields])))
    await until('the stream or the connection is reset', () =>
      line.heard.some(({ type }) => type === frameTypes.reset || type === frameTypes.goaway),
    )
    t.equal(front.begun.filter(({ downstream }) => !downstream.head.names.includes('')).length, 0)
  })
}

t.test('fields with CR, LF, NUL or a space in the name are left out: nghttp2 ignores them', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', (scripted) => scripted.answer('ok'))
  const line = new FrameLine(t, front)
  const fields = [
    ['x', 'a\r\nx-injected: 1'],
    ['y', 'a\0b'],
    ['x name', 'a'],
    ['z', 'good'],
  ] as const
  line.say(frame('headers', endStream | endHeaders, 1, fieldBlock([...goodHead, ...fields])))
  const scripted = await until('it is begun', () => front.begun[0])
  t.same(scripted.downstream.head.names, ['z', 'host'])
})

t.test('an authority that differs from Host is marked for refusal, one that agrees passes', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', (scripted) => scripted.answer('ok'))
  const line = new FrameLine(t, front)
  for (const [i, host] of ['other.test', 'Front.test'].entries()) {
    line.say(frame('headers', endStream | endHeaders, 2 * i + 1, fieldBlock([...goodHead, ['host', host]])))
  }
  await until('both are begun', () => front.begun.length === 2)
  const names = front.begun.map(({ downstream }) => downstream.head.names)
  t.same(names, [[''], ['host']], 'an empty name is what the exchange refuses')
})

t.test('cookies that were split come apart, for the exchange to join', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', (scripted) => scripted.answer('ok'))
  const line = new FrameLine(t, front)
  const cookies = [
    ['cookie', 'a=1'],
    ['cookie', 'b=2'],
  ] as const
  line.say(frame('headers', endStream | endHeaders, 1, fieldBlock([...goodHead, ...cookies])))
  const scripted = await until('it is begun', () => front.begun[0])
  const { names, values } = scripted.downstream.head
  t.same(
    values.filter((_, i) => names[i] === 'cookie'),
    ['a=1', 'b=2'],
  )
})

for (const [what, sent] of [
  ['more than it says', 6],
  ['less than it says', 4],
] as const) {
  t.test(`a body of ${what} never comes to its end`, async (t) => {
    const front = await startFront(t, 'node by HTTP/2', () => {})
    const line = new FrameLine(t, front)
    const head = [[':method', 'POST'], ...goodHead.slice(1), ['content-length', '5']] as const
    line.say(frame('headers', endHeaders, 1, fieldBlock(head as never)))
    const scripted = await until('it is begun', () => front.begun[0])
    line.say(frame('data', endStream, 1, Buffer.alloc(sent)))
    await scripted.aborted
    t.equal(scripted.ends, 0)
  })
}

t.test('CONNECT, also for a WebSocket, reaches the exchange as a method like any other', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', (scripted) => scripted.answer('no', { status: 501 }))
  const session = await connect(t, front)
  t.not(session.remoteSettings.enableConnectProtocol, true, 'so browsers open another connection by HTTP/1.1')
  const stream = session.request({ ':method': 'CONNECT', ':authority': 'front.test:443' })
  t.equal(await outcome(stream), 501)
  t.equal(front.begun[0]!.downstream.head.method, 'CONNECT')
})

t.test('a head list beyond the limit is answered 431 and leaves the others', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', (scripted) => scripted.answer('ok'))
  const line = new FrameLine(t, front)
  const long = [
    ['x', 'a'.repeat(15_000)],
    ['y', 'b'.repeat(3_000)],
  ] as const
  const block = fieldBlock([...goodHead, ...long])
  line.say(frame('headers', endStream, 1, block.subarray(0, 10_000)))
  line.say(frame('continuation', endHeaders, 1, block.subarray(10_000)))
  await line.hears('data')
  t.same(front.refused, [431])
  line.say(frame('headers', endStream | endHeaders, 3, fieldBlock(goodHead)))
  await until('the next one is begun', () => front.begun.length === 1)
})

t.test('a flood of CONTINUATION ends the connection', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', (scripted) => scripted.answer('ok'))
  const line = new FrameLine(t, front)
  line.say(frame('headers', endStream, 1, fieldBlock(goodHead)))
  for (let i = 0; i < 100; i++) line.say(frame('continuation', 0, 1, fieldBlock([['x', 'y']])))
  await line.ends()
  t.equal(front.begun.length, 0)
  t.same(front.gate.refusals(), [['http2-protocol', 1]])
})

t.test('rapid reset: after a hundred streams taken back the client is told to calm down', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', () => {})
  const line = new FrameLine(t, front)
  const cancel = Buffer.from([0, 0, 0, constants.NGHTTP2_CANCEL])
  for (let i = 0; i < 400; i++) {
    const id = 2 * i + 1
    line.say(
      frame('headers', endStream | endHeaders, id, fieldBlock(goodHead)),
      frame('reset', 0, id, cancel),
    )
  }
  const { payload } = await line.hears('goaway')
  t.equal(payload.readUInt32BE(4), constants.NGHTTP2_ENHANCE_YOUR_CALM)
  await line.ends()
  await until('every exchange was told', () => front.begun.every(({ aborts }) => aborts === 1))
  t.same(front.gate.refusals(), [['http2-resets', 1]])
})

t.test('no more streams than announced are open at once', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', () => {})
  const line = new FrameLine(t, front)
  for (let i = 0; i < 130; i++) {
    line.say(frame('headers', endStream | endHeaders, 2 * i + 1, fieldBlock(goodHead)))
  }
  line.say(frame('ping', 0, 0, Buffer.alloc(8)))
  await line.hears('ping')
  t.ok(front.begun.length <= 100, `${front.begun.length} begun`)
})

t.test(
  'windows: a stream may be 256 KiB ahead of the application; one that sends more is ended',
  async (t) => {
    const window = 256 * 1024
    const post = [[':method', 'POST'], ...goodHead.slice(1)] as const
    const front = await startFront(t, 'node by HTTP/2', ({ downstream }) => downstream.pauseBody())
    const line = new FrameLine(t, front)
    line.say(frame('headers', endHeaders, 1, fieldBlock(post as never)))
    const pieces = Array.from({ length: window / 16_384 + 1 }, () =>
      frame('data', 0, 1, Buffer.alloc(16_384)),
    )
    line.say(...pieces)
    await until('the stream or the connection is reset', () =>
      line.heard.some(({ type }) => type === frameTypes.reset || type === frameTypes.goaway),
    )
    await until('the request is given up', () => front.begun[0]?.aborts === 1)
    t.equal(front.begun[0]?.ends, 0)
  },
)

t.test('a client that is slow in the middle of its body gives the request up', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', () => {}, { bodySilenceMs: 300 })
  const session = await connect(t, front)
  const stream = session.request({ ':method': 'POST', ':authority': 'front.test' })
  stream.write('half')
  t.equal(await outcome(stream), 400, 'as the script answers')
  t.equal(front.begun[0]!.failure, 'request_timeout')
})

t.test('statuses that HTTP/2 cannot carry as they are', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', (scripted) => {
    scripted.answer('body', { status: Number(scripted.downstream.head.path.slice(1)) })
  })
  const session = await connect(t, front)
  for (const [status, seen] of [
    [205, 205],
    [599, 599],
    [600, 500],
    [999, 500],
  ] as const) {
    const stream = session.request({ ':authority': 'front.test', ':path': `/${status}` })
    t.equal(await outcome(stream), seen)
    await until('the stream ends in order', () => stream.closed)
    t.equal(stream.rstCode, 0, `${status}`)
  }
  t.ok(front.begun.every(({ aborts }) => aborts === 0))
})

t.test('a client that takes nothing of the whole connection is given up as well', async (t) => {
  const clientLimits = { stalledClientMs: 300 }
  const front = await startFront(
    t,
    'node by HTTP/2',
    (scripted) => {
      scripted.downstream.start(plainStart)
      for (let i = 0; i < 64; i++) scripted.downstream.write(Buffer.alloc(1024 * 1024))
      scripted.downstream.flush()
    },
    { clientLimits },
  )
  const line = new FrameLine(t, front)
  // Windows are open as wide as they go: it is the connection that stands still.
  const wide = Buffer.from([0, 4, 0x7f, 0xff, 0xff, 0xff])
  line.say(frame('settings', 0, 0, wide), frame('window', 0, 0, Buffer.from([0x7f, 0xff, 0, 0])))
  line.say(frame('headers', endStream | endHeaders, 1, fieldBlock(goodHead)))
  await line.hears('data')
  line.socket.pause()
  await until('the exchange is told', () => front.begun[0]?.aborts === 1)
  t.same(front.gate.refusals(), [['slow-reader', 1]])
})

t.test('leaving: GOAWAY, open streams finish, then the connection ends', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', () => {})
  const session = await connect(t, front)
  const stream = session.request({ ':authority': 'front.test' })
  const scripted = await until('it is begun', () => front.begun[0])
  const goaway = once(session, 'goaway')
  const closed = once(session, 'close')
  front.listener.stopAccepting()
  t.equal((await goaway)[0], constants.NGHTTP2_NO_ERROR)
  scripted.answer('finished', { closes: true })
  t.equal(await outcome(stream), 200)
  await closed
})

t.test('a refused request leaves the connection to the others', async (t) => {
  const front = await startFront(t, 'node by HTTP/2', (scripted) =>
    scripted.answer('no', { status: 404, closes: true }),
  )
  const session = await connect(t, front)
  for (let i = 0; i < 3; i++) {
    const stream = session.request({ ':method': 'POST', ':authority': 'front.test' })
    stream.write(randomBytes(1_000))
    t.equal(await outcome(stream), 404)
  }
  t.notOk(session.closed)
})
