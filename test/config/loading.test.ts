// The whole directory: the environment over it, last good content, hosts and versions that two ask for, failed mounts.
import t from 'tap'
import { variables } from '../../gateway/controlplane/config/environment.js'
import { loadConfig } from '../../gateway/controlplane/config/load-config.js'
import { problemInWords } from '../../gateway/controlplane/config/problems.js'
import type {
  ConfigListing,
  Environment,
  LastGoodFiles,
  LoadedConfig,
} from '../../gateway/controlplane/config/desired-state.js'

type Contents = Readonly<Record<string, string>>

const shopFile = 'sites/shop/site.yaml'
const one = 'sites/shop/releases/1.0.0.yaml'
const two = 'sites/shop/releases/2.0.0.yaml'
const targets = 'targets: [http://a:3000]\n'
const shop: Contents = { [shopFile]: 'hosts: [shop.example.com]\n', [one]: targets, [two]: targets }

/** The folders that files lie in. */
function foldersOf(contents: Contents): readonly string[] {
  const parents = Object.keys(contents).flatMap((path) => {
    const parts = path.split('/').slice(0, -1)
    return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
  })
  return ['.', ...new Set(parents)]
}

function listing(contents: Contents, folders = foldersOf(contents)): ConfigListing {
  const files = Object.entries(contents).map(([path, content]) => ({ path, content }))
  return { files, directories: folders, unreadable: [] }
}

interface Around {
  readonly lastGood?: LastGoodFiles
  readonly environment?: Environment
  readonly folders?: readonly string[]
}

function load(contents: Contents, { lastGood = {}, environment = {}, folders }: Around = {}): LoadedConfig {
  return loadConfig(listing(contents, folders), lastGood, environment)
}

function told({ problems }: LoadedConfig): readonly string[] {
  return problems.map(problemInWords)
}

/** `shop: 1.0.0 2.0.0`, a line a site. */
function running({ sites }: LoadedConfig): readonly string[] {
  return sites.map(
    ({ policy, registrations }) => `${policy.site}: ${registrations.map(({ version }) => version).join(' ')}`,
  )
}

function without(contents: Contents, ...paths: readonly string[]): Contents {
  return Object.fromEntries(Object.entries(contents).filter(([path]) => !paths.includes(path)))
}

t.test('a good directory is loaded whole', async (t) => {
  const loaded = load({ 'gateway.yaml': 'workers: 2', ...shop })
  t.strictSame(told(loaded), [])
  t.strictSame(running(loaded), ['shop: 1.0.0 2.0.0'])
  t.strictSame(loaded.keptFiles, [])
  t.equal(loaded.gateway.workers, 2)
  t.equal(loaded.sites[0]?.file, shopFile)
  t.strictSame(loaded.lastGood, { 'gateway.yaml': 'workers: 2', ...shop })
  t.ok(loaded.files.every(({ isValid }) => isValid))
  t.strictSame(running(load({})), [], 'nor is an empty one an error')
})

t.test('each key of gateway.yaml has a variable', async (t) => {
  const all = variables()
  t.equal(all.get('AMARRE_LISTEN_HTTP'), 'listen.http')
  t.equal(all.get('AMARRE_ADMIN_LISTEN'), 'admin.listen')
  t.equal(all.get('AMARRE_STATE_DIRECTORY'), 'state.directory')
  t.equal(all.get('AMARRE_LIMITS_REQUEST_HEAD'), 'limits.requestHead')
  t.equal(all.get('AMARRE_TRUSTED_PROXIES'), 'trustedProxies')
  t.equal(new Set(all.values()).size, all.size)
})

