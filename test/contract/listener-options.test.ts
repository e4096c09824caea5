// What a listener is told beside its address: a balancer in front that says whose a connection is, certificates of
// clients, hosts that its own certificates stand for. Real sockets, certificates made by openssl.
import { once } from 'node:events'
import * as http2 from 'node:http2'
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { HttpResponse } from 'uWebSockets.js'
import { readProxyHeader } from '../../gateway/adapters/proxy-header.js'
import { UwsPeers } from '../../gateway/adapters/uws-peers.js'
import type { Owner } from '../fixtures/owner.js'
import { until } from '../fixtures/until.js'
import { makeCertificate, type MadeCertificate } from './certificates.js'
import { startFront, type FrontName, type RunningFront, type Scripted } from './fronts.js'

const everybody = { isTrusted: () => true }
const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const [local, proxy] = [0x20, 0x21]
const [unspecified, tcp4, udp4, tcp6] = [0x00, 0x11, 0x12, 0x21]

/** A header as balancers write it (HAProxy, `send-proxy-v2`). */
function proxyHeader(command: number, family: number, addresses: readonly number[]): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(addresses.length)
  return Buffer.concat([signature, Buffer.from([command, family]), length, Buffer.from(addresses)])
}

const ports = [0xd4, 0x31, 0x01, 0xbb]
const here = [127, 0, 0, 1]
const client4 = proxyHeader(proxy, tcp4, [203, 0, 113, 7, ...here, ...ports])
const client6 = proxyHeader(proxy, tcp6, [
  ...[0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
  ...Array.from({ length: 16 }, () => 0),
  ...ports,
  // An extension: the CRC of the whole.
  ...[0x03, 0, 4, 1, 2, 3, 4],
])
const request = 'GET /a HTTP/1.1\r\nHost: front.test\r\n\r\n'

function sayAddress(scripted: Scripted): void {
  const { remoteAddress, path } = scripted.downstream.head
  scripted.answer(`<${path} of ${remoteAddress}>`)
}

/** A connection whose first bytes are these, and what it hears. */
function openLine(t: Owner, front: RunningFront, ...pieces: readonly (Buffer | string)[]) {
  const socket = connect({ host: '127.0.0.1', port: front.port })
  const line = { socket, heard: '', hasEnded: false }
  socket.setEncoding('latin1').setNoDelay(true)
  socket.on('data', (text: string) => (line.heard += text))
  socket.on('error', () => {})
  socket.on('close', () => (line.hasEnded = true))
  t.teardown(() => socket.destroy())
  for (const piece of pieces) socket.write(piece)
  return line
}

t.test("PROXY: the address is the client's, for every request of the connection", async (t) => {
  const front = await startFront(t, 'node', sayAddress, { proxied: everybody })
  const four = openLine(t, front, client4, request, request.replace('/a', '/b'))
  await until('both are answered', () => four.heard.includes('</b of 203.0.113.7>'))
  t.match(four.heard, '</a of 203.0.113.7>')
  const six = openLine(t, front, Buffer.concat([client6, Buffer.from(request)]))
  await until('IPv6 with an extension', () => six.heard.includes('</a of 2001:db8::9>'))
  t.same(front.refused, [])
})

t.test("PROXY: the balancer's own connections, and those of no address, are its own", async (t) => {
  const front = await startFront(t, 'node', sayAddress, { proxied: everybody })
  for (const header of [proxyHeader(local, unspecified, []), proxyHeader(proxy, unspecified, [1, 2, 3])]) {
    const line = openLine(t, front, header, request)
    await until('it is answered', () => line.heard.includes('of 127.0.0.1>'))
  }
})

t.test('PROXY: a header byte by byte is a header', async (t) => {
  const front = await startFront(t, 'node', sayAddress, { proxied: everybody })
  const line = openLine(t, front)
  await once(line.socket, 'connect')
  for (const byte of client6) {
    line.socket.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  line.socket.write(request)
  await until('it is answered', () => line.heard.includes('</a of 2001:db8::9>'))
})

t.test("PROXY: a body and a second header behind the first are the client's bytes", async (t) => {
  const front = await startFront(t, 'node', () => {}, { proxied: everybody })
  const body = 'x'.repeat(200_000)
  const head = `POST / HTTP/1.1\r\nHost: front.test\r\nContent-Length: ${body.length}\r\n\r\n`
  const line = openLine(t, front, client4, head + body)
  const scripted = await until('it is begun', () => front.begun[0])
  t.equal((await scripted.whole).length, body.length)
  scripted.answer('ok')
  await until('it is answered', () => line.heard.endsWith('ok'))
  line.socket.write(Buffer.concat([client6, Buffer.from(request)]))
  await until('the connection ends', () => line.hasEnded)
  t.equal(front.begun.length, 1)
  t.match(line.heard, /HTTP\/1\.1 400 /)
})

for (const [what, bytes] of [
  ['no header at all', request],
  ['version 1', 'PROXY TCP4 203.0.113.7 127.0.0.1 1 2\r\n' + request],
  ['version 3', proxyHeader(0x31, tcp4, [...here, ...here, ...ports])],
  ['an unknown command', proxyHeader(0x22, tcp4, [...here, ...here, ...ports])],
  ['datagrams', proxyHeader(proxy, udp4, [...here, ...here, ...ports])],
  ['an address that is cut short', proxyHeader(proxy, tcp4, [...here])],
  ['an IPv6 address that is cut short', proxyHeader(proxy, tcp6, [...here, ...here, ...ports])],
  ['more than any balancer says', Buffer.concat([signature, Buffer.from([proxy, tcp4, 0xff, 0xff])])],
] as const) {
  t.test(`PROXY: ${what}: the connection is closed without a word, and counted`, async (t) => {
    const front = await startFront(t, 'node', sayAddress, { proxied: everybody })
    const line = openLine(t, front, bytes)
    await until('it is closed', () => line.hasEnded)
    t.equal(line.heard, '')
    t.same(front.refused, [400])
    t.equal(front.begun.length, 0)
  })
}

t.test('PROXY: half a header ends with its time, and nobody else waits for it', async (t) => {
  const front = await startFront(t, 'node', sayAddress, { proxied: everybody, headerTimeoutMs: 300 })
  const slow = openLine(t, front, client4.subarray(0, 20))
  const quick = openLine(t, front, client4, request)
  await until('the other is served', () => quick.heard.includes('203.0.113.7'))
  await until('the slow one is closed', () => slow.hasEnded)
  t.same(front.refused, [400])
  const gone = openLine(t, front, client4.subarray(0, 20))
  await once(gone.socket, 'connect')
  gone.socket.resetAndDestroy()
  const next = openLine(t, front, client4, request)
  await until('the next is served', () => next.heard.includes('203.0.113.7'))
})

t.test('PROXY: nobody but a trusted proxy speaks for others', async (t) => {
  const isTrusted = (address: string): boolean => address === '192.0.2.1'
  const front = await startFront(t, 'node', sayAddress, { proxied: { isTrusted } })
  const line = openLine(t, front, client4, request)
  await until('it is closed', () => line.hasEnded)
  t.equal(line.heard, '')
  t.same(front.refused, [400])
})

t.test('PROXY: a prefix of any bytes never gives an address that they do not hold', async (t) => {
  for (let length = 16; length < client4.length; length++) {
    t.throws(() => readProxyHeader(client4.subarray(0, length)), `${length} bytes`)
  }
  t.equal(readProxyHeader(client4), '203.0.113.7')
})

// -- under TLS ------------------------------------------------------------------------------------------------------------

async function handshake(t: Owner, front: RunningFront, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port: front.port, rejectUnauthorized: false, ...options })
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

/** What is answered to one request over that socket; empty when the connection ends first. */
async function answerOver(socket: Socket): Promise<string> {
  let heard = ''
  let hasEnded = false
  socket.on('data', (bytes: Buffer) => (heard += bytes.toString('latin1')))
  socket.on('close', () => (hasEnded = true))
  socket.write(request)
  await until('an answer, or the end', () => hasEnded || heard.includes('>'))
  return /<[^>]*>/.exec(heard)?.[0] ?? ''
}

t.test('PROXY: it goes before TLS, by HTTP/1.1 and by HTTP/2', async (t) => {
  for (const name of ['node over TLS', 'node by HTTP/2'] as const) {
    const front = await startFront(t, name, sayAddress, { proxied: everybody })
    const raw = connect({ host: '127.0.0.1', port: front.port })
    raw.write(client4)
    const ALPNProtocols = [name === 'node by HTTP/2' ? 'h2' : 'http/1.1']
    const socket = connectTls({ socket: raw, rejectUnauthorized: false, ALPNProtocols })
    t.teardown(() => socket.destroy())
    if (name === 'node over TLS') {
      await once(socket, 'secureConnect')
      t.equal(await answerOver(socket), '</a of 203.0.113.7>')
    } else {
      const session = http2.connect('https://front.test', { createConnection: () => socket })
      t.teardown(() => session.destroy())
      const stream = session.request({ ':path': '/h2' }).setEncoding('utf8')
      t.equal((await once(stream, 'data'))[0], '</h2 of 203.0.113.7>')
    }
  }
})

const known = makeCertificate('client.test')
const stranger = makeCertificate('client.test')

function sayCertificate(scripted: Scripted): void {
  scripted.answer(`<${scripted.downstream.head.clientCertificate}>`)
}

function shownBy({ cert, key }: MadeCertificate): ConnectionOptions {
  return { cert, key }
}

function asField({ cert }: MadeCertificate): string {
  return `<:${new X509Certificate(cert).raw.toString('base64')}:>`
}

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  t.test(`${maxVersion}: a client's certificate is asked for, told, and only when it is valid`, async (t) => {
    const clients = { ca: known.cert, isRequired: false }
    const front = await startFront(t, 'node over TLS', sayCertificate, { clients })
    const ask = async (options: ConnectionOptions): Promise<string> =>
      answerOver(await handshake(t, front, { maxVersion, servername: 'front.test', ...options }))
    t.equal(await ask(shownBy(known)), asField(known))
    t.equal(await ask({}), '<>')
    t.equal(await ask(shownBy(stranger)), '<>')
  })

  t.test(
    `${maxVersion}: a client without a valid certificate is turned away where one is required`,
    async (t) => {
      const clients = { ca: known.cert, isRequired: true }
      const front = await startFront(t, 'node over TLS', sayCertificate, { clients })
      const options = { maxVersion, servername: 'front.test' }
      t.equal(await answerOver(await handshake(t, front, { ...options, ...shownBy(known) })), asField(known))
      for (const shown of [{}, shownBy(stranger)]) {
        // With TLS 1.3 the client believes in the connection before the server has judged.
        const socket = await handshake(t, front, { ...options, ...shown }).catch(() => null)
        t.equal(socket === null ? '' : await answerOver(socket), '')
      }
      t.equal(front.begun.length, 1)
    },
  )

  t.test(
    `${maxVersion}: a resumed session has the certificate that it began with, and no other`,
    async (t) => {
      const clients = { ca: known.cert, isRequired: false }
      const front = await startFront(t, 'node over TLS', sayCertificate, { clients })
      for (const [shown, told] of [
        [shownBy(known), asField(known)],
        [shownBy(stranger), '<>'],
        [{}, '<>'],
      ] as const) {
        const options = { maxVersion, servername: 'front.test', ...shown }
        const first = connectTls({
          host: '127.0.0.1',
          port: front.port,
          rejectUnauthorized: false,
          ...options,
        })
        first.on('error', () => {})
        const sessions: Buffer[] = []
        first.on('session', (session: Buffer) => sessions.push(session))
        t.equal(await answerOver(first), told)
        const session = await until('a session', () => sessions.at(-1))
        first.destroy()
        const again = await handshake(t, front, { maxVersion, servername: 'front.test', session })
        t.equal(await answerOver(again), told, `resumed: ${again.isSessionReused()}`)
      }
    },
  )
}

