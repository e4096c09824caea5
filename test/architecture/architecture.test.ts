// The rules of docs/architecture.md that a reviewer would otherwise have to remember: who may import whom, where each
// outside package lives, how long a file may be. A new folder or package is added to a table here on purpose.
import { basename, posix } from 'node:path'
import t from 'tap'
import { metricFamilies } from '../../gateway/controlplane/metric-families.js'
import { filesUnder, gatewaySources, isThere, textOf, type SourceFile } from './source-tree.js'

/** What each folder and each file at the top may import; a name ending in `/` is a folder. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  'domain/': ['domain/'],
  'dataplane/': ['dataplane/', 'domain/', 'plane-protocol.ts'],
  'controlplane/': ['controlplane/', 'domain/', 'plane-protocol.ts', 'product.ts'],
  'adapters/': ['adapters/', 'dataplane/', 'controlplane/', 'domain/', 'plane-protocol.ts', 'product.ts'],
  'cli/': [
    'cli/',
    'domain/',
    'controlplane/admin-protocol.ts',
    'controlplane/admin-protocol-desk.ts',
    'product.ts',
  ],
  'plane-protocol.ts': ['domain/'],
  'product.ts': [],
  'worker.ts': ['adapters/', 'dataplane/', 'domain/', 'plane-protocol.ts', 'product.ts'],
  'main.ts': ['adapters/', 'controlplane/', 'domain/', 'plane-protocol.ts', 'product.ts'],
}

/** What single files may import beyond their folder's rule: the verbs that run without a gateway. */
const mayAlsoImport: Readonly<Record<string, readonly string[]>> = {
  'cli/amarre.ts': ['adapters/process-signals.ts', 'adapters/worker-process.ts'],
  'cli/program.ts': ['main.ts'],
  'cli/check.ts': ['adapters/chokidar-config-source.ts', 'controlplane/config/'],
  'cli/gateway-place.ts': ['controlplane/config/'],
}

/** Where each outside package lives: the beginnings of the paths that may import it. */
const homes: Readonly<Record<string, readonly string[]>> = {
  'uWebSockets.js': ['adapters/uws-'],
  chokidar: ['adapters/chokidar-config-source.ts'],
  commander: ['cli/program.ts'],
  fastify: ['adapters/fastify-admin.ts'],
  lmdb: ['adapters/lmdb-store.ts'],
  'lru-cache': ['dataplane/'],
  pino: ['adapters/pino-log.ts'],
  'prom-client': ['adapters/prom-metrics.ts'],
  semver: ['controlplane/config/', 'domain/requirements.ts'],
  ws: ['adapters/ws-'],
  yaml: ['controlplane/config/'],
  zod: ['controlplane/config/'],
}

/** Node's modules that are no outside thing: they compute, or type what an adapter was given. */
const plainNodeModules = [
  'node:crypto',
  'node:net',
  'node:tls',
  'node:zlib',
  'node:buffer',
  'node:timers/promises',
]

const lineLimit = 300
/** Files that may be longer, and why. */
const longer: Readonly<Record<string, string>> = {
  'adapters/uws-downstream.ts':
    'one response of the front: every order of its calls that must hold, in one place',
  'controlplane/control-plane.ts': 'joins all parts of the control plane: one method a message or event',
  'main.ts': 'the composition root: every part of the main process is made and joined here',
  'dataplane/exchange.ts':
    'one exchange from its first byte to its last, phase by phase, to be read in one go',
}

const bannedNames = /^(utils?|helpers?|managers?|common|misc|data|info|handle|process|do)$/i

const sources = gatewaySources()

/** Violations as a list of sentences: an empty list passes, a full one is read in the test's output. */
function violations(find: (source: SourceFile) => readonly string[]): readonly string[] {
  return sources.flatMap(find)
}

function isUnder(path: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place))
}

function folderRule(path: string): readonly string[] | undefined {
  const slash = path.indexOf('/')
  return mayImport[slash === -1 ? path : path.slice(0, slash + 1)]
}

t.test('the gateway was found', async (t) => {
  t.ok(sources.length > 100)
  t.ok(sources.some(({ path, imports }) => path === 'main.ts' && imports.includes('adapters/lmdb-store.ts')))
})

t.test('dependencies point one way', async (t) => {
  const found = violations(({ path, imports }) => {
    const allowed = folderRule(path)
    if (allowed === undefined) return [`${path} is in a folder that no rule names`]
    return imports
      .filter((name) => !isUnder(name, [...allowed, ...(mayAlsoImport[path] ?? [])]))
      .map((name) => `${path} imports ${name}`)
  })
  t.same(found, [])
})