t.test('the environment wins over the file', async (t) => {
  const gateway =
    'listen: { http: { address: 0.0.0.0:80, engine: node } }\nlimits: { requestHead: 8KiB, sessions: 5 }'
  const environment = {
    AMARRE_LISTEN_HTTP: '127.0.0.1:0',
    AMARRE_ADMIN_LISTEN: '0.0.0.0:9901',
    AMARRE_STATE_DIRECTORY: '/var/lib/amarre',
    AMARRE_LIMITS_REQUEST_HEAD: '32KiB',
    AMARRE_TRUSTED_PROXIES: '[10.0.0.0/8]',
    AMARRE_WORKERS: '4',
    AMARRE_LOG: '{ level: debug, access: 5% }',
    AMARRE_LOG_LEVEL: 'warn',
    AMARRE_KEYS_FILE: '',
    PATH: '/bin',
  }
  const loaded = load({ 'gateway.yaml': gateway }, { environment })
  t.match(loaded.gateway, {
    listen: { http: { address: { host: '127.0.0.1', port: 0 }, engine: 'node' } },
    admin: { listen: { host: '0.0.0.0', port: 9901 } },
    state: { directory: '/var/lib/amarre' },
    limits: { requestHeadBytes: 32 * 1024, sessions: 5 },
    trustedProxies: ['10.0.0.0/8'],
    workers: 4,
    log: { level: 'warn', access: { kind: 'share', share: 0.05 } },
    keys: { file: null },
  })
  t.strictSame(loaded.lastGood, { 'gateway.yaml': gateway }, 'it is no part of what is kept')
  t.match(load({}, { environment: { AMARRE_LISTEN_HTTP: '[::]:80' } }).gateway.listen.http.address, {
    host: '::',
  })
  t.match(
    load(
      { 'gateway.yaml': 'listen: { http: 0.0.0.0:80 }' },
      { environment: { AMARRE_LISTEN_HTTP_ENGINE: 'node' } },
    ).gateway,
    { listen: { http: { address: { port: 80 }, engine: 'node' } } },
  )
})

t.test('a bad variable is told and left out, an unknown one only warned of', async (t) => {
  const bad = (environment: Environment, contents: Contents = {}) => {
    const loaded = load(contents, { environment })
    return { said: told(loaded), loaded }
  }
  t.strictSame(bad({ AMARRE_LISTEN_HTP: 'x' }).said, [
    'environment: AMARRE_LISTEN_HTP: warning: unknown variable, which sets nothing; did you mean "AMARRE_LISTEN_HTTP"?',
  ])
  const links = {
    AMARRE_SERVICE_HOST: '10.0.0.1',
    AMARRE_PORT_8080_TCP_ADDR: '10.0.0.1',
    AMARRE_PORT: 'tcp://10.0.0.1:1',
  }
  t.strictSame(bad(links).said, [], 'but for those that Kubernetes sets')
  const two = bad({ AMARRE_WORKERS: 'many', AMARRE_WATCH: 'poll', AMARRE_LIMITS: '{ sessions: 1, foo: 2 }' })
  t.strictSame(two.said.toSorted(), [
    'environment: AMARRE_LIMITS: limits.foo: unknown key "foo", allowed: "requestHead", "requestBody", "headerTimeout", "upstreamTimeout", "connectTimeout", "exchangeTimeout", "connections", "connectionsPerAddress", "exchanges", "overloadDelay", "minimalThroughput", "stalledClient", "sessions", "exitDelay", "drainOnExit"',
    'environment: AMARRE_WORKERS: found "many", allowed: "auto" or a whole number from 1 to 256',
  ])
  t.match(two.loaded.gateway, { workers: 'auto', watch: 'poll', limits: { sessions: 10_000_000 } })
  const clash = bad({ AMARRE_LISTEN_HTTP: '0.0.0.0:9901', AMARRE_WATCH: 'poll' })
  t.strictSame(clash.said, [
    'environment: AMARRE_LISTEN_HTTP: admin.listen: "listen.http" and "admin.listen" both ask for port 9901; choose another for one of them',
  ])
  t.match(clash.loaded.gateway, { listen: { http: { address: { port: 8080 } } }, watch: 'poll' })
  t.strictSame(bad({ AMARRE_LISTEN_HTTPS_ADDRESS: '0.0.0.0:1' }).said, [
    'environment: AMARRE_LISTEN_HTTPS_ADDRESS: listen.https.certificates: missing, allowed: a list of maps of "cert" and "key"',
  ])
  t.strictSame(bad({ AMARRE_WORKERS: '2' }, { 'gateway.yaml': 'workers: none' }).said, [
    'gateway.yaml:1:10: workers: found "none", allowed: "auto" or a whole number from 1 to 256',
  ])
  const secure = '{ engine: uws, certificates: [{ cert: a, key: b }], clientCertificates: { ca: c } }'
  t.strictSame(bad({ AMARRE_LISTEN_HTTP_ENGINE: 'node', AMARRE_LISTEN_HTTPS: secure }).said, [
    'environment: AMARRE_LISTEN_HTTPS: listen.https.clientCertificates: needs "engine: node": "uws" cannot check the certificates of clients',
  ])
})

