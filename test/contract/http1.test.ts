// HTTP/1 of the Node front by the book: what the other front declares that it cannot do, and what is refused before it
// can become a request. Raw bytes on real connections.
import { connect, type Socket } from 'node:net'
import t from 'tap'
import type { Owner } from '../fixtures/owner.js'
import { until } from '../fixtures/until.js'
import { plainStart, startFront, type RunningFront, type Scripted } from './fronts.js'

/** A connection that keeps all it hears, one character a byte. */
class Line {
  readonly socket: Socket
  heard = ''
  hasEnded = false

  constructor(t: Owner, front: RunningFront, allowHalfOpen = false) {
    this.socket = connect({ host: '127.0.0.1', port: front.port, allowHalfOpen })
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => (this.heard += text))
    this.socket.on('close', () => (this.hasEnded = true))
    this.socket.on('end', () => (this.hasEnded = true))
    this.socket.on('error', () => {})
    t.teardown(() => this.socket.destroy())
  }

  say(text: string): void {
    this.socket.write(text, 'latin1')
  }

  hears(text: string): Promise<unknown> {
    return until(`the client hears ${JSON.stringify(text)}`, () => this.heard.includes(text))
  }

  ends(): Promise<unknown> {
    return until('the connection ends', () => this.hasEnded)
  }
}

function echoPath(scripted: Scripted): void {
  scripted.answer(`<${scripted.downstream.head.target}>`)
}

const host = 'Host: front.test\r\n'

t.test('pipelined requests are begun one after the other and answered in order', async (t) => {
  const front = await startFront(t, 'node', () => {})
  const line = new Line(t, front)
  line.say(['/1', '/2', '/3'].map((path) => `GET ${path} HTTP/1.1\r\n${host}\r\n`).join(''))
  for (let i = 0; i < 3; i++) {
    const scripted = await until('the next request begins', () => front.begun[i])
    t.equal(front.begun.length, i + 1, 'the next one waits')
    echoPath(scripted)
    await line.hears(`</${i + 1}>`)
  }
  line.say(`GET /4 HTTP/1.1\r\n${host}\r\n`)
  await until('the connection goes on', () => front.begun[3])
})

t.test('a pipelined request of a client that went away is never begun', async (t) => {
  const front = await startFront(t, 'node', () => {})
  const line = new Line(t, front)
  line.say(`GET /1 HTTP/1.1\r\n${host}\r\nGET /2 HTTP/1.1\r\n${host}\r\n`)
  const first = await until('the first begins', () => front.begun[0])
  line.socket.resetAndDestroy()
  const other = new Line(t, front)
  other.say(`GET /3 HTTP/1.1\r\n${host}\r\n`)
  const third = await until('another client comes', () => front.begun[1])
  t.equal(third.downstream.head.path, '/3')
  echoPath(first)
  echoPath(third)
  await other.hears('</3>')
  t.equal(front.begun.length, 2)
})

t.test('nothing behind an answer that says close begins', async (t) => {
  const front = await startFront(t, 'node', () => {})
  const line = new Line(t, front)
  line.say(`GET /1 HTTP/1.1\r\n${host}\r\nGET /smuggled HTTP/1.1\r\n${host}\r\n`)
  const { downstream } = await until('the first begins', () => front.begun[0])
  downstream.start({ ...plainStart, closes: true })
  downstream.end()
  downstream.flush()
  await line.ends()
  t.match(line.heard, /connection: close/i)
  t.equal(front.begun.length, 1)
})

t.test('nothing behind an answer that only the end of the connection ends begins', async (t) => {
  const front = await startFront(t, 'node', () => {})
  const line = new Line(t, front)
  // Held back by its reader, so that the answer stands before the end for a while.
  line.socket.pause()
  line.say(`GET /1 HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\nGET /2 HTTP/1.1\r\n${host}\r\n`)
  const { downstream } = await until('the first begins', () => front.begun[0])
  downstream.start(plainStart)
  downstream.write(Buffer.alloc(16 * 1024 * 1024))
  downstream.end()
  downstream.flush()
  line.socket.resume()
  await line.ends()
  t.equal(front.begun.length, 1)
})

t.test('a client that closes its half gets its answer', async (t) => {
  const front = await startFront(t, 'node', () => {})
  const line = new Line(t, front, true)
  line.socket.end(`GET /half HTTP/1.1\r\n${host}\r\n`)
  const scripted = await until('the request begins', () => front.begun[0])
  echoPath(scripted)
  await line.hears('</half>')
  await line.ends()
  t.equal(scripted.aborts, 0)
})

