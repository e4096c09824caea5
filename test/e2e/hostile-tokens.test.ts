// A hostile token is no token: whoever brings one is served like anybody who brings none, and the reason is counted.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import t from 'tap'
import { signToken } from '../../gateway/dataplane/affinity-token.js'
import type { ReleaseVersion, SessionId, SiteName } from '../../gateway/domain/ids.js'
import type { Token } from '../../gateway/domain/session.js'
import { siteWords } from '../fixtures/config-place.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway, temporaryDirectory } from '../fixtures/gateway.js'
import { testKey, writeKeyRing } from '../fixtures/key-ring-file.js'
import { until } from '../fixtures/until.js'
import { Crawler } from '../fixtures/visitor.js'

const ofEach = 125

function tokenOf(changes: Partial<Token> = {}): Omit<Token, 'keyId'> {
  const now = Date.now()
  return {
    site: 'shop' as SiteName,
    release: '1.0.0' as ReleaseVersion,
    targetTag: 1,
    id: randomBytes(8).toString('hex') as SessionId,
    bornAt: now - 1_000,
    issuedAt: now - 1_000,
    until: now + 60_000,
    held: false,
    issuer: '0123456789abcdef',
    ...changes,
  }
}

function signed(changes: Partial<Token>, keyId = 1): string {
  return signToken(tokenOf(changes), { keys: [testKey(keyId)], signsWith: keyId })
}

function forged(): string {
  return signToken(tokenOf(), { keys: [{ id: 1, secret: randomBytes(32) }], signsWith: 1 })
}

function cut(at: number): string {
  return signed({}).slice(0, -1 - (at % 90))
}

/** Bytes that a field may carry, though no cookie should; between letters, as the front trims them at its ends. */
function binary(): string {
  return `A${Array.from(randomBytes(80), (byte) => String.fromCharCode(0x80 | byte)).join('')}A`
}

const hostile: Readonly<Record<string, { readonly reason: string; make(at: number): string }>> = {
  forged: { reason: 'signature', make: forged },
  cut: { reason: 'malformed', make: cut },
  'of another site': { reason: 'site', make: () => signed({ site: 'other' as SiteName }) },
  // By a second, as the clocks of two processes differ by some milliseconds.
  expired: {
    reason: 'expired',
    make: () => signed({ until: Date.now() - 1_000, issuedAt: Date.now() - 5_000 }),
  },
  'from the future': { reason: 'future', make: () => signed({ bornAt: Date.now() + 10 * 60_000 }) },
  'of a dropped key': { reason: 'key', make: () => signed({}, 9) },
  '8 KiB long': { reason: 'malformed', make: () => randomBytes(6_144).toString('base64url') },
  binary: { reason: 'malformed', make: binary },
}

t.test('a thousand hostile tokens, by cookie and by header', async (t) => {
  const keys = join(await temporaryDirectory('keys'), 'keys.json')
  await writeKeyRing(keys, [1])
  const gateway = await startGateway({
    t,
    env: { AMARRE_KEYS_FILE: keys },
    config: { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '30m' } }) },
  })
  await deploy(gateway, '1.0.0', t)
  await deploy(gateway, '2.0.0', t)
  const before = (await gateway.metrics()).sum('amarre_sessions_started_total', { release: '2.0.0' })
  const crawlers = Array.from({ length: 8 }, () => new Crawler(gateway.url, { t }))
  for (const [name, { make }] of Object.entries(hostile)) {
    const wrong: string[] = []
    for (let sent = 0; sent < ofEach; sent += crawlers.length) {
      const group = crawlers.slice(0, ofEach - sent)
      const answers = await Promise.all(
        group.map((crawler, at) => {
          const token = make(sent + at)
          // A client that sends the header gets its token there.
          const isHeader = (sent + at) % 5 === 0
          return crawler.go('/', isHeader ? { 'amarre-token': token } : { cookie: `amarre=${token}` })
        }),
      )
      for (const { status, text } of answers) {
        if (status !== 200 || (JSON.parse(text) as { release: string }).release !== '2.0.0')
          wrong.push(`${status} ${text}`)
      }
    }
    t.same(wrong, [], `${name}: a birth on the newest release, as without any token`)
  }
  const expected = {
    malformed: 3 * ofEach,
    signature: ofEach,
    key: ofEach,
    site: ofEach,
    expired: ofEach,
    future: ofEach,
  }
  const counted = await until('all are counted', async () => {
    const exposition = await gateway.metrics()
    // A birth is counted with its answer, a token when it comes: a report may lie between the two.
    const births = exposition.sum('amarre_sessions_started_total', { release: '2.0.0' }) - before
    const rejected = exposition.sum('amarre_tokens_rejected_total')
    return Math.min(births, rejected) >= 8 * ofEach ? exposition : null
  })
  t.same(counted.by('reason', 'amarre_tokens_rejected_total', { site: 'shop' }), expected)
  t.equal(counted.sum('amarre_sessions_started_total', { release: '2.0.0' }), before + 8 * ofEach)
  t.equal(counted.sum('amarre_sessions_active'), 0)
  t.equal((await gateway.status()).workers.length, 2)
  t.equal(counted.value('amarre_workers_lost_total'), 0)
})