t.test('a bad file changes nothing that runs', async (t) => {
  const good = { 'gateway.yaml': 'workers: 2', ...shop }
  const { lastGood } = load(good)
  for (const [path, bad] of [
    ['gateway.yaml', 'workers: ['],
    [shopFile, 'hosts: [*]'],
    [one, 'targets: []'],
    [one, 'version: 1.0.0'],
  ] as const) {
    const loaded = load({ ...good, [path]: bad }, { lastGood })
    t.strictSame(loaded.keptFiles, [path])
    t.equal(loaded.problems.filter(({ severity }) => severity === 'error').length, 1)
    t.strictSame(running(loaded), ['shop: 1.0.0 2.0.0'])
    t.equal(loaded.gateway.workers, 2)
    t.strictSame(loaded.lastGood, lastGood)
    t.strictSame(
      loaded.files.filter(({ isValid }) => !isValid),
      [{ file: path, isValid: false }],
    )
  }
})

t.test('a bad file without a last good content is left out, and no more than it', async (t) => {
  const release = load({ ...shop, [one]: 'target: x' })
  t.strictSame(running(release), ['shop: 2.0.0'])
  t.strictSame(release.keptFiles, [])
  const site = load({ ...shop, [shopFile]: 'host: x', [one]: 'target: x', 'sites/other/site.yaml': '' })
  t.strictSame(running(site), ['other: '])
  t.equal(site.problems.length, 3, 'what is wrong with its registrations is told as well')
})

t.test('a deleted registration is withdrawn, a deleted site file removes the site', async (t) => {
  const { lastGood } = load(shop)
  const withdrawn = load(without(shop, one), { lastGood })
  t.strictSame(running(withdrawn), ['shop: 2.0.0'])
  t.strictSame(told(withdrawn), [])
  t.notOk(one in withdrawn.lastGood)
  const removed = load(without(shop, shopFile), { lastGood })
  t.strictSame(running(removed), [])
  t.strictSame(told(removed), [
    'sites/shop: warning: there is no "site.yaml" in this folder, so that its 2 registrations are not in force',
  ])
  t.strictSame(removed.lastGood, {})
})

t.test('gateway.yaml that is missing stays in force, an empty one gives back the defaults', async (t) => {
  const { lastGood } = load({ 'gateway.yaml': 'workers: 2', ...shop })
  const missing = load(shop, { lastGood })
  t.equal(missing.gateway.workers, 2)
  t.strictSame(missing.keptFiles, ['gateway.yaml'])
  t.strictSame(told(missing), [
    'gateway.yaml: warning: missing, so that its last good content stays in force; an empty file gives back the defaults',
  ])
  t.equal(load({ 'gateway.yaml': '', ...shop }, { lastGood }).gateway.workers, 'auto')
  const renamed = load({ 'gateway.json': '{"workers": 3}', ...shop }, { lastGood })
  t.equal(renamed.gateway.workers, 3)
  t.strictSame(told(renamed), [])
})

t.test('of two files that declare one version the one in force stays, else the first by name', async (t) => {
  const a = 'sites/shop/releases/a.yaml'
  const b = 'sites/shop/releases/b.yaml'
  const site = { [shopFile]: '' }
  const fresh = load({ ...site, [b]: `version: 1\n${targets}`, [a]: `${targets}version: 1` })
  t.strictSame(
    fresh.sites[0]?.registrations.map(({ file }) => file),
    [a],
  )
  t.strictSame(told(fresh), [
    `${b}:1:10: version: version "1" is declared by "${a}" already, which stays in force`,
  ])
  const { lastGood } = load({ ...site, [b]: `${targets}version: 1` })
  const late = load(
    { ...site, [a]: `${targets}version: 1`, [b]: `${targets}version: 1\nnotes: new` },
    { lastGood },
  )
  t.strictSame(
    late.sites[0]?.registrations.map(({ file, notes }) => [file, notes]),
    [[b, 'new']],
  )
  const both = load({ ...site, [a]: `${targets}version: 1`, [b]: `${targets}version: 2` })
  const taken = load(
    { ...site, [a]: `${targets}version: 2`, [b]: `${targets}version: 2` },
    { lastGood: both.lastGood },
  )
  t.strictSame(running(taken), ['shop: 1 2'], 'who asks for another version keeps his own')
  t.strictSame(taken.keptFiles, [a])
  const swapped = load(
    { ...site, [a]: `${targets}version: 2`, [b]: `${targets}version: 1` },
    { lastGood: both.lastGood },
  )
  t.strictSame(
    swapped.sites[0]?.registrations.map(({ file, version }) => [file, version]),
    [
      [a, '2'],
      [b, '1'],
    ],
  )
  t.strictSame(told(swapped), [])
})

