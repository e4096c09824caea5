// One file at a time: every default, every word, what is said of bad input and of what YAML trips over.
import fc from 'fast-check'
import t from 'tap'
import type { SiteName } from '../../gateway/domain/ids.js'
import {
  durationInWords,
  durationMs,
  sizeBytes,
  sizeInWords,
} from '../../gateway/controlplane/config/duration-words.js'
import { nearest } from '../../gateway/controlplane/config/nearest.js'
import { problemInWords } from '../../gateway/controlplane/config/problems.js'
import { readGateway, readRegistration, readSite } from '../../gateway/controlplane/config/read-file.js'
import type { FileReading } from '../../gateway/controlplane/config/read-file.js'

const shop = 'shop' as SiteName
const byVersion = { site: shop, order: 'version' } as const

const gateway = (text: string, file = 'gateway.yaml') => readGateway(file, text)
const site = (text: string, file = 'sites/shop/site.yaml') => readSite(file, text, shop)
const release = (text: string, file = 'sites/shop/releases/2.4.0.yaml') =>
  readRegistration(file, text, byVersion)

/** What is said of a file, without the file. */
function told({ problems }: FileReading<unknown>): readonly string[] {
  return problems.map((problem) => problemInWords({ ...problem, file: '' }).replace(/^:/, ''))
}

const gatewayDefaults = {
  listen: {
    http: {
      address: { host: '0.0.0.0', port: 8080 },
      engine: 'uws',
      proxyProtocol: 'off',
      redirectToHttps: null,
    },
    https: null,
  },
  admin: { listen: { host: '127.0.0.1', port: 9901 }, tokenFile: null },
  workers: 'auto',
  state: { directory: './state' },
  keys: { file: null },
  watch: 'notify',
  trustedProxies: [],
  via: null,
  log: { level: 'info', access: { kind: 'share', share: 0 } },
  webhooks: [],
  limits: {
    requestHeadBytes: 16 * 1024,
    requestBodyBytes: 1024 ** 3,
    headerTimeoutMs: 10_000,
    upstreamTimeoutMs: 60_000,
    connectTimeoutMs: 2000,
    exchangeTimeoutMs: Infinity,
    connections: Infinity,
    connectionsPerAddress: Infinity,
    exchanges: Infinity,
    overloadDelayMs: 500,
    bodyBytesPerS: 512,
    stalledClientMs: 60_000,
    sessions: 10_000_000,
    exitDelayMs: 0,
    drainOnExitMs: 30_000,
  },
}

const siteDefaults = {
  site: 'shop',
  hosts: ['*'],
  order: 'version',
  session: {
    cookie: 'amarre',
    domain: null,
    sameSite: 'auto',
    partitioned: false,
    affinity: 'target',
    onTargetGone: 'other',
    startsOn: { on: 'request' },
    idleTimeoutMs: 30 * 60_000,
    maxAgeMs: 7 * 86_400_000,
    provisionalTimeoutMs: 60_000,
    endsOn: { paths: [] },
    onReleaseGone: 'move',
    legacy: null,
  },
  retain: { previous: 4, warm: 0, maxDrainMs: Infinity, onOverflow: 'keep' },
  retire: { when: 'auto', quietPeriodMs: 30_000 },
  health: {
    path: '/healthz',
    intervalMs: 2000,
    timeoutMs: 1000,
    healthyAfter: 2,
    unhealthyAfter: 3,
    deadAfterMs: 60_000,
  },
  stateless: ['/robots.txt', '/sitemap.xml', '/favicon.ico'],
  assets: { paths: [], fallback: 'previous' },
  pagePin: { header: null, query: null, sharedSessions: false },
  hsts: null,
  errorPages: [],
  active: null,
  freeze: false,
  windows: [],
}

const releaseDefaults = {
  site: 'shop',
  version: '2.4.0',
  targets: ['http://a:3000'],
  compatibleFrom: null,
  rollbackTo: null,
  takeOver: 'never',
  requires: {},
  activate: { kind: 'manual' },
  onAbort: 'keep',
  notes: '',
  file: 'sites/shop/releases/2.4.0.yaml',
}

t.test('an empty file has every default', async (t) => {
  t.strictSame(gateway('').value, gatewayDefaults)
  t.strictSame(gateway('# only a comment\n').value, gatewayDefaults)
  t.strictSame(site('').value, siteDefaults)
  const { hash, ...rest } = release('targets: [http://a:3000]').value ?? { hash: '' }
  t.strictSame(rest, releaseDefaults)
  t.match(hash, /^[0-9a-f]{64}$/)
})

