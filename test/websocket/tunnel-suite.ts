// WebSockets through one worker's data plane: what goes in comes out, in both directions, at the pace of the slower
// end, for as long as the session and its release allow.
import { once } from 'node:events'
import { Agent, request, type IncomingMessage } from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { noLimits } from '../../gateway/dataplane/gate.js'
import { maxMessageBytes } from '../../gateway/dataplane/socket-end.js'
import { until } from '../fixtures/until.js'
import { type Deployed, engineInUse, type Front, openFront, policy } from './front.js'
import { connect, type Peer, refusal } from './peer.js'
import {
  type SocketApplication,
  type SocketApplicationOptions,
  startSocketApplication,
} from './socket-application.js'

interface Place {
  readonly application: SocketApplication
  readonly front: Front
  readonly url: string
}

async function open(t: Test, options: SocketApplicationOptions = {}): Promise<Place> {
  const application = await startSocketApplication(t, options)
  const front = await openFront(t, [{ version: '1.0', share: 1, targets: [application.url] }])
  return { application, front, url: `ws://${front.host}` }
}

function release(version: string, share: number, ...targets: readonly string[]): Deployed {
  return { version, share, targets }
}

/** Our token as a cookie, from an answer that handed one out. */
function tokenIn(headers: { readonly 'set-cookie'?: string[] | undefined }): string {
  const line = headers['set-cookie']?.find((each) => each.startsWith('amarre='))
  return line?.split(';')[0] ?? ''
}

/** `amarre=` and a token of which byte 1 is the flags: 1 for held. */
function isHeld(cookie: string): boolean {
  return Buffer.from(cookie.slice('amarre='.length), 'base64url')[1] === 1
}

interface EchoCase {
  readonly name: string
  readonly say: (ws: WebSocket) => void
  /** Messages that come back. */
  readonly count: number
}

/** What the library of one engine does otherwise (docs/conformance.md). */
const isUws = engineInUse() === 'uws'

const sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20]
const echoCases: readonly EchoCase[] = [
  ...sizes.map((size) => ({
    name: `text of ${size} bytes`,
    say: (ws: WebSocket) => ws.send('é'.repeat(size >> 1) + (size % 2 === 1 ? 'x' : '')),
    count: 1,
  })),
  ...sizes.map((size) => ({
    name: `binary of ${size} bytes`,
    say: (ws: WebSocket) => ws.send(Buffer.from(Uint8Array.from({ length: size }, (_, i) => i % 251))),
    count: 1,
  })),
  {
    name: 'a message in three fragments',
    say: (ws) => {
      ws.send('one ', { fin: false })
      ws.send('two ', { fin: false })
      ws.send('three', { fin: true })
    },
    count: 1,
  },
  {
    name: 'empty fragments around a character that is cut in two',
    say: (ws) => {
      ws.send(Buffer.from([0xc3]), { fin: false, binary: false })
      ws.send(Buffer.alloc(0), { fin: false, binary: false })
      ws.send(Buffer.from([0xa9]), { fin: true, binary: false })
    },
    count: 1,
  },
  {
    name: 'a ping between fragments',
    say: (ws) => {
      ws.send(Buffer.from('first'), { fin: false })
      ws.ping('between')
      ws.send(Buffer.from('second'), { fin: true })
    },
    count: 1,
  },
  {
    name: 'a hundred messages in one go',
    say: (ws) => {
      for (let i = 0; i < 100; i++) ws.send(`message ${i}`)
    },
    count: 100,
  },
  { name: 'every plane of Unicode', say: (ws) => ws.send('a\u0000é\uffff\u{10ffff}'), count: 1 },
]

void t.test('what the application echoes directly it echoes through the gateway', async (t) => {
  const { application, url } = await open(t)
  for (const { name, say, count } of echoCases) {
    const outcomes: unknown[] = []
    for (const origin of [application.url, url]) {
      const peer = await connect(`${origin}/echo`)
      say(peer.ws)
      const heard = await peer.hears(count)
      peer.ws.close(4000, 'enough')
      outcomes.push([heard, await peer.ends(), await application.peer.ends()])
    }
    const [direct, through] = outcomes.map((outcome) => JSON.stringify(outcome))
    t.ok(direct === through, name, { found: [direct?.slice(-200), through?.slice(-200)] })
  }
})