// -- hosts ----------------------------------------------------------------------------------------------------------------

const shop = makeCertificate('shop.test', '*.shop.test')
const bank = makeCertificate('bank.test')

async function statusFor(session: http2.ClientHttp2Session, authority: string): Promise<number> {
  const stream = session.request({ ':authority': authority })
  stream.on('error', () => {})
  const [head] = (await once(stream, 'response')) as [http2.IncomingHttpStatusHeader]
  stream.resume()
  return head[':status'] ?? 0
}

t.test(
  'HTTP/2: 421 for a host that another certificate stands for, and the connection goes on',
  async (t) => {
    const name: FrontName = 'node by HTTP/2'
    const front = await startFront(t, name, (each) => each.answer('ok'), { certificates: [shop, bank] })
    const open = (servername: string): http2.ClientHttp2Session => {
      const session = http2.connect(`https://127.0.0.1:${front.port}`, {
        rejectUnauthorized: false,
        ...(servername === '' ? {} : { servername }),
      })
      t.teardown(() => session.destroy())
      return session
    }
    const cases: readonly (readonly [servername: string, authority: string, status: number])[] = [
      ['shop.test', 'shop.test', 200],
      ['shop.test', 'SHOP.test:8443', 200],
      ['shop.test', 'shop.test.', 200],
      ['shop.test', 'eu.shop.test', 200],
      ['shop.test', 'bank.test', 421],
      ['shop.test', 'a.b.shop.test', 421],
      ['shop.test', 'elsewhere.test', 421],
      ['bank.test', 'bank.test', 200],
      ['bank.test', 'shop.test', 421],
      // Nothing better would be shown to a connection of their own.
      ['elsewhere.test', 'elsewhere.test', 200],
      ['elsewhere.test', 'other.test', 200],
      ['elsewhere.test', 'shop.test', 200],
      ['elsewhere.test', 'bank.test', 421],
      ['', '127.0.0.1', 200],
      ['', 'bank.test', 421],
    ]
    for (const [servername, authority, status] of cases) {
      const session = open(servername)
      t.equal(await statusFor(session, authority), status, `${servername} for ${authority}`)
      session.destroy()
    }
    const misdirected = cases.filter(([, , status]) => status === 421).length
    t.same(
      front.refused,
      Array.from({ length: misdirected }, () => 421),
    )
    t.equal(front.begun.length, cases.length - misdirected)
    const session = open('shop.test')
    t.equal(await statusFor(session, 'bank.test'), 421)
    t.equal(await statusFor(session, 'shop.test'), 200, 'on the same connection')
  },
)

