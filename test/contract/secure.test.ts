// A whole gateway on the Node engine: HTTPS with HTTP/2, WebSockets, certificates by name that change in place, resumed
// sessions, shared listening sockets. Real clients, certificates made by openssl.
import { once } from 'node:events'
import { copyFile } from 'node:fs/promises'
import * as http2 from 'node:http2'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import t from 'tap'
import { request } from 'undici'
import { WebSocket } from 'ws'
import { startApplication } from '../fixtures/application.js'
import { startGateway, temporaryDirectory, type Gateway } from '../fixtures/gateway.js'
import { until } from '../fixtures/until.js'
import { startSocketApplication } from '../websocket/socket-application.js'
import { makeCertificate } from './certificates.js'

const first = makeCertificate('first.test', '*.wild.test')
const second = makeCertificate('second.test')
const renewed = makeCertificate('first.test', '*.wild.test')
const files = await temporaryDirectory('certificates')
const certFile = join(files, 'first.crt')
const keyFile = join(files, 'first.key')
await copyFile(first.certFile, certFile)
await copyFile(first.keyFile, keyFile)

const config = {
  'gateway.yaml': JSON.stringify({
    listen: {
      https: {
        address: '127.0.0.1:0',
        certificates: [
          { cert: certFile, key: keyFile },
          { cert: second.certFile, key: second.keyFile },
        ],
      },
    },
  }),
}
const gateway = await startGateway({
  t,
  config,
  env: { AMARRE_LISTEN_HTTP: '{ address: "127.0.0.1:0", engine: node }' },
})
const application = await startApplication({ release: '1.0.0', t })
await gateway.deploy('1.0.0', [application.url])
const port = await securePort(gateway)

async function securePort(running: Gateway): Promise<number> {
  const line = JSON.parse(await running.waitForLog(/"msg":"amarre runs"/)) as { secure: string }
  return Number(new URL(line.secure).port)
}

async function handshake(options: ConnectionOptions): Promise<TLSSocket> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options })
  t.teardown(() => socket.destroy())
  await once(socket, 'secureConnect')
  return socket
}

async function shownFor(servername: string): Promise<string> {
  const socket = await handshake({ servername })
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

function fingerprintOf(certificate: { readonly cert: string }): Promise<string> {
  return import('node:crypto').then(
    ({ X509Certificate }) => new X509Certificate(certificate.cert).fingerprint256,
  )
}

interface Got {
  readonly status: number
  readonly headers: http2.IncomingHttpHeaders
  readonly body: string
}

async function getByHttp2(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
): Promise<Got> {
  const stream = session.request({ ':authority': 'first.test', ...headers })
  const [head] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & { ':status': number }]
  let body = ''
  for await (const chunk of stream.setEncoding('utf8')) body += chunk as string
  return { status: head[':status'], headers: head, body }
}

