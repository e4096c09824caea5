// An exchange is open until its last byte was taken: a gateway that is told to leave lets a slow client have its whole
// answer, on either front.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { deploy } from '../fixtures/fleet.js'
import { startGateway, type Gateway } from '../fixtures/gateway.js'
import { plainStart, startFront } from '../contract/fronts.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'

const bytes = 16 * 1024 * 1024
/** A client takes so much at a time. */
const sip = 65_536

/** Reads to the end, sip by sip: after each it waits for an answer of the admin API, as long as that gives any. */
async function readSlowly(socket: Socket, gateway: Gateway): Promise<Buffer> {
  const chunks: Buffer[] = []
  let isOver = false
  socket.once('end', () => (isOver = true))
  socket.once('close', () => (isOver = true))
  while (!isOver) {
    const chunk = (socket.read(Math.min(sip, socket.readableLength)) ?? null) as Buffer | null
    if (chunk === null) await Promise.race([once(socket, 'readable'), once(socket, 'close')])
    else {
      chunks.push(chunk)
      await gateway.status().catch(() => null)
    }
  }
  return Buffer.concat(chunks)
}

for (const engine of ['uws', 'node']) {
  for (const path of ['sized', 'chunked']) {
    t.test(`${engine}: a slow client gets its whole body while the gateway leaves, ${path}`, async (t) => {
      const listen = JSON.stringify({ address: '127.0.0.1:0', engine })
      const env = { AMARRE_LISTEN_HTTP: listen, AMARRE_LIMITS_DRAIN_ON_EXIT: '25s' }
      const gateway = await startGateway({ t, workers: 1, env })
      const [application] = await deploy(gateway, '1.0.0', t, { targets: ['a'] })
      const socket = connect({ host: '127.0.0.1', port: gateway.port })
      t.teardown(() => socket.destroy())
      socket.on('error', () => {})
      socket.write(`GET /${path}?bytes=${bytes} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
      await once(socket, 'readable')
      t.ok((application?.bytesWritten ?? bytes) < bytes, 'most of it is still to come')
      const stopped = gateway.stop()
      await gateway.waitForLog(/"msg":"leaving"/)
      const answer = await readSlowly(socket, gateway)
      const body = answer.subarray(answer.indexOf('\r\n\r\n') + 4)
      if (path === 'sized') t.equal(body.length, bytes)
      else t.equal(body.subarray(-5).toString('latin1'), '0\r\n\r\n')
      t.ok(body.length >= bytes)
      t.equal(await stopped, 0)
    })
  }
}

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