void t.test('close codes and reasons reach the other end, from either side', async (t) => {
  const { application, url } = await open(t)
  const closes = [
    [1000, ''],
    [1001, 'away'],
    [1003, ''],
    [1007, ''],
    [1011, 'oops'],
    [4000, ''],
    [4999, 'é'.repeat(61)],
  ] as const
  for (const [code, reason] of closes) {
    const client = await connect(`${url}/silent`)
    client.ws.close(code, reason)
    t.same(await application.peer.ends(), [code, reason], `client closes with ${code}`)
    t.same(await client.ends(), [code, reason], `${code} is answered`)
  }
  for (const [code, reason] of [...closes, [1012, 'restart'], [1013, 'later'], [1014, '']] as const) {
    const client = await connect(`${url}/silent`)
    application.peer.ws.close(code, reason)
    t.same(await client.ends(), [code, reason], `application closes with ${code}`)
  }
})

void t.test('a close without a code, and a loss, are carried as such', async (t) => {
  const { application, url } = await open(t)
  const polite = await connect(`${url}/silent`)
  polite.ws.close()
  t.equal((await application.peer.ends())[0], 1005, 'client gives no code')
  const odd = await connect(`${url}/silent`)
  odd.ws.close(3000, 'a code that uws does not know')
  t.equal((await application.peer.ends())[0], isUws ? 1005 : 3000, 'a code from 1012 to 3999')
  const told = await connect(`${url}/silent`)
  application.peer.ws.close()
  t.equal((await told.ends())[0], 1005, 'application gives no code')
  const lost = await connect(`${url}/silent`)
  lost.ws.terminate()
  t.equal((await application.peer.ends())[0], 1006, 'client is lost')
  const left = await connect(`${url}/silent`)
  application.peer.ws.terminate()
  t.equal((await left.ends())[0], 1006, 'application is lost')
})

void t.test('pings go through to the other end, and only its own pong answers the application', async (t) => {
  const { application, url } = await open(t)
  const client = await connect(`${url}/silent`)
  client.ws.ping('from the client')
  await until('the application hears the ping', () => application.peer.pings.includes('from the client'))
  await until('the client hears one pong', () => client.pongs.length > 0)
  application.peer.ws.ping('from the application')
  await until('the client hears the ping', () => client.pings.includes('from the application'))
  await until('the application hears the pong', () => application.peer.pongs.includes('from the application'))
  t.same(client.pongs, ['from the client'])
  t.same(application.peer.pongs, ['from the application'])
})

void t.test('what is no WebSocket by the rules is cut, and the application learns why', async (t) => {
  const { application, url } = await open(t)
  const garbled = await connect(`${url}/silent`)
  garbled.ws.send(Buffer.from([0xff, 0xfe]), { binary: false })
  t.equal((await application.peer.ends())[0], 1007, 'text that is no UTF-8')
  t.equal((await garbled.ends())[0], isUws ? 1006 : 1007)
  const oversized = await connect(`${url}/silent`)
  oversized.ws.send(Buffer.alloc(maxMessageBytes + 1))
  t.equal((await application.peer.ends())[0], 1009, 'a message beyond the limit')
  t.equal((await oversized.ends())[0], isUws ? 1006 : 1009)
  const fragmented = await connect(`${url}/silent`)
  fragmented.ws.send(Buffer.alloc(maxMessageBytes), { fin: false })
  fragmented.ws.send(Buffer.alloc(1), { fin: true })
  t.equal((await application.peer.ends())[0], 1009, 'fragments that are beyond it together')
  await fragmented.ends()
})

void t.test('a message of exactly the limit passes, in both directions', async (t) => {
  const { url } = await open(t)
  const client = await connect(`${url}/echo`)
  client.ws.send(Buffer.alloc(maxMessageBytes, 1))
  const [message] = await client.hears(1)
  t.equal(message?.length, maxMessageBytes)
  client.ws.close()
  await client.ends()
})

void t.test('an application that sends more than the limit, or breaks the rules', async (t) => {
  const { application, url } = await open(t)
  const client = await connect(`${url}/silent`)
  application.peer.ws.send(Buffer.alloc(maxMessageBytes + 1))
  t.equal((await client.ends())[0], 1009, 'the client learns of the limit')
  t.equal((await application.peer.ends())[0], 1009)
  const other = await connect(`${url}/silent`)
  application.peer.ws.send(Buffer.from([0xff]), { binary: false })
  t.equal((await other.ends())[0], 1006, 'the client is cut')
  t.equal((await application.peer.ends())[0], 1007)
})

