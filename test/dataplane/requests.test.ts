// One request on its way in: what of a head is refused, who is asking, which token counts, what goes upstream, and the
// pages for what fails.
import t from 'tap'
import { Activity } from '../../gateway/dataplane/activity.js'
import { AssetOrigins } from '../../gateway/dataplane/asset-origins.js'
import { signToken, TokenReader, type KeyRing } from '../../gateway/dataplane/affinity-token.js'
import { identifyClient, TrustedProxies } from '../../gateway/dataplane/client-identity.js'
import { errorResponse, redirectResponse } from '../../gateway/dataplane/error-response.js'
import { encodeUpstreamHead } from '../../gateway/dataplane/request-encoder.js'
import {
  headerOf,
  readHead,
  type RequestFraming,
  type RequestHead,
} from '../../gateway/dataplane/request-head.js'
import { readHost } from '../../gateway/dataplane/host-text.js'
import { requestIdOf } from '../../gateway/dataplane/request-id.js'
import { PassReader } from '../../gateway/dataplane/preview-pass.js'
import { RequestIdentity } from '../../gateway/dataplane/request-identity.js'
import { restartAskedBy, withRestart } from '../../gateway/domain/restart-link.js'
import { Tombstones } from '../../gateway/dataplane/tombstones.js'
import { ErrorPages } from '../../gateway/domain/error-template.js'
import { errorKinds, type ErrorCode } from '../../gateway/domain/errors.js'
import type { ReleaseVersion, SessionId, SiteName } from '../../gateway/domain/ids.js'
import type { ReleaseRoute, SiteRoute } from '../../gateway/domain/routing-table.js'
import type { Token } from '../../gateway/domain/session.js'

const now = 1_800_000_000_000
type Fields = readonly (readonly [name: string, value: string])[]

function headOf(fields: Fields, changes: Partial<RequestHead> = {}): RequestHead {
  const target = changes.target ?? '/'
  return {
    method: 'GET',
    target,
    path: target.split('?')[0] ?? '',
    names: fields.map(([name]) => name),
    values: fields.map(([, value]) => value),
    remoteAddress: '192.0.2.1',
    isSecure: false,
    version: '1.1',
    clientCertificate: '',
    ...changes,
  }
}

const host: Fields = [['host', 'shop.example.com']]

// -- what is refused ----------------------------------------------------------------------------------------------------------