t.test('the defaults written out are the defaults', async (t) => {
  const written = `
listen: { http: 0.0.0.0:8080, https: null }
admin: { listen: 127.0.0.1:9901, tokenFile: null }
workers: auto
state: { directory: ./state }
keys: { file: null }
watch: notify
trustedProxies: []
via: null
log: { level: info, access: off }
webhooks: []
limits: { requestHead: 16KiB, requestBody: 1GiB, headerTimeout: 10s, upstreamTimeout: 60s, connectTimeout: 2s, exchangeTimeout: never, connections: auto, connectionsPerAddress: unlimited, exchanges: unlimited, overloadDelay: 500ms, minimalThroughput: 512B, stalledClient: 60s, sessions: 10000000, exitDelay: 0s, drainOnExit: 30s }`
  t.strictSame(gateway(written).value, gatewayDefaults)
  t.strictSame(told(gateway(written)), [])
  const writtenSite = `
hosts: ["*"]
order: version
session:
  cookie: amarre
  domain: null
  sameSite: auto
  partitioned: false
  affinity: target
  onTargetGone: other
  startsOn: request
  idleTimeout: 30m
  maxAge: 7d
  provisionalTimeout: 60s
  endsOn: { paths: [] }
  legacy: null
retain: { previous: 4, warm: 0, maxDrain: never, onOverflow: keep }
retire: { when: auto, quietPeriod: 30s }
health: { path: /healthz, interval: 2s, timeout: 1s, healthyAfter: 2, unhealthyAfter: 3, deadAfter: 60s }
stateless: [/robots.txt, /sitemap.xml, /favicon.ico]
assets: { paths: [], fallback: previous }
pagePin: { header: null, query: null, sharedSessions: false }
hsts: null
active: null
freeze: false
windows: []`
  t.strictSame(site(writtenSite).value, siteDefaults)
  t.strictSame(told(site(writtenSite)), [])
})