function openHttp2(): http2.ClientHttp2Session {
  const session = http2.connect(`https://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
    servername: 'first.test',
  })
  session.on('error', () => {})
  t.teardown(() => session.destroy())
  return session
}

t.test('HTTP/2: a session is born with a __Host- cookie and stays, cookies split or not', async (t) => {
  const session = openHttp2()
  const born = await getByHttp2(session, { ':path': '/a?b=1&b=' })
  t.equal(born.status, 200)
  const cookie = born.headers['set-cookie']?.find((line) => line.startsWith('__Host-amarre='))
  t.match(cookie, /; Secure/)
  t.match(cookie, /SameSite=None/)
  const token = (cookie ?? '').split(';')[0] ?? ''
  const again = await getByHttp2(session, { ':path': '/', cookie: ['x=1', token, 'y=2'] })
  const page = JSON.parse(again.body) as { headers: Record<string, string> }
  t.equal(page.headers['cookie'], 'x=1; y=2', 'joined, without ours')
  t.equal(page.headers['host'], 'first.test')
  t.equal(page.headers['x-forwarded-proto'], 'https')
  t.equal(page.headers['x-forwarded-host'], 'first.test')
  await gateway.waitForRelease('1.0.0', (release) => release.sessions.active === 1)
})

t.test('HTTP/2: what the exchange refuses is answered on its stream', async (t) => {
  const session = openHttp2()
  t.equal((await getByHttp2(session, { ':path': '/', host: 'other.test' })).status, 400)
  t.equal((await getByHttp2(session, { ':path': '/', ':authority': 'first.test:x' })).status, 400)
  t.equal((await getByHttp2(session, { ':path': '/', expect: '200-ok' })).status, 417)
  t.equal((await getByHttp2(session, { ':path': '/' })).status, 200)
})

t.test('HTTP/2: a body goes through, and its answer comes back', async (t) => {
  const session = openHttp2()
  const stream = session.request({ ':authority': 'first.test', ':method': 'POST', ':path': '/echo' })
  const text = 'x'.repeat(3_000_000)
  stream.end(text)
  let length = 0
  for await (const chunk of stream) length += (chunk as Buffer).length
  t.equal(length, text.length)
})

t.test('the plain listener of this engine serves the same, HTTP/1.0 too', async (t) => {
  const answer = await request(gateway.url, { headers: { host: 'first.test' } })
  t.equal(answer.statusCode, 200)
  t.match(String(answer.headers['set-cookie']), /(^|,)amarre=/)
  await answer.body.dump()
  const socket = createConnection(gateway.port, '127.0.0.1')
  socket.end('GET / HTTP/1.0\r\n\r\n')
  let text = ''
  for await (const chunk of socket.setEncoding('latin1')) text += chunk as string
  t.match(text, /^HTTP\/1\.1 200 /)
})

t.test('the name asked for chooses the certificate, the first where none fits', async (t) => {
  t.equal(await shownFor('first.test'), await fingerprintOf(first))
  t.equal(await shownFor('second.test'), await fingerprintOf(second))
  t.equal(await shownFor('SECOND.test'), await fingerprintOf(second))
  t.equal(await shownFor('a.wild.test'), await fingerprintOf(first))
  t.equal(await shownFor('unknown.test'), await fingerprintOf(first))
})

t.test('TLS: 1.2 and later, h2 preferred, a client without ALPN speaks HTTP/1.1', async (t) => {
  const modern = await handshake({ ALPNProtocols: ['http/1.1', 'h2'] })
  t.equal(modern.alpnProtocol, 'h2')
  t.equal(modern.getProtocol(), 'TLSv1.3')
  const older = await handshake({ maxVersion: 'TLSv1.2' })
  t.equal(older.getProtocol(), 'TLSv1.2')
  t.match(older.getCipher().name, /^ECDHE-.*(GCM|CHACHA20)/)
  older.write('GET / HTTP/1.1\r\nHost: first.test\r\nConnection: close\r\n\r\n')
  const [answer] = (await once(older, 'data')) as [Buffer]
  t.match(String(answer), /^HTTP\/1\.1 200 /)
  await t.rejects(handshake({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' }))
  await gateway.waitForLog(/"limitation":"tls-handshake"/)
})

for (const servername of ['first.test', 'second.test']) {
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    t.test(`${version}: a session for ${servername} is resumed, by any worker`, async (t) => {
      const versions = { servername, minVersion: version, maxVersion: version }
      const born = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ...versions })
      const [session] = (await once(born, 'session')) as [Buffer]
      born.destroy()
      for (let i = 0; i < 6; i++) {
        const socket = await handshake({ ...versions, session })
        t.ok(socket.isSessionReused())
        socket.destroy()
      }
    })
  }
}

t.test(
  'changed files are shown to new connections; open ones go on; broken ones change nothing',
  async (t) => {
    const session = openHttp2()
    t.equal((await getByHttp2(session, { ':path': '/' })).status, 200)
    // The certificate without its key: for a moment the two do not belong together.
    await copyFile(renewed.certFile, certFile)
    await gateway.waitForLog(/does not belong to the certificate/)
    t.equal(await shownFor('first.test'), await fingerprintOf(first))
    await copyFile(renewed.keyFile, keyFile)
    await gateway.waitForLog(/certificates changed/)
    const expected = await fingerprintOf(renewed)
    await until('every worker shows it', async () => {
      const shown = await Promise.all(Array.from({ length: 6 }, () => shownFor('first.test')))
      return shown.every((fingerprint) => fingerprint === expected)
    })
    t.equal(await shownFor('a.wild.test'), expected)
    t.equal((await getByHttp2(session, { ':path': '/' })).status, 200, 'the open connection goes on')
    t.notOk(session.closed)
  },
)

t.test(
  'a worker that dies is replaced, listens on the same socket and shows the newest certificate',
  async (t) => {
    await gateway.killWorker()
    for (let i = 0; i < 10; i++) {
      const answer = await request(gateway.url, { headers: { host: 'first.test', connection: 'close' } })
      t.equal(answer.statusCode, 200)
      await answer.body.dump()
      t.equal(await shownFor('first.test'), await fingerprintOf(renewed))
    }
  },
)

t.test('WebSockets pass on both listeners, with their subprotocol, cookie and close code', async (t) => {
  const sockets = await startSocketApplication(t)
  await gateway.deploy('2.0.0', [sockets.url])
  for (const url of [`wss://127.0.0.1:${port}/echo`, `ws://127.0.0.1:${gateway.port}/echo`]) {
    const socket = new WebSocket(url, { rejectUnauthorized: false, headers: { host: 'first.test' } })
    let cookies: readonly string[] = []
    socket.on('upgrade', (response) => (cookies = response.headers['set-cookie'] ?? []))
    await once(socket, 'open')
    t.match(cookies.join(), /amarre=/)
    socket.send('text')
    t.same((await once(socket, 'message')).map(String), ['text', 'false'])
    socket.send(Buffer.alloc(300_000, 7))
    const [binary] = (await once(socket, 'message')) as [Buffer]
    t.equal(binary.length, 300_000)
    socket.ping('are you there')
    t.equal(String((await once(socket, 'pong'))[0]), 'are you there')
    socket.close(4002, 'done')
    t.equal((await once(socket, 'close'))[0], 4002)
  }
})

t.test('a gateway that leaves finishes what is open, and the port is free at once', async (t) => {
  const session = openHttp2()
  t.equal((await getByHttp2(session, { ':path': '/' })).status < 600, true)
  const closed = once(session, 'close')
  t.equal(await gateway.stop(), 0)
  await closed
  await gateway.restart()
  t.equal((await request(gateway.url, { headers: { host: 'first.test' } })).statusCode < 600, true)
})

t.test('a certificate that cannot be used refuses the start, with its file', async (t) => {
  const words = {
    listen: {
      https: { address: '127.0.0.1:0', certificates: [{ cert: second.certFile, key: first.keyFile }] },
    },
  }
  await t.rejects(startGateway({ t, config: { 'gateway.yaml': JSON.stringify(words) } }), /does not belong/)
})