t.test('whatever two parsers could read differently is refused', async (t) => {
  const cases: [name: string, head: RequestHead, error: ErrorCode][] = [
    ['a method in lower case', headOf(host, { method: 'get' }), 'method_not_implemented'],
    ['a method with a sign', headOf(host, { method: 'M-SEARCH' }), 'method_not_implemented'],
    ['CONNECT', headOf(host, { method: 'CONNECT' }), 'method_not_implemented'],
    ['no method', headOf(host, { method: '' }), 'method_not_implemented'],
    ['a target in absolute form', headOf(host, { target: 'http://shop.example.com/' }), 'bad_target'],
    ['an empty target', headOf(host, { target: '' }), 'bad_target'],
    ['a fragment', headOf(host, { target: '/a#b' }), 'bad_target'],
    ['a space in the target', headOf(host, { target: '/a b' }), 'bad_target'],
    ['a control character in the target', headOf(host, { target: '/a\x01' }), 'bad_target'],
    ['beyond ASCII in the target', headOf(host, { target: '/\xe9' }), 'bad_target'],
    ['an asterisk but for OPTIONS', headOf(host, { target: '*' }), 'bad_target'],
    ['an asterisk with a query', headOf(host, { target: '*?a', method: 'OPTIONS' }), 'bad_target'],
    ['no host', headOf([]), 'bad_host'],
    ['an empty host', headOf([['host', '']]), 'bad_host'],
    ['two hosts', headOf([...host, ...host]), 'bad_host'],
    ['two hosts, the first empty', headOf([['host', ''], ...host]), 'bad_host'],
    ['two hosts, the second empty', headOf([...host, ['host', '']]), 'bad_host'],
    ['a host with a path', headOf([['host', 'a/b']]), 'bad_host'],
    ['a host with a user', headOf([['host', 'u@a']]), 'bad_host'],
    ['a list of hosts', headOf([['host', 'a, b']]), 'bad_host'],
    ['a port that is none', headOf([['host', 'a:b']]), 'bad_host'],
    ['a port too long', headOf([['host', 'a:123456']]), 'bad_host'],
    ['a bracket left open', headOf([['host', '[::1']]), 'bad_host'],
    ['two lengths', headOf([...host, ['content-length', '1'], ['content-length', '1']]), 'bad_framing'],
    ['a list of lengths', headOf([...host, ['content-length', '1, 1']]), 'bad_framing'],
    ['a negative length', headOf([...host, ['content-length', '-1']]), 'bad_framing'],
    ['a signed length', headOf([...host, ['content-length', '+1']]), 'bad_framing'],
    ['an empty length', headOf([...host, ['content-length', '']]), 'bad_framing'],
    ['a length in words', headOf([...host, ['content-length', '0x10']]), 'bad_framing'],
    ['a length beyond counting', headOf([...host, ['content-length', '1'.repeat(16)]]), 'bad_framing'],
    [
      'a length beside a coding',
      headOf([...host, ['content-length', '1'], ['transfer-encoding', 'chunked']]),
      'bad_framing',
    ],
    [
      'two codings',
      headOf([...host, ['transfer-encoding', 'chunked'], ['transfer-encoding', 'chunked']]),
      'bad_framing',
    ],
    ['a list of codings', headOf([...host, ['transfer-encoding', 'gzip, chunked']]), 'bad_framing'],
    ['another coding', headOf([...host, ['transfer-encoding', 'identity']]), 'bad_framing'],
    [
      'a coding in HTTP/1.0',
      headOf([...host, ['transfer-encoding', 'chunked']], { version: '1.0' }),
      'bad_framing',
    ],
    ['an empty coding', headOf([...host, ['transfer-encoding', '']]), 'bad_framing'],
    [
      'an expectation that nobody can meet',
      headOf([...host, ['expect', 'the-impossible']]),
      'expectation_failed',
    ],
    ['a field that the front could not restore', headOf([...host, ['', 'x']]), 'bad_request'],
  ]
  for (const [name, head, error] of cases) t.same(readHead(head), { ok: false, error }, name)
})

t.test('clients that invent hosts change nothing of how each is read', async (t) => {
  for (let i = 0; i < 2_500; i++) {
    const found = readHost(`Host-${i}.example.com:${i}`)
    if (found?.name !== `host-${i}.example.com` || found.port !== String(i)) t.fail(`host ${i}`)
    if (readHost(`host ${i}`) !== null) t.fail(`no host ${i}`)
  }
  const long = `${'a'.repeat(9_000)}:80`
  t.same(readHost(long), { name: 'a'.repeat(9_000), port: '80' })
})

t.test('what is sound is read: framing, length, host without port in lower case', async (t) => {
  const ok = (framing: RequestFraming, contentLength: number, name = 'shop.example.com', port = '') => ({
    ok: true,
    framing,
    contentLength,
    host: { name, port },
  })
  t.same(readHead(headOf(host)), ok('none', 0))
  t.same(readHead(headOf([...host, ['content-length', '12']])), ok('length', 12))
  t.same(readHead(headOf([...host, ['content-length', '0']])), ok('none', 0))
  t.same(readHead(headOf([...host, ['transfer-encoding', 'chunked']])), ok('chunked', -1))
  t.same(readHead(headOf([...host, ['expect', '100-Continue']])), ok('none', 0))
  t.same(readHead(headOf(host, { method: 'OPTIONS', target: '*' })), ok('none', 0))
  const hosts: Readonly<Record<string, readonly [name: string, port: string]>> = {
    'Shop.Example.COM:8080': ['shop.example.com', '8080'],
    'a:': ['a', ''],
    'shop.example.com.': ['shop.example.com', ''],
    'Shop.example.com.:80': ['shop.example.com', '80'],
    '10.0.0.1:80': ['10.0.0.1', '80'],
    '[::1]': ['[::1]', ''],
    '[2001:DB8::1]:443': ['[2001:db8::1]', '443'],
  }
  // The second time it is known.
  for (let time = 0; time < 2; time++) {
    for (const [value, [name, port]] of Object.entries(hosts))
      t.same(readHead(headOf([['host', value]])), ok('none', 0, name, port), value)
  }
  t.equal(headerOf(headOf([...host, ['x-a', '1'], ['x-a', '2']]), 'x-a'), '1')
  t.equal(headerOf(headOf(host), 'x-a'), '')
})

