// The `amarre` command as a process of its own, against a real admin address.
import { execFile } from 'node:child_process'
import type { ExecFileException } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import t from 'tap'
import { AdminClient } from '../../gateway/cli/admin-client.js'
import { watchStatus } from '../../gateway/cli/status.js'
import { statusLines } from '../../gateway/cli/status-text.js'
import { painter } from '../../gateway/cli/terminal.js'
import type { Terminal } from '../../gateway/cli/terminal.js'
import { rolloutDone, wait } from '../../gateway/cli/wait.js'
import type { PlanStatus, ReleaseStatus, RolloutStatus } from '../../gateway/controlplane/admin-protocol.js'
import { verdictStatus } from '../../gateway/controlplane/verdict-status.js'
import { FakeDesk } from './fake-desk.js'
import { event, FakeView, releaseStatus } from './fake-view.js'
import { serveView, token } from './serve-view.js'
import { nodeAlone } from '../fixtures/node-alone.js'

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
      lastProbe: {
        at: new Date(now - 2000).toISOString(),
        ok: false,
        detail: '404 Not Found',
        durationMs: 3,
      },
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
    frozen: false,
    rollout: null,
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
  { site: 'blog', hosts: ['*'], active: [], frozen: false, rollout: null, warnings: [], releases: [] },
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
const desk = new FakeDesk()
const server = await serveView(view, desk)
t.teardown(() => server.close())

interface Ran {
  readonly exitCode: number
  readonly out: string
  readonly err: string
}

function amarre(args: readonly string[], cwd: string, env: Record<string, string> = {}): Promise<Ran> {
  const options = { cwd, env: { PATH: process.env['PATH'], ...env } }
  return new Promise((resolve) => {
    execFile(...nodeAlone([command, ...args]), options, (error: ExecFileException | null, out, err) =>
      resolve({ exitCode: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1, out, err }),
    )
  })
}

/** Where nobody listens any more. */
const silent = await serveView(view)
await silent.close()