t.test(
  'uws: the address is asked for once a connection while all have the same, and is never another one',
  async (t) => {
    const steps = fc.array(fc.tuple(fc.constantFrom('open', 'close', 'ask'), fc.nat(7)), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(steps, (script) => {
        const peers = new UwsPeers()
        const connections: FakeConnection[] = []
        for (const [step, at] of script) {
          const connection = connections[at % Math.max(1, connections.length)]
          if (step === 'open') {
            const opened = new FakeConnection(at % 3)
            connections.push(opened)
            peers.opened(opened.res)
          } else if (connection !== undefined && step === 'ask') {
            if (peers.of(connection.res) !== connection.address) return false
          } else if (connection !== undefined) {
            connections.splice(connections.indexOf(connection), 1)
            peers.closed()
          }
        }
        return true
      }),
    )
    const peers = new UwsPeers()
    const [first, second] = [new FakeConnection(1), new FakeConnection(1)]
    for (const { res } of [first, second]) peers.opened(res)
    for (let request = 0; request < 10; request++) peers.of(first.res)
    t.same([first.asked, second.asked], [1, 1])
  },
)

/** As much of the library's response as is asked for an address. */
class FakeConnection {
  asked = 0
  readonly address: string
  readonly res: HttpResponse

  constructor(last: number) {
    this.address = `192.0.2.${last}`
    const getRemoteAddress = (): ArrayBuffer => {
      this.asked++
      return Uint8Array.from([192, 0, 2, last]).buffer
    }
    this.res = { getRemoteAddress } as unknown as HttpResponse
  }
}