// -- who is asking --------------------------------------------------------------------------------------------------------------

t.test(
  'the client is the nearest address that is not a trusted proxy, and only trusted peers are believed',
  async (t) => {
    const trusted = new TrustedProxies(['192.0.2.0/24', '2001:db8::/32', '10.0.0.1'])
    const client = (forwarded: Fields, changes: Partial<RequestHead> = {}) =>
      identifyClient(headOf(forwarded, changes), trusted)
    const chain = (value: string): Fields => [['x-forwarded-for', value]]
    const addresses: [name: string, fields: Fields, peer: string, address: string][] = [
      ['an untrusted peer says nothing of others', chain('1.1.1.1'), '198.51.100.1', '198.51.100.1'],
      ['no chain', [], '192.0.2.1', '192.0.2.1'],
      ['one hop', chain('1.1.1.1'), '192.0.2.1', '1.1.1.1'],
      ['a single trusted address', chain('1.1.1.1'), '10.0.0.1', '1.1.1.1'],
      ['its neighbour', chain('1.1.1.1'), '10.0.0.2', '10.0.0.2'],
      ['invented addresses stay left of the nearest', chain('6.6.6.6, 1.1.1.1'), '192.0.2.1', '1.1.1.1'],
      ['trusted hops are passed over', chain('1.1.1.1, 192.0.2.7,10.0.0.1'), '192.0.2.1', '1.1.1.1'],
      ['several fields are one chain', [...chain('6.6.6.6'), ...chain('1.1.1.1')], '192.0.2.1', '1.1.1.1'],
      ['IPv6', chain('2001:db8::9'), '2001:db8::1', '2001:db8::1'],
      ['IPv6 client', chain('2a00::9'), '2001:db8::1', '2a00::9'],
      ['an address with its port', chain('6.6.6.6, 1.1.1.1:5000'), '192.0.2.1', '1.1.1.1'],
      ['IPv6 with its port', chain('[2a00::9]:5000, 192.0.2.7:80'), '192.0.2.1', '2a00::9'],
      ['a port that is none ends the chain', chain('1.1.1.1:x'), '192.0.2.1', '192.0.2.1'],
      ['what is no address ends the chain', chain('1.1.1.1, unknown'), '192.0.2.1', '192.0.2.1'],
      ['an empty chain', chain(''), '192.0.2.1', '192.0.2.1'],
    ]
    for (const [name, fields, remoteAddress, address] of addresses) {
      t.equal(client(fields, { remoteAddress }).address, address, name)
    }
    t.equal(new TrustedProxies([]).has('192.0.2.1'), false)
    t.equal(new TrustedProxies(['0.0.0.0/0']).has(''), false, 'a unix socket has no address')
  },
)

t.test('the scheme is the trusted proxy word, else that of the listener', async (t) => {
  const trusted = new TrustedProxies(['192.0.2.1'])
  const secure = (proto: string | null, changes: Partial<RequestHead> = {}) =>
    identifyClient(headOf(proto === null ? [] : [['x-forwarded-proto', proto]], changes), trusted)
  t.match(secure('https'), { isSecure: true, isForwarded: true })
  t.match(secure('HTTPS'), { isSecure: true })
  t.match(secure('http', { isSecure: true }), { isSecure: false })
  t.match(secure('https, http'), { isSecure: true })
  t.match(secure(null, { isSecure: true }), { isSecure: true })
  t.match(secure(''), { isSecure: false })
  t.match(
    secure('https', { remoteAddress: '198.51.100.1' }),
    { isSecure: false, isForwarded: false },
    'not trusted',
  )
})

