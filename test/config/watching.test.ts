// A configuration directory on disk, watched: what changes it and what does not, and how soon. Real files, no sleeping.
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ChokidarConfigSource } from '../../gateway/adapters/chokidar-config-source.js'
import type { ConfigListing } from '../../gateway/controlplane/config/desired-state.js'

/** A change takes effect within this after its last write. */
const boundMs = 200
const siteFile = 'sites/shop/site.yaml'
const releases = 'sites/shop/releases'

type Mode = 'notify' | 'poll'

interface Test {
  teardown(end: () => unknown): unknown
}

/** A directory being watched, and every listing that it gave. */
class Watched {
  readonly directory: string
  readonly listings: ConfigListing[] = []
  readonly source: ChokidarConfigSource
  #wake: () => void = () => undefined

  constructor(directory: string, mode: Mode) {
    this.directory = directory
    this.source = new ChokidarConfigSource({
      directory,
      mode,
      onNotificationLost: (error) => {
        throw error
      },
    })
  }

  path(path: string): string {
    return join(this.directory, path)
  }

  async begin(): Promise<ConfigListing> {
    const first = await this.source.read()
    this.source.watch((listing) => {
      this.listings.push(listing)
      this.#wake()
    })
    return first
  }

  /** The content of a file in the newest listing. */
  content(path: string): string | undefined {
    return this.listings.at(-1)?.files.find((file) => file.path === path)?.content
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((wake) => (this.#wake = wake))
  }

  /** Makes a change and says how soon it was to be seen, in ms. */
  async soon(change: () => void, holds: () => boolean): Promise<number> {
    change()
    const changedAt = performance.now()
    await this.until(holds)
    return performance.now() - changedAt
  }

  /** Makes a change up to three times, each time another, and says how soon the quickest was to be seen, in ms. */
  async quickest(change: (round: number) => () => boolean): Promise<number> {
    let best = Infinity
    for (let round = 1; round <= 3 && best >= boundMs * 0.75; round++) {
      let holds = (): boolean => false
      best = Math.min(
        best,
        await this.soon(
          () => (holds = change(round)),
          () => holds(),
        ),
      )
    }
    return best
  }
}

function temporary(t: Test): string {
  const root = mkdtempSync(join(tmpdir(), 'amarre-config-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  return root
}

function fill(directory: string): void {
  mkdirSync(join(directory, releases), { recursive: true })
  writeFileSync(join(directory, siteFile), '')
  writeFileSync(join(directory, releases, '1.0.0.yaml'), 'one')
}

async function watched(t: Test, mode: Mode): Promise<Watched> {
  const config = new Watched(join(temporary(t), 'config'), mode)
  fill(config.directory)
  t.teardown(() => config.source.close())
  await config.begin()
  return config
}

t.test('a listing has every file that counts and no other', async (t) => {
  const config = new Watched(join(temporary(t), 'config'), 'poll')
  t.strictSame(
    await config.source.read(),
    { files: [], directories: [], unreadable: [] },
    'nor need it be there',
  )
  fill(config.directory)
  for (const [path, content] of [
    ['gateway.yml', 'g'],
    ['other.yaml', ''],
    ['.hidden.yaml', ''],
    ['schema/site.schema.json', ''],
    ['samples/1.2.0.yaml', ''],
    ['sites/stray.yaml', 's'],
    ['sites/shop/notes.txt', ''],
    ['sites/shop/deeper/x.yaml', ''],
    ['sites/shop/deeper/503.html', ''],
    ['sites/shop/503.html', ''],
    ['sites/shop/errors/503.html', 'page'],
    ['sites/shop/errors/.503.html', ''],
    ['sites/shop/errors/503.yaml', ''],
    [`${releases}/2.0.0.json`, 'two'],
    [`${releases}/.3.0.0.yaml.swp`, ''],
    [`${releases}/.#3.0.0.yaml`, ''],
    [`${releases}/3.0.0.yaml~`, ''],
    [`${releases}/3.0.0.yaml.bak`, ''],
    [`${releases}/4.0.0.yaml/inside.yaml`, ''],
  ] as const) {
    mkdirSync(join(config.path(path), '..'), { recursive: true })
    writeFileSync(config.path(path), content)
  }
  symlinkSync('nowhere', config.path(`${releases}/5.0.0.yaml`))
  const listing = await config.source.read()
  await config.source.close()
  t.strictSame(listing, {
    files: [
      { path: 'gateway.yml', content: 'g' },
      { path: 'sites/shop/errors/503.html', content: 'page' },
      { path: `${releases}/1.0.0.yaml`, content: 'one' },
      { path: `${releases}/2.0.0.json`, content: 'two' },
      { path: siteFile, content: '' },
      { path: 'sites/stray.yaml', content: 's' },
    ],
    directories: ['.', 'sites', 'sites/shop', 'sites/shop/errors', releases],
    unreadable: [],
  })
})

for (const mode of ['notify', 'poll'] as const) {
  t.test(`${mode}: a dropped, edited, renamed-over and deleted file takes effect in time`, async (t) => {
    const config = await watched(t, mode)
    t.equal(config.source.mode, mode)
    const file = (round: number): string => `${releases}/2.${round}.yaml`
    const dropped = await config.quickest((round) => {
      writeFileSync(config.path(file(round)), 'new')
      return () => config.content(file(round)) === 'new'
    })
    t.ok(dropped < boundMs, `dropped: ${dropped.toFixed(0)} ms`)
    const edited = await config.quickest((round) => {
      appendFileSync(config.path(file(1)), `+${round}`)
      return () => config.content(file(1))?.endsWith(`+${round}`) === true
    })
    t.ok(edited < boundMs, `edited: ${edited.toFixed(0)} ms`)
    const renamed = await config.quickest((round) => {
      writeFileSync(config.path(`${releases}/.new`), `over ${round}`)
      renameSync(config.path(`${releases}/.new`), config.path(file(1)))
      return () => config.content(file(1)) === `over ${round}`
    })
    t.ok(renamed < boundMs, `renamed over: ${renamed.toFixed(0)} ms`)
    const doomed = [1, 2, 3].map((number) => `${releases}/0.${number}.yaml`)
    for (const path of doomed) writeFileSync(config.path(path), '')
    await config.until(() => doomed.every((path) => config.content(path) === ''))
    const deleted = await config.quickest((round) => {
      const path = doomed[round - 1] ?? ''
      rmSync(config.path(path))
      return () => config.content(path) === undefined
    })
    t.ok(deleted < boundMs, `deleted: ${deleted.toFixed(0)} ms`)
  })

  t.test(
    `${mode}: a directory that comes late, goes away, comes back or is replaced takes effect in time`,
    async (t) => {
      const config = new Watched(join(temporary(t), 'not', 'yet', 'config'), mode)
      t.teardown(() => config.source.close())
      t.strictSame((await config.begin()).directories, [])
      const content = (): string | undefined => config.content(`${releases}/1.0.0.yaml`)
      const isAway = (): boolean => config.listings.at(-1)?.directories.length === 0
      const late = await config.quickest((round) => {
        rmSync(join(config.directory, '..', '..'), { recursive: true, force: true })
        fill(config.directory)
        writeFileSync(config.path(`${releases}/1.0.0.yaml`), `late ${round}`)
        return () => content() === `late ${round}`
      })
      t.ok(late < boundMs, `late: ${late.toFixed(0)} ms`)
      const elsewhere = `${config.directory}-away`
      let [away, back] = [Infinity, Infinity]
      for (let round = 1; round <= 3 && Math.max(away, back) >= boundMs * 0.75; round++) {
        away = Math.min(away, await config.soon(() => renameSync(config.directory, elsewhere), isAway))
        back = Math.min(
          back,
          await config.soon(
            () => renameSync(elsewhere, config.directory),
            () => !isAway(),
          ),
        )
      }
      t.ok(away < boundMs, `away: ${away.toFixed(0)} ms`)
      t.ok(back < boundMs, `back: ${back.toFixed(0)} ms`)
      const after = await config.quickest((round) => {
        writeFileSync(config.path(`${releases}/1.0.0.yaml`), `after ${round}`)
        return () => content() === `after ${round}`
      })
      t.ok(after < boundMs, `edited after it came back: ${after.toFixed(0)} ms`)
      const replaced = await config.quickest((round) => {
        renameSync(config.path(releases), `${config.directory}-old-${round}`)
        fill(config.directory)
        writeFileSync(config.path(`${releases}/1.0.0.yaml`), `replaced ${round}`)
        return () => content() === `replaced ${round}`
      })
      t.ok(replaced < boundMs, `replaced: ${replaced.toFixed(0)} ms`)
      const inside = await config.quickest((round) => {
        appendFileSync(config.path(`${releases}/1.0.0.yaml`), `inside ${round}`)
        return () => content()?.endsWith(`inside ${round}`) === true
      })
      t.ok(inside < boundMs, `edited in what replaced it: ${inside.toFixed(0)} ms`)
    },
  )

  t.test(`${mode}: a swap of links as Kubernetes makes it takes effect in time, and at once`, async (t) => {
    const config = await watched(t, mode)
    const folder = config.path(releases)
    const publish = (round: number): void => {
      const name = `..2030_01_${round}`
      mkdirSync(join(folder, name))
      writeFileSync(join(folder, name, '1.0.0.yaml'), `a ${round}`)
      writeFileSync(join(folder, name, '2.0.0.yaml'), `b ${round}`)
      symlinkSync(name, join(folder, '..data_tmp'))
      renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
      if (round > 0) rmSync(join(folder, `..2030_01_${round - 1}`), { recursive: true })
    }
    unlinkSync(join(folder, '1.0.0.yaml'))
    publish(0)
    for (const name of ['1.0.0.yaml', '2.0.0.yaml']) symlinkSync(join('..data', name), join(folder, name))
    await config.until(() => config.content(`${releases}/2.0.0.yaml`) === 'b 0')
    const swapped = await config.quickest((round) => {
      publish(round)
      return () => config.content(`${releases}/2.0.0.yaml`) === `b ${round}`
    })
    t.ok(swapped < boundMs, `swapped: ${swapped.toFixed(0)} ms`)
    const rounds = config.listings
      .map(({ files }) =>
        files.filter(({ path }) => path.startsWith(releases)).map(({ content }) => content.slice(2)),
      )
      .filter((pair) => pair.length === 2)
    t.ok(
      rounds.every(([a, b]) => a === b),
      'no listing mixes two rounds',
    )
  })
}

t.test('a half-written file is not read', async (t) => {
  const config = await watched(t, 'notify')
  const path = `${releases}/2.0.0.yaml`
  const begunAt = performance.now()
  let whole = ''
  while (performance.now() - begunAt < 300) {
    whole += 'piece\n'
    appendFileSync(config.path(path), 'piece\n')
    await new Promise(setImmediate)
  }
  await config.until(() => config.content(path) !== undefined)
  t.strictSame(
    config.listings.map(({ files }) => files.find((file) => file.path === path)?.content),
    [whole],
  )
})

t.test('a file that never stands still holds no other up for long', async (t) => {
  const config = await watched(t, 'notify')
  writeFileSync(config.path(`${releases}/2.0.0.yaml`), 'two')
  const begunAt = performance.now()
  let isSeen = false
  const seen = config
    .until(() => config.content(`${releases}/2.0.0.yaml`) === 'two')
    .then(() => (isSeen = true))
  while (!isSeen && performance.now() - begunAt < 5000) {
    appendFileSync(config.path(`${releases}/1.0.0.yaml`), '.')
    await new Promise(setImmediate)
  }
  await seen
  t.ok(performance.now() - begunAt < 2000)
  t.equal(config.content(`${releases}/1.0.0.yaml`), 'one', 'and is itself as it was')
})

t.test('a rename shows as one change, not as a file that is gone', async (t) => {
  const config = await watched(t, 'notify')
  renameSync(config.path(`${releases}/1.0.0.yaml`), config.path(`${releases}/one.yaml`))
  await config.until(() => config.content(`${releases}/one.yaml`) === 'one')
  t.equal(config.listings.length, 1)
  t.equal(config.content(`${releases}/1.0.0.yaml`), undefined)
})

t.test('files that vanish one after the other without a word vanish together', async (t) => {
  const config = await watched(t, 'notify')
  const elsewhere = temporary(t)
  const versions = ['2.0.0', '3.0.0']
  for (const version of versions) {
    writeFileSync(join(elsewhere, version), version)
    symlinkSync(join(elsewhere, version), config.path(`${releases}/${version}.yaml`))
  }
  const count = (listing: ConfigListing | undefined): number =>
    listing?.files.filter(({ path }) => versions.some((version) => path.includes(version))).length ?? 0
  await config.until(() => count(config.listings.at(-1)) === 2)
  // The system tells nothing of what is elsewhere: one is seen to be gone by a look that something else has caused.
  unlinkSync(join(elsewhere, '2.0.0'))
  writeFileSync(config.path(`${releases}/notes.txt`), '')
  setTimeout(() => unlinkSync(join(elsewhere, '3.0.0')), 30)
  await config.until(() => count(config.listings.at(-1)) < 2)
  t.equal(count(config.listings.at(-1)), 0)
})

t.test('what changes nothing is not told', async (t) => {
  const config = await watched(t, 'notify')
  writeFileSync(config.path(`${releases}/.2.0.0.yaml.swp`), 'x')
  writeFileSync(config.path(`${releases}/4913`), 'x')
  writeFileSync(config.path(`${releases}/2.0.0.yaml~`), 'x')
  writeFileSync(config.path(`${releases}/1.0.0.yaml`), 'one')
  utimesSync(config.path(`${releases}/1.0.0.yaml`), 1, 1)
  chmodSync(config.path(siteFile), 0o600)
  renameSync(config.path(releases), config.path('elsewhere'))
  renameSync(config.path('elsewhere'), config.path(releases))
  await config.until(() => {
    writeFileSync(config.path(`${releases}/9.yaml`), 'the next change')
    return config.listings.length > 0
  })
  t.equal(config.listings.length, 1)
  t.equal(config.content(`${releases}/9.yaml`), 'the next change')
})

t.test('reading waits until a file that is being written stands still', async (t) => {
  const config = new Watched(join(temporary(t), 'config'), 'poll')
  fill(config.directory)
  const path = config.path(`${releases}/1.0.0.yaml`)
  const reading = config.source.read()
  let isRead = false
  const read = reading.then(() => (isRead = true))
  const begunAt = performance.now()
  let pieces = 'one'
  while (!isRead && performance.now() - begunAt < 150) {
    pieces += '.'
    appendFileSync(path, '.')
    await new Promise(setImmediate)
  }
  await read
  const { files } = await reading
  t.equal(files.find((file) => file.path.endsWith('1.0.0.yaml'))?.content, pieces)
})

t.test('what cannot be read is told, and more than an absence', async (t) => {
  const config = await watched(t, 'notify')
  const path = `${releases}/2.0.0.yaml`
  symlinkSync('2.0.0.yaml', config.path(path))
  await config.until(() => config.listings.length > 0)
  t.match(config.listings[0]?.unreadable, [
    { file: path, line: 0, message: 'cannot be read (ELOOP)', severity: 'error' },
  ])
  unlinkSync(config.path(path))
  writeFileSync(config.path(path), 'x'.repeat(2 ** 20 + 1))
  await config.until(() => config.listings.length > 1)
  t.match(config.listings[1]?.unreadable, [
    { file: path, message: 'cannot be read (longer than 1048576 bytes)' },
  ])
})

t.test('no call back comes after closing', async (t) => {
  const config = await watched(t, 'notify')
  writeFileSync(config.path(`${releases}/2.0.0.yaml`), 'two')
  await config.source.close()
  writeFileSync(config.path(`${releases}/3.0.0.yaml`), 'three')
  const other = new Watched(config.directory, 'poll')
  t.equal((await other.source.read()).files.length, 4)
  await other.source.close()
  t.equal(config.listings.length, 0)
})

t.test('watching without reading gives the first listing at once', async (t) => {
  const config = new Watched(join(temporary(t), 'config'), 'notify')
  fill(config.directory)
  t.teardown(() => config.source.close())
  const first = new Promise<ConfigListing>((done) => config.source.watch(done))
  t.equal((await first).files.length, 2)
})
