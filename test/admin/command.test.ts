// The `amarre` command as a process of its own, against a real admin address.
import { execFile } from 'node:child_process'
import type { ExecFileException } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { AdminClient } from '../../gateway/cli/admin-client.js'
import { watchStatus } from '../../gateway/cli/status.js'
import { statusLines } from '../../gateway/cli/status-text.js'
import { painter } from '../../gateway/cli/terminal.js'
import type { Terminal } from '../../gateway/cli/terminal.js'
import { verdictStatus } from '../../gateway/controlplane/verdict-status.js'
import { event, FakeView, releaseStatus } from './fake-view.js'
import { serveView, token } from './serve-view.js'

const command = fileURLToPath(new URL('../../gateway/cli/amarre.js', import.meta.url))
const now = Date.parse('2026-03-01T14:20:00Z')

const view = new FakeView()
const draining = releaseStatus({
  version: '1.0.0',
  state: 'draining',
  since: new Date(now - 3 * 60_000).toISOString(),
  withdrawn: true,
  targets: [
    { url: 'http://127.0.0.1:3100', healthy: true, lastProbe: null },
    {
      url: 'http://127.0.0.1:3101',
      healthy: false,
      lastProbe: { at: new Date(now - 2000).toISOString(), ok: false, detail: '404 Not Found', durationMs: 3 },
    },
  ],
  sessions: { active: 3, provisional: 0, oldest: null },
  exchangesOpen: 1,
  websocketsOpen: 2,
  verdict: verdictStatus(
    {
      kind: 'blocked',
      by: [{ by: 'sessions', count: 3, until: now + 12 * 60_000 }],
      emptyBy: now + 12 * 60_000,
      asOf: now,
    },
    now,
  ),
})
view.siteList = [
  {
    site: 'shop',
    hosts: ['shop.example.com', 'www.example.com'],
    active: ['1.1.0'],
    warnings: ['more releases hold sessions than "retain.previous" allows'],
    releases: [
      releaseStatus({ version: '1.2.0-rc.1', state: 'rejected', rejected: '"targets" is missing' }),
      releaseStatus({
        version: '1.1.0',
        acceptsBirths: true,
        share: 0.125,
        since: new Date(now - 3 * 60_000).toISOString(),
        sessions: { active: 12, provisional: 4, oldest: null },
        targets: [{ url: 'http://127.0.0.1:3110', healthy: null, lastProbe: null }],
      }),
      draining,
      releaseStatus({ version: '0.9.0', state: 'retirable' }),
    ],
  },
  { site: 'blog', hosts: ['*'], active: [], warnings: [], releases: [] },
]
view.eventList = [event(2), { ...event(1), type: 'config', from: null, to: null, release: null }]
view.gateway = {
  ...view.gateway,
  config: {
    problems: [
      {
        severity: 'error',
        file: 'sites/shop/site.yaml',
        line: 3,
        column: 5,
        path: 'retire.when',
        message: 'found "atuo", allowed: "auto" or "manual"; did you mean "auto"?',
      },
      { severity: 'warning', file: 'gateway.yaml', line: 0, column: 0, path: '', message: 'missing' },
    ],
    keptFiles: ['sites/shop/site.yaml'],
  },
}
const server = await serveView(view)
t.teardown(() => server.close())

interface Ran {
  readonly exitCode: number
  readonly out: string
  readonly err: string
}