/** The address that the application was told of a request on that agent's only connection. */
async function addressOn(place: Place, agent: Agent, localAddress: string): Promise<string> {
  const sent = request(`http://${place.front.host}/`, { agent, localAddress }).end()
  const [answer] = (await once(sent, 'response')) as [IncomingMessage]
  answer.resume()
  await once(answer, 'end')
  return String(place.application.requests.at(-1)?.headers['x-forwarded-for'])
}

void t.test('every request carries the address of its own connection, whoever comes and goes', async (t) => {
  const place = await open(t)
  const [first, second] = ['127.0.0.1', '127.0.0.2'] as const
  const agents = [0, 1, 2].map(() => new Agent({ keepAlive: true, maxSockets: 1 }))
  t.teardown(() => agents.forEach((agent) => agent.destroy()))
  const [one, two, three] = agents as [Agent, Agent, Agent]
  t.equal(await addressOn(place, one, first), first)
  // Neither becoming a socket nor its end may count twice: the front would forget that the first is still there.
  const socket = await connect(`${place.url}/silent`, { localAddress: first })
  socket.ws.terminate()
  await place.application.peer.ends()
  t.equal(await addressOn(place, two, second), second)
  t.equal(await addressOn(place, one, first), first)
  const other = await connect(`${place.url}/silent`, { localAddress: second })
  t.equal(place.application.requests.at(-1)?.headers['x-forwarded-for'], second)
  one.destroy()
  two.destroy()
  t.equal(await addressOn(place, three, second), second)
  t.equal(await addressOn(place, new Agent(), first), first)
  t.equal(await addressOn(place, three, second), second)
  other.ws.terminate()
})

void t.test('the handshake: paths, cookies, subprotocols and fields', async (t) => {
  const { application, front, url } = await open(t, {
    choose: (offered) => [...offered].at(-1) ?? false,
    fields: ['X-From: the application', 'Set-Cookie: sid=1', 'Amarre-Session: start'],
  })
  const client = await connect(`${url}/silent/a%2Fb/;x?q=%20&q=&`, {
    protocols: ['chat.v1', 'chat.v2'],
    headers: {
      cookie: 'a=1; b=2',
      'x-twice': ['1', '2'] as unknown as string,
      'amarre-release': '9',
      'amarre-anything': 'x',
      'x-forwarded-for': '6.6.6.6',
      origin: 'https://shop.example.com',
    },
  })
  const [asked] = application.requests
  t.equal(client.ws.protocol, 'chat.v2', "the application's choice")
  t.equal(client.answer.headers['x-from'], 'the application')
  t.equal(client.answer.headers['amarre-session'], undefined)
  t.equal(client.answer.headers['sec-websocket-extensions'], undefined, 'no extension is agreed on')
  t.equal(client.answer.rawHeaders.filter((name) => /^connection$/i.test(name)).length, 1)
  t.ok(client.answer.headers['set-cookie']?.includes('sid=1'))
  t.ok(isHeld(tokenIn(client.answer.headers)), 'the 101 hands out a held token')
  t.match(asked?.headers, {
    host: front.host,
    cookie: 'a=1; b=2',
    'x-twice': '1, 2',
    origin: 'https://shop.example.com',
    'sec-websocket-protocol': 'chat.v1,chat.v2',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': front.host,
    'amarre-release': '1.0',
    'amarre-session': /^[0-9a-f]{16}$/,
    'x-request-id': /./,
  })
  t.equal(asked?.headers['amarre-anything'], undefined)
  t.equal(asked?.headers['sec-websocket-extensions'], undefined)
  t.equal(asked?.rawHeaders.filter((name) => /^sec-websocket-(key|version)$/i.test(name)).length, 2)
  const again = await connect(`${url}/silent/../x//y`, {
    headers: { cookie: tokenIn(client.answer.headers) },
  })
  t.equal(
    application.requests[1]?.headers['amarre-session'],
    asked?.headers['amarre-session'],
    'the same session',
  )
  t.equal(application.requests[1]?.headers.cookie, undefined, 'our cookie is ours')
  t.equal(tokenIn(again.answer.headers), '', 'a held token is not handed out again')
})