t.test('everything set is read as values', async (t) => {
  t.match(
    gateway(`
listen:
  http: { address: "[::1]:80", engine: node }
  https: { certificates: [{ cert: a.pem, key: a.key }], clientCertificates: { ca: ca.pem } }
workers: 3
log: { level: debug, access: 12.5% }
trustedProxies: [10.0.0.0/8, "::1", fd00::/8]
via: edge-1
webhooks: [{ url: "https://h.example/x", secretFile: s, events: [retired] }, { url: "http://h/", secretFile: s }]
limits: { upstreamTimeout: never, drainOnExit: immediately, requestHead: 1.5KiB }`).value,
    {
      listen: {
        http: { address: { host: '::1', port: 80 }, engine: 'node' },
        https: {
          address: { host: '0.0.0.0', port: 8443 },
          engine: 'node',
          certificates: [{ cert: 'a.pem' }],
          clientCertificates: { ca: 'ca.pem', required: true },
          proxyProtocol: 'off',
        },
      },
      workers: 3,
      log: { level: 'debug', access: { kind: 'share', share: 0.125 } },
      trustedProxies: ['10.0.0.0/8', '::1', 'fd00::/8'],
      via: 'edge-1',
      webhooks: [{ events: ['retired'] }, { events: null }],
      limits: { upstreamTimeoutMs: Infinity, drainOnExitMs: 0, requestHeadBytes: 1536 },
    },
  )
  t.match(gateway('log: { access: all }').value, { log: { access: { kind: 'share', share: 1 } } })
  t.match(gateway('log: { access: errors }').value, { log: { access: { kind: 'errors' } } })
  t.match(
    site(`
hosts: [Shop.Example.COM, "*.shop.example.com", "[::1]"]
session:
  domain: Example.com
  startsOn: { cookie: JSESSIONID }
  idleTimeout: never
  legacy: { cookie: JSESSIONID, release: 1.10, until: 2030-05-01T22:00:00+02:00 }
health: { path: null }
pagePin: { header: X-Page, sharedSessions: true }
windows: [{ days: [mon, tue], from: "22:00", to: 04:00, zone: Europe/Paris }, { from: 00:00, to: 23:59, zone: UTC }]
active: 2.10`).problems.filter(({ severity }) => severity === 'error'),
    [{ message: 'host "[::1]" is not below "example.com": its browsers would refuse the cookie' }],
  )
  t.match(
    site(`
session: { startsOn: { cookie: JSESSIONID }, legacy: { cookie: J, release: 1.10, until: 2030-05-01T22:00:00+02:00 } }
health: { path: null }
hsts: { maxAge: 30d, includeSubDomains: true }
pagePin: { header: X-Page, sharedSessions: true }
windows: [{ days: [mon], from: "22:00", to: 04:00, zone: Europe/Paris }, { from: 00:00, to: 23:59, zone: UTC }]
active: 2.10`).value,
    {
      session: {
        startsOn: { on: 'cookie', name: 'JSESSIONID' },
        legacy: { release: '1.10', until: Date.UTC(2030, 4, 1, 20) },
      },
      health: { path: null },
      pagePin: { header: 'x-page' },
      hsts: { maxAgeMs: 30 * 86_400_000, includeSubDomains: true, preload: false },
      windows: [{ days: ['mon'], from: '22:00', to: '04:00' }, { days: { length: 7 } }],
      active: '2.10',
    },
  )
  t.match(
    release(`
version: 2.10
targets: [https://A.example:443/, "http://[::1]:3000", unix:/run/a.sock]
compatibleFrom: 2.0
rollbackTo: 1
takeOver: onDocument
requires: { billing: 3.1 }
activate: { steps: [{ share: 5%, hold: 10m }, { share: 100%, hold: immediately }], abortOn: { p95: 800ms } }
onAbort: move
notes: 3`).value,
    {
      version: '2.10',
      targets: ['https://a.example:443', 'http://[::1]:3000', 'unix:/run/a.sock'],
      compatibleFrom: '2.0',
      rollbackTo: '1',
      requires: { billing: '3.1' },
      activate: {
        kind: 'steps',
        steps: [
          { share: 0.05, holdMs: 600_000 },
          { share: 1, holdMs: 0 },
        ],
        abortOn: { errorRate: Infinity, p95Ms: 800, minRequests: 100, windowMs: 300_000 },
        ifMissed: 'next-window',
      },
      notes: '3',
    },
  )
  t.match(release('targets: [http://a]\nactivate: { at: 2030-05-01T20:00Z, ifMissed: skip }').value, {
    activate: { kind: 'at', at: Date.UTC(2030, 4, 1, 20), ifMissed: 'skip' },
  })
})

t.test('a version is what stands there, never a number', async (t) => {
  for (const version of ['2.10', '1.0', '007', '1e3', '12e45678', '0x1f', '0o17', '1_000', 'true', '.5']) {
    const { value } = release(`version: ${version}\ntargets: [http://a]`)
    t.equal(value?.version ?? null, version === '.5' ? null : version)
  }
  t.equal(
    release('{"version": 2.10, "targets": ["http://a"]}', 'sites/shop/releases/a.json').value?.version,
    '2.10',
  )
  t.equal(release('targets: [http://a]', 'sites/shop/releases/2.10.yaml').value?.version, '2.10')
  t.equal(release('a: &v 2.10\nversion: *v\ntargets: [http://a]').value, null, 'an unknown key all the same')
  t.equal(
    release('version: 1.0.0\ntargets: [http://a]', 'sites/shop/releases/blue.yaml').value?.version,
    '1.0.0',
  )
  t.strictSame(
    told(release('targets: [http://a]', 'sites/shop/releases/a b.yaml')),
    [
      'version: found "a b" as the file\'s name, allowed: a version of up to 64 letters, digits, ".", "_", "+" or "-"; rename the file or set "version"',
    ].map((message) => ` ${message}`),
  )
})

const target =
  'allowed: "http://host:port", "https://host:port" without a path, or "unix:/absolute/path" of up to 107 bytes'
const timeOf = 'allowed: a duration such as "250ms", "30s", "10m" or "7d"'
const onlyTargets = 'targets: [http://a]\n'

