// Whatever happens to the configuration directory: nothing that runs changes, and the error is to be seen wherever an
// operator may look.
import t from 'tap'
import { registrationPath, siteWords } from '../fixtures/config-place.js'
import { startApplication } from '../fixtures/application.js'
import { deploy } from '../fixtures/fleet.js'
import { startGateway, type Gateway } from '../fixtures/gateway.js'
import { runAmarre } from '../fixtures/gateway-process.js'
import { until } from '../fixtures/until.js'
import { Visitor } from '../fixtures/visitor.js'

const config = { 'sites/shop/site.yaml': siteWords({ session: { idleTimeout: '30m' } }) }

/** Waits for an error about that file, or for its absence. */
async function problem(gateway: Gateway, file: string, isThere = true): Promise<void> {
  await until(`${isThere ? 'an' : 'no'} error about ${file}`, async () => {
    const { problems } = (await gateway.status()).config
    return problems.some((each) => each.severity === 'error' && each.file.startsWith(file)) === isThere
  })
}

/** Releases in service and their states. */
async function states(gateway: Gateway): Promise<string[]> {
  const inService = (await gateway.releases()).filter(({ serves }) => serves)
  return inService.map(({ version, state }) => `${version} ${state}`)
}

t.test('a bad file: seen in log, metric, API and check, and nothing that runs changes', async (t) => {
  const gateway = await startGateway({ t, config })
  await deploy(gateway, '1.0.0', t)
  await deploy(gateway, '2.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  const home = (await visitor.go()).page
  const running = await states(gateway)
  const bad = {
    [registrationPath('shop', '3.0.0')]: '{ "targets": ["http://127.0.0.1:1"], "activat": "auto" }',
    [registrationPath('shop', '2.0.0')]: 'targets: [not an address]\n',
    'sites/shop/site.yaml': 'session:\n  idleTimeout: soon\n',
  }
  const good = new Map<string, string>()
  for (const [file, text] of Object.entries(bad)) {
    await t.test(file, async (t) => {
      good.set(file, await gateway.config.read(file))
      const { rejected = 0 } = (await gateway.metrics()).by('result', 'amarre_config_reloads_total')
      await gateway.config.write(file, text)
      await problem(gateway, file)
      const escaped = file.replaceAll('.', '\\.')
      t.match(await gateway.waitForLog(new RegExp(`"level":50.*${escaped}`)), '"msg":"configuration"')
      const exposition = await gateway.metrics()
      t.equal(exposition.value('amarre_config_file_valid', { file }), 0)
      t.ok((exposition.by('result', 'amarre_config_reloads_total')['rejected'] ?? 0) > rejected)
      t.ok(
        (await gateway.events()).some(
          ({ type, cause }) => type === 'config-rejected' && cause.startsWith(file),
        ),
      )
      const checked = await runAmarre(['check', gateway.configDirectory])
      t.equal(checked.code, 1)
      t.match(checked.stdout + checked.stderr, new RegExp(`${escaped}:\\d+:\\d+`))

      t.same(await states(gateway), running, 'releases are what they were')
      t.match((await visitor.go()).page, {
        release: home.release,
        session: home.session,
        isNewSession: false,
      })
      t.equal((await new Visitor(gateway.url, { t }).go()).page.release, '2.0.0')
    })
  }
  for (const [file, text] of good) {
    if (text === '') await gateway.config.remove(file)
    else await gateway.config.write(file, text)
    await problem(gateway, file, false)
  }
  t.equal((await runAmarre(['check', gateway.configDirectory])).code, 0)
  t.same(await states(gateway), running)
})

t.test('a restart with a bad file serves by the content that was good', async (t) => {
  const gateway = await startGateway({ t, config })
  await deploy(gateway, '1.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  const home = (await visitor.go()).page
  await gateway.config.write('sites/shop/site.yaml', 'session: [')
  await gateway.config.write(registrationPath('shop', '1.0.0'), '{')
  await problem(gateway, 'sites/shop/site.yaml')
  await problem(gateway, registrationPath('shop', '1.0.0'))
  await gateway.stop()
  await gateway.restart()
  t.same(await states(gateway), ['1.0.0 active'])
  t.match((await visitor.go()).page, { session: home.session, isNewSession: false })
  t.equal((await gateway.status()).config.keptFiles.length, 2)
})

t.test('a half-written file is no file yet', async (t) => {
  const gateway = await startGateway({ t, config })
  await deploy(gateway, '1.0.0', t)
  const next = await startApplication({ release: '2.0.0', t })
  const file = registrationPath('shop', '2.0.0')
  const text = `{ "activate": "auto",\n  "targets": ["${next.url}"] }\n`
  await gateway.config.write(file, text.slice(0, 30))
  await problem(gateway, file)
  t.same(await states(gateway), ['1.0.0 active'])
  await gateway.config.overwrite(file, text)
  await gateway.waitForRelease('2.0.0', ({ state }) => state === 'active')
  await problem(gateway, file, false)
})

t.test('a directory that vanishes is taken for a failed mount', async (t) => {
  const gateway = await startGateway({ t, config })
  await deploy(gateway, '1.0.0', t)
  await deploy(gateway, '2.0.0', t)
  const visitor = new Visitor(gateway.url, { t })
  const home = (await visitor.go()).page
  const running = await states(gateway)
  for (const directory of ['sites/shop/releases', 'sites/shop', 'sites']) {
    await gateway.config.move(directory, 'elsewhere')
    await until(`an error about ${directory}`, async () =>
      (await gateway.status()).config.problems.some(({ severity }) => severity === 'error'),
    )
    t.match(await gateway.waitForLog(/"level":50.*"msg":"configuration"/), directory.split('/')[0] ?? '')
    t.same(await states(gateway), running, `without ${directory} releases are what they were`)
    t.match((await visitor.go()).page, { session: home.session, isNewSession: false })
    await gateway.config.move('elsewhere', directory)
    await until('all is well again', async () =>
      (await gateway.status()).config.problems.every(({ severity }) => severity !== 'error'),
    )
  }
  t.same(await states(gateway), running)
})