// -- which token counts ----------------------------------------------------------------------------------------------------------

const ring: KeyRing = { keys: [{ id: 1, secret: Buffer.alloc(32, 1) }], signsWith: 1 }
const site = { name: 'shop', session: { cookie: 'amarre' }, spans: [] } as unknown as SiteRoute
const issuer = 'aa'.repeat(8)

function tokenText(changes: Partial<Token> = {}, signing = ring): string {
  const token = {
    site: 'shop' as SiteName,
    release: '1' as ReleaseVersion,
    targetTag: 1,
    id: '1'.repeat(16) as SessionId,
    bornAt: now,
    issuedAt: now,
    until: now + 1000,
    held: false,
    issuer,
    ...changes,
  }
  return signToken(token, signing)
}

function sourcesOf() {
  return {
    reader: new TokenReader(ring),
    passes: new PassReader(),
    activity: new Activity(),
    tombstones: new Tombstones(),
    assetOrigins: new AssetOrigins(),
    issuer,
    futureToleranceMs: 300_000,
    now,
  }
}

const visitor = { address: '192.0.2.1', isSecure: false, isForwarded: false }
const identityOf = (fields: Fields, from = sourcesOf()) =>
  new RequestIdentity(headOf(fields), site, visitor, from)
const forged = tokenText({}, { keys: [{ id: 1, secret: Buffer.alloc(32, 2) }], signsWith: 1 })

t.test(
  'of several copies the first that verifies wins, the header before any cookie; each other is counted',
  async (t) => {
    const from = sourcesOf()
    const [one, two] = [tokenText({ targetTag: 1 }), tokenText({ targetTag: 2 })]
    t.equal(identityOf([['cookie', `amarre=${one}; __Host-amarre=${two}`]], from).token?.targetTag, 2)
    t.equal(
      identityOf(
        [
          ['cookie', `amarre=${one}`],
          ['amarre-token', two],
        ],
        from,
      ).token?.targetTag,
      2,
    )
    t.same(from.activity.rejected.list(), [])
    t.equal(
      identityOf(
        [
          ['cookie', `__Host-amarre=${forged}; amarre=${one}`],
          ['amarre-token', 'x'],
        ],
        from,
      ).token?.targetTag,
      1,
    )
    t.same(from.activity.rejected.list(), [
      ['shop', 'malformed', 1],
      ['shop', 'signature', 1],
    ])
  },
)

t.test(
  'an expired token of ours is a token and counts as rejected; an empty one counts as none',
  async (t) => {
    const from = sourcesOf()
    t.match(identityOf([['cookie', `amarre=${tokenText({ until: now })}`]], from).token, { until: now })
    t.equal(identityOf([['cookie', 'amarre=']], from).token, null)
    t.equal(identityOf([['amarre-token', '']], from).token, null)
    t.same(from.activity.rejected.list(), [['shop', 'expired', 1]])
  },
)

t.test('a client that sends the token header, even empty, is a header client', async (t) => {
  t.equal(identityOf([['amarre-token', '']]).isHeaderClient, true)
  t.equal(identityOf(host).isHeaderClient, false)
  t.match(
    identityOf([
      ['amarre-token', ''],
      ['cookie', `amarre=${tokenText()}`],
    ]),
    { isHeaderClient: true, token: { targetTag: 1 } },
  )
})

t.test(
  'a token of another gateway is honoured and reported; one whose session ended is known as such',
  async (t) => {
    const from = sourcesOf()
    identityOf([['cookie', `amarre=${tokenText()}`]], from)
    t.same([...from.activity.foreignSeen], [])
    t.match(identityOf([['cookie', `amarre=${tokenText({ issuer: 'bb'.repeat(8) })}`]], from).token, {
      issuer: 'bb'.repeat(8),
    })
    t.same([...from.activity.foreignSeen], [['shop', now]])
    t.equal(identityOf([['cookie', `amarre=${tokenText()}`]], from).hasEnded, false)
    from.tombstones.add('1'.repeat(16) as SessionId, now + 1)
    t.equal(identityOf([['cookie', `amarre=${tokenText()}`]], from).hasEnded, true)
  },
)