const badInput: readonly (readonly [FileReading<unknown>, readonly string[]])[] = [
  [
    site('session:\n  idleTimout: 30m\n'),
    [
      '2:3: session.idleTimout: unknown key "idleTimout", allowed: "cookie", "domain", "sameSite", "partitioned", "affinity", "onTargetGone", "startsOn", "idleTimeout", "maxAge", "provisionalTimeout", "endsOn", "onReleaseGone", "legacy"; did you mean "idleTimeout"?',
    ],
  ],
  [
    site('idleTimeout: 30m'),
    [
      '1:1: idleTimeout: unknown key "idleTimeout", allowed: "hosts", "order", "session", "retain", "retire", "health", "stateless", "assets", "pagePin", "hsts", "active", "freeze", "windows"; did you mean "session.idleTimeout"?',
    ],
  ],
  [site('retire: { xyzzy: 1 }'), ['1:11: retire.xyzzy: unknown key "xyzzy", allowed: "when", "quietPeriod"']],
  [
    site('session: { affinity: tagret }'),
    ['1:22: session.affinity: found "tagret", allowed: "target" or "release"; did you mean "target"?'],
  ],
  [site('session: { idleTimeout: 30 }'), [`1:25: session.idleTimeout: found 30, ${timeOf}, or "never"`]],
  [site('session: { maxAge: 7y }'), [`1:20: session.maxAge: found "7y", ${timeOf}, or "never"`]],
  [
    site('session: { idleTimeout: 10ms }'),
    ['1:25: session.idleTimeout: found "10ms", allowed: a duration from "100ms" to "3650d", or "never"'],
  ],
  [
    site('session: { provisionalTimeout: never }'),
    [`1:32: session.provisionalTimeout: found "never", ${timeOf}`],
  ],
  [
    site('session:\n'),
    ['1:9: session: found nothing (null), allowed: a map of keys; leave the key out for its default'],
  ],
  [site('freeze: yes'), ['1:9: freeze: found "yes", allowed: true or false']],
  [site('retain: []'), ['1:9: retain: found an empty list, allowed: a map of keys']],
  [
    site('retain: { previous: -1, warm: 1.5 }'),
    [
      '1:21: retain.previous: found -1, allowed: a whole number from 0 to 1000',
      '1:31: retain.warm: found 1.5, allowed: a whole number from 0 to 1000',
    ],
  ],
  [
    site('stateless: /public'),
    ['1:12: stateless: found "/public", allowed: a list of paths such as [/robots.txt, "/public/*"]'],
  ],
  [
    site('stateless:\n  - /a\n  - /a*b\n  - b'),
    [
      '3:5: stateless[1]: found "/a*b", allowed: a path such as "/robots.txt", or a prefix that ends in "/*" such as "/public/*"',
      '4:5: stateless[2]: found "b", allowed: a path such as "/robots.txt", or a prefix that ends in "/*" such as "/public/*"',
    ],
  ],
  [site('hosts: []'), ['1:8: hosts: found an empty list, allowed: at least one host, "*" for any']],
  [
    site('hosts: ["http://a", "a:80", "*.*.a", "a..b"]'),
    ['9', '21', '29', '38'].map(
      (column, index) =>
        `1:${column}: hosts[${index}]: found ${['"http://a"', '"a:80"', '"*.*.a"', '"a..b"'][index]}, allowed: a host name without scheme and port such as "shop.example.com", "*.example.com" or "*"`,
    ),
  ],
  [
    site('session: { cookie: amarre-pv-a }'),
    [
      '1:20: session.cookie: found "amarre-pv-a", allowed: a cookie\'s name such as "amarre", without "__Host-" or "__Secure-", and none that previews use ("amarre-preview", "amarre-pv-…")',
    ],
  ],
  [
    site('session: { cookie: __Host-a, startsOn: login }'),
    [
      '1:20: session.cookie: found "__Host-a", allowed: a cookie\'s name such as "amarre", without "__Host-" or "__Secure-", and none that previews use ("amarre-preview", "amarre-pv-…")',
      '1:40: session.startsOn: found "login", allowed: "request", "signal" or a map such as { cookie: JSESSIONID }',
    ],
  ],
  [
    site('session: { startsOn: { cokie: a } }'),
    [
      '1:12: session.startsOn.cookie: missing, allowed: a cookie\'s name such as "JSESSIONID", without spaces, "=" or ";"',
      '1:24: session.startsOn.cokie: unknown key "cokie", allowed: "cookie"; did you mean "cookie"?',
    ],
  ],
  [
    site('session: { legacy: { cookie: a, release: 1, until: 2030-01-01T00:00:00 } }'),
    [
      '1:52: session.legacy.until: found "2030-01-01T00:00:00", allowed: an instant with its zone such as "2030-05-01T22:00:00+02:00" or "2030-05-01T20:00:00Z"',
    ],
  ],
  [
    site('windows: [{ days: [mo], from: "24:00", to: "04:00", zone: Mars/Base }]'),
    [
      '1:20: windows[0].days[0]: found "mo", allowed: "mon", "tue", "wed", "thu", "fri", "sat" or "sun"; did you mean "mon"?',
      '1:31: windows[0].from: found "24:00", allowed: a time of the day such as "22:00"',
      '1:59: windows[0].zone: found "Mars/Base", allowed: a time zone such as "Europe/Paris" or "UTC"',
    ],
  ],
  [site('- a'), ['1:1: found a list, allowed: a map of keys']],
  [
    gateway('listen: { http: 8080 }'),
    [
      '1:17: listen.http: found 8080, allowed: an address such as "0.0.0.0:8080", or a map of "address", "engine" and others',
    ],
  ],
  [
    gateway('listen: { http: { adress: "0.0.0.0:80" } }'),
    [
      '1:19: listen.http.adress: unknown key "adress", allowed: "address", "engine", "proxyProtocol", "redirectToHttps"; did you mean "address"?',
    ],
  ],
  [
    gateway('admin: { listen: localhost }'),
    [
      '1:18: admin.listen: found "localhost", allowed: an address and a port such as "0.0.0.0:8080", "127.0.0.1:9901" or "[::]:8080" (in quotes)',
    ],
  ],
  [
    gateway('listen: { https: {} }'),
    ['1:11: listen.https.certificates: missing, allowed: a list of maps of "cert" and "key"'],
  ],
  [
    gateway('webhooks: [{ url: "https://me:word@hooks.example.com", secretFile: secret }]'),
    [
      '1:19: webhooks[0].url: found "https://me:word@hooks.example.com", allowed: a URL such as "https://hooks.example.com/amarre", without a user name or password',
    ],
  ],
  [
    site('health: { path: /健康 }'),
    [
      '1:17: health.path: found "/健康", allowed: a path such as "/healthz", of ASCII letters and signs without "#" (others as "%C3%A9"), or null to probe by connecting',
    ],
  ],
  [gateway('workers: 0'), ['1:10: workers: found 0, allowed: a whole number from 1 to 256']],
  [
    gateway('workers: many'),
    ['1:10: workers: found "many", allowed: "auto" or a whole number from 1 to 256'],
  ],
  [
    gateway('limits: { requestHead: 16KB, requestBody: 2000000GiB, headerTimeout: 30d }'),
    [
      '1:24: limits.requestHead: found "16KB", allowed: a size such as "512B", "64KiB", "1MiB" or "1GiB"',
      '1:43: limits.requestBody: found "2000000GiB", allowed: a size of whole bytes from "0B" to "1024TiB"',
      '1:70: limits.headerTimeout: found "30d", allowed: a duration from "100ms" to "24d"',
    ],
  ],
  [
    gateway('log: { access: 101% }'),
    ['1:16: log.access: found "101%", allowed: "off", "errors", "all" or a percentage such as "5%"'],
  ],
  [
    gateway('trustedProxies: [10.0.0.0/33, example.com]'),
    ['18', '31'].map(
      (column, index) =>
        `1:${column}: trustedProxies[${index}]: found ${['"10.0.0.0/33"', '"example.com"'][index]}, allowed: an address or a block such as "10.0.0.7", "10.0.0.0/8" or "fd00::/8"`,
    ),
  ],
  [release(''), ['1:1: targets: missing, allowed: a list of addresses such as ["http://127.0.0.1:3000"]']],
  [release('targets: []'), ['1:10: targets: found an empty list, allowed: at least one target']],
  [
    release(`targets: [http://a/x, "unix:a", ftp://a, "unix:/${'x'.repeat(107)}"]`),
    [
      `1:11: targets[0]: found "http://a/x", ${target}`,
      `1:23: targets[1]: found "unix:a", ${target}`,
      `1:33: targets[2]: found "ftp://a", ${target}`,
      `1:42: targets[3]: found "unix:/${'x'.repeat(70)}…, ${target}`,
    ],
  ],
  [
    release(`${onlyTargets}version: a b`),
    [
      '2:10: version: found "a b", allowed: a version of up to 64 letters, digits, ".", "_", "+" or "-" that begins with a letter or digit',
    ],
  ],
  [
    release(`${onlyTargets}requires: { billing: latest, Bad: "1" }`),
    [
      '2:22: requires.billing: found "latest", allowed: a semver range such as ">=3.1", "^2.0.0" or ">=3.1 <4"',
      '2:30: requires.Bad: found key "Bad", allowed: a site\'s name such as "billing": lower-case letters, digits and "-"',
    ],
  ],
  [
    release(`${onlyTargets}activate: now`),
    ['2:11: activate: found "now", allowed: "manual", "auto", { at: … } or { steps: […] }'],
  ],
  [
    release(`${onlyTargets}activate: { at: 2030-02-30T00:00:00Z }`),
    [
      '2:17: activate.at: found "2030-02-30T00:00:00Z", allowed: an instant with its zone such as "2030-05-01T22:00:00+02:00" or "2030-05-01T20:00:00Z"',
    ],
  ],
  [
    release(`${onlyTargets}activate: { steps: [{ share: 5, hold: 1m }] }`),
    ['2:30: activate.steps[0].share: found 5, allowed: a percentage such as "5%", from "0%" to "100%"'],
  ],
]

