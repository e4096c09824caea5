// The files that containers are made and run from: what they promise each other, and that what they name exists.
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { checkConfig } from '../../gateway/cli/check.js'

interface Service {
  readonly build?: { readonly context: string; readonly target: string }
  readonly command?: readonly string[]
  readonly stop_grace_period?: string
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly read_only?: boolean
  readonly tmpfs?: readonly string[]
  readonly cap_drop?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly volumes: Readonly<Record<string, unknown>>
}

interface GatewayFile {
  readonly limits?: { readonly drainOnExit?: string; readonly exitDelay?: string }
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: Readonly<Record<string, string>>
  readonly spec?: { readonly template?: { readonly spec: Pod } }
}

interface Pod {
  readonly terminationGracePeriodSeconds: number
  readonly securityContext: object
  readonly containers: readonly object[]
  readonly volumes: readonly { readonly configMap?: { readonly name: string } }[]
}

const root = process.cwd()
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const compose = parse(read('docker-compose.yml'), { merge: true }) as Compose
const dockerfile = read('Dockerfile')
const releases = 'deploy/compose/config/sites/shop/releases'

function service(name: string): Service {
  const found = compose.services[name]
  if (!found) throw new Error(`no service "${name}"`)
  return found
}

function seconds(words: string | undefined): number {
  const [, number] = /^(\d+)s$/.exec(words ?? '') ?? []
  if (number === undefined) throw new Error(`"${words}" is not a number of seconds`)
  return Number(number)
}

/** How long the gateway may take to exit by a gateway.yaml. */
function exitSeconds({ limits }: GatewayFile): number {
  return seconds(limits?.drainOnExit ?? '30s') + seconds(limits?.exitDelay ?? '0s')
}

function manifests(file: string): readonly Manifest[] {
  return parseAllDocuments(read(`deploy/kubernetes/${file}`)).map((document) => document.toJS() as Manifest)
}

/** The last stage of that name, up to the next one. */
function stage(name: string): string {
  const text = dockerfile.split(/^(?=FROM )/m).find((part) => part.split('\n')[0]?.endsWith(` AS ${name}`))
  if (text === undefined) throw new Error(`no stage "${name}"`)
  return text
}

/** What stands behind an instruction such as ENTRYPOINT, in exec form. */
function words(text: string, instruction: string): readonly string[] {
  const [, list] = new RegExp(String.raw`^${instruction} (\[.*\])$`, 'm').exec(text) ?? []
  if (list === undefined) throw new Error(`no ${instruction} in exec form`)
  return JSON.parse(list) as readonly string[]
}

void t.test('compose stops the gateway later than the gateway stops draining', (t) => {
  const file = parse(read('deploy/compose/config/gateway.yaml')) as GatewayFile
  t.ok(seconds(service('gateway').stop_grace_period) > exitSeconds(file))
  t.end()
})

void t.test('compose keeps the state on a named volume and gives the configuration read-only', (t) => {
  const volumes = service('gateway').volumes ?? []
  t.ok(volumes.includes('amarre-state:/var/lib/amarre'))
  t.ok('amarre-state' in compose.volumes)
  t.ok(volumes.includes('./deploy/compose/config:/etc/amarre:ro'))
  t.match(stage('gateway'), /AMARRE_STATE_DIRECTORY=\/var\/lib\/amarre\n/)
  t.end()
})

void t.test('the gateway and the shop run without capabilities on a read-only root', (t) => {
  for (const name of ['gateway', 'shop-1-0-0', 'shop-1-1-0']) {
    t.equal(service(name).read_only, true, name)
    t.same(service(name).cap_drop, ['ALL'], name)
  }
  t.same(service('gateway').tmpfs, ['/tmp'])
  t.end()
})

void t.test(
  'the admin is published to this machine only, and Prometheus reaches it by its service name',
  (t) => {
    t.same(service('gateway').ports, ['8080:8080', '127.0.0.1:9901:9901'])
    t.match(stage('gateway'), /AMARRE_ADMIN_LISTEN=0\.0\.0\.0:9901/)
    t.match(parse(read('deploy/prometheus/prometheus.yml')), {
      rule_files: ['alerts.yml'],
      scrape_configs: [{ job_name: 'amarre', static_configs: [{ targets: ['gateway:9901'] }] }],
    })
    t.end()
  },
)

void t.test(
  'the configurations for compose and Kubernetes are valid, and one release takes new visitors',
  async (t) => {
    const [gateway, site, releases] = manifests('config.yaml').map(({ data = {} }) => data)
    const kubernetes = t.testdir({ ...gateway, sites: { shop: { ...site, releases: { ...releases } } } })
    for (const directory of [join(root, 'deploy/compose/config'), kubernetes]) {
      const { output, exitCode } = await checkConfig(directory)
      t.equal(exitCode, 0, output)
      t.match(output, /active: takes new sessions/)
      t.notMatch(output, /warning/)
    }
  },
)