void t.test('the path is not normalised on its way', async (t) => {
  const { application, front } = await open(t)
  const target = '/silent/../a/./b//c%2e%2e/"|?x=%zz'
  const asked = request({
    port: Number(front.host.split(':')[1]),
    path: target,
    headers: {
      Upgrade: 'WebSocket',
      Connection: 'keep-alive, Upgrade',
      'Sec-WebSocket-Version': '13',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    },
  })
  await new Promise<void>((resolve) => {
    asked.on('upgrade', (_, socket) => {
      socket.destroy()
      resolve()
    })
    asked.end()
  })
  t.equal(application.requests[0]?.url, target)
})

void t.test('an application that chooses no subprotocol of those offered', async (t) => {
  const { application, url } = await open(t, { choose: () => false })
  const ws = new WebSocket(`${url}/silent`, ['chat'])
  const failure = await new Promise<Error>((resolve) => ws.on('error', resolve))
  t.equal(failure.message, 'Server sent no subprotocol', 'is for the client to judge')
  t.equal(application.requests.length, 1)
})

void t.test("the application's refusals pass through", async (t) => {
  const { front, url } = await open(t)
  const unauthorised = await refusal(`${url}/refuse?401`)
  t.match(unauthorised, { status: 401, body: 'no no', isComplete: true, headers: { 'x-name': 'caf\xe9' } })
  t.ok(
    unauthorised.headers['set-cookie']?.includes('a=1') && unauthorised.headers['set-cookie'].includes('b=2'),
  )
  t.notOk(isHeld(tokenIn(unauthorised.headers)), 'the token of an ordinary answer')
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  for (let i = 0; i < 3; i++) t.equal((await refusal(`${url}/refuse?401`, { agent })).status, 401)
  const kept = isUws ? 1 : 0
  t.equal(
    Object.values(agent.freeSockets).flat().length,
    kept,
    'the connection may be used again, or says close',
  )
  agent.destroy()
  const missing = await refusal(`${url}/refuse?404`)
  t.match(missing, { status: 404, isComplete: true, body: /^x{100000}$/ })
  const moved = await refusal(`${url}/refuse?302`)
  t.match(moved, { status: 302, headers: { location: '/login' } })
  const cut = await refusal(`${url}/refuse?500`)
  t.match(cut, { status: 500, isComplete: false }, 'what is cut short is cut short')
  t.equal((await refusal(`${url}/lie`)).status, 502, 'a handshake that does not fit its key')
  const bare = await refusal(`${url}/lie?bare`)
  t.equal(bare.status, 502, 'a 101 without an upgrade')
  t.notOk(isHeld(tokenIn(bare.headers)))
  t.same(
    [...front.seen().requests],
    [
      [401, 4],
      [404, 1],
      [302, 1],
      [500, 1],
      [502, 2],
    ],
  )
  t.equal(front.seen().exchangesOpen, 0)
  t.equal(front.seen().socketsOpen, 0)
})

void t.test(
  'a request that is no handshake by the rules goes to the application as an ordinary one',
  async (t) => {
    const { application, front } = await open(t)
    const key = { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' }
    const kinds = [
      { ...key, Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '8' },
      { ...key, 'Sec-WebSocket-Version': '13' },
      { ...key, Upgrade: 'h2c', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13' },
      { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Version': '13' },
    ]
    for (const headers of kinds) {
      const body = await fetchRaw(front, headers)
      t.equal(body, 'plain')
      t.equal(application.requests.at(-1)?.headers.upgrade, undefined)
    }
  },
)

function fetchRaw(front: Front, headers: Readonly<Record<string, string>>): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ port: Number(front.host.split(':')[1]), headers: { ...headers } }, (response) => {
      let body = ''
      response.setEncoding('latin1').on('data', (text: string) => (body += text))
      response.on('end', () => resolve(body))
    })
    asked.on('upgrade', () => reject(new Error('upgraded')))
    asked.on('error', reject)
    asked.end()
  })
}

void t.test('an application that cannot be reached or stays silent', async (t) => {
  const application = await startSocketApplication(t)
  const front = await openFront(t, [release('1.0', 1, 'http://127.0.0.1:1')], 300)
  t.equal((await refusal(`ws://${front.host}/echo`)).status, 502)
  t.match([...front.seen().upstreamErrors.keys()], ['connect_refused'])
  front.publish([release('1.0', 1, application.url)])
  t.equal((await refusal(`ws://${front.host}/mute`)).status, 504)
  front.dice.next = () => 0
  front.publish([release('1.0', 1, 'http://127.0.0.1:1', application.url)])
  const client = await connect(`ws://${front.host}/greet`)
  t.same(await client.hears(1), ['hello'], 'another target is tried, and its first word is not lost')
})