t.test('bad input is told with place, what was found, what is allowed and what was meant', async (t) => {
  for (const [reading, messages] of badInput) {
    t.strictSame(told(reading), messages)
    t.equal(reading.value, null)
  }
})

t.test('all problems of a file are told at once', async (t) => {
  const text = 'hosts: []\nsession:\n  affinity: x\n  maxAge: 1\nhealth:\n  path: healthz\n  intervall: 2s\n'
  t.strictSame(
    site(text)
      .problems.map(({ line, column, path }) => `${line}:${column} ${path}`)
      .toSorted(),
    ['1:8 hosts', '3:13 session.affinity', '4:11 session.maxAge', '6:9 health.path', '7:3 health.intervall'],
  )
})

const combinations: readonly (readonly [FileReading<unknown>, readonly string[]])[] = [
  [
    site('session: { idleTimeout: never, maxAge: never }'),
    ['1:25: session.idleTimeout: "idleTimeout" and "maxAge" are both "never": no session would ever end'],
  ],
  [
    site('session: { idleTimeout: 2d, maxAge: 1d }'),
    [
      '1:25: session.idleTimeout: warning: longer than "maxAge" (1d), so that sessions end by age while they are in use',
    ],
  ],
  [
    site('pagePin: { query: release }'),
    [
      '1:19: pagePin.query: needs "pagePin.sharedSessions: true": a page may only choose its release where all releases share their sessions',
    ],
  ],
  [
    site('hosts: [a.example.com, b.example.com, A.example.com]'),
    [
      '1:39: hosts[2]: "a.example.com" stands twice; remove one',
      '1:8: hosts: warning: several hosts and no "session.domain": a visitor has one session for each host, each on its own release',
    ],
  ],
  [site('hosts: [a.example.com, "*.b.example.com"]\nsession: { domain: example.com }'), []],
  [
    site('hosts: [example.org]\nsession: { domain: example.com }'),
    [
      '2:20: session.domain: host "example.org" is not below "example.com": its browsers would refuse the cookie',
    ],
  ],
  [
    site('session: { cookie: JSESSIONID, startsOn: { cookie: JSESSIONID } }'),
    ['1:20: session.cookie: "JSESSIONID" is the application\'s own cookie in "startsOn"; choose another'],
  ],
  [
    site('windows: [{ from: "22:00", to: "22:00", zone: UTC }]'),
    ['1:32: windows[0].to: the same as "from" ("22:00"): the window never opens'],
  ],
  [
    gateway('listen: { http: 0.0.0.0:9901 }'),
    [
      '1:1: admin.listen: "listen.http" and "admin.listen" both ask for port 9901; choose another for one of them',
    ],
  ],
  [
    gateway('listen: { http: { proxyProtocol: v2 } }\ntrustedProxies: [10.0.0.1]'),
    [
      '1:34: listen.http.proxyProtocol: "v2" needs "engine: node": on "uws" any client could say it is another',
    ],
  ],
  [
    gateway('listen: { http: { engine: node, proxyProtocol: v2 } }'),
    [
      '1:48: listen.http.proxyProtocol: "v2" needs "trustedProxies" with the addresses of the balancer: nobody else is let in',
    ],
  ],
  [gateway('listen: { http: { engine: node, proxyProtocol: v2 } }\ntrustedProxies: [10.0.0.1]'), []],
  [gateway('listen: { http: 127.0.0.1:9000 }\nadmin: { listen: 127.0.0.2:9000 }'), []],
  [
    release('targets: [http://a:80, http://A/, https://a]'),
    ['1:24: targets[1]: "http://a:80" stands twice; remove one'],
  ],
  [
    release(`${onlyTargets}compatibleFrom: 2.10.0\nrollbackTo: 2.4.1`),
    [
      '2:17: compatibleFrom: "2.10.0" is newer than "2.4.0" itself; name that version or an older one',
      '3:13: rollbackTo: "2.4.1" is newer than "2.4.0" itself; name that version or an older one',
    ],
  ],
  [
    release(`${onlyTargets}takeOver: onDocument`),
    [
      '2:11: takeOver: warning: of no use without "compatibleFrom": no session of another version can move here',
    ],
  ],
  [
    release(
      `${onlyTargets}rollbackTo: 2.4.0\nactivate: { steps: [{ share: 10%, hold: 1m }, { share: 10%, hold: 1m }], abortOn: {} }`,
    ),
    [
      '3:56: activate.steps[1].share: found "10%", allowed: more than "10%"; shares must grow',
      '3:83: activate.abortOn: judges nothing; set "errorRate", "p95" or both',
      '2:13: rollbackTo: "2.4.0" itself excludes every stable release that "activate.steps" would give sessions back to; activate at once, or name an older version',
    ],
  ],
  [
    release(`${onlyTargets}requires: { shop: "1" }`),
    ['2:19: requires.shop: a release cannot require its own site; use "compatibleFrom"'],
  ],
]

