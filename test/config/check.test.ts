// `amarre check`: what it prints and how it exits; and that the generated files and the sample are what they should be.
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import t from 'tap'
import { checkConfig } from '../../gateway/cli/check.js'
import { generatedFiles, projectOf, staleFiles } from '../../gateway/controlplane/config/generate-schemas.js'
import { keysOf } from '../../gateway/controlplane/config/schema-keys.js'

const project = projectOf(import.meta.dirname)

function directoryWith(
  t: { teardown(end: () => void): unknown },
  files: Readonly<Record<string, string>>,
): string {
  const directory = mkdtempSync(join(tmpdir(), 'amarre-check-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), content)
  }
  return directory
}

const good = {
  'sites/shop/site.yaml': 'hosts: [shop.example.com]',
  'sites/shop/releases/2.4.0.yaml':
    'targets: [http://a:3000, http://b:3000]\ncompatibleFrom: 2.3.0\nactivate: auto',
  'sites/shop/releases/2.10.0.yaml': 'targets: [unix:/run/c.sock]\nactivate: manual',
  'sites/shop/releases/2.3.0.yaml': 'targets: [https://d]\nactivate: auto',
}

t.test('a good directory: what would run, exit 0', async (t) => {
  const directory = directoryWith(t, good)
  t.strictSame(await checkConfig(directory), {
    output: `listens on http 0.0.0.0:8080, admin 127.0.0.1:9901
site shop (sites/shop/site.yaml)
  hosts shop.example.com; sessions idle for 30m and last for 7d at most
  2.3.0   draining: serves its sessions (activate: auto)
          https://d:443
  2.4.0   active: takes new sessions (activate: auto)
          compatible from 2.3.0
          http://a:3000
          http://b:3000
  2.10.0  staged: waits for its activation (activate: manual)
          unix:/run/c.sock
1 site, 3 releases
nothing wrong`,
    exitCode: 0,
  })
})

t.test('a bad directory: every problem with its place, exit 1', async (t) => {
  const directory = directoryWith(t, {
    ...good,
    'gateway.yaml': 'workers: many\n',
    'sites/shop/site.yaml': 'hosts: [*]\n',
    'sites/shop/releases/2.4.0.yaml': 'targets: []\nactivate: atuo\n',
    'sites/shop/releases/2.3.0.yaml': 'targets: [https://d]\ntakeOver: onDocument\n',
  })
  const { output, exitCode } = await checkConfig(directory)
  t.equal(exitCode, 1)
  t.strictSame(output.split('\n'), [
    `${directory}/gateway.yaml:1:10: workers: found "many", allowed: "auto" or a whole number from 1 to 256`,
    `${directory}/sites/shop/releases/2.3.0.yaml:2:11: takeOver: warning: of no use without "compatibleFrom": no session of another version can move here`,
    `${directory}/sites/shop/releases/2.4.0.yaml:1:10: targets: found an empty list, allowed: at least one target`,
    `${directory}/sites/shop/releases/2.4.0.yaml:2:11: activate: found "atuo", allowed: "manual", "auto", { at: … } or { steps: […] }; did you mean "auto"?`,
    `${directory}/sites/shop/site.yaml:1:9: "*" begins an alias to YAML; quote it: "*"`,
    '4 errors, 1 warning',
  ])
})

t.test('warnings alone are printed before what would run, exit 0', async (t) => {
  const directory = directoryWith(t, {
    'sites/shop/site.yaml': 'session: { idleTimeout: 8d }',
    'sites/shop/releases/1.yaml': 'targets: [http://a]',
  })
  const { output, exitCode } = await checkConfig(directory)
  t.equal(exitCode, 0)
  t.match(output, /session.idleTimeout: warning: longer than .*\nlistens on/)
  t.match(output, 'no release becomes active by itself: new visitors get 503 until one is activated')
  t.match(output, '1 site, 1 release\n0 errors, 1 warning')
})

t.test('what of a first adoption is hardly meant, and what would serve it', async (t) => {
  const site = (until: string) =>
    `session: { startsOn: { cookie: a }, legacy: { cookie: b, release: 2.10.0, until: ${until} } }`
  const directory = directoryWith(t, {
    ...good,
    'sites/shop/site.yaml': site('2020-01-01T00:00:00Z'),
    'sites/shop/releases/2.10.0.yaml': 'targets: [http://a, http://b]',
  })
  const { output, exitCode } = await checkConfig(directory)
  t.equal(exitCode, 0)
  t.match(output, 'session.legacy.cookie: warning: "startsOn" names another cookie, "a"')
  t.match(output, 'session.legacy.release: warning: "2.10.0" has 2 targets, and whoever comes from before')
  t.match(output, 'session.legacy.until: warning: "2020-01-01T00:00:00.000Z" has passed')
  t.match(output, '2.10.0  staged: waits for its activation (activate: manual)')
  const lasting = directoryWith(t, { ...good, 'sites/shop/site.yaml': site('2999-01-01T00:00:00Z') })
  const awaited = '2.10.0  draining: serves visitors from before the gateway (activate: manual)'
  t.match((await checkConfig(lasting)).output, awaited)
})

t.test('as JSON: problems, and what would run', async (t) => {
  const fine = await checkConfig(directoryWith(t, good), { json: true })
  t.equal(fine.exitCode, 0)
  t.match(JSON.parse(fine.output), {
    valid: true,
    problems: [],
    listen: { http: '0.0.0.0:8080', admin: '127.0.0.1:9901' },
    sites: [{ site: 'shop', releases: [{ version: '2.3.0' }, { version: '2.4.0', activate: 'auto' }, {}] }],
  })
  const bad = await checkConfig(directoryWith(t, { 'sites/shop/site.yaml': 'hots: []' }), { json: true })
  t.equal(bad.exitCode, 1)
  t.match(JSON.parse(bad.output), {
    valid: false,
    problems: [{ severity: 'error', line: 1, column: 1, path: 'hots', message: /did you mean "hosts"\?$/ }],
  })
})

t.test('a directory that is not there is an error, one without a site a warning', async (t) => {
  const directory = directoryWith(t, {})
  t.strictSame(await checkConfig(join(directory, 'none')), {
    output: `${directory}/none: there is no directory "${directory}/none"\n1 error`,
    exitCode: 1,
  })
  const empty = await checkConfig(directory)
  t.equal(empty.exitCode, 0)
  t.match(empty.output, 'warning: there is no site; the first goes to "sites/NAME/site.yaml"')
})

t.test('the environment counts only where it is asked for', async (t) => {
  const directory = directoryWith(t, good)
  const environment = { AMARRE_LISTEN_HTTP: '127.0.0.1:80', AMARRE_WORKERS: 'x' }
  const { output, exitCode } = await checkConfig(directory, { environment })
  t.equal(exitCode, 1)
  t.match(output, 'environment: AMARRE_WORKERS: found "x"')
  t.match(
    (await checkConfig(directory, { environment: { AMARRE_LISTEN_HTTP: '127.0.0.1:80' } })).output,
    'http 127.0.0.1:80',
  )
})

t.test('the published schemas and the reference page are what the schemas say', async (t) => {
  t.strictSame(staleFiles(project), [], 'run "npm run schemas"')
  t.equal(generatedFiles().size, 4)
})

t.test('every key has a sentence, in the schema and on the page', async (t) => {
  const page = readFileSync(join(project, 'docs/configuration.md'), 'utf8')
  for (const kind of ['gateway', 'site', 'registration'] as const) {
    for (const { path, description } of keysOf(kind)) {
      t.match(description, /^[A-Z`].*\.$/, path)
      if (path !== '$schema' && description !== '') t.ok(page.includes(`\`${path}\``), path)
    }
  }
})

t.test('the sample configuration has nothing wrong, nor with its third release dropped', async (t) => {
  const sample = await checkConfig(join(project, 'config'))
  t.match(sample.output, /1\.0\.0 {2}draining[^]*1\.1\.0 {2}active[^]*nothing wrong$/)
  t.notMatch(sample.output, '1.2.0')
  const copy = directoryWith(t, {})
  cpSync(join(project, 'config'), copy, { recursive: true })
  cpSync(join(copy, 'samples/1.2.0.yaml'), join(copy, 'sites/shop/releases/1.2.0.yaml'))
  const dropped = await checkConfig(copy)
  t.match(dropped.output, /1\.1\.0 {2}draining[^]*1\.2\.0 {2}active[^]*nothing wrong$/)
})

t.test('the sample files name the schema that editors find', async (t) => {
  const config = join(project, 'config')
  const files = [
    'gateway.yaml',
    'sites/shop/site.yaml',
    ...readdirSync(join(config, 'sites/shop/releases')).map((name) => `sites/shop/releases/${name}`),
  ]
  for (const file of files) {
    const [line = ''] = readFileSync(join(config, file), 'utf8').split('\n')
    const schema = /^# yaml-language-server: \$schema=(\S+)$/.exec(line)?.[1] ?? ''
    t.ok(readFileSync(resolve(dirname(join(config, file)), schema), 'utf8').includes('"$schema"'), file)
  }
})