const configOf = (port: number) => ({ 'gateway.yaml': `admin: { listen: 127.0.0.1:${port} }\n` })
const root = t.testdir({
  /** Configuration that names the served view, and its token. */
  good: { config: configOf(server.port), state: { 'admin-token': `${token}\n` } },
  wrong: { config: configOf(server.port), state: { 'admin-token': 'another\n' }, 'my-token': token },
  empty: {},
  silent: { config: configOf(silent.port) },
  anyPort: { config: configOf(0) },
})
const [good, wrong, empty] = [join(root, 'good'), join(root, 'wrong'), join(root, 'empty')]

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
  sites/shop/site.yaml:3:5: retire.when: found "atuo", allowed: "auto" or "manual"; did you mean "auto"?
  gateway.yaml: warning: missing
  sites/shop/site.yaml: its last good content stays in force`

t.test('the table says of each release what an operator must know, within the width of the terminal', (t) => {
  const overview = { gateway: view.gateway, sites: view.siteList }
  const lines = statusLines(overview, { paint: painter(false), columns: 110, now })
  t.equal(lines.join('\n'), page)
  const plain = statusLines(overview, { paint: painter(false), columns: Infinity, now })
  const painted = statusLines(overview, { paint: painter(true), columns: Infinity, now })
  t.not(painted.join('\n'), plain.join('\n'))
  const bleached = painted.map((line) => stripVTControlCharacters(line))
  t.same(bleached, plain, 'colours move nothing')
  t.end()
})

t.test(
  'status finds the gateway by its configuration, as table and as JSON, whole or of one site',
  async (t) => {
    const [table, json, one, none] = await Promise.all([
      amarre(['status'], good),
      amarre(['status', '--json'], good),
      amarre(['status', 'blog', '--config', 'good/config'], root),
      amarre(['status', 'nosuch'], good),
    ])
    t.equal(table.exitCode, 0, table.err)
    t.match(table.out, /^ {2}1\.0\.0 +draining, withdrawn .* 1\/2 +blocked by 3 sessions; empty by /m)
    t.notMatch(table.out, '\u001b', 'no colour where nobody looks')
    t.same(JSON.parse(json.out), { gateway: view.gateway, sites: view.siteList })
    t.match(one.out, /^blog/m)
    t.notMatch(one.out, /^shop/m)
    t.same(none, { exitCode: 2, out: '', err: 'amarre: no site "nosuch", known: "shop", "blog"\n' })
  },
)

t.test('events are told oldest first, as JSON newest first', async (t) => {
  const [table, one, json] = await Promise.all([
    amarre(['events'], good),
    amarre(['events', '--limit', '1'], good),
    amarre(['events', '--json'], good),
  ])
  t.match(
    table.out,
    /^TIME +EVENT +SITE +RELEASE +CHANGE +CAUSE\n.* config .*\n.* active → draining +superseded by 1\.1\.0\n$/,
  )
  t.equal(one.out.trim().split('\n').length, 2)
  t.same(JSON.parse(json.out), view.eventList)
})

t.test('orders go with the token, which the configuration leads to or the command line names', async (t) => {
  t.teardown(() => (view.orders.length = 0))
  const named = [
    '--admin',
    `127.0.0.1:${server.port}/`,
    '--token-file',
    'my-token',
    '--reason',
    'disk is full',
  ]
  const rotated = await amarre(['keys', 'rotate'], good)
  const retired = await amarre(['retire', 'shop', '0.9.0', ...named], wrong)
  const json = await amarre(['keys', 'rotate', '--json', '--reason', 'leaked'], good)
  t.match(rotated, { exitCode: 0, err: '', out: /^tokens are signed with key 4 from now on/ })
  t.match(retired, { exitCode: 0, err: '', out: 'shop 0.9.0 is retired\n' })
  t.equal(json.out, '{"keyId":4}\n')
  t.same(view.orders, [
    'rotate by operator at 127.0.0.1',
    'retire shop 0.9.0 by operator at 127.0.0.1: disk is full',
    'rotate by operator at 127.0.0.1: leaked',
  ])
})

t.test('what stands against an order is told in a sentence, with its exit code', async (t) => {
  const address = `http://127.0.0.1:${server.port}`
  const cases: readonly (readonly [args: readonly string[], cwd: string, exitCode: number, err: string])[] = [
    [
      ['retire', 'shop', '1.0.0'],
      good,
      1,
      'refused by the rule "retire-needs-retirable": "1.0.0" is "draining", not "retirable"',
    ],
    [['retire', 'shop', '7'], good, 2, 'no release "7" of site "shop"'],
    [['retire', 'nosuch', '7'], good, 2, 'no site "nosuch"'],
    [['keys', 'rotate'], wrong, 1, `"${address}" does not take the token of "state/admin-token"`],
    [
      ['keys', 'rotate', '--admin', address],
      empty,
      1,
      'no admin token at "state/admin-token"; name its file by --token-file, or run this where the gateway runs',
    ],
    [
      ['status'],
      join(root, 'silent'),
      1,
      `no gateway answers at "${silent.url}" (connect ECONNREFUSED 127.0.0.1:${silent.port}), which "config/gateway.yaml" names; is it running? name another by --admin or --config`,
    ],
    [
      ['status'],
      join(root, 'anyPort'),
      2,
      '"admin.listen" asks the system for a free port, so the gateway cannot be found by it; use --admin',
    ],
    [['status', '--watch'], good, 2, '--watch needs a terminal; use --json in a script'],
  ]
  const ran = await Promise.all(cases.map(([args, cwd]) => amarre(args, cwd)))
  cases.forEach(([args, , exitCode, err], i) =>
    t.same(ran[i], { exitCode, out: '', err: `amarre: ${err}\n` }, args.join(' ')),
  )
})

