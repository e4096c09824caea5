// TLS and Unix sockets: the same pool, the certificate verified as Node verifies it, the name indicated.
import { execFileSync, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createRawServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { createServer as createRawTlsServer } from 'node:tls'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { createUpstreamPool } from '../../gateway/dataplane/upstream/pool.js'
import type {
  UpstreamLimits,
  UpstreamPool,
  UpstreamRequest,
} from '../../gateway/dataplane/upstream/upstream.js'
import { hangingBeforeHead } from '../faults/hanging-before-head.js'
import { targetUrl } from '../faults/raw-server.js'
import { ManualTick } from './manual-tick.js'
import { RecordingHandler } from './recording-handler.js'

const limits: UpstreamLimits = {
  connectTimeoutMs: 2000,
  upstreamTimeoutMs: 5000,
  maxConnections: 3,
  maxQueue: 2,
  maxHeadBytes: 16 * 1024,
}
const get: UpstreamRequest = {
  head: 'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  isHead: false,
  isIdempotent: true,
  bodyFraming: 'none',
  fresh: false,
}

function poolOf(t: Test, url: string, tick = new ManualTick()): UpstreamPool {
  const pool = createUpstreamPool({ url: targetUrl(url), limits, knownFields: [], tick })
  t.teardown(() => pool.close())
  return pool
}

async function exchange(pool: UpstreamPool, request = get): Promise<RecordingHandler> {
  const handler = new RecordingHandler()
  pool.send(request, handler)
  await handler.outcome
  return handler
}

async function listen(t: Test, server: Server, where: string | number): Promise<number> {
  if (typeof where === 'string') server.listen(where)
  else server.listen(where, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address() as AddressInfo | string
  return typeof address === 'string' ? 0 : address.port
}

const folder = mkdtempSync(join(tmpdir(), 'amarre-upstream-'))
const keyFile = join(folder, 'key.pem')
const certificateFile = join(folder, 'certificate.pem')
const childMark = 'AMARRE_TEST_TRUSTING'

/** A certificate for `localhost` and 127.0.0.1, valid for a day, that nobody has ever seen before. */
function makeCertificate(): void {
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const files = ['-keyout', keyFile, '-out', certificateFile]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1']
  execFileSync('openssl', ['req', '-x509', ...kind, ...files, ...subject], { stdio: 'ignore' })
}

function hasOpenssl(): boolean {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

t.teardown(() => rmSync(folder, { recursive: true, force: true }))

t.test('a Unix socket', async (t) => {
  const path = join(folder, 'application.sock')
  const server = createServer((request, response) => {
    if (request.url === '/') response.end('by path')
    else response.socket?.end('HTTP/1.1 200 OK\r\n\r\nto the end')
  })
  await listen(t, server, path)
  const pool = poolOf(t, `unix:${path}`)
  t.equal((await exchange(pool)).text, 'by path')
  t.equal((await exchange(pool)).text, 'by path')
  t.equal(pool.connections, 1)
  const closing = await exchange(pool, { ...get, head: 'GET /closing HTTP/1.1\r\nHost: a\r\n\r\n' })
  t.equal(closing.text, 'to the end')
  t.equal(closing.error, null)
  t.equal(pool.connections, 0)
  const missing = new RecordingHandler()
  poolOf(t, `unix:${join(folder, 'nobody.sock')}`).send(get, missing)
  t.equal(await missing.outcome, 'connect_refused/other-target')
})

t.test('a server that does not speak TLS fails the connection before anything is written', async (t) => {
  const plain = createRawServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.end('SSH-2.0-OpenSSH_9.2\r\n')
  })
  plain.listen(0, '127.0.0.1')
  await once(plain, 'listening')
  t.teardown(() => plain.close())
  const handler = new RecordingHandler()
  const { port } = plain.address() as AddressInfo
  const call = poolOf(t, `https://127.0.0.1:${port}`).send(get, handler)
  t.equal(await handler.outcome, 'connect_refused/other-target')
  t.notOk(call.isWritten)
})

t.test('a handshake that hangs is a connect timeout', async (t) => {
  const silent = await hangingBeforeHead()
  t.teardown(() => silent.close())
  const tick = new ManualTick()
  const handler = new RecordingHandler()
  const pool = poolOf(t, `https://127.0.0.1:${silent.port}`, tick)
  const call = pool.send(get, handler)
  tick.advance(0)
  tick.advance(2000)
  t.equal(await handler.outcome, 'connect_timeout/other-target')
  t.notOk(call.isWritten)
  t.equal(pool.connections, 0)
})

const isChild = process.env[childMark] !== undefined
const whyNot = isChild || hasOpenssl() ? false : 'needs the openssl program to make a certificate'

t.test('TLS', { skip: whyNot }, async (t) => {
  const given = process.env[childMark]
  if (given === undefined) makeCertificate()
  const from = given ?? folder
  const key = readFileSync(join(from, 'key.pem'))
  const cert = readFileSync(join(from, 'certificate.pem'))

  if (given === undefined) {
    await t.test('a certificate that nobody vouches for is refused, and nothing was written', async (t) => {
      let requests = 0
      const server = createTlsServer({ key, cert }, (_request, response) => {
        requests++
        response.end()
      })
      const port = await listen(t, server, 0)
      const handler = new RecordingHandler()
      const call = poolOf(t, `https://localhost:${port}`).send(get, handler)
      t.equal(await handler.outcome, 'connect_refused/other-target')
      t.notOk(call.isWritten)
      t.equal(requests, 0)
      t.match(handler.error?.detail, /self-signed/)
    })

    await t.test('a certificate in NODE_EXTRA_CA_CERTS is trusted', async (t) => {
      const env = { ...process.env, NODE_EXTRA_CA_CERTS: certificateFile, [childMark]: folder }
      const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      let output = ''
      child.stdout.on('data', (text: Buffer) => (output += text.toString()))
      child.stderr.on('data', (text: Buffer) => (output += text.toString()))
      const [code] = (await once(child, 'close')) as [number]
      t.equal(code, 0, code === 0 ? 'all of it passed' : output)
      t.match(output, /# Subtest: the name is indicated/)
    })
    return
  }

  await t.test('the name is indicated, the connection kept, bodies pass', async (t) => {
    const names: (string | false | null)[] = []
    const server = createTlsServer({ key, cert }, (request, response) => {
      names.push((request.socket as TLSSocket).servername)
      request.pipe(response)
    })
    const port = await listen(t, server, 0)
    const pool = poolOf(t, `https://localhost:${port}`)
    const body = randomBytes(3_000_000)
    const head = `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`
    for (let i = 0; i < 2; i++) {
      const handler = new RecordingHandler()
      const call = pool.send({ ...get, head, bodyFraming: 'length' }, handler)
      const received = createHash('sha256')
      handler.whenData = (chunk) => {
        received.update(chunk)
        if (handler.bytes - chunk.length > 1_000_000 || handler.bytes < 1_000_000) return
        call.pause()
        setImmediate(() => call.resume())
      }
      let at = 0
      const flow = (): void => {
        let mayFlow = true
        while (mayFlow && at < body.length) {
          const lent = Buffer.from(body.subarray(at, at + 50_000))
          at += lent.length
          mayFlow = call.write(lent)
          lent.fill(0)
        }
        if (at >= body.length && mayFlow) call.end()
      }
      handler.whenDrain = flow
      flow()
      t.equal(await handler.outcome, 'ended')
      t.equal(handler.bytes, body.length)
      t.equal(received.digest('hex'), createHash('sha256').update(body).digest('hex'))
    }
    t.same(names, ['localhost', 'localhost'])
    t.equal(pool.connections, 1)
  })

  await t.test('an address has no name to indicate and is verified all the same', async (t) => {
    let name: unknown = ''
    const server = createTlsServer({ key, cert }, (request, response) => {
      name = (request.socket as TLSSocket).servername
      response.end('x')
    })
    const port = await listen(t, server, 0)
    t.equal((await exchange(poolOf(t, `https://127.0.0.1:${port}`))).text, 'x')
    t.equal(name, false)
  })

  await t.test('a certificate for another name is refused', async (t) => {
    const server = createTlsServer({ key, cert }, (_request, response) => void response.end('x'))
    server.listen(0, '127.0.0.2')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const handler = new RecordingHandler()
    const call = poolOf(t, `https://127.0.0.2:${(server.address() as AddressInfo).port}`).send(get, handler)
    t.equal(await handler.outcome, 'connect_refused/other-target')
    t.notOk(call.isWritten)
    t.match(handler.error?.detail, /altnames/)
  })

  await t.test('without a length the end of the connection is the end of the body', async (t) => {
    const server = createRawTlsServer({ key, cert }, (socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nto the end'))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.teardown(() => server.close())
    const { port } = server.address() as AddressInfo
    const handler = await exchange(poolOf(t, `https://127.0.0.1:${port}`))
    t.equal(handler.error, null)
    t.equal(handler.text, 'to the end')
  })
})
