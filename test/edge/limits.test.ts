// What a client or an application may take of the gateway, on both engines: beyond it somebody is refused or given up,
// counted, and told to the operator.
import t from 'tap'
import { hangingBeforeHead } from '../faults/hanging-before-head.js'
import { lyingLength } from '../faults/lying-length.js'
import { malformed } from '../faults/malformed.js'
import type { FaultyUpstream } from '../faults/raw-server.js'
import { siteWords } from '../fixtures/config-place.js'
import { startGateway } from '../fixtures/gateway.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'

const patient = { path: null, interval: '5m', timeout: '1s', unhealthyAfter: 100 }
const events = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n'

for (const engine of ['uws', 'node'] as const) {
  await t.test(engine, async (t) => {
    const gateway = await startGateway({
      t,
      workers: 1,
      env: {
        AMARRE_LISTEN_HTTP: `{ address: "127.0.0.1:0", engine: ${engine} }`,
        AMARRE_LOG_ACCESS: '0.000001%',
        AMARRE_LIMITS_EXCHANGE_TIMEOUT: '600ms',
      },
    })

    async function serve(site: string, upstream: FaultyUpstream): Promise<void> {
      t.teardown(() => upstream.close())
      await gateway.config.write(
        `sites/${site}/site.yaml`,
        siteWords({ hosts: [`${site}.test`], health: patient }),
      )
      await gateway.deploy('1.0.0', [upstream.url], site)
    }

    async function ask(site: string): Promise<RawClient> {
      const client = await RawClient.connect(gateway.port, t)
      client.send(`GET / HTTP/1.1\r\nHost: ${site}.test\r\n\r\n`)
      return client
    }

    function timeouts(site: string): Promise<unknown> {
      return until(`${site}: the timeout is counted`, async () => {
        const reasons = (await gateway.metrics()).by('reason', 'amarre_upstream_errors_total', { site })
        return reasons.exchange_timeout === 1
      })
    }

    await t.test('exchangeTimeout: 504 before the head, cut after it, event streams apart', async (t) => {
      await serve('streaming', await malformed(events))
      await serve('hanging', await hangingBeforeHead())
      await serve('stopping', await lyingLength())
      const stream = await ask('streaming')
      await stream.reads(/data: one/)
      await (await ask('hanging')).reads(/504 [^]*exchange_timeout/)
      await timeouts('hanging')
      const cut = await ask('stopping')
      await until('the answer is cut', () => cut.isClosed)
      await timeouts('stopping')
      t.notOk(stream.isClosed)
    })

    await t.test('a sampled access log has every failure, cut answers too', async (t) => {
      for (const [host, status] of [
        ['hanging', 504],
        ['stopping', 200],
      ] as const) {
        const line = await gateway.waitForLog(new RegExp(`"access":.*"host":"${host}.test"`))
        t.match(JSON.parse(line), { access: { status, error: 'exchange_timeout' } })
      }
    })
  })
}