t.test(
  'wait ends with 0 when reached, 4 when time is up, 3 when nothing certain can be said then',
  async (t) => {
    const waitFor = (...args: string[]) => amarre(['wait', 'shop', ...args], good)
    t.match(await waitFor('0.9.0'), { exitCode: 0, out: 'shop 0.9.0 is retirable\n' })
    t.match(await waitFor('1.1.0', '--for', 'active'), { exitCode: 0, out: 'shop 1.1.0 is active\n' })
    const late = await waitFor('1.0.0', '--timeout', '100ms')
    t.match(late, { exitCode: 4, out: /1\.0\.0 is draining: blocked by 3 sessions/ })
    t.match(await waitFor('1.2.0-rc.1', '--timeout', '1s'), { exitCode: 1, err: /is rejected/ })
    t.match(await waitFor('7'), { exitCode: 2, err: /no release "7"/ })
    t.match(await waitFor('1.0.0', '--timeout', 'soon'), { exitCode: 2, err: /allowed: a duration/ })
    const before = view.siteList
    t.teardown(() => (view.siteList = before))
    const asOf = Date.now()
    const unknown = verdictStatus(
      { kind: 'unknown', why: [{ because: 'starting', until: null }], until: null, asOf },
      asOf,
    )
    view.siteList = before.map((site) => ({
      ...site,
      releases: site.releases.map((each) =>
        each.version === '1.0.0' ? { ...each, verdict: unknown } : each,
      ),
    }))
    t.match(await waitFor('1.0.0', '--timeout', '100ms'), { exitCode: 3, out: /unknown/ })
  },
)

t.test('the environment wins over the file when the gateway is looked for', async (t) => {
  const found = await amarre(['status'], join(root, 'silent'), {
    AMARRE_ADMIN_LISTEN: `0.0.0.0:${server.port}`,
  })
  t.match(found, { exitCode: 0, err: '' })
})

t.test('a command line that is none exits with 2, help and version with 0', async (t) => {
  const [verb, option, both, limit, help, version] = await Promise.all([
    amarre(['statsu'], empty),
    amarre(['status', '--jsn'], empty),
    amarre(['status', '--watch', '--json'], empty),
    amarre(['events', '--limit', '0'], empty),
    amarre(['--help'], empty),
    amarre(['--version'], empty),
  ])
  t.match(verb, { exitCode: 2, err: /Did you mean status\?/ })
  t.match(option, { exitCode: 2, err: /Did you mean --json\?/ })
  t.match(both, { exitCode: 2, err: /cannot be used with option '--json'/ })
  t.match(limit, { exitCode: 2, err: /allowed: 1 to 1000/ })
  t.equal(help.exitCode, 0)
  t.match(help.out, /start .*check .*init .*status .*events .*retire .*keys /s)
  t.match(version, { exitCode: 0, out: /^\d+\.\d+\.\d+\n$/ })
  const wait = await amarre(['help', 'wait'], empty)
  t.match(wait.out, /Examples:\n {2}amarre wait shop 2\.4\.0 --for active --timeout 5m/)
})

t.test('init writes a configuration that check accepts, and overwrites nothing', async (t) => {
  const first = await amarre(['init', 'new/config'], empty)
  t.match(first, { exitCode: 0, err: '', out: /^wrote new\/config\/gateway\.yaml\n/ })
  const checked = await amarre(['check', 'new/config'], empty)
  t.equal(checked.exitCode, 0, checked.out)
  t.match(checked.out, /my-site/)
  t.notMatch(checked.out, /warning/)
  await writeFile(join(empty, 'new/config/gateway.yaml'), 'workers: 1\n')
  const second = await amarre(['init', 'new/config'], empty)
  t.same(second, {
    exitCode: 1,
    out: '',
    err: 'amarre: "new/config/gateway.yaml" is there already, and nothing was written\n',
  })
  t.equal(await readFile(join(empty, 'new/config/gateway.yaml'), 'utf8'), 'workers: 1\n')
})

t.test('check exits with 1 on an error', async (t) => {
  await mkdir(join(empty, 'bad'))
  await writeFile(join(empty, 'bad/gateway.yaml'), 'wrokers: 1\n')
  const checked = await amarre(['check', 'bad'], empty)
  t.match(checked, { exitCode: 1, out: /gateway\.yaml:1:1: wrokers: .*did you mean "workers"\?/ })
})

/** A terminal of few rows whose text can be waited for. */
function screen(): { terminal: Terminal; until(text: string | RegExp): Promise<string> } {
  const out = new PassThrough({ encoding: 'utf8' })
  let written = ''
  out.on('data', (text: string) => (written += text))
  const size = { columns: 110, rows: 12 }
  return {
    terminal: { out, err: out, isInteractive: true, hasColours: false, size: () => size },
    until: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (written.search(text) < 0) return
          out.off('data', look)
          resolve(written)
          written = ''
        }
        out.on('data', look)
        look()
      }),
  }
}

