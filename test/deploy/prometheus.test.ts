// What Prometheus and Grafana make of the gateway: Debian's own Prometheus scrapes a running one, and every query of
// the dashboard and every alert is put to it.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setInterval as ticks } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { parse, stringify } from 'yaml'
import { startGateway } from '../fixtures/gateway.js'

const root = process.cwd()
const isMissing = spawnSync('promtool', ['--version']).error !== undefined
const skip = isMissing && 'Debian package "prometheus" is not installed'
const alertsFile = join(root, 'deploy/prometheus/alerts.yml')

/** Parts of queries that only answer once something went wrong. */
const answersTroubleOnly = /upstream_errors/

interface Query {
  readonly title: string
  readonly expr: string
}

interface Answer {
  readonly status: string
  readonly error?: string
  readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] }
}

interface Panel {
  readonly title: string
  readonly targets?: readonly { readonly expr: string }[]
}

interface Dashboard {
  readonly panels: readonly Panel[]
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] }
}

function dashboardQueries(): readonly Query[] {
  const text = readFileSync(join(root, 'deploy/grafana/dashboards/amarre.json'), 'utf8')
  const { panels, annotations } = JSON.parse(text) as Dashboard
  const ofPanels = panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })))
  return [...ofPanels, ...annotations.list.map(({ name, expr }) => ({ title: name, expr }))]
}

function alertQueries(): readonly Query[] {
  const { groups } = parse(readFileSync(alertsFile, 'utf8')) as {
    readonly groups: readonly {
      readonly rules: readonly { readonly alert: string; readonly expr: string }[]
    }[]
  }
  return groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ title: alert, expr })))
}

/** As Grafana would send it for all sites. */
function filledIn(expr: string): string {
  return expr.replaceAll('$site', '.*').replaceAll(/\$__(rate_)?interval/g, '1m')
}

/** The metrics that a query names, without the endings of a histogram's parts. */
function metricsIn(expr: string): readonly string[] {
  const names = expr.match(/\b(?:amarre|process|nodejs)_\w+/g) ?? []
  return names.map((name) => name.replace(/^(amarre_\w+_seconds)_bucket$/, '$1'))
}

async function until<T>(what: string, attempt: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + 30_000
  for await (const _ of ticks(50)) {
    const found = await attempt()
    if (found !== null) return found
    if (performance.now() > deadline) break
  }
  throw new Error(`${what}: not in time`)
}

/** A release that answers everything. */
async function startRelease(t: Test): Promise<string> {
  const server = createServer((request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/html', 'Cache-Control': 'private' })
    response.end(request.url === '/healthz' ? 'ok' : '<p>hello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close().closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function register(t: Test, config: string, version: string): Promise<void> {
  const registration = { targets: [await startRelease(t)], activate: 'auto' }
  mkdirSync(join(config, 'sites/shop/releases'), { recursive: true })
  writeFileSync(join(config, 'sites/shop/releases', `${version}.yaml`), stringify(registration))
}

/** One visitor who comes back, and one who brings a token of nobody's. */
async function makeRequests(url: string): Promise<void> {
  const first = await fetch(url, { headers: { Accept: 'text/html' } })
  await first.text()
  const cookie = first.headers.getSetCookie().map((field) => field.split(';')[0])
  for (let visit = 0; visit < 5; visit++) {
    await (await fetch(url, { headers: { Accept: 'text/html', Cookie: cookie.join('; ') } })).text()
  }
  await (await fetch(url, { headers: { Accept: 'text/html', Cookie: 'amarre=nonsense' } })).text()
}

/** The deployed settings, but for the gateway's address and a shorter interval. */
function prometheusSettings(adminUrl: string): string {
  const settings = parse(readFileSync(join(root, 'deploy/prometheus/prometheus.yml'), 'utf8')) as {
    scrape_configs: { static_configs: object[] }[]
  }
  const [job] = settings.scrape_configs
  if (job) job.static_configs = [{ targets: [new URL(adminUrl).host] }]
  const global = { scrape_interval: '250ms', scrape_timeout: '250ms', evaluation_interval: '250ms' }
  return stringify({ ...settings, global, rule_files: [alertsFile] })
}

async function startPrometheus(t: Test, directory: string, adminUrl: string): Promise<string> {
  writeFileSync(join(directory, 'prometheus.yml'), prometheusSettings(adminUrl))
  const args = [
    `--config.file=${join(directory, 'prometheus.yml')}`,
    `--storage.tsdb.path=${join(directory, 'tsdb')}`,
    '--web.listen-address=127.0.0.1:0',
    '--log.format=json',
  ]
  const prometheus = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  t.teardown(() => ended(prometheus))
  const lines = createInterface(prometheus.stderr)
  return new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      const { msg, address, err } = JSON.parse(line) as Readonly<Record<string, string | undefined>>
      if (msg === 'Listening on') resolve(`http://${address}`)
      if (err !== undefined) reject(new Error(`prometheus: ${err}`))
    })
    lines.on('close', () => reject(new Error('prometheus ended')))
  })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'exit')
}