t.test('a host belongs to one site: the one in force, else the first by name', async (t) => {
  const sites = (b: string, a: string) => ({ 'sites/b/site.yaml': b, 'sites/a/site.yaml': a })
  const fresh = load(sites('hosts: [x.example, y.example]', 'hosts: [y.example]'))
  t.strictSame(running(fresh), ['a: '])
  t.strictSame(told(fresh), [
    'sites/b/site.yaml:1:8: hosts: warning: several hosts and no "session.domain": a visitor has one session for each host, each on its own release',
    'sites/b/site.yaml:1:20: hosts[1]: host "y.example" belongs to site "a" already ("sites/a/site.yaml")',
  ])
  const { lastGood } = load(sites('hosts: [y.example]', 'hosts: [x.example]'))
  const late = load(sites('hosts: [y.example]', 'hosts: [y.example]'), { lastGood })
  t.strictSame(
    late.sites.map(({ policy }) => policy.hosts),
    [['x.example'], ['y.example']],
  )
  t.strictSame(late.keptFiles, ['sites/a/site.yaml'])
  t.equal(running(load(sites('', ''))).length, 1, 'the default host is a host like any')
  t.equal(running(load(sites('hosts: ["*"]', 'hosts: [x.example]'))).length, 2)
})

t.test('of two files for one thing the one in force counts, else YAML', async (t) => {
  const json = { 'sites/shop/site.json': '{"freeze": true}' }
  const fresh = load({ ...shop, ...json })
  t.equal(fresh.sites[0]?.file, shopFile)
  t.strictSame(told(fresh), [
    `sites/shop/site.json: "${shopFile}" says the same thing and is in force; remove one of them`,
  ])
  const { lastGood } = load(json)
  t.equal(load({ ...shop, ...json }, { lastGood }).sites[0]?.file, 'sites/shop/site.json')
})

t.test('what stands where nothing reads it is told', async (t) => {
  const contents = {
    ...shop,
    'sites/shop/3.0.0.yaml': targets,
    'sites/extra.yaml': '',
    'sites/Shop_2/site.yaml': '',
  }
  t.strictSame(told(load(contents)), [
    'sites/Shop_2: found "Shop_2" as a site\'s name, allowed: up to 63 lower-case letters, digits and "-", the first not a "-"; rename the folder',
    'sites/extra.yaml: warning: not read: a site is "sites/NAME/site.yaml", a registration "sites/NAME/releases/VERSION.yaml"',
    'sites/shop/3.0.0.yaml: warning: not read: a site is "sites/NAME/site.yaml", a registration "sites/NAME/releases/VERSION.yaml"',
  ])
})

t.test('versions and sites that nobody declares are warned of', async (t) => {
  const contents = {
    ...shop,
    [shopFile]:
      'active: 3.0.0\nsession: { legacy: { cookie: J, release: 0.9, until: 2030-01-01T00:00:00Z } }',
    [one]: `${targets}requires: { billing: "1", search: "1" }`,
    [two]: `${targets}rollbackTo: 1.5.0\nactivate: { steps: [{ share: 5%, hold: 1m }] }`,
    'sites/search/site.yaml': 'hosts: [search.example]',
    'sites/search/releases/blue.yaml': targets,
  }
  const said = told(load(contents)).filter((line) => !line.includes('accepted, but'))
  t.strictSame(said, [
    `${one}:2:22: requires.billing: warning: there is no site "billing"`,
    `${one}:2:35: requires.search: no version of "search" is a semantic one ("blue"), so that none satisfies "1"`,
    `${two}:2:13: rollbackTo: warning: every other release is older than "1.5.0", so that "activate.steps" will be refused: nothing could be given back`,
    `${shopFile}:1:9: active: warning: no registration declares "3.0.0" yet`,
    `${shopFile}:2:42: session.legacy.release: warning: no registration declares "0.9" yet`,
  ])
})