t.test('a command that comes while the saved sessions are being read waits for them', async (t) => {
  const reading = new FakeView()
  const answers = [true, false]
  reading.isReadingSessions = () => answers.shift() ?? false
  const served = await serveView(reading)
  t.teardown(() => served.close())
  const client = new AdminClient({ url: served.url, foundBy: '--admin', tokenFile: 'none' })
  t.same(await client.sites(), [])
  t.same(answers, [])
})

t.test(
  'status --watch refreshes in place, survives a gateway that is away, and gives the terminal back',
  async (t) => {
    const other = new FakeView()
    const served = await serveView(other)
    const client = new AdminClient({ url: served.url, foundBy: '--admin', tokenFile: 'none' })
    const shown = screen()
    const stop = new AbortController()
    const watching = watchStatus(client, shown.terminal, undefined, stop.signal)
    const first = await shown.until('no sites yet')
    t.ok(first.startsWith('\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[H'))
    other.siteList = view.siteList
    const second = await shown.until(/… \d+ more lines/)
    t.match(second, /1\.1\.0 +active/)
    t.equal(second.split('\r\n').length, 12, 'no more lines than rows')
    await served.close()
    await shown.until(/no gateway answers at .*trying again/s)
    stop.abort()
    t.equal(await watching, 0)
    t.ok((await shown.until('1049l')).endsWith('\u001b[?7h\u001b[?25h\u001b[?1049l'))
  },
)

// -- rollouts and plans -------------------------------------------------------------------------------------------------

const arm = { share: 0.25, births: 40, requests: 150, failed: 3, errorRate: 0.02, p95Ms: 84.4 }
const rollout: RolloutStatus = {
  candidate: { version: '1.1.0', ...arm },
  stable: { version: '1.0.0', ...arm, share: 0.75, p95Ms: null },
  startedAt: '2026-03-01T12:00:00.000Z',
  step: 1,
  steps: [{ share: 0.25, holdMs: 600_000 }],
  stepSince: '2026-03-01T12:00:00.000Z',
  until: '2026-03-01T12:10:00.000Z',
  birthsInStep: 40,
  birthsNeeded: 20,
  endsBy: '2026-03-01T12:10:00.000Z',
  text: 'step 1 of 1, 25% of the births until 2026-03-01T12:10:00.000Z, then all',
}

t.test('status shows a rollout with both arms: shares, step, until when, judged figures', async (t) => {
  const site = { ...view.siteList[0]!, warnings: [], rollout, releases: [] }
  const overview = { gateway: view.gateway, sites: [site] }
  const lines = statusLines(overview, { paint: painter(false), columns: Infinity, now })
  t.same(lines.slice(3, 6), [
    '  rollout of 1.1.0: step 1 of 1, 25% of the births until 2026-03-01T12:10:00.000Z, then all',
    '    1.1.0 with 25%: 40 births, 150 requests, 3 failed (2%), p95 84 ms',
    '    1.0.0 with 75%: 40 births, 150 requests, 3 failed (2%), no p95',
  ])
})