t.test('several cookie fields are one, and the application gets them without ours', async (t) => {
  const text = tokenText()
  t.match(
    identityOf([
      ['cookie', 'a=1'],
      ['cookie', `amarre=${text}`],
      ['cookie', 'b=2'],
    ]),
    { cookie: 'a=1; b=2', token: {} },
  )
  t.equal(identityOf([['cookie', `amarre=${text}`]]).cookie, null)
  t.equal(identityOf(host).cookie, null)
})

// -- what goes upstream ------------------------------------------------------------------------------------------------------------

interface Encoding {
  readonly head?: Partial<RequestHead>
  readonly framing?: RequestFraming
  readonly contentLength?: number
  readonly session?: string | null
  readonly trusted?: readonly string[]
  readonly via?: string
}

function encoded(
  fields: Fields,
  {
    head: changes = {},
    framing = 'none',
    contentLength = 0,
    session = null,
    trusted = [],
    via = '',
  }: Encoding = {},
): string[] {
  const head = headOf([...host, ...fields], changes)
  const client = identifyClient(head, new TrustedProxies(trusted))
  const identity = new RequestIdentity(head, site, client, sourcesOf())
  const release = { version: '2.4.0' } as ReleaseRoute
  const text = encodeUpstreamHead({
    head,
    host: readHost(headerOf(head, 'host')) ?? { name: '', port: '' },
    identity,
    framing,
    contentLength,
    release,
    session: session as SessionId | null,
    requestId: 'id-1',
    via,
  })
  const lines = text.split('\r\n')
  t.same(lines.slice(-2), ['', ''], 'it ends with an empty line')
  return lines.slice(0, -2)
}

const forwarded = [
  'x-forwarded-for: 192.0.2.1',
  'x-forwarded-proto: http',
  'x-forwarded-host: shop.example.com',
  'x-forwarded-port: 80',
  'x-request-id: id-1',
  'amarre-release: 2.4.0',
]

t.test('a request goes upstream as it came, with what the application is told', async (t) => {
  const lines = encoded(
    [
      ['accept', '*/*'],
      ['x-a', '1'],
      ['x-a', '2'],
      ['cookie', 'sid=1'],
    ],
    {
      head: { target: '/a?b=%20' },
      session: '1'.repeat(16),
    },
  )
  t.same(lines, [
    'GET /a?b=%20 HTTP/1.1',
    'host: shop.example.com',
    'accept: */*',
    'x-a: 1',
    'x-a: 2',
    'cookie: sid=1',
    ...forwarded,
    `amarre-session: ${'1'.repeat(16)}`,
  ])
})

t.test('what belongs to one connection stays on it, what Connection names included', async (t) => {
  const hopByHop: Fields = [
    ['connection', 'keep-alive, X-Hop'],
    ['connection', 'x-other'],
    ['x-hop', '1'],
    ['x-other', '1'],
    ['keep-alive', 'timeout=5'],
    ['proxy-connection', 'keep-alive'],
    ['proxy-authorization', 'Basic x'],
    ['te', 'trailers'],
    ['trailer', 'x'],
    ['upgrade', 'h2c'],
    ['http2-settings', 'x'],
    ['expect', '100-continue'],
  ]
  t.same(encoded([...hopByHop, ['authorization', 'Bearer x']]), [
    'GET / HTTP/1.1',
    'host: shop.example.com',
    'authorization: Bearer x',
    ...forwarded,
  ])
  t.ok(
    encoded([
      ['connection', 'host, cookie'],
      ['cookie', 'a=1'],
    ]).includes('host: shop.example.com'),
    'Host cannot be named',
  )
  t.ok(
    encoded([
      ['connection', 'cookie'],
      ['cookie', 'a=1'],
    ]).includes('cookie: a=1'),
  )
  for (const plain of ['close', 'Keep-Alive'])
    t.notOk(
      encoded([
        ['connection', plain],
        ['connection', 'x-hop'],
        ['x-hop', '1'],
      ]).includes('x-hop: 1'),
      `what a field behind "${plain}" names`,
    )
  for (const value of ['close', 'Keep-Alive'])
    t.ok(
      encoded([
        ['connection', value],
        ['close', 'x'],
      ]).includes('close: x'),
    )
})