t.test('a requirement that another site would not meet is warned of beforehand', async (t) => {
  const said = (range: string, activate: string, billing: readonly string[]): readonly string[] => {
    const others = billing.map((version) => [
      `sites/billing/releases/${version}.yaml`,
      `${targets}activate: auto`,
    ])
    const contents = {
      ...shop,
      [shopFile]: 'hosts: [shop.example]',
      [one]: `${targets}activate: ${activate}\nrequires: { billing: "${range}" }`,
      [two]: `${targets}activate: auto`,
      'sites/billing/site.yaml': 'hosts: [billing.example]',
      ...(Object.fromEntries(others) as Record<string, string>),
    }
    return told(load(contents)).filter((line) => line.includes('requires'))
  }
  const place = `${one}:3:22: requires.billing: warning:`
  const there = (version: string, range: string) =>
    `${place} "${version}", which would be active on "billing" from an empty state, is outside "${range}"`
  t.strictSame(said('>=3.1 <4', 'manual', ['3.1.0', '3.2.0']), [])
  t.strictSame(said('>=3.1 <4', 'manual', ['3.1.0', '4.0.0']), [there('4.0.0', '>=3.1 <4')])
  t.strictSame(said('>=5', 'manual', ['4.0.0']), [
    `${there('4.0.0', '>=5')}, and so is every other version there`,
  ])
  t.strictSame(said('>=5', 'auto', ['4.0.0']), [], 'it would not be active itself')
  t.strictSame(said('*', 'manual', ['1.00C', '3.0.0']), [
    `${place} "1.00C" of "billing" is no semantic version: it satisfies no range`,
  ])
})

t.test("a site's error pages: every mistake with its place, the last good content stays", async (t) => {
  const page = 'sites/shop/errors/503.html'
  const pagesOf = ({ sites }: LoadedConfig) => sites[0]?.policy.errorPages
  const good = { ...shop, [page]: '<h1>{{message}}</h1>\n', 'sites/shop/errors/default.html': '' }
  const { lastGood } = load(good)
  t.strictSame(told(load(good)), [])
  t.strictSame(pagesOf(load(good)), [
    { of: '503', html: '<h1>{{message}}</h1>\n' },
    { of: 'default', html: '' },
  ])
  const mistakes: readonly (readonly [html: string, said: string])[] = [
    [
      '<p>\n  {{massage}}',
      '2:3: found "{{massage}}", allowed: "{{status}}", "{{code}}", "{{message}}", "{{requestId}}", "{{link}}", "{{linkText}}"',
    ],
    ['{{#link}}', '1:1: found "{{#link}}" without "{{/link}}"'],
    ['a{{/link}}', '1:2: found "{{/link}}", allowed: "{{#link}}" and then "{{/link}}"'],
    ['{{#link}}{{#link}}', '1:10: found "{{#link}}", allowed: "{{#link}}" and then "{{/link}}"'],
    ['x'.repeat(65_537), ' found 65537 characters, allowed: up to 65536'],
  ]
  for (const [html, said] of mistakes) {
    const bad = load({ ...good, [page]: html }, { lastGood })
    t.strictSame(
      told(bad).map((line) => line.replace(/^(\S+?html:)/, '')),
      [said],
    )
    t.equal(pagesOf(bad)?.[0]?.html, '<h1>{{message}}</h1>\n')
    t.strictSame(bad.keptFiles, [page])
    t.strictSame(
      pagesOf(load({ ...good, [page]: html }))?.map(({ of }) => of),
      ['default'],
    )
  }
  const unknown = load({ ...good, 'sites/shop/errors/no_relaese.html': '' })
  t.match(told(unknown), [/no_relaese\.html: no error has .* did you mean "no_release\.html"\?$/])
  t.strictSame(pagesOf(load(without(good, page), { lastGood })), [{ of: 'default', html: '' }], 'deleted')
})