t.test('wait for active lasts as long as a rollout, and fails when that is aborted', async (t) => {
  const other = new FakeView()
  const served = await serveView(other)
  t.teardown(() => served.close())
  const client = new AdminClient({ url: served.url, foundBy: '--admin', tokenFile: 'none' })
  const site = view.siteList[0]!
  const show = (fields: Partial<ReleaseStatus>): void => {
    other.siteList = [{ ...site, releases: [releaseStatus({ version: '1.1.0', ...fields })] }]
  }
  const options = { site: 'shop', version: '1.1.0', for: 'active', timeoutMs: Infinity } as const
  show({ rollout })
  const shown = screen()
  const waiting = wait(client, shown.terminal, options)
  await shown.until(/\[#+\] 1\.1\.0 active: step 1 of 1, 25% of the births until/)
  show({ rollout: null })
  t.equal(await waiting, 0)
  show({ rollout })
  const again = wait(client, shown.terminal, options)
  await shown.until(/step 1 of 1/)
  show({ state: 'draining' })
  await t.rejects(again, { message: /the rollout of "1.1.0" was aborted, it is draining/ })
  t.equal(rolloutDone(rollout, Date.parse('2026-03-01T12:05:00Z')), 0.5)
  t.equal(rolloutDone(rollout, 0), 0)
  t.equal(rolloutDone({ ...rollout, endsBy: rollout.startedAt }, now), 1)
})

t.test(
  'wait goes on while the gateway is away, and takes no release for retired that is only gone',
  async (t) => {
    const other = new FakeView()
    const release = releaseStatus({ version: '1.0.0', state: 'draining' })
    const sites = [{ ...view.siteList[0]!, releases: [release] }]
    other.siteList = sites
    const first = await serveView(other)
    const client = new AdminClient({ url: first.url, foundBy: '--admin', tokenFile: 'none' })
    const waitOn = ({ terminal }: { terminal: Terminal }, timeoutMs = Infinity): Promise<number> =>
      wait(client, terminal, { site: 'shop', version: '1.0.0', for: 'retirable', timeoutMs })

    const [brief, shown] = [screen(), screen()]
    const early = waitOn(brief, 1000)
    const waiting = waitOn(shown)
    await Promise.all([brief, shown].map((each) => each.until(/1\.0\.0 draining/)))
    await first.close()
    await shown.until(/no gateway answers/)
    t.equal(await early, 3, 'time is up while nobody answers: nothing certain can be said')
    const again = await serveView(other, desk, first.port)
    t.teardown(() => again.close())
    await shown.until(/1\.0\.0 draining/)
    other.eventList = [{ ...event(7), to: 'draining' }]
    other.siteList = [{ ...sites[0]!, releases: [] }]
    await t.rejects(waiting, {
      exitCode: 3,
      message: /no release "1\.0\.0" .* does not tell that it was retired/,
    })

    other.siteList = sites
    const last = waitOn(shown)
    await shown.until(/1\.0\.0 draining/)
    other.eventList = [{ ...event(8), to: 'retired' }, ...other.eventList]
    other.siteList = [{ ...sites[0]!, releases: [] }]
    t.equal(await last, 0, 'retired between two looks, and its file gone')
  },
)

const planned: PlanStatus = {
  site: 'shop',
  version: '2.4.0',
  state: 'staged',
  active: ['2.3.0'],
  boarding: { text: 'by an order of an operator (activate: manual)', at: null },
  refusals: [{ rule: 'site-frozen', detail: '"shop" is frozen by its file' }],
  sessions: {
    staying: 5,
    moving: 10,
    movable: 13,
    of: [
      { version: '2.3.0', active: 10, compatible: true, moves: 'onDocument' },
      { version: '2.2.0', active: 3, compatible: true, moves: 'never' },
      { version: '2.1.0', active: 2, compatible: false, moves: 'never' },
    ],
  },
  previous: '2.3.0',
  retention: { former: ['2.3.0', '2.2.0', '2.1.0'], limit: 2, overflowing: ['2.1.0'], onOverflow: 'keep' },
  requirements: [
    { site: 'billing', range: '>=3.1', met: true },
    { site: 'mail', range: '^2', met: false },
  ],
  unmet: ['needs "mail" at "^2", active there is "1.9.0"'],
  breaks: ['"7.0.0" of "kiosk" needs "shop" at "<2.4"'],
  goingBack: { rollbackTo: '2.3.0', barred: ['2.2.0', '2.1.0'] },
  road: {
    direction: 'up',
    notes: [
      { version: '2.3.5', notes: '' },
      { version: '2.4.0', notes: 'Faster checkout.\n\nNew columns.' },
    ],
  },
}

const planPage = `shop 2.4.0 (staged)
  boards       by an order of an operator (activate: manual)
  refused now  site-frozen: "shop" is frozen by its file
  active now   2.3.0
  previous     2.3.0
  sessions     5 stay where they are, 10 move here
               10 on 2.3.0 move here (takeOver: onDocument)
               3 on 2.2.0 stay; a recall could move them here
               2 on 2.1.0 stay: not compatible
  retention    3 former releases afterwards, retain.previous is 2
               beyond it: 2.1.0 (onOverflow: keep)
  requires     "billing" at ">=3.1": met
  unmet        needs "mail" at "^2", active there is "1.9.0"
  would break  "7.0.0" of "kiosk" needs "shop" at "<2.4"
  going back   to 2.3.0 or later, by the data that it writes
               refused to 2.2.0, 2.1.0

what comes, in order
  2.3.5
    no notes
  2.4.0
    Faster checkout.

    New columns.
`

t.test('plan tells the whole road book, as text and as JSON', async (t) => {
  view.plans.push(planned)
  const [text, json, none] = await Promise.all([
    amarre(['plan', 'shop', '2.4.0'], good),
    amarre(['plan', 'shop', '2.4.0', '--json'], good),
    amarre(['plan', 'shop', '9'], good),
  ])
  t.equal(text.out, planPage)
  t.same(JSON.parse(json.out), planned)
  t.match(none, { exitCode: 2, err: /no release "9" of site "shop"/ })
})

t.test('what answers and is no gateway is told', async (t) => {
  const client = new AdminClient({ url: `${server.url}/livez?`, foundBy: '--admin', tokenFile: 'none' })
  await t.rejects(client.sites(), { message: /answers 200 and not as a gateway's admin address does/ })
})

t.test(
  'of an order that takes long it is not said that nobody answers: it may be carried out yet',
  async (t) => {
    const slow = createServer(() => {})
    await new Promise<void>((resolve) => slow.listen(0, '127.0.0.1', resolve))
    t.teardown(() => slow.close().closeAllConnections())
    const url = `http://127.0.0.1:${(slow.address() as AddressInfo).port}`
    const tokenFile = join(root, 'slow-token')
    await writeFile(tokenFile, 'token')
    const client = new AdminClient({ url, foundBy: '--admin', tokenFile }, 100)
    await t.rejects(client.rotateKeys({}), {
      message: /no answer within 0\.1 s at .*: an order may have been carried out all the same/,
    })
    await t.rejects(client.sites(), { message: /no gateway answers at .* \(no answer within 0\.1 s\)/ })
  },
)

t.test(
  'preview prints the link alone, so that it can be sent on; sessions and explain say what they found',
  async (t) => {
    const [link, json, list, explained, strange] = await Promise.all([
      amarre(['preview', 'shop', '1.1.0', '--ttl', '2h', '--url', 'https://a.example/'], good),
      amarre(['preview', 'shop', '1.1.0', '--json'], good),
      amarre(['sessions', 'shop', '1.0.0', '--limit', '1'], good),
      amarre(
        ['explain', 'shop', '--cookie', 'a=1', '--cookie', 'b=2', '--header', 'X: y', '--url', '/p'],
        good,
      ),
      amarre(['preview', 'shop', '1.1.0', '--ttl', '9d'], good),
    ])
    t.equal(link.out, 'https://a.example/?amarre-preview=x\n', link.err)
    t.match(link.err, /^shows "1\.1\.0" to whoever opens it, until .*; "\?amarre-preview=off" ends it\n$/)
    t.match(JSON.parse(json.out), { site: 'shop', version: '1.1.0' })
    t.match(list.out, /^shop 1\.0\.0: .*\nactive sessions: 3, open exchanges: 1, open sockets: 2\nSESSION /)
    t.match(list.out, /^0011223344556677 +1m +2026-03-01T12:00:00\.000Z\nand 2 more: see --limit\n$/m)
    t.equal(
      explained.out,
      `stays on "1.0.0", by rule 3 (own release)
  target   http://a:1
  until    2026-03-01T12:30:00.000Z
  session  0011223344556677 on "1.0.0", born 2026-03-01T12:00:00.000Z
  token    issued 2026-03-01T12:00:00.000Z, honoured without end, while its release serves
`,
    )
    t.equal(strange.exitCode, 1)
    t.match(strange.err, /found ttl "9d", allowed: a duration .* from "1s" to "7d"/)
    t.same(desk.asked.toSorted(), [
      'explain shop {"cookies":["a=1","b=2"],"headers":[{"name":"x","value":"y"}],"url":"/p","method":"GET"}',
      'preview shop 1.1.0 3600000 null by operator at 127.0.0.1',
      'preview shop 1.1.0 7200000 https://a.example/ by operator at 127.0.0.1',
      'sessions shop 1.0.0 1',
    ])
  },
)