t.test('values that do not go together are told', async (t) => {
  for (const [reading, messages] of combinations) {
    t.strictSame(told(reading), messages)
    t.equal(
      reading.value === null,
      reading.problems.some(({ severity }) => severity === 'error'),
    )
  }
  const hashes = { site: shop, order: 'registration' } as const
  const reading = readRegistration('sites/shop/releases/a1.yaml', `${onlyTargets}compatibleFrom: f9`, hashes)
  t.strictSame(told(reading), [], 'hashes are not newer than one another')
})

const stumbles: readonly (readonly [text: string, said: string])[] = [
  ['hosts: [*]', '1:9: "*" begins an alias to YAML; quote it: "*"'],
  ['hosts: *', '1:8: "*" begins an alias to YAML; quote it: "*"'],
  ['hosts:\n  - *.example.com', '2:5: "*.example.com" is an alias to YAML; quote it: "*.example.com"'],
  ['notes: &', '1:8: "&" begins an anchor to YAML; quote it: "&"'],
  ['a: @x', '1:4: a value cannot begin with "@" in YAML; quote it: "@x"'],
  ['a: `x y`', '1:4: a value cannot begin with "`" in YAML; quote it: "`x y`"'],
  ['a: %5', '1:4: a value cannot begin with "%" in YAML; quote it: "%5"'],
  ['requires: { billing: >=3.1 <4 }', '1:22: a value cannot begin with ">" in YAML; quote it: ">=3.1 <4"'],
  [
    'requires:\n  billing: >=3.1\n',
    '2:13: a value that begins with ">" is a block of text to YAML; quote it: ">=3.1"',
  ],
  ['a: !x', '1:4: "!x" is a tag to YAML; quote it: "!x"'],
  ['a:\n\tb: 1', '2:1: a tab indents this line; YAML takes spaces only'],
  [
    'a: one: two',
    '1:4: ": " inside a value makes it a map to YAML; quote the value, or mend the indentation',
  ],
  ['path:/healthz', '1:1: found "path:/healthz", allowed: a map of keys; write a space after each ":"'],
  ['path:/a\nb: 1', '1:1: "path:/a" is not a key and its value: write "key: value", with a space after ":"'],
  ['a: [b', '1:6: a closing "]" is missing before here'],
  ['a: {b: 1', '1:9: a closing "}" is missing before here'],
  ['a: "b', String.raw`1:6: a closing "\"" is missing`],
  ['a:\n  b: 1\n c: 2', '3:1: the indentation does not match the lines above'],
  ['a: [::]:8080', '1:8: ":8080" follows a closing bracket; quote the whole value, as in "[::]:8080"'],
  ['a: -', '1:4: "-" must begin a line of its own'],
  ['a: | b', '1:6: "b" is not expected here; mind quotes, brackets and indentation'],
  ['- a\nb: 1', '2:1: "b:" is not expected here; mind quotes, brackets and indentation'],
  ['a: 1\n---\nb: 2', '2:1: a second document begins here ("---"); a file holds one'],
  ['{ [a]: 1 }', '1:3: a key must be a plain text'],
]