t.test('what a client says in our name never passes', async (t) => {
  const invented: Fields = [
    ['amarre-release', '9'],
    ['amarre-session', 'x'],
    ['amarre-token', ''],
    ['amarre-anything', 'x'],
    ['x-forwarded-for', '6.6.6.6'],
    ['x-forwarded-proto', 'https'],
    ['x-forwarded-host', 'evil'],
    ['x-forwarded-port', '1'],
    ['x-forwarded-prefix', '/x'],
    ['x-request-id', 'mine'],
    // What reads fields as CGI does (RFC 3875 section 4.1.18) takes one for the other.
    ['amarre_session', 'x'],
    ['x_forwarded_for', '6.6.6.6'],
    ['x-forwarded_proto', 'https'],
    ['x_forwarded-host', 'evil'],
    ['client_cert', ':MA==:'],
    ['client-cert_chain', ':MA==:'],
    ['x_request_id', 'mine'],
  ]
  t.same(encoded(invented), ['GET / HTTP/1.1', 'host: shop.example.com', ...forwarded])
  const trusted = encoded(invented, { trusted: ['192.0.2.1'] })
  t.same(
    trusted.filter((line) => line.startsWith('amarre-')),
    ['amarre-release: 2.4.0'],
    'nor from a trusted proxy',
  )
})

t.test('a request keeps the id that a trusted proxy gave it, and gets one otherwise', async (t) => {
  const proxies = new TrustedProxies(['192.0.2.1'])
  const idOf = (given: string, trusted: TrustedProxies): string =>
    requestIdOf(headOf([...host, ['x-request-id', given]]), trusted)
  t.equal(idOf('Root=1-67891233-abc', proxies), 'Root=1-67891233-abc')
  const made = requestIdOf(headOf(host), proxies)
  t.match(made, /^[\w-]+$/)
  t.not(requestIdOf(headOf(host), proxies), made)
  for (const odd of ['', 'a b', '\xe9', 'x'.repeat(129)]) t.match(idOf(odd, proxies), /^[\w-]{4,20}$/, odd)
  t.not(idOf('mine', new TrustedProxies([])), 'mine', 'a stranger')
})

t.test('a trusted proxy is believed, and its chain goes on with its own address', async (t) => {
  const lines = encoded(
    [
      ['x-forwarded-for', '6.6.6.6'],
      ['x-forwarded-for', '1.1.1.1'],
      ['x-forwarded-proto', 'https'],
      ['x-forwarded-host', 'www.example.com'],
    ],
    { trusted: ['192.0.2.1'] },
  )
  t.same(lines.slice(2), [
    'x-forwarded-for: 6.6.6.6, 1.1.1.1, 192.0.2.1',
    'x-forwarded-proto: https',
    'x-forwarded-host: www.example.com',
    'x-forwarded-port: 443',
    ...forwarded.slice(4),
  ])
  t.ok(encoded([['x-forwarded-port', '8443']], { trusted: ['192.0.2.1'] }).includes('x-forwarded-port: 8443'))
  t.ok(encoded([], { trusted: ['192.0.2.1'] }).includes('x-forwarded-host: shop.example.com'))
})

t.test('Forwarded passes from a trusted proxy alone, with its own address behind', async (t) => {
  const said: Fields = [
    ['forwarded', 'for=6.6.6.6;proto=https'],
    ['Forwarded'.toLowerCase(), 'for=1.1.1.1'],
  ]
  t.same(encoded(said).slice(2), forwarded, 'a client is not believed')
  const line =
    'forwarded: for=6.6.6.6;proto=https, for=1.1.1.1, for=192.0.2.1;proto=http;host="shop.example.com"'
  t.ok(encoded(said, { trusted: ['192.0.2.1'] }).includes(line))
  t.notOk(encoded([], { trusted: ['192.0.2.1'] }).some((each) => each.startsWith('forwarded')))
  const six = encoded(said, { trusted: ['fd00::1'], head: { remoteAddress: 'fd00::1' } })
  t.ok(six.some((each) => each.includes(', for="[fd00::1]";proto=http')))
})

