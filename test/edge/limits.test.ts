// What a client or an application may take of the gateway, on both engines: beyond it somebody is refused or given up,
// counted, and told to the operator, who can ask all the while.
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { connectionsByAddress } from '../../gateway/adapters/kernel-connections.js'
import { hangingBeforeHead } from '../faults/hanging-before-head.js'
import { lyingLength } from '../faults/lying-length.js'
import { malformed } from '../faults/malformed.js'
import type { FaultyUpstream } from '../faults/raw-server.js'
import { siteWords } from '../fixtures/config-place.js'
import { startGateway } from '../fixtures/gateway.js'
import { RawClient } from '../fixtures/raw-client.js'
import { until } from '../fixtures/until.js'
import { startSocketApplication } from '../websocket/socket-application.js'

const patient = { path: null, interval: '5m', timeout: '1s', unhealthyAfter: 100 }
const events = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: one\n\n'
const mostConnections = 20
const mostPerAddress = 6
const mostExchanges = 10
/** Four fifths. */
const mostForNewcomers = 8
const [visitor, greedy, proxy] = ['127.0.0.1', '127.0.0.2', '127.0.0.3'] as const

for (const engine of ['uws', 'node'] as const) {
  await t.test(engine, async (t) => {
    const gateway = await startGateway({
      t,
      workers: 1,
      env: {
        AMARRE_LISTEN_HTTP: `{ address: "127.0.0.1:0", engine: ${engine} }`,
        AMARRE_LOG_ACCESS: '0.000001%',
        AMARRE_TRUSTED_PROXIES: `[${proxy}]`,
        AMARRE_LIMITS: JSON.stringify({
          connections: mostConnections,
          connectionsPerAddress: mostPerAddress,
          exchangeTimeout: '600ms',
          headerTimeout: '1s',
          exchanges: mostExchanges,
        }),
      },
    })

    async function serve(site: string, upstream: FaultyUpstream): Promise<void> {
      t.teardown(() => upstream.close())
      await gateway.config.write(
        `sites/${site}/site.yaml`,
        siteWords({ hosts: [`${site}.test`], health: patient }),
      )
      await gateway.deploy('1.0.0', [upstream.url], { site })
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

    function refusals(limitation: string, atLeast: number): Promise<unknown> {
      return until(`${atLeast} refusals of ${limitation}`, async () => {
        const metrics = await gateway.metrics()
        return metrics.sum('amarre_front_refusals_total', { limitation }) >= atLeast
      })
    }

    function isOpen(connections: number): Promise<unknown> {
      return until(`${connections} connections are open`, async () => {
        return (await gateway.metrics()).value('amarre_connections_open') === connections
      })
    }

    /** Tries until so many are let in, and gives those. */
    async function fill(count: number, from: string): Promise<RawClient[]> {
      const admitted: RawClient[] = []
      await until(`${count} from ${from} are let in`, async () => {
        for (let i = admitted.length; i < count; i++)
          admitted.push(await RawClient.connect(gateway.port, t, from))
        // What is refused is closed at once: an answer of the gateway comes later than that.
        await gateway.metrics()
        for (const closed of admitted.filter(({ isClosed }) => isClosed))
          admitted.splice(admitted.indexOf(closed), 1)
        return admitted.length === count
      })
      return admitted
    }

    async function isRefused(from: string): Promise<void> {
      const client = await RawClient.connect(gateway.port, t, from)
      await until(`one more from ${from} is closed`, () => client.isClosed)
    }

    await t.test('exchangeTimeout: 504 before the head, cut after it, event streams apart', async (t) => {
      await serve('streaming', await malformed(events))
      await serve('hanging', await hangingBeforeHead())
      await serve('stopping', await lyingLength())
      const stream = await ask('streaming')
      await stream.reads(/data: one/)
      const hanging = await ask('hanging')
      await hanging.reads(/504 [^]*exchange_timeout/)
      await timeouts('hanging')
      const cut = await ask('stopping')
      await until('the answer is cut', () => cut.isClosed)
      await timeouts('stopping')
      t.notOk(stream.isClosed)
      for (const client of [stream, hanging]) client.leave()
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

    await t.test('one address gets its connections and no more, a trusted proxy all of them', async (t) => {
      await isOpen(0)
      const own = await fill(mostPerAddress, greedy)
      for (let i = 0; i < 3; i++) await isRefused(greedy)
      const others = await fill(mostPerAddress + 2, proxy)
      t.ok(own.every(({ isClosed }) => !isClosed))
      await refusals('connections-per-address', 3)
      const line = await gateway.waitForLog(/"limitation":"connections-per-address"/)
      t.match(JSON.parse(line), { msg: 'clients are refused', remedy: /limits.connectionsPerAddress/ })
      own[0]?.leave()
      const late = await fill(1, greedy)
      for (const client of [...own, ...others, ...late]) client.leave()
    })

    await t.test('beyond all connections nobody is let in, until somebody leaves', async (t) => {
      await isOpen(0)
      const all = await fill(mostConnections, proxy)
      for (let i = 0; i < 3; i++) await isRefused(visitor)
      await refusals('connections', 3)
      await gateway.waitForLog(/"limitation":"connections"/)
      t.match(await gateway.status(), { ready: true }, 'the operator can ask all the while')
      for (const client of all) client.leave()
      await isOpen(0)
      const again = await ask('streaming')
      await again.reads(/data: one/)
      again.leave()
    })

    await t.test('overload: newcomers are refused first, whoever has a session last', async (t) => {
      const clients: RawClient[] = []
      const stream = async (cookie: string): Promise<RawClient> => {
        const client = await RawClient.connect(gateway.port, t, proxy)
        client.send(`GET / HTTP/1.1\r\nHost: streaming.test\r\n${cookie}\r\n`)
        clients.push(client)
        return client
      }
      let pinned = ''
      for (let i = 0; i < mostForNewcomers; i++) {
        const [, token = ''] = await (await stream('')).reads(/set-cookie: (amarre=[^;]+)[^]*data: one/i)
        pinned = `Cookie: ${token}\r\n`
      }
      t.match(await (await stream('')).reads(/HTTP\/1.1 503 [^]*overloaded/), [/retry-after: \d/i])
      for (let i = mostForNewcomers; i < mostExchanges; i++) await (await stream(pinned)).reads(/data: one/)
      await (await stream(pinned)).reads(/HTTP\/1.1 503 [^]*overloaded/)
      await refusals('overload-newcomers', 1)
      await refusals('overload-sessions', 1)
      const line = await gateway.waitForLog(/overload begins/)
      t.match(JSON.parse(line), { exchangesOpen: mostForNewcomers + 1, refused: 1 })
      for (const client of clients) client.leave()
      await isOpen(0)
      t.match(JSON.parse(await gateway.waitForLog(/overload is over/)), { refused: 2 })
    })

    await t.test('a WebSocket is a connection until it is closed', async (t) => {
      const application = await startSocketApplication(t)
      await gateway.deploy('1.0.0', [application.url])
      await isOpen(0)
      const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/echo`)
      t.teardown(() => socket.terminate())
      await until('it is open', () => socket.readyState === WebSocket.OPEN)
      await isOpen(1)
      socket.close()
      await isOpen(0)
    })

    await t.test(
      'HTTP/1.0: served by one engine, and the operator of the other is told what to do',
      async (t) => {
        const askOld = async (): Promise<RawClient> => {
          const old = await RawClient.connect(gateway.port, t, proxy)
          old.send('GET / HTTP/1.0\r\nHost: streaming.test\r\n\r\n')
          return old
        }
        if (engine === 'node') return void (await (await askOld()).reads(/data: one/))
        // It is concluded from connections that end while no request is understood at all.
        await until('a refusal', async () => {
          await (await askOld()).reads(/ 505 /)
          return (
            (await gateway.metrics()).sum('amarre_front_refusals_total', { limitation: 'no-request' }) > 0
          )
        })
        t.match(await gateway.waitForLog(/"limitation":"no-request"/), /proxy_http_version 1.1/)
      },
    )
  })
}

t.test('the system counts connections by address, of IPv4 and IPv6', async (t) => {
  const server = createServer()
  server.listen(0, '::')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  for (const from of [visitor, greedy, greedy, '::1']) await RawClient.connect(port, t, from)
  const counts = await connectionsByAddress([port])
  t.same([...counts].sort(), [
    [visitor, 1],
    [greedy, 2],
    ['::1', 1],
  ])
})
