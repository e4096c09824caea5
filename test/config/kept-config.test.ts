// A start over unchanged files takes what they were read to mean: the same values as by reading them, and nothing at all
// where anything differs.
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ConfigKeeper, findKeptConfig, isInForce } from '../../gateway/adapters/kept-config.js'
import type { ConfigListing, Environment } from '../../gateway/controlplane/config/desired-state.js'
import { loadConfig } from '../../gateway/controlplane/config/load-config.js'
import { nullLog } from '../../gateway/domain/ports.js'
import type { Owner } from '../fixtures/owner.js'

/** Values of every kind that files can say: endless times, windows, ranges, rates, pages. */
function listingOf(state: string, words = ''): ConfigListing {
  const files = {
    'gateway.yaml': `workers: 2\nstate:\n  directory: ${state}\n${words}`,
    'sites/shop/errors/503.html': '<h1>soon</h1>',
    'sites/shop/releases/1.0.0.yaml': 'targets: [http://127.0.0.1:1]\nrequires: { other: ">=3.1" }\n',
    'sites/shop/releases/1.1.0.yaml': `targets: ["http://[::1]:1", "unix:/tmp/a"]
activate: { steps: [{ share: 5%, hold: 10m }], abortOn: { errorRate: 2% } }
`,
    'sites/shop/site.yaml': `hosts: ["*.example.com"]
session: { idleTimeout: 5m, maxAge: never }
retain: { maxDrain: never }
windows: [{ days: [mon], from: "22:00", to: "04:00", zone: Europe/Paris }]
`,
  }
  return {
    files: Object.entries(files).map(([path, content]) => ({ path, content })),
    directories: ['.', 'sites', 'sites/shop', 'sites/shop/errors', 'sites/shop/releases'],
    unreadable: [],
  }
}

async function stateOf(t: Owner): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'amarre-kept-'))
  t.teardown(() => rm(directory, { recursive: true }))
  return directory
}

async function keep(state: string, listing: ConfigListing, environment: Environment = {}): Promise<void> {
  const keeper = new ConfigKeeper(state, environment, nullLog)
  keeper.keep(listing, loadConfig(listing, {}, environment))
  await keeper.flush()
}

t.test('the same files, environment and program: what reading them gives', async (t) => {
  const state = await stateOf(t)
  const listing = listingOf(state)
  const environment = { AMARRE_WORKERS: '3', HOME: '/root' }
  await keep(state, listing, environment)
  const read = loadConfig(listing, {}, environment)
  t.same(
    read.problems.filter(({ severity }) => severity === 'error'),
    [],
  )
  const kept = findKeptConfig(listing, { ...environment, HOME: '/' })
  t.strictSame(kept, read)
  t.ok(kept !== null && isInForce(kept, read.lastGood))
  t.equal((await stat(join(state, 'configuration.kept'))).mode & 0o777, 0o600)
})

t.test('the state directory is found where the environment names it', async (t) => {
  const state = await stateOf(t)
  const listing = listingOf('/nowhere')
  const environment = { AMARRE_STATE_DIRECTORY: state }
  await keep(state, listing, environment)
  t.strictSame(findKeptConfig(listing, environment), loadConfig(listing, {}, environment))
})

t.test('anything else is read anew', async (t) => {
  const state = await stateOf(t)
  const listing = listingOf(state)
  await keep(state, listing)
  t.equal(findKeptConfig(listingOf(state, 'watch: poll\n'), {}), null, 'another content')
  t.equal(findKeptConfig({ ...listing, files: listing.files.slice(1) }, {}), null, 'a file less')
  t.equal(findKeptConfig({ ...listing, directories: ['.'] }, {}), null, 'a folder less')
  t.equal(findKeptConfig(listing, { AMARRE_WORKERS: '1' }), null, 'another environment')
  const other = await stateOf(t)
  await writeFile(join(other, 'configuration.kept'), await readFile(join(state, 'configuration.kept')))
  t.equal(findKeptConfig(listing, { AMARRE_STATE_DIRECTORY: other }), null, "another gateway's")
  const kept = await readFile(join(state, 'configuration.kept'))
  kept.write('66', kept.lastIndexOf('10m') - 2)
  await writeFile(join(state, 'configuration.kept'), kept)
  t.equal(findKeptConfig(listing, {}), null, 'a page of it that was never written')
  await writeFile(join(state, 'configuration.kept'), 'damaged')
  t.equal(findKeptConfig(listing, {}), null, 'damaged')
})

t.test('what was in force last decides: a reading of other files is none', async (t) => {
  const listing = listingOf('./state')
  const config = loadConfig(listing, {}, {})
  t.equal(isInForce(config, config.lastGood), true)
  t.equal(isInForce(config, {}), false)
  t.equal(isInForce(config, { ...config.lastGood, 'gateway.yaml': '' }), false)
  t.equal(isInForce(config, { ...config.lastGood, 'sites/shop/releases/0.9.0.yaml': '' }), false)
})

t.test('what depends on former contents is not kept', async (t) => {
  const state = await stateOf(t)
  const listing = listingOf(state)
  const bad: ConfigListing = {
    ...listing,
    files: listing.files.map((file) =>
      file.path.endsWith('1.1.0.yaml') ? { ...file, content: 'targets: 1' } : file,
    ),
  }
  await keep(state, bad)
  t.equal(findKeptConfig(bad, {}), null)
})