t.test('a certificate is what the front has verified, and never what a client says', async (t) => {
  const said: Fields = [
    ['client-cert', ':Zm9yZ2Vk:'],
    ['client-cert-chain', ':Zm9yZ2Vk:'],
  ]
  t.same(encoded(said).slice(2), forwarded)
  t.same(encoded(said, { trusted: ['192.0.2.1'] }).slice(2), forwarded, 'nor what a trusted proxy passes on')
  const verified = encoded(said, { head: { clientCertificate: ':dmVyaWZpZWQ=:' } })
  t.same(
    verified.filter((each) => each.startsWith('client-cert')),
    ['client-cert: :dmVyaWZpZWQ=:'],
  )
})

t.test('Via is added by name where it is asked for, behind those of others', async (t) => {
  const via = (changes: Encoding, fields: Fields = []) =>
    encoded(fields, changes).filter((each) => each.startsWith('via'))
  t.same(via({}), [])
  t.same(via({ via: 'edge' }), ['via: 1.1 edge'])
  t.same(via({ via: 'edge', head: { version: '2' } }, [['via', '1.0 other']]), [
    'via: 1.0 other',
    'via: 2 edge',
  ])
})

t.test('the port is that of the Host, else that of the scheme', async (t) => {
  const port = (value: string, changes: Partial<RequestHead> = {}) => {
    const names = ['host']
    return encoded([], { head: { names, values: [value], ...changes } }).find((line) =>
      line.startsWith('x-forwarded-port'),
    )
  }
  t.equal(port('a:3000'), 'x-forwarded-port: 3000')
  t.equal(port('a'), 'x-forwarded-port: 80')
  t.equal(port('a:'), 'x-forwarded-port: 80')
  t.equal(port('a', { isSecure: true }), 'x-forwarded-port: 443')
  t.equal(port('[::1]'), 'x-forwarded-port: 80')
  t.equal(port('[::1]:3000'), 'x-forwarded-port: 3000')
})

t.test('the body is framed anew, and a method that anticipates one says that there is none', async (t) => {
  const framing = (method: string, changes: Encoding = {}, fields: Fields = []) =>
    encoded(fields, { ...changes, head: { method } }).filter((line) =>
      /^(content-length|transfer-encoding)/.test(line),
    )
  t.same(framing('POST', { framing: 'length', contentLength: 12 }, [['content-length', '12']]), [
    'content-length: 12',
  ])
  t.same(framing('POST', { framing: 'chunked' }, [['transfer-encoding', 'chunked']]), [
    'transfer-encoding: chunked',
  ])
  for (const method of ['POST', 'PUT', 'PATCH']) t.same(framing(method), ['content-length: 0'], method)
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) t.same(framing(method), [], method)
  t.same(framing('GET', {}, [['content-length', '0']]), ['content-length: 0'], 'said before, said again')
})

// -- what fails ----------------------------------------------------------------------------------------------------------------------

t.test('the way to a new session is the address of the visitor himself, on this host', async (t) => {
  const links: Readonly<Record<string, string>> = {
    '/': '/?amarre-session=new',
    '/a?b=1': '/a?b=1&amarre-session=new',
    '/a?': '/a?&amarre-session=new',
    '//evil.example': '/evil.example?amarre-session=new',
    '/\\evil.example/': '/evil.example/?amarre-session=new',
  }
  for (const [target, link] of Object.entries(links)) {
    t.equal(withRestart(target), link, target)
  }
  const asked: Readonly<Record<string, string | null>> = {
    '/': null,
    '/a?b=1': null,
    '/a?amarre-session=newer': null,
    '/amarre-session=new': null,
    '/a?amarre-session=new': '/a',
    '/a?b=1&amarre-session=new&c': '/a?b=1&c',
    '/a?amarre-session=new&amarre-session=new': '/a',
    '//evil.example/?amarre-session=new': '/evil.example/',
    '///evil.example/?amarre-session=new': '/evil.example/',
    '/\\evil.example/?amarre-session=new': '/evil.example/',
    '/\\/evil.example/?b&amarre-session=new': '/evil.example/?b',
  }
  for (const [target, clean] of Object.entries(asked)) t.equal(restartAskedBy(target), clean, target)
})