void t.test('a client that leaves during the handshake', async (t) => {
  const { application, front, url } = await open(t)
  const ws = new WebSocket(`${url}/mute`)
  ws.on('error', () => {})
  await until('the application is asked', () => application.requests.length === 1)
  const given = new Promise((resolve) => application.requests[0]?.socket.on('close', resolve))
  ws.terminate()
  await given
  t.same([...front.seen().requests], [[499, 1]], 'its connection upstream is given up')
  t.equal(front.seen().exchangesOpen, 0)
})

void t.test('sockets and exchanges are counted apart', async (t) => {
  const { front, url } = await open(t)
  const first = await connect(`${url}/echo`)
  const second = await connect(`${url}/echo`)
  t.match(front.seen(), { socketsOpen: 2, exchangesOpen: 0 })
  t.same([...front.seen().requests], [[101, 2]], 'a handshake is answered with 101')
  first.ws.close()
  await first.ends()
  t.equal(front.seen().socketsOpen, 1)
  second.ws.terminate()
  await until('the loss is seen', () => front.seen().socketsOpen === 0)
  t.equal(front.state.open.size, 0)
})

void t.test('an application on a Unix socket', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'amarre ws%20-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const { url } = await open(t, { path: join(directory, 'a.sock') })
  const client = await connect(`${url}/echo`)
  client.ws.send('over a file')
  t.same(await client.hears(1), ['over a file'])
})

const mib = 1 << 20

void t.test('a slow client slows the application down, and nothing is lost', async (t) => {
  const { application, url } = await open(t)
  const client = await connect(`${url}/silent`)
  client.ws.pause()
  const total = 200
  const from = application.peer.ws
  for (let i = 0; i < total; i++) from.send(Buffer.alloc(mib, i))
  await standsStill(() => from.bufferedAmount)
  const taken = total * mib - from.bufferedAmount
  t.ok(taken < 64 * mib, `${Math.round(taken / mib)} MiB on the way, kernel buffers and all`)
  client.ws.resume()
  const heard = await client.hears(total)
  t.ok(heard.every((message, i) => message[0] === i && message.length === mib))
})

void t.test(
  'a slow application: what waits is bounded, then the client is told to come back later',
  { skip: !isUws && 'this engine stops reading instead' },
  async (t) => {
    const { application, front, url } = await open(t)
    const client = await connect(`${url}/silent`)
    application.peer.ws.pause()
    let sent = 0
    await until('the client is closed', () => {
      if (client.closed === null && client.ws.bufferedAmount === 0) {
        client.ws.send(Buffer.alloc(mib))
        sent++
      }
      return client.closed !== null && sent
    })
    t.equal(client.closed?.[0], 1013)
    t.ok(sent > 16 && sent < 64, `after ${sent} MiB, kernel buffers and all`)
    t.equal(front.seen().socketsOpen, 0)
    application.peer.ws.resume()
    t.equal((await application.peer.ends())[0], 1006)
  },
)

void t.test('a client may be ahead of its application for a while', async (t) => {
  const { application, url } = await open(t)
  const client = await connect(`${url}/silent`)
  application.peer.ws.pause()
  for (let i = 0; i < 12; i++) client.ws.send(Buffer.alloc(mib, i))
  if (isUws) await until('all is with the gateway', () => client.ws.bufferedAmount === 0)
  application.peer.ws.resume()
  const heard = await application.peer.hears(12)
  t.ok(heard.every((message, i) => message[0] === i))
  t.equal(client.closed, null)
})

void t.test(
  'a slow application slows the client down, and nothing is lost',
  { skip: isUws && 'this engine reads on' },
  async (t) => {
    const { application, url } = await open(t)
    const client = await connect(`${url}/silent`)
    application.peer.ws.pause()
    const total = 100
    for (let i = 0; i < total; i++) client.ws.send(Buffer.alloc(mib, i))
    await standsStill(() => client.ws.bufferedAmount)
    const taken = total * mib - client.ws.bufferedAmount
    t.ok(taken < 64 * mib, `${Math.round(taken / mib)} MiB on the way, kernel buffers and all`)
    application.peer.ws.resume()
    const heard = await application.peer.hears(total)
    t.ok(heard.every((message, i) => message[0] === i && message.length === mib))
    t.equal(client.closed, null)
  },
)