t.test('a folder that vanishes changes nothing, and the error shows', async (t) => {
  const all = {
    'gateway.yaml': 'workers: 2',
    ...shop,
    'sites/b/site.yaml': 'hosts: [b.example]',
    'sites/b/releases/1.yaml': targets,
  }
  const { lastGood } = load(all)
  const gateway = { 'gateway.yaml': 'workers: 2' }
  const siteB = { 'sites/b/site.yaml': 'hosts: [b.example]', 'sites/b/releases/1.yaml': targets }
  const emptyReleases = ['.', 'sites', 'sites/shop', 'sites/shop/releases', 'sites/b', 'sites/b/releases']
  const cases: readonly (readonly [
    what: string,
    contents: Contents,
    folders: readonly string[],
    folder: string,
  ])[] = [
    ['the directory', {}, [], '.'],
    ['the directory is an empty mount point', {}, ['.'], 'sites'],
    ['the sites', gateway, ['.'], 'sites'],
    ['one site', { ...gateway, ...siteB }, ['.', 'sites', 'sites/b', 'sites/b/releases'], 'sites/shop'],
    [
      'a site is an empty mount point',
      { ...gateway, ...siteB },
      ['.', 'sites', 'sites/shop', 'sites/b', 'sites/b/releases'],
      'sites/shop/releases',
    ],
    [
      'its registrations',
      without(all, one, two),
      ['.', 'sites', 'sites/shop', 'sites/b', 'sites/b/releases'],
      'sites/shop/releases',
    ],
    ['two registrations at once, leaving none', without(all, one, two), emptyReleases, 'sites/shop/releases'],
    [
      'a folder with one registration',
      without(all, 'sites/b/releases/1.yaml'),
      ['.', 'sites', 'sites/shop', 'sites/shop/releases', 'sites/b'],
      'sites/b/releases',
    ],
  ]
  for (const [what, contents, folders, folder] of cases) {
    const loaded = load(contents, { lastGood, folders })
    t.strictSame(running(loaded), ['b: 1', 'shop: 1.0.0 2.0.0'], what)
    t.strictSame(loaded.lastGood, lastGood, what)
    t.equal(loaded.gateway.workers, 2)
    t.strictSame(
      loaded.problems.map(({ file, severity }) => [file, severity]),
      [[folder, 'error']],
      what,
    )
    const again = load(contents, { lastGood: loaded.lastGood, folders })
    t.strictSame(running(again), running(loaded), 'nor does it at the next look, or after a restart')
    t.strictSame(told(load(all, { lastGood: again.lastGood })), [], 'once it is back all is well')
  }
  t.strictSame(told(load({}, { lastGood, folders: [] })), [
    '.: the configuration directory vanished with 6 files in force, which looks like a failed mount: nothing changes; put it back, or remove registrations one by one and a site by its site file alone',
  ])
})

t.test('what is taken away on purpose is no failed mount', async (t) => {
  const { lastGood } = load(shop)
  const folders = foldersOf(shop)
  t.strictSame(running(load(without(shop, one), { lastGood, folders })), ['shop: 2.0.0'])
  const last = load(without(shop, one), { lastGood })
  t.strictSame(
    running(load(without(shop, one, two), { lastGood: last.lastGood, folders })),
    ['shop: '],
    'one by one',
  )
  const three = { ...without(shop, one, two), 'sites/shop/releases/3.0.0.yaml': targets }
  t.strictSame(running(load(three, { lastGood })), ['shop: 3.0.0'], 'all at once, leaving another')
  t.strictSame(running(load(without(shop, shopFile), { lastGood })), [], 'a site by its file')
  t.strictSame(
    running(load({}, { lastGood: load(without(shop, shopFile), { lastGood }).lastGood, folders: ['.'] })),
    [],
  )
})

t.test('nothing is concluded from the absence of what cannot be read', async (t) => {
  const { lastGood } = load(shop)
  for (const file of ['.', 'sites', 'sites/shop/releases', one]) {
    const seen = Object.fromEntries(
      Object.entries(shop).filter(([path]) => file !== '.' && !path.startsWith(file)),
    )
    const unreadable = [
      { severity: 'error', file, line: 0, column: 0, path: '', message: 'cannot be read (EACCES)' },
    ] as const
    const loaded = loadConfig({ ...listing(seen), unreadable }, lastGood, {})
    t.strictSame(running(loaded), ['shop: 1.0.0 2.0.0'])
    t.strictSame(told(loaded), [`${file}: cannot be read (EACCES)`])
  }
})