async function ask(prometheusUrl: string, expr: string): Promise<Answer> {
  const response = await fetch(
    `${prometheusUrl}/api/v1/query?${new URLSearchParams({ query: expr }).toString()}`,
  )
  return (await response.json()) as Answer
}

async function found(prometheusUrl: string, expr: string): Promise<Answer | null> {
  const answer = await ask(prometheusUrl, expr)
  return answer.data.result.length > 0 ? answer : null
}

void t.test('the settings and alerts for Prometheus are valid', { skip }, (t) => {
  const config = spawnSync('promtool', ['check', 'config', 'deploy/prometheus/prometheus.yml'], { cwd: root })
  t.equal(config.status, 0, config.stderr.toString())
  const rules = spawnSync('promtool', ['check', 'rules', alertsFile])
  t.equal(rules.status, 0, rules.stderr.toString())
  t.end()
})

void t.test(
  'a state that is not saved for minutes is an alarm, one that is saved again is none',
  { skip },
  (t) => {
    const alertname = 'AmarreStateUnsaved'
    const at = (eval_time: string, exp_alerts: object[]): object => ({ eval_time, alertname, exp_alerts })
    const description =
      'Not for 4m 0s. Decisions and sessions of that time are forgotten by a crash. "amarre status" says why.'
    const raised = {
      exp_labels: { severity: 'critical' },
      exp_annotations: { summary: 'The gateway cannot save its state', description },
    }
    const directory = t.testdir({
      'tests.yml': stringify({
        rule_files: [alertsFile],
        evaluation_interval: '15s',
        tests: [
          {
            interval: '15s',
            // Nothing, then growing from two minutes on, then nothing again.
            input_series: [{ series: 'amarre_state_age_seconds', values: '0x7 0+15x16 0x8' }],
            alert_rule_test: [at('2m', []), at('3m', []), at('6m', [raised]), at('8m', [])],
          },
        ],
      }),
    })
    const found = spawnSync('promtool', ['test', 'rules', `${directory}/tests.yml`])
    t.equal(found.status, 0, found.stdout.toString() + found.stderr.toString())
    t.end()
  },
)

void t.test('Prometheus scrapes the gateway and answers dashboard and alerts', { skip }, async (t) => {
  const directory = t.testdir()
  const site = stringify({ retire: { when: 'manual' } })
  const gateway = await startGateway({ t, config: { 'sites/shop/site.yaml': site } })
  const config = gateway.configDirectory
  await register(t, config, '1.0.0')
  await gateway.waitForRelease('1.0.0', ({ state }) => state === 'active')
  // Some before the first scrape and some after it: a rate needs a series that grows.
  await makeRequests(gateway.url)
  const prometheusUrl = await startPrometheus(t, directory, gateway.adminUrl)
  await until('a scrape', () => found(prometheusUrl, 'up{job="amarre"} == 1'))
  await makeRequests(gateway.url)
  // Now the first release drains, and has a bound.
  await register(t, config, '1.1.0')
  await until('a bound', () => found(prometheusUrl, 'amarre_release_empty_by_timestamp_seconds > 0'))
  await until('a rate', () => found(prometheusUrl, 'sum(rate(amarre_requests_total[1m])) > 0'))
  const exposition = await (await fetch(`${gateway.adminUrl}/metrics`)).text()

  await t.test('the exposition passes promtool with all its checks', (t) => {
    const check = spawnSync('promtool', ['check', 'metrics'], { input: exposition })
    t.equal(check.status, 0, `${check.stdout.toString()}${check.stderr.toString()}`)
    t.end()
  })

  await t.test('every metric that a query names is exposed', (t) => {
    const exposed = new Set(Array.from(exposition.matchAll(/^# TYPE (\w+) /gm), ([, name]) => name))
    for (const { title, expr } of [...dashboardQueries(), ...alertQueries()]) {
      for (const name of metricsIn(expr)) t.ok(exposed.has(name), `${title}: ${name}`)
    }
    t.end()
  })

  await t.test('every query of the dashboard has an answer', async (t) => {
    for (const { title, expr } of dashboardQueries()) {
      const { status, error, data } = await ask(prometheusUrl, filledIn(expr))
      t.equal(status, 'success', `${title}: ${error}`)
      const mayBeEmpty = answersTroubleOnly.test(expr)
      if (!mayBeEmpty) t.ok(data.result.length > 0, `${title}: ${expr}`)
    }
  })

  await t.test('every alert can be evaluated, and none is raised for a gateway in order', async (t) => {
    for (const { title, expr } of alertQueries()) {
      const { status, error, data } = await ask(prometheusUrl, expr)
      t.equal(status, 'success', `${title}: ${error}`)
      if (!['AmarreReleaseRetirable', 'AmarreReleaseDrainsLong', 'AmarreVerdictUnknown'].includes(title)) {
        t.equal(data.result.length, 0, `${title}: ${JSON.stringify(data.result)}`)
      }
    }
  })
})