t.test('what YAML trips over is said in plain words', async (t) => {
  for (const [text, said] of stumbles) t.strictSame(told(site(text)), [said], JSON.stringify(text))
  t.strictSame(told(site('freeze: false\n"freeze": false\n')), ['2:1: key "freeze" stands twice; remove one'])
  t.strictSame(
    told(site('freeze: 1\nfreeze: 2\n')),
    ['2:1: key "freeze" stands twice; remove one', '2:9: freeze: found 2, allowed: true or false'],
    'what else is wrong is told as well',
  )
  t.equal(site('session: &s { cookie: a }\nretain: {}').value?.session.cookie, 'a', 'an anchor is no stumble')
  t.equal(site('\uFEFFfreeze: true\r\nactive: 1\r\n').value?.active, '1', 'nor are a mark of order and CRLF')
})

t.test('JSON is read as JSON', async (t) => {
  const json = (text: string) => release(text, 'sites/shop/releases/1.0.json')
  t.match(json('{\n\t"$schema": "x",\n\t"targets": ["http://a"]\n}').value, { version: '1.0' })
  const flaws: readonly (readonly [string, string])[] = [
    [
      '{"targets": ["http://a"],}',
      '1:26: "}" is not expected here in JSON; mind commas, quotes and comments',
    ],
    ['{"targets": [http]}', '1:14: text must stand in double quotes in JSON; quote it: "http"'],
    ["{'targets': ['http://a']}", '1:2: "\'" is not expected here in JSON; mind commas, quotes and comments'],
    ['{"targets": ["http://a"]', '1:25: a closing "}" is missing'],
    [
      '{\n"targets": ["http://a"], // x\n}',
      '2:26: JSON has no comments; remove it, or make this a ".yaml" file',
    ],
  ]
  for (const [text, said] of flaws) t.equal(told(json(text))[0], said, JSON.stringify(text))
})