t.test('every outside package has one home', async (t) => {
  const found = violations(({ path, packages }) =>
    packages
      .filter((name) => !name.startsWith('node:'))
      .filter((name) => !homes[name]?.some((home) => path.startsWith(home)))
      .map((name) => `${path} imports "${name}"`),
  )
  t.same(found, [])
})

t.test('the domain is pure, and the planes reach the machine through adapters', async (t) => {
  const builds = 'controlplane/config/generate-schemas.ts'
  const found = violations(({ path, packages }) => {
    const isPlane = path.startsWith('dataplane/') || path.startsWith('controlplane/')
    if (!isPlane && !path.startsWith('domain/')) return []
    const allowed = isPlane ? plainNodeModules : []
    return packages
      .filter((name) => name.startsWith('node:') && !allowed.includes(name) && path !== builds)
      .map((name) => `${path} imports "${name}"`)
  })
  const impure = violations(({ path, lines }) =>
    path.startsWith('domain/')
      ? lines.filter((line) => /\b(Date\.now|Math\.random|setTimeout|setInterval|process\.)\b/.test(line))
      : [],
  )
  t.same(found, [])
  t.same(impure, [])
})

t.test(`no file is longer than ${lineLimit} lines without a reason`, async (t) => {
  const tooLong = sources.filter(({ path, lines }) => lines.length > lineLimit && longer[path] === undefined)
  t.same(
    tooLong.map(({ path, lines }) => `${path}: ${lines.length}`),
    [],
  )
  const excused = sources.filter(({ path }) => longer[path] !== undefined)
  t.same(
    excused.filter(({ lines }) => lines.length > 400).map(({ path }) => path),
    [],
    'a reason is no licence',
  )
  t.same(
    Object.keys(longer).filter((path) => !excused.some((source) => source.path === path)),
    [],
    'no reason outlives its file',
  )
})

t.test('a name says what a thing is', async (t) => {
  const found = violations(({ path, text }) => {
    const exported = text.matchAll(
      /^export (?:abstract )?(?:async )?(?:const|function|class|interface|type) (\w+)/gm,
    )
    const names = [basename(path, '.ts'), ...Array.from(exported, ([, name = '']) => name)]
    return names.filter((name) => bannedNames.test(name)).map((name) => `${path}: "${name}"`)
  })
  t.same(found, [])
})

t.test('every file opens with what it is responsible for', async (t) => {
  const found = violations(({ path, lines }) => {
    const first = lines[0]?.startsWith('#!') === true ? lines[1] : lines[0]
    return first?.startsWith('// ') === true ? [] : [path]
  })
  t.same(found, [])
})

t.test('nothing names the machine it was written on, or a registry', async (t) => {
  const places = ['gateway', 'test', 'bench', 'examples', 'scripts', 'docs', 'deploy', 'config', '.ci']
  const files = [...places, 'README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'package.json', 'Dockerfile']
    .flatMap(filesUnder)
    .filter((path) => /\.(ts|mjs|js|md|json|ya?ml|sh|html|css|svg)$|run$|Dockerfile$/.test(path))
  const forbidden = /(?<![\w.}])\/(work|home|root|Users)\/\w|registry\.(npmjs|yarnpkg)/
  const found = files.filter((path) => forbidden.test(textOf(path)))
  t.same(found, [])
  t.ok(files.length > 200)
})

t.test('the lock file names no host to fetch from', async (t) => {
  const lock = JSON.parse(textOf('package-lock.json')) as {
    packages: Record<string, { resolved?: string }>
  }
  const resolved = Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined)
  t.same(resolved, [])
})

t.test('docs/metrics.md names every metric of the gateway, and no other', async (t) => {
  const named = textOf('docs/metrics.md').matchAll(/^\| `(amarre_\w+)`/gm)
  t.same(new Set(Array.from(named, ([, name]) => name)), new Set(metricFamilies.map(({ name }) => name)))
})

t.test('every link between the documents leads somewhere', async (t) => {
  const documents = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'docs']
    .flatMap(filesUnder)
    .filter((path) => path.endsWith('.md'))
  const broken = documents.flatMap((path) =>
    Array.from(textOf(path).matchAll(/\]\((?!https?:)([^)#]+)/g), ([, link = '']) =>
      posix.join(posix.dirname(path), link),
    )
      .filter((target) => !isThere(target))
      .map((target) => `${path}: ${target}`),
  )
  t.same(broken, [])
})