t.test('event streams that have ended leave nothing behind on their connection', async (t) => {
  const front = await startFront(t, 'node', ({ downstream }) => {
    if (downstream.head.path !== '/events') return
    downstream.start({ ...plainStart, isEventStream: true })
    downstream.write(Buffer.from('data: last'))
    downstream.end()
    downstream.flush()
  })
  const line = new Line(t, front, true)
  for (let i = 1; i <= 3; i++) {
    line.say(`GET /events HTTP/1.1\r\n${host}\r\n`)
    await until('the stream has ended', () => line.heard.split('0\r\n\r\n').length === i + 1)
  }
  line.socket.end(`GET /half HTTP/1.1\r\n${host}\r\n`)
  const scripted = await until('the last request begins', () => front.begun[3])
  await until('the half is closed', () => line.socket.writableFinished)
  // What comes on another connection later is read later.
  new Line(t, front).say(`GET /later HTTP/1.1\r\n${host}\r\n`)
  await until('the front has seen that', () => front.begun[4])
  echoPath(scripted)
  await line.hears('</half>')
  t.equal(scripted.aborts, 0)
})

t.test(
  'HTTP/1.0: no chunks, the end of the connection ends the answer, a missing Host is the address',
  async (t) => {
    const front = await startFront(t, 'node', (scripted) => {
      const { downstream } = scripted
      if (downstream.head.path === '/sized') return scripted.answer('sized')
      downstream.interim(103, { bytes: null, runs: [], lines: 'Link: </a.css>; rel=preload' })
      downstream.start(plainStart)
      downstream.write(Buffer.from('until the end'))
      downstream.end()
      downstream.flush()
    })
    const line = new Line(t, front)
    line.say('GET /open HTTP/1.0\r\n\r\n')
    await line.ends()
    t.match(line.heard, /^HTTP\/1\.1 200 OK\r\n(?:(?!transfer-encoding).)*\r\n\r\nuntil the end$/is)
    const { head } = front.begun[0]!.downstream
    t.equal(head.values[head.names.indexOf('host')], `127.0.0.1:${front.port}`)

    const kept = new Line(t, front)
    kept.say(`GET /sized HTTP/1.0\r\n${host}Connection: keep-alive\r\n\r\n`)
    await kept.hears('sized')
    kept.say(`GET /sized HTTP/1.0\r\n${host}\r\n`)
    await kept.ends()
    t.equal(kept.heard.split('sized').length, 3, 'both answered on one connection')
  },
)

t.test('a hint that Node would not send is left out, and looking at it takes no time', async (t) => {
  const ambiguous = `</a.css>${';a=b=c'.repeat(100)}`
  const front = await startFront(t, 'node', (scripted) => {
    const links = `${ambiguous};", </b.js>; rel=preload; =x, ${ambiguous}, <c>; as="d`
    scripted.downstream.interim(103, { bytes: null, runs: [], lines: `Link: ${links}` })
    scripted.answer('answered')
  })
  const line = new Line(t, front)
  line.say(`GET / HTTP/1.1\r\n${host}\r\n`)
  await line.hears('answered')
  t.equal(/^link: (.*)\r$/im.exec(line.heard)?.[1], ambiguous)
})

t.test('HTTP/1.0: an answer that is cut is reset, since an end would complete it', async (t) => {
  const front = await startFront(t, 'node', ({ downstream }) => {
    downstream.start(plainStart)
    downstream.write(Buffer.from('half'))
    downstream.flush()
  })
  const line = new Line(t, front)
  let failure = ''
  line.socket.on('error', (error: NodeJS.ErrnoException) => (failure = error.code ?? ''))
  line.say('GET / HTTP/1.0\r\n\r\n')
  await line.hears('half')
  front.begun[0]!.downstream.cut()
  await until('the client notices', () => failure !== '')
  t.equal(failure, 'ECONNRESET')
})

t.test('targets: absolute form names the host, asterisk form passes', async (t) => {
  const front = await startFront(t, 'node', echoPath)
  const line = new Line(t, front)
  line.say(`GET http://other.test:81/a?b HTTP/1.1\r\n${host}\r\n`)
  await line.hears('</a?b>')
  line.say(`GET http://other.test?b HTTP/1.1\r\n${host}\r\n`)
  await line.hears('</?b>')
  line.say(`OPTIONS * HTTP/1.1\r\n${host}\r\n`)
  await line.hears('<*>')
  const hosts = front.begun.map(({ downstream: { head } }) =>
    head.values.filter((_, i) => head.names[i] === 'host').join(),
  )
  t.same(hosts, ['other.test:81', 'other.test', 'front.test'])
  line.say(`OPTIONS http://other.test HTTP/1.1\r\n${host}\r\n`)
  const whole = await until('the whole server is asked about', () => front.begun[3])
  t.equal(whole.downstream.head.target, '*')
})

