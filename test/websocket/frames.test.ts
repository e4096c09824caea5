// An application's WebSocket as it is, and behind each front: tried frame by frame with what the RFC allows and forbids,
// every outcome is the same.
import t, { type Test } from 'tap'
import { siteWords } from '../fixtures/config-place.js'
import { startGateway } from '../fixtures/gateway.js'
import { frameCases, type FrameCase } from './frame-cases.js'
import { closeFrame, FrameClient } from './frames.js'
import { startSocketApplication } from './socket-application.js'

/** What the library of the fast front takes though it should not; it is in docs/conformance.md. */
const laxOn: Readonly<Record<string, readonly string[]>> = { uws: ['a binary within a text'], node: [] }

/** What became of one case. */
async function outcomeOf(t: Test, origin: string, tried: FrameCase): Promise<string> {
  const client = await FrameClient.open(t, origin, '/echo')
  client.send(tried.bytes, tried.isByteByByte)
  if (tried.answers === 'refused') {
    await client.ends()
    // Section 7.1.7: to fail a connection is to close it; a close frame that says why is no duty.
    const { heard, closeCode } = client
    return JSON.stringify({ heard, end: closeCode === 1000 ? 'taken for good' : 'refused' })
  }
  await client.hears(tried.answers)
  client.send(closeFrame(1000, 'enough'))
  await client.ends()
  return JSON.stringify({ heard: client.heard, end: client.closeCode })
}

t.test('what an application answers directly it answers through the gateway', async (t) => {
  const application = await startSocketApplication(t)
  const config = { 'sites/shop/site.yaml': siteWords({ health: { path: '/' } }) }
  const origins: Record<string, string> = {}
  for (const engine of ['uws', 'node']) {
    const env = { AMARRE_LISTEN_HTTP: JSON.stringify({ address: '127.0.0.1:0', engine }) }
    const gateway = await startGateway({ t, config, env, workers: 1 })
    await gateway.deploy('1.0', [application.url])
    origins[engine] = gateway.url
  }
  const compare = async (tried: FrameCase): Promise<void> => {
    const direct = await outcomeOf(t, application.url, tried)
    t.match(direct, tried.answers === 'refused' ? /"refused"/ : /1000\}$/, `directly: ${tried.name}`)
    for (const [engine, origin] of Object.entries(origins)) {
      if (laxOn[engine]?.includes(tried.name) === true) continue
      const through = await outcomeOf(t, origin, tried).catch((error: unknown) => String(error))
      const found = [through.slice(0, 300), direct.slice(0, 300)]
      if (through !== direct) t.fail(`${engine}: ${tried.name}`, { found })
    }
  }
  const waiting = [...frameCases]
  const lane = async (): Promise<void> => {
    for (let tried = waiting.shift(); tried !== undefined; tried = waiting.shift()) await compare(tried)
  }
  await Promise.all(Array.from({ length: 16 }, lane))
})