t.test('an error is a page for who reads pages and a problem for everybody else', async (t) => {
  const context = { accept: 'text/html,*/*', requestId: 'id-1', wayOut: null, page: null }
  const page = errorResponse('no_release', context)
  t.equal(page.status, 503)
  t.match(
    page.lines,
    /^Retry-After: 5\r\nContent-Type: text\/html; charset=utf-8\r\nCache-Control: no-store\r\nX-Request-Id: id-1$/,
  )
  t.match(page.body.toString(), /<h1>No release accepts new sessions at the moment<\/h1>/)
  t.notMatch(page.body.toString(), /<a /, 'no link where there is no way out')

  const problem = errorResponse('connection_lost', { ...context, accept: 'application/json' })
  t.match(problem.lines, /^Content-Type: application\/problem\+json\r\n/)
  t.same(JSON.parse(problem.body.toString()), {
    type: 'about:blank',
    title: 'the application closed the connection',
    status: 502,
    code: 'connection_lost',
    requestId: 'id-1',
  })
})

t.test(
  'every error has its status, never enters a cache, and asks to come back exactly where that helps',
  async (t) => {
    for (const [code, kind] of Object.entries(errorKinds)) {
      const { status, lines } = errorResponse(code as ErrorCode, {
        accept: '',
        requestId: 'x',
        wayOut: null,
        page: null,
      })
      t.equal(status, kind.status)
      t.match(lines, /Cache-Control: no-store/)
      t.equal(lines.includes('Retry-After'), status === 503, code)
    }
  },
)

t.test('what a visitor sends never becomes markup', async (t) => {
  const hostile = `/"><script>alert('1')</script>&`
  const page = errorResponse('release_gone', {
    accept: 'text/html',
    requestId: '<b>',
    wayOut: { target: hostile, text: 'Start <b>anew' },
    page: null,
  }).body.toString()
  t.notMatch(page, /<script>|<b>/)
  t.match(page, '<a href="/&#34;&#62;&#60;script&#62;alert(&#39;1&#39;)&#60;/script&#62;&#38;">')
})

t.test("a site's own page says what ours says, and never as markup", async (t) => {
  const html =
    '{{status}} {{code}} {{message}} {{requestId}}{{#link}} <a href="{{link}}">{{linkText}}</a>{{/link}} {{ {{x y}}'
  const pages = new ErrorPages([
    { of: 'default', html: 'any' },
    { of: '503', html: 'busy' },
    { of: 'release_gone', html },
  ])
  const shown = (code: ErrorCode, changes: object = {}): string => {
    const page = pages.templateOf(code)
    const context = { accept: 'text/html', requestId: '<id>', wayOut: null, page, ...changes }
    return errorResponse(code, context).body.toString()
  }
  t.equal(shown('connection_lost'), 'any')
  t.equal(shown('no_release'), 'busy')
  const message = 'the release of this session is no longer served'
  t.equal(shown('release_gone'), `503 release_gone ${message} &#60;id&#62; {{ {{x y}}`)
  const wayOut = { target: '/"><b>', text: '<i>' }
  t.match(shown('release_gone', { wayOut }), ' <a href="/&#34;&#62;&#60;b&#62;">&#60;i&#62;</a> {{')
  t.match(shown('release_gone', { accept: '*/*' }), '"code":"release_gone"', 'for who reads pages only')
  t.equal(new ErrorPages([]).templateOf('no_release'), null)
})

t.test('a new session begins by a redirect that no cache keeps', async (t) => {
  const response = redirectResponse('/a', 'Set-Cookie: amarre=; Max-Age=0')
  t.equal(response.status, 303)
  t.equal(response.lines, 'Location: /a\r\nCache-Control: no-store\r\nSet-Cookie: amarre=; Max-Age=0')
  t.equal(response.body.length, 0)
})