function amarre(args: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<Ran> {
  const options = { cwd, env: { PATH: process.env['PATH'], ...env } }
  return new Promise((resolve) => {
    execFile(process.execPath, [command, ...args], options, (error: ExecFileException | null, out, err) =>
      resolve({ exitCode: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, out, err }),
    )
  })
}

/** A directory whose configuration names the served view, and whose state holds its token. */
async function place(t: Tap, adminToken = token): Promise<string> {
  const directory = t.testdir({})
  await mkdir(join(directory, 'config'))
  await mkdir(join(directory, 'state'))
  await writeFile(join(directory, 'config/gateway.yaml'), `admin: { listen: 127.0.0.1:${server.port} }\n`)
  await writeFile(join(directory, 'state/admin-token'), `${adminToken}\n`)
  return directory
}

type Tap = { testdir(content: object): string }

const page = `http://0.0.0.0:8080  ready, 2 workers, up 2h 20m

shop  shop.example.com, www.example.com
  more releases hold sessions than "retain.previous" allows
  VERSION     STATE                     BIRTHS  SESSIONS  OPEN      TARGETS  VERDICT
  1.2.0-rc.1  rejected (2h 20m)         -       0         0         0/0      "targets" is missing
  1.1.0       active (3m)               12.5%   12 (+4)   0         ?/1      blocked by accepting births
  1.0.0       draining, withdrawn (3m)  -       3         1 + 2 ws  1/2      blocked by 3 sessions; empty by
                                                                             14:32 UTC (in 12m) if nobody
                                                                             returns
  0.9.0       retirable (2h 20m)        -       0         0         0/0      blocked by accepting births
  1.0.0 http://127.0.0.1:3101: 404 Not Found (2s ago)

blog  *
  no releases yet

configuration
  sites/shop/site.yaml:3:5: retire.when: found "atuo", allowed: "auto" or "manual"; did you mean
    "auto"?
  gateway.yaml: warning: missing
  sites/shop/site.yaml: its last good content stays in force`

t.test('the table says of each release what an operator must know, within the width of the terminal', (t) => {
  const overview = { gateway: view.gateway, sites: view.siteList }
  const lines = statusLines(overview, { paint: painter(false), columns: 110, now })
  t.equal(lines.join('\n'), page)
  const plain = statusLines(overview, { paint: painter(false), columns: Infinity, now })
  const painted = statusLines(overview, { paint: painter(true), columns: Infinity, now })
  t.not(painted.join('\n'), plain.join('\n'))
  t.same(
    // eslint-disable-next-line no-control-regex
    painted.map((line) => line.replaceAll(/\u001b\[\d+m/g, '')),
    plain,
    'colours move nothing',
  )
  t.end()
})

t.test('status finds the gateway by its configuration, as table and as JSON, whole or of one site', async (t) => {
  const cwd = await place(t)
  const [table, json, one, none] = await Promise.all([
    amarre(['status'], cwd),
    amarre(['status', '--json'], cwd),
    amarre(['status', 'blog', '--config', 'config'], cwd),
    amarre(['status', 'nosuch'], cwd),
  ])
  t.equal(table.exitCode, 0, table.err)
  t.match(table.out, /^ {2}1\.0\.0 +draining, withdrawn .* 1\/2 +blocked by 3 sessions; empty by /m)
  t.notMatch(table.out, /\u001b/, 'no colour where nobody looks')
  t.same(JSON.parse(json.out), { gateway: view.gateway, sites: view.siteList })
  t.match(one.out, /^blog/m)
  t.notMatch(one.out, /^shop/m)
  t.same(none, { exitCode: 2, out: '', err: 'amarre: no site "nosuch", known: "shop", "blog"\n' })
})

t.test('orders go with the token; the token is found by the configuration or named', async (t) => {
  t.teardown(() => (view.orders.length = 0))
  const cwd = await place(t)
  const elsewhere = t.testdir({ sub: { 'my-token': token } }).concat('/sub')
  const [rotated, retired] = [
    await amarre(['keys', 'rotate'], cwd),
    await amarre(
      // eslint-disable-next-line unicorn/prefer-spread
      ['retire', 'shop', '0.9.0', '--reason', 'disk is full', '--admin', `127.0.0.1:${server.port}/`, '--token-file', 'my-token'],
      elsewhere,
    ),
  ]
  t.match(rotated, { exitCode: 0, err: '', out: /^tokens are signed with key 4 from now on/ })
  t.match(retired, { exitCode: 0, err: '', out: 'shop 0.9.0 is retired\n' })
  t.same(view.orders, [
    'rotate by operator at 127.0.0.1',
    'retire shop 0.9.0 by operator at 127.0.0.1: disk is full',
  ])
})

t.test('what stands against an order is told in a sentence, with its exit code', async (t) => {
  const [cwd, wrong] = [await place(t), await place({ testdir: () => t.testdir({}) }, 'not-the-token')]
  t.ok(cwd)
  const [refused, unknown, denied] = await Promise.all([
    amarre(['retire', 'shop', '1.0.0', '--token-file', tokenFile(t)], wrong),
    amarre(['retire', 'shop', '7', '--token-file', tokenFile(t)], wrong),
    amarre(['keys', 'rotate'], wrong),
  ])
  t.same(refused, {
    exitCode: 1,
    out: '',
    err: 'amarre: refused by the rule "retire-needs-retirable": "1.0.0" is "draining", not "retirable"\n',
  })
  t.same(unknown, { exitCode: 2, out: '', err: 'amarre: no release "7" of site "shop"\n' })
  t.match(denied, { exitCode: 1, err: /does not take the token of "state\/admin-token"/ })
})