void t.test(
  'an application that takes nothing any more is given up: the client may come back later',
  async (t) => {
    const application = await startSocketApplication(t)
    const front = await openFront(t, [release('1.0', 1, application.url)], 1_000)
    const [leaving, staying] = [
      await connect(`ws://${front.host}/silent`),
      await connect(`ws://${front.host}/silent`),
    ]
    for (const peer of application.peers) peer.ws.pause()
    for (const client of [leaving, staying]) {
      for (let i = 0; i < 12; i++) client.ws.send(Buffer.alloc(mib, i))
    }
    await standsStill(() => staying.ws.bufferedAmount)
    leaving.ws.terminate()
    t.equal((await staying.ends())[0], 1013)
    await until('nobody is counted any more', () => front.seen().socketsOpen === 0)
  },
)

void t.test(
  'a client that takes nothing any more is cut, and the application sees it go',
  { skip: isUws && 'this engine asks it for signs of life' },
  async (t) => {
    const { application, front, url } = await open(t)
    front.state.gate.limits = { ...noLimits, stalledClientMs: 1_000 }
    const client = await connect(`${url}/silent`)
    client.ws.pause()
    for (let i = 0; i < 64; i++) application.peer.ws.send(Buffer.alloc(mib, i))
    t.equal((await application.peer.ends())[0], 1006)
    t.equal(front.seen().socketsOpen, 0)
    client.ws.resume()
    t.equal((await client.ends())[0], 1006)
  },
)

/** Waits until a figure is the same twenty times in a row. */
async function standsStill(figure: () => number): Promise<void> {
  let [last, times] = [-1, 0]
  await until('it stands still', () => {
    times = figure() === last ? times + 1 : 0
    last = figure()
    return times >= 20
  })
}

// -- sessions -----------------------------------------------------------------------------------------------------------

/** How a socket is closed once the clock stands there; still open when it is null. */
async function closedAt(front: Front, peer: Peer, nowMs: number): Promise<number | null> {
  front.clock.nowMs = nowMs
  front.beat()
  if (front.state.open.size > 0) return null
  return (await peer.ends())[0]
}

void t.test('an open socket is activity of its session', async (t) => {
  const { front, url } = await open(t)
  const start = front.clock.nowMs
  const client = await connect(`${url}/echo`)
  t.equal(front.seen().births, 1)
  const promised = front.seen().birthsUntil
  t.equal(promised, start + 90_000, 'a birth on a socket counts idle time and a grain')
  front.clock.nowMs = start + 300_000
  front.beat()
  t.equal(front.seen().birthsUntil, start + 390_000, 'and goes on for as long as it is open')
  front.state.activity.takeTouches()
  const cookie = tokenIn(client.answer.headers)
  const confirmed = await connect(`${url}/echo`, { headers: { cookie } })
  front.state.activity.takeTouches()
  front.clock.nowMs = start + 600_000
  front.beat()
  const touched = front.state.activity.takeTouches()
  t.same([...touched.until], [start + 690_000], 'a confirmed session is told to the ledger')
  front.clock.nowMs = start + 600_100
  confirmed.ws.close()
  await confirmed.ends()
  t.same([...front.state.activity.takeTouches().until], [start + 690_100], 'and once more at its end')
})

void t.test(
  'at the maximum age a socket on a draining release is closed with 1012, within a window',
  async (t) => {
    const { application, front, url } = await open(t)
    const start = front.clock.nowMs
    const client = await connect(`${url}/echo`)
    const cookie = tokenIn(client.answer.headers)
    t.equal(
      await closedAt(front, client, start + 2 * policy.maxAgeMs),
      null,
      'never while its release takes births',
    )
    front.publish([release('1.0', 0, application.url), release('2.0', 1, application.url)])
    t.equal(
      await closedAt(front, client, start + 2 * policy.maxAgeMs),
      null,
      'not in the moment of the change',
    )
    t.equal(await closedAt(front, client, start + 2 * policy.maxAgeMs + 4_999), null)
    t.equal(
      await closedAt(front, client, start + 2 * policy.maxAgeMs + 5_000),
      1012,
      'half of the window later',
    )
    t.equal((await application.peer.ends())[0], 1001, 'the application sees the client go')
    t.equal(front.seen().socketsOpen, 0)
    t.equal(
      (await refusal(`${url}/echo`, { headers: { cookie } })).status,
      503,
      'and does not come back at once',
    )
  },
)