t.test('CONNECT is a method like any other, also behind a request that is not answered yet', async (t) => {
  const front = await startFront(t, 'node', () => {})
  const line = new Line(t, front)
  line.say(`GET /1 HTTP/1.1\r\n${host}\r\nCONNECT other.test:443 HTTP/1.1\r\nHost: other.test\r\n\r\n`)
  echoPath(await until('the first begins', () => front.begun[0]))
  const scripted = await until('the second begins', () => front.begun[1])
  t.equal(scripted.downstream.head.method, 'CONNECT')
  scripted.answer('no tunnel', { status: 501, closes: true })
  await line.ends()
  t.match(line.heard, /<\/1>HTTP\/1\.1 501 [^]*no tunnel$/)
})

t.test('trailers are read and dropped, and the connection goes on', async (t) => {
  const front = await startFront(t, 'node', (scripted) => {
    if (scripted.downstream.head.method === 'GET') return echoPath(scripted)
    void scripted.whole.then((body) => scripted.answer(`<${String(body)}>`))
  })
  const line = new Line(t, front)
  line.say(
    `POST /t HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\nX-Trailer: 1\r\nHost: evil\r\n\r\n`,
  )
  await line.hears('<body>')
  line.say(`GET /next HTTP/1.1\r\n${host}\r\n`)
  await line.hears('</next>')
  t.equal(front.begun.length, 2)
  t.notOk(front.begun[0]!.downstream.head.names.includes('x-trailer'))
})

t.test(
  'an Upgrade that is no WebSocket is an ordinary request, with its body and those behind it',
  async (t) => {
    const front = await startFront(t, 'node', (scripted) => {
      if (scripted.downstream.head.method === 'GET') return echoPath(scripted)
      void scripted.whole.then((body) => scripted.answer(`<${String(body)}>`))
    })
    const line = new Line(t, front)
    const h2c = `${host}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n`
    line.say(`GET /offer HTTP/1.1\r\n${h2c}\r\n`)
    await line.hears('</offer>')
    line.say(`POST /offer HTTP/1.1\r\n${h2c}Content-Length: 4\r\n\r\nbody`)
    await line.hears('<body>')
    line.say(`GET /again HTTP/1.1\r\n${h2c}\r\n`)
    await line.hears('</again>')
  },
)

t.test('an answer that comes before the body closes the connection only when it says so', async (t) => {
  const front = await startFront(t, 'node', (scripted) =>
    scripted.answer('early', { closes: scripted.downstream.head.path === '/closed' }),
  )
  const open = new Line(t, front)
  open.say(`POST /open HTTP/1.1\r\n${host}Content-Length: 4\r\n\r\n`)
  await open.hears('early')
  open.say(`bodyGET /open HTTP/1.1\r\n${host}\r\n`)
  await until('the next request is read', () => front.begun.length === 2)

  const closed = new Line(t, front)
  closed.say(`POST /closed HTTP/1.1\r\n${host}Content-Length: 10000000\r\n\r\n`)
  for (let i = 0; i < 10; i++) closed.say('x'.repeat(1_000_000))
  await closed.hears('early')
  await closed.ends()
  t.match(closed.heard, /connection: close/i)
})

t.test('who expects 100 is not told to go on when the request is refused', async (t) => {
  const front = await startFront(t, 'node', (scripted) =>
    scripted.answer('no', { status: 413, closes: true }),
  )
  const line = new Line(t, front)
  line.say(`POST / HTTP/1.1\r\n${host}Expect: 100-continue\r\nContent-Length: 4\r\n\r\n`)
  await line.ends()
  t.match(line.heard, /^HTTP\/1\.1 413 /)
})

