// What one request costs in the data plane without any socket, and what its parts cost: reading the head, the decision,
// the token by cache and by crypto, encoding the upstream head. Usage: node dist/bench/micro/request.js
import { identifyClient, TrustedProxies } from '../../gateway/dataplane/client-identity.js'
import { beginExchange } from '../../gateway/dataplane/exchange.js'
import { encodeUpstreamHead } from '../../gateway/dataplane/request-encoder.js'
import { readHead } from '../../gateway/dataplane/request-head.js'
import { RequestIdentity } from '../../gateway/dataplane/request-identity.js'
import { fieldMasks } from '../../gateway/dataplane/response-fields.js'
import { readCookies } from '../../gateway/dataplane/token-cookie.js'
import { decide } from '../../gateway/domain/affinity.js'
import type { SiteName } from '../../gateway/domain/ids.js'
import { measureNs } from './measure.js'
import {
  FreshHeads,
  InstantClient,
  InstantUpstream,
  stateWith,
  tokenOf,
  usualReader,
  usualTable,
} from './one-request.js'

const now = Date.now()
const token = tokenOf(1, now)
const heads = new FreshHeads(token)
const upstream = new InstantUpstream()
const state = stateWith(upstream)
const masks = fieldMasks(true)
const site = usualTable.siteOf('shop.example.com')
if (site === null) throw new Error('no site')

measureNs('strings of a head (part of each of the next)', 100_000, () => void heads.next())
measureNs('whole request', 100_000, () => {
  const client = new InstantClient(heads.next())
  beginExchange(state, masks, client)
  upstream.answer()
  if (client.ended !== 1 || client.bytes !== 2048) throw new Error('answered otherwise')
})
measureNs('read the head', 100_000, () => void readHead(heads.next()))

const trusted = new TrustedProxies([])
const sources = { ...state, issuer: usualTable.issuer, futureToleranceMs: 300_000, now }
const identify = () => {
  const head = heads.next()
  return new RequestIdentity(head, site, identifyClient(head, trusted), sources)
}
measureNs('identity: client, cookies, token', 100_000, () => void identify())

const identity = identify()
measureNs('decide', 1_000_000, () => {
  if (decide(identity, site, now).kind !== 'stay') throw new Error('decided otherwise')
})
measureNs('cookies', 1_000_000, () => void readCookies(`sid=00c8f3a9; release=r1; amarre=${token}`, 'amarre'))

const [release] = site.releases
if (release === undefined) throw new Error('no release')
measureNs('encode the upstream head', 100_000, () => {
  const head = heads.next()
  const text = encodeUpstreamHead({
    head,
    host: { name: 'shop.example.com', port: '' },
    identity,
    framing: 'none',
    contentLength: 0,
    release,
    session: identity.token?.id ?? null,
    via: '',
    requestId: 'aaaaaaaa-1',
  })
  if (text.length < 600) throw new Error('encoded otherwise')
})

const reader = usualReader()
const context = { site: 'shop' as SiteName, now, futureToleranceMs: 300_000 }
measureNs('token from the cache', 1_000_000, () => {
  if (typeof reader.read(token, context) === 'string') throw new Error('refused')
})
const tokens = Array.from({ length: 20_000 }, (_, visitor) => tokenOf(visitor, now))
let at = 0
measureNs('token verified', 20_000, () => {
  // Another ring empties the cache: every token is new again.
  if (at === 0)
    reader.useRing({
      ...reader.ring,
      keys: [...reader.ring.keys, { id: 2 + at, secret: new Uint8Array(32) }],
    })
  if (typeof reader.read(tokens[at] ?? '', context) === 'string') throw new Error('refused')
  at = (at + 1) % tokens.length
})
