// An exchange is open until its last byte was taken: a gateway that is told to leave lets a slow client have its whole
// answer, on either front.
import t from 'tap'
import { deploy } from '../fixtures/fleet.js'
import { startGateway } from '../fixtures/gateway.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'

const bytes = 8 * 1024 * 1024

for (const engine of ['uws', 'node']) {
  for (const path of ['sized', 'chunked']) {
    t.test(`${engine}: leaving, a slow client gets its whole body, ${path}`, async (t) => {
      const listen = JSON.stringify({ address: '127.0.0.1:0', engine })
      const env = { AMARRE_LISTEN_HTTP: listen, AMARRE_LIMITS_DRAIN_ON_EXIT: '20s' }
      const gateway = await startGateway({ t, workers: 1, env })
      const [application] = await deploy(gateway, '1.0.0', t, { targets: ['a'] })
      if (application === undefined) throw new Error('no target')
      const client = await RawClient.connect(gateway.port, t)
      client.send(`GET /${path}?bytes=${bytes} HTTP/1.1\r\nHost: a\r\n\r\n`)
      await client.reads(/\r\n\r\n/)
      client.pause()
      const stopped = gateway.stop()
      await gateway.waitForLog(/"msg":"leaving"/)
      // It takes a little, and again a little, while the gateway would like to go.
      for (let part = 1; part <= 4; part++) {
        const before = client.size
        client.resume()
        await until('a part has come', () => client.size > before)
        if (part < 4) client.pause()
      }
      await until('the rest has come', () => client.isClosed || client.size > bytes)
      t.equal(await stopped, 0)
      await until('the connection ends', () => client.isClosed)
      const body = client.received.subarray(client.text.indexOf('\r\n\r\n') + 4)
      if (path === 'sized') t.equal(body.length, bytes)
      else t.match(body.subarray(-5).toString('latin1'), '0\r\n\r\n')
      t.ok(body.length >= bytes)
    })
  }
}
