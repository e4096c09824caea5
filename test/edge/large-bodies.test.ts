// A gibibyte each way past a peer that is slower than its source: the bytes arrive as they were sent, and no more of
// them is ever in the gateway than a fixed window.
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, request, type ClientRequest, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { startGateway, type Gateway, type GatewayOptions } from '../fixtures/gateway.js'
import { until } from '../fixtures/until.js'

const mebibyte = 1_048_576
const total = 1024 * mebibyte
const allowed = 64 * mebibyte
/** After so much the slow end lets the fast one run ahead. */
const pauseEvery = 16 * mebibyte

/** Not a pattern that a lost or doubled piece would leave as it is: each piece begins with its number. */
const pieceBytes = mebibyte / 4
const block = Buffer.alloc(pieceBytes)
for (let i = 0; i < block.length; i++) block[i] = (i * 31 + (i >> 8)) % 251

function pieceOf(number: number): Buffer {
  const piece = Buffer.from(block)
  piece.writeUInt32BE(number, 0)
  return piece
}

interface Sink {
  write(chunk: Buffer): boolean
  once(event: 'drain', listener: () => void): unknown
  end(): unknown
}

/**
 * As fast as it is taken, a quarter of a mebibyte a turn: no more than half of one is ever ready at once. Where more is,
 * uWebSockets.js reads on although it was told to pause (docs/hostile-bytes.md, "what cannot be seen").
 */
async function sendAll(sink: Sink & NodeJS.EventEmitter): Promise<string> {
  const hash = createHash('sha1')
  for (let number = 0; number * pieceBytes < total; number++) {
    const piece = pieceOf(number)
    hash.update(piece)
    if (!sink.write(piece)) await once(sink, 'drain')
    await turn()
  }
  sink.end()
  return hash.digest('hex')
}

/** Reads slower than the source sends: every now and then it stops for a while. */
async function readAll(source: IncomingMessage, pause = dawdle): Promise<string> {
  const hash = createHash('sha1')
  let received = 0
  for await (const chunk of source as AsyncIterable<Buffer>) {
    hash.update(chunk)
    if (Math.floor(received / pauseEvery) !== Math.floor((received + chunk.length) / pauseEvery))
      await pause()
    received += chunk.length
  }
  return hash.digest('hex')
}

/** Long enough for whoever sends to fill every buffer on the way. */
async function dawdle(): Promise<void> {
  for (let i = 0; i < 2_000; i++) await turn()
}

/** Begins to watch the resident memory of a process; what it gives tells by how many bytes that grew at most. */
function watchMemory(pid: number): () => number {
  // proc(5): forgets the highest value so far.
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const before = memoryOf(pid, 'VmRSS')
  return () => memoryOf(pid, 'VmHWM') - before
}

function memoryOf(pid: number, what: 'VmRSS' | 'VmHWM'): number {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${what}:\\s+(\\d+) kB`).exec(text)?.[1]) * 1024
}

const seen: { sent?: Promise<string>; received?: string } = {}
const application = createServer((request, response) => {
  if (request.url === '/echo') return void request.pipe(response)
  if (request.url === '/echo-sized') {
    response.writeHead(200, { 'Content-Length': request.headers['content-length'] })
    return void request.pipe(response)
  }
  if (request.method === 'GET') {
    response.writeHead(200, { 'Content-Length': total })
    seen.sent = sendAll(response)
    return
  }
  void readAll(request).then((hash) => {
    seen.received = hash
    response.end(hash)
  })
})
application.listen(0, '127.0.0.1')
await once(application, 'listening')
t.teardown(() => application.close())

async function startBefore(env: GatewayOptions['env'] = {}): Promise<Gateway> {
  const gateway = await startGateway({ t, workers: 1, env: { AMARRE_LIMITS_REQUEST_BODY: '2GiB', ...env } })
  await gateway.config.site('shop', { health: { path: null } })
  await gateway.deploy('1.0.0', [`http://127.0.0.1:${(application.address() as AddressInfo).port}`])
  return gateway
}