void t.test('before the maximum age a socket stays on its draining release', async (t) => {
  const { application, front, url } = await open(t)
  const start = front.clock.nowMs
  const client = await connect(`${url}/echo`)
  front.publish([release('1.0', 0, application.url), release('2.0', 1, application.url)])
  t.equal(await closedAt(front, client, start + policy.maxAgeMs - 1), null)
  const cookie = tokenIn(client.answer.headers)
  const second = await connect(`${url}/echo`, { headers: { cookie, accept: 'text/html' } })
  t.equal(application.requests.at(-1)?.headers['amarre-release'], '1.0', 'long after the idle time')
  t.equal(await closedAt(front, second, start + policy.maxAgeMs + 4_999), null)
  front.publish([release('1.0', 1, application.url)])
  t.equal(
    await closedAt(front, client, start + policy.maxAgeMs + 5_000),
    null,
    'and longer when births come back',
  )
})

void t.test('a socket without a token stays for idle time and a grain after the drain began', async (t) => {
  const { application, front, url } = await open(t)
  const start = front.clock.nowMs
  const client = await connect(`${url}/public/silent`)
  t.equal(tokenIn(client.answer.headers), '')
  t.equal(await closedAt(front, client, start + 500_000), null)
  front.publish([release('1.0', 0, application.url)])
  t.equal(await closedAt(front, client, start + 500_000), null)
  t.equal(await closedAt(front, client, start + 590_000 + 4_999), null)
  t.equal(await closedAt(front, client, start + 590_000 + 5_000), 1012)
})

void t.test('a release that is retired over the head of its sockets', async (t) => {
  const { application, front, url } = await open(t)
  const start = front.clock.nowMs
  const client = await connect(`${url}/echo`)
  front.publish([release('2.0', 1, application.url)])
  t.equal(await closedAt(front, client, start), null)
  t.equal(await closedAt(front, client, start + 5_000), 1012)
})

void t.test('an event stream ends by the same rules', async (t) => {
  const { application, front } = await open(t)
  const start = front.clock.nowMs
  const stream = await openStream(front)
  t.equal(stream.status, 200)
  front.publish([release('1.0', 0, application.url), release('2.0', 1, application.url)])
  front.beat()
  front.clock.nowMs = start + policy.maxAgeMs + 5_000
  front.beat()
  t.equal(front.seen().exchangesOpen, 0, 'it is over')
  t.notOk(await stream.isComplete, 'and cut, not completed')
  const late = await openStream(front, stream.cookie)
  t.equal(late.status, 503, 'and does not come back at once')
  t.ok(await late.isComplete)
})

interface Stream {
  readonly status: number
  readonly cookie: string
  readonly isComplete: Promise<boolean>
}

function openStream(front: Front, cookie = ''): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const where = { port: Number(front.host.split(':')[1]), path: '/events', headers: { cookie } }
    const asked = request(where, (response) => {
      response.on('error', () => {}).resume()
      const isComplete = new Promise<boolean>((over) => response.on('close', () => over(response.complete)))
      resolve({ status: response.statusCode ?? 0, cookie: tokenIn(response.headers), isComplete })
    })
    asked.on('error', reject)
    asked.end()
  })
}

void t.test('a worker that leaves closes its sockets with 1012, one after the other', async (t) => {
  const { application, front, url } = await open(t)
  front.dice.next = () => 0.1
  const first = await connect(`${url}/echo`)
  front.dice.next = () => 0.9
  const second = await connect(`${url}/echo`)
  front.state.isLeaving = true
  front.state.open.closeSpread(10_000, front.clock.nowMs)
  front.beat()
  t.equal(front.seen().socketsOpen, 2)
  front.clock.nowMs += 1_000
  front.beat()
  t.same(await first.ends(), [1012, 'service restart'])
  t.equal(front.seen().socketsOpen, 1)
  const late = await connect(`${url}/echo`)
  t.equal((await late.ends())[0], 1012, 'one that comes now is told at once')
  front.state.open.abandonAll()
  t.equal((await second.ends())[0], 1012, 'and the others when the time is up')
  t.equal((await application.peers[1]?.ends())?.[0], 1001)
})