const hostile: readonly (readonly [what: string, status: number, request: string])[] = [
  [
    'length and coding',
    400,
    `POST / HTTP/1.1\r\n${host}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n`,
  ],
  ['two lengths', 400, `POST / HTTP/1.1\r\n${host}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc`],
  ['a length that is none', 400, `POST / HTTP/1.1\r\n${host}Content-Length: +3\r\n\r\nabc`],
  [
    'a coding before chunked twice',
    400,
    `POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked, identity\r\n\r\n`,
  ],
  ['a coding with a vertical tab', 400, `POST / HTTP/1.1\r\n${host}Transfer-Encoding:\x0bchunked\r\n\r\n`],
  ['a bare LF in the head', 400, `GET / HTTP/1.1\n${host}\r\n`],
  ['a space before the colon', 400, `GET / HTTP/1.1\r\n${host}X : 1\r\n\r\n`],
  ['a folded line', 400, `GET / HTTP/1.1\r\n${host}X: 1\r\n 2\r\n\r\n`],
  ['a NUL in a value', 400, `GET / HTTP/1.1\r\n${host}X: a\0b\r\n\r\n`],
  ['a bare CR in a value', 400, `GET / HTTP/1.1\r\n${host}X: a\rb\r\n\r\n`],
  ['an empty name', 400, `GET / HTTP/1.1\r\n${host}: a\r\n\r\n`],
  ['another version', 400, `GET / HTTP/2.5\r\n${host}\r\n`],
  ['an unknown method', 501, `FLY / HTTP/1.1\r\n${host}\r\n`],
  ['no HTTP at all', 400, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc'],
  ['a head too long', 431, `GET / HTTP/1.1\r\n${host}X: ${'a'.repeat(20_000)}\r\n\r\n`],
  ['a line too long', 431, `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${host}\r\n`],
]

const limitations: Readonly<Record<number, RegExp>> = {
  400: /^(malformed|framing)$/,
  431: /^head-too-large$/,
  501: /^method$/,
}

for (const [what, status, request] of hostile) {
  t.test(`${what}: ${status}, and the connection is closed`, async (t) => {
    const front = await startFront(t, 'node', (scripted) => {
      if (scripted.downstream.head.method === 'GET') echoPath(scripted)
    })
    const line = new Line(t, front)
    line.say(`GET /before HTTP/1.1\r\n${host}\r\n`)
    await line.hears('</before>')
    line.say(request)
    await line.hears(`HTTP/1.1 ${status} `)
    await line.ends()
    t.equal(front.begun.length, 1, 'nothing was begun')
    t.same(front.refused, [status])
    t.match(front.gate.refusals(), [[limitations[status], 1]])
    t.match(line.heard, /connection: close/i)
  })
}

for (const [what, chunk] of [
  ['a size that is none', 'G\r\n'],
  ['a size ended by LF', '4\nbody\r\n'],
  ['more than it says', '4\r\nbodybody\r\n'],
] as const) {
  t.test(`a malformed chunk (${what}) fails the request that it belongs to`, async (t) => {
    const front = await startFront(t, 'node', () => {})
    const line = new Line(t, front)
    line.say(`POST / HTTP/1.1\r\n${host}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n`)
    await until('the request begins', () => front.begun[0])
    line.say(chunk)
    await line.hears('HTTP/1.1 400 ')
    const scripted = front.begun[0]!
    t.equal(scripted.failure, 'bad_request')
    t.equal(scripted.ends, 0)
    line.socket.end()
  })
}

t.test('what is malformed behind a request is refused after its answer', async (t) => {
  const front = await startFront(t, 'node', () => {})
  const line = new Line(t, front)
  line.say(`GET /good HTTP/1.1\r\n${host}\r\nnonsense\r\n\r\n`)
  const scripted = await until('the good one begins', () => front.begun[0])
  echoPath(scripted)
  await line.ends()
  t.match(line.heard, /^HTTP\/1\.1 200 .*<\/good>HTTP\/1\.1 400 /s)
})

t.test('many fields are all there: only their bytes count', async (t) => {
  const front = await startFront(t, 'node', echoPath)
  const line = new Line(t, front)
  line.say(`GET / HTTP/1.1\r\n${host}${'a: 1\r\n'.repeat(2_200)}\r\n`)
  await line.hears('</>')
  t.equal(front.begun[0]!.downstream.head.names.length, 2_201)
})

t.test('a head that drips is answered 408', async (t) => {
  const front = await startFront(t, 'node', echoPath, { headerTimeoutMs: 300 })
  const line = new Line(t, front)
  line.say('GET / HTTP/1.1\r\nHost: fro')
  await line.hears('HTTP/1.1 408 ')
  await line.ends()
  t.same(front.refused, [408])
  t.same(front.gate.refusals(), [['head-timeout', 1]])
})

t.test('a body that falls silent gives its request up, also when the answer is out already', async (t) => {
  const front = await startFront(
    t,
    'node',
    (scripted) => {
      if (scripted.downstream.head.path === '/answered') echoPath(scripted)
    },
    { bodySilenceMs: 300 },
  )
  const line = new Line(t, front)
  line.say(`POST /silent HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\n1234`)
  await line.hears('failed')
  t.equal(front.begun[0]!.failure, 'request_timeout')
  await line.ends()
  const answered = new Line(t, front)
  answered.say(`POST /answered HTTP/1.1\r\n${host}Content-Length: 10\r\n\r\n1234`)
  await answered.hears('</answered>')
  await answered.ends()
})