const gateway = await startBefore()
const [worker = 0] = await gateway.workers()
const origin = { host: '127.0.0.1', port: gateway.port, agent: false } as const

/** The first megabytes are not measured: the heap of a process that has just started takes its usual size with them. */
async function warmUp(): Promise<void> {
  const pieces = 128
  const warm = request({
    ...origin,
    path: '/',
    method: 'POST',
    headers: { 'Content-Length': pieces * pieceBytes },
  })
  for (let number = 0; number < pieces; number++) warm.write(pieceOf(number))
  warm.end()
  const [answer] = (await once(warm, 'response')) as [IncomingMessage]
  answer.resume()
  await once(answer, 'end')
}

t.test('a gibibyte up to an application that reads slowly', async (t) => {
  await warmUp()
  const growth = watchMemory(worker)
  const upload = request({ ...origin, path: '/', method: 'POST', headers: { 'Content-Length': total } })
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>
  const sent = await sendAll(upload)
  const [answer] = await answered
  answer.resume()
  t.equal(answer.statusCode, 200)
  t.equal(seen.received, sent, 'every byte, in order')
  const grown = growth()
  t.ok(grown <= allowed, `at most 64 MiB more: ${Math.round(grown / mebibyte)} MiB`)
})

t.test('a gibibyte down to a client that reads slowly', async (t) => {
  const growth = watchMemory(worker)
  const download = request({ ...origin, path: '/', method: 'GET' })
  download.end()
  const [answer] = (await once(download, 'response')) as [IncomingMessage]
  const received = await readAll(answer)
  t.equal(received, await seen.sent, 'every byte, in order')
  const grown = growth()
  t.ok(grown <= allowed, `at most 64 MiB more: ${Math.round(grown / mebibyte)} MiB`)
})

// -- both at once ---------------------------------------------------------------------------------------------------------

const echoed = 96 * mebibyte

/** Sends all of it; `sent` follows what the connection has taken. */
function sendEcho(upload: ClientRequest): { readonly hash: Promise<string>; sent: number } {
  const progress = { hash: Promise.resolve(''), sent: 0 }
  progress.hash = (async () => {
    const hash = createHash('sha1')
    for (let number = 0; number * pieceBytes < echoed; number++) {
      const piece = pieceOf(number)
      hash.update(piece)
      if (!upload.write(piece)) await once(upload, 'drain')
      progress.sent += piece.length
      await turn()
    }
    upload.end()
    return hash.digest('hex')
  })()
  return progress
}

/** Waits until nothing has moved for a second. */
async function untilStuck(progress: { readonly sent: number }): Promise<void> {
  let last = -1
  let looks = 0
  await until('the upload stands still', () => {
    looks = progress.sent === last ? looks + 1 : 0
    last = progress.sent
    return looks === 40
  })
}

async function echoThrough(t: Test, { port, path, pid }: { port: number; path: string; pid: number }) {
  const growth = watchMemory(pid)
  const headers = { 'Content-Length': echoed }
  const upload = request({ host: '127.0.0.1', port, agent: false, path, method: 'POST', headers })
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>
  const progress = sendEcho(upload)
  const [answer] = await answered
  await untilStuck(progress)
  const grown = growth()
  t.ok(grown <= allowed, `at most 64 MiB more: ${Math.round(grown / mebibyte)} MiB`)
  t.equal(await readAll(answer, turn), await progress.hash, 'every byte, in order')
}

t.test('a client that sends and takes nothing yet costs a window, and loses nothing', async (t) => {
  const node = await startBefore({ AMARRE_LISTEN_HTTP: '{ address: "127.0.0.1:0", engine: node }' })
  await echoThrough(t, { port: node.port, path: '/echo', pid: (await node.workers())[0] ?? 0 })
  for (const path of ['/echo', '/echo-sized']) await echoThrough(t, { port: gateway.port, path, pid: worker })
})