t.test('any text is a value or a problem, never an exception', async (t) => {
  const words = fc.constantFrom(
    'hosts',
    'session',
    ':',
    ' ',
    '\n',
    '  ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    '*',
    '&a',
    '"',
    '#',
    '30m',
    ',',
    '\t',
    '!',
    '|',
    '1',
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(words, { maxLength: 12 }).map((parts) => parts.join('')),
      ),
      (text) => {
        for (const reading of [site(text), release(text), gateway(text, 'gateway.json')]) {
          const hasError = reading.problems.some(({ severity }) => severity === 'error')
          if ((reading.value === null) !== hasError) return false
          if (reading.problems.some(({ line, column }) => line < 1 || column < 1)) return false
        }
        return true
      },
    ),
    { numRuns: 400 },
  )
  t.pass()
})

t.test('durations and sizes are the same both ways', async (t) => {
  for (const words of ['250ms', '1500ms', '90s', '30m', '36h', '7d', 'never'])
    t.equal(durationInWords(durationMs(words)), words)
  t.equal(durationMs('immediately'), 0)
  t.equal(durationMs('1.5s'), 1500)
  t.equal(durationMs('2w'), 14 * 86_400_000)
  for (const words of ['', '5', 's', '-1s', '1 s', '1S']) t.ok(Number.isNaN(durationMs(words)))
  for (const words of ['512B', '16KiB', '1MiB', '3GiB', '2TiB']) t.equal(sizeInWords(sizeBytes(words)), words)
  for (const words of ['', '16', '16KB', '0.3B', '-1B']) t.ok(Number.isNaN(sizeBytes(words)))
})

t.test('the nearest word is one that may have been meant', async (t) => {
  t.equal(nearest('tagret', ['release', 'target']), 'target')
  t.equal(nearest('idletimeout', ['idleTimeout']), 'idleTimeout')
  t.equal(nearest('hots', ['hosts', 'order']), 'hosts')
  t.equal(nearest('xyz', ['hosts', 'order']), null)
})