void t.test('each release in compose has a registration, and each registration a container', (t) => {
  const registered = readdirSync(join(root, releases)).map((file) => parse(read(`${releases}/${file}`)))
  const shops = Object.entries(compose.services).filter(([, { build }]) => build?.target === 'shop')
  const served = shops.map(([name, { command = [] }]) => ({
    version: command[command.indexOf('--version') + 1],
    targets: [`http://${name}:3000`],
  }))
  t.match(registered, served)
  t.equal(registered.length, served.length)
  t.equal(served.length, 2)
  t.end()
})

void t.test('what compose mounts and builds exists', (t) => {
  const all = Object.values(compose.services)
  for (const volume of all.flatMap(({ volumes }) => volumes ?? [])) {
    const [source = ''] = volume.split(':')
    t.ok(source.startsWith('./') ? existsSync(join(root, source)) : source in compose.volumes, volume)
  }
  for (const { build } of all) if (build) t.match(stage(build.target), /^FROM /, build.target)
  t.end()
})

void t.test('Grafana finds its dashboard and its source of figures', (t) => {
  const { volumes = [], environment = {} } = service('grafana')
  const provider = parse(read('deploy/grafana/provisioning/dashboards/amarre.yml')) as {
    readonly providers: readonly { readonly options: { readonly path: string } }[]
  }
  const path = provider.providers[0]?.options.path ?? ''
  t.ok(volumes.includes(`./deploy/grafana/dashboards:${path}:ro`))
  t.equal(environment['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH'], `${path}/amarre.json`)
  t.equal(environment['GF_AUTH_ANONYMOUS_ORG_ROLE'], 'Viewer')
  const sources = parse(read('deploy/grafana/provisioning/datasources/prometheus.yml')) as object
  t.match(sources, { datasources: [{ uid: 'prometheus', url: 'http://prometheus:9090' }] })
  const uids = read('deploy/grafana/dashboards/amarre.json').matchAll(
    /"type": "prometheus",\s*"uid": "(\w+)"/g,
  )
  t.same([...new Set([...uids].map(([, uid]) => uid))], ['prometheus'])
  t.end()
})

void t.test('no two panels of the dashboard overlap or share an id', (t) => {
  const { panels } = JSON.parse(read('deploy/grafana/dashboards/amarre.json')) as {
    readonly panels: readonly {
      readonly id: number
      readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
    }[]
  }
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
  )
  t.equal(new Set(cells).size, cells.length)
  t.ok(panels.every(({ gridPos: { x, w } }) => x + w <= 24))
  t.end()
})

void t.test('the image runs the command itself, not as root, and says when it is ill', (t) => {
  const gateway = stage('gateway')
  t.same(words(gateway, 'ENTRYPOINT'), ['node', '/app/dist/gateway/cli/amarre.js'])
  t.match(gateway, /^HEALTHCHECK [^]*^ +CMD \["node", "-e", "fetch\('http:\/\/127\.0\.0\.1:9901\/livez'\)/m)
  t.same(words(gateway, 'CMD'), ['start', '--config', '/etc/amarre'])
  t.match(gateway, /^USER 10001:10001$/m)
  t.match(gateway, /^VOLUME \/var\/lib\/amarre$/m)
  t.match(stage('shop'), /^USER (?!0)\d+:(?!0)\d+$/m)
  t.equal(new Set(dockerfile.match(/^FROM \S+/gm)).size, 1, 'one base: the same Node builds and runs')
  t.end()
})

void t.test('nothing that the build of the image copies is ignored', (t) => {
  const ignored = new Set(read('.dockerignore').split('\n'))
  for (const path of [
    'package.json',
    'package-lock.json',
    '.npmrc',
    'tsconfig.json',
    'scripts',
    'gateway',
    'examples',
  ]) {
    t.ok(existsSync(join(root, path)), path)
    t.notOk(ignored.has(path), path)
  }
  t.ok(ignored.has('node_modules') && ignored.has('state') && ignored.has('.git'))
  t.end()
})

void t.test('Kubernetes gives the gateway time, a read-only root and its probes', (t) => {
  const config = manifests('config.yaml')
  const pod = manifests('gateway.yaml').find(({ kind }) => kind === 'Deployment')?.spec?.template?.spec
  const gatewayFile = parse(config[0]?.data?.['gateway.yaml'] ?? '') as GatewayFile
  t.ok((pod?.terminationGracePeriodSeconds ?? 0) > exitSeconds(gatewayFile))
  t.match(pod?.securityContext, { runAsNonRoot: true, runAsUser: 10_001 })
  t.match(pod?.containers[0], {
    securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
    livenessProbe: { httpGet: { path: '/livez' } },
    readinessProbe: { httpGet: { path: '/readyz' } },
  })
  const maps = config.map(({ metadata }) => metadata.name)
  const named = pod?.volumes.flatMap(({ configMap }) => (configMap ? [configMap.name] : []))
  t.same(named, maps)
  t.end()
})
