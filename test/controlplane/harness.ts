// A whole control plane in this process: real parts over stores in memory, workers that are written here and a clock
// that stands until it is moved. A machine outlives its gateways, as a disk and a wall clock do.
import type { LoadedConfig } from '../../gateway/controlplane/config/desired-state.js'
import { loadConfig } from '../../gateway/controlplane/config/load-config.js'
import { ControlPlane } from '../../gateway/controlplane/control-plane.js'
import type { SavedEvent } from '../../gateway/controlplane/event-log.js'
import { Journal } from '../../gateway/controlplane/ledger/journal.js'
import { LedgerKeeper } from '../../gateway/controlplane/ledger-keeper.js'
import type { SavedKeyRing } from '../../gateway/controlplane/key-ring.js'
import { recover } from '../../gateway/controlplane/recovery.js'
import { readCheckpoint, readLifecycle, reopenCheckpoint } from '../../gateway/controlplane/saved-state.js'
import { SessionLedger } from '../../gateway/controlplane/session-ledger.js'
import type { Site } from '../../gateway/controlplane/site-register.js'
import { Supervisor } from '../../gateway/controlplane/supervisor.js'
import type { AdjustableClock } from '../../gateway/controlplane/time-keeper.js'
import type { WorkerHandle, WorkerObserver } from '../../gateway/controlplane/worker-handle.js'
import type { ReleaseVersion, SiteName } from '../../gateway/domain/ids.js'
import { nullLog, type LifecycleStore, type SessionStore } from '../../gateway/domain/ports.js'
import type { Release } from '../../gateway/domain/release.js'
import type { ReleaseSpec, TableSpec } from '../../gateway/domain/routing-table.js'
import { extendPromise } from '../../gateway/domain/session.js'
import type { Verdict } from '../../gateway/domain/verdict.js'
import type { Publication, ReleaseFigures, ToWorker, WorkerReport } from '../../gateway/plane-protocol.js'
import { registrationPath, siteWords, type Words } from '../fixtures/config-place.js'
import type { Owner } from '../fixtures/owner.js'
import { until } from '../fixtures/until.js'
import { batchOf } from '../ledger/batches.js'
import { MemoryStore } from '../ledger/memory-store.js'

export const minute = 60_000
export const hour = 60 * minute
export const shop = 'shop' as SiteName

/** Idle 8 minutes and a grain of one: a promise is 9 minutes. Targets are asked every 50 ms of real time. */
export const promiseMs = 9 * minute
const session = { idleTimeout: '8m', maxAge: '7d' }
const health = { interval: '50ms', timeout: '1s', healthyAfter: 1, unhealthyAfter: 1 }

/** Figures of a release of which a worker saw nothing. */
export function figuresOf(changes: Partial<ReleaseFigures> = {}): ReleaseFigures {
  return {
    index: 1,
    births: 0,
    birthsUntil: 0,
    lastTouchAt: 0,
    exchangesOpen: 0,
    socketsOpen: 0,
    previewRequests: 0,
    requests: [],
    durations: [],
    durationSumMs: 0,
    upstreamErrors: [],
    takenOver: [],
    ...changes,
  }
}

/** A report in which nothing is said. */
export function reportOf(changes: Partial<WorkerReport> = {}): WorkerReport {
  return {
    generation: 1,
    madeAt: 0,
    isLast: false,
    releases: [],
    unrouted: [],
    rejected: [],
    pinsLost: [],
    foreignSeen: [],
    touched: batchOf([]),
    ejected: [],
    connections: 0,
    frontRefusals: [],
    ...changes,
  }
}

/** What survives a gateway: files, clocks, the saved state, what its targets answer. */
export class Machine {
  readonly t: Owner
  readonly files = new Map<string, string>()
  readonly documents = new Map<string, unknown>()
  readonly events: SavedEvent[] = []
  readonly sessions = new MemoryStore()
  /** The key ring's file, and whether it can be written. */
  ring: SavedKeyRing = {
    version: 1,
    keys: [{ id: 1, secret: Buffer.alloc(32, 1).toString('base64'), createdAt: 0, retired: null }],
  }
  isRingWritable = true
  /** Nothing that is saved arrives. */
  isDiskFull = false
  /** Documents that cannot be saved, whatever else can. */
  readonly unsavable = new Set<string>()
  /** Addresses of targets that do not answer. */
  readonly down = new Set<string>()
  /** Monotonic ms; the wall clock shows `epochMs` more. */
  monotonic = 1_000_000
  epochMs = 1_800_000_000_000
  /** Makes what is forked. */
  newWorker: (pid: number, observer: WorkerObserver) => FakeWorker = (pid, observer) =>
    new FakeWorker(pid, observer)
  #run: Run | null = null

  constructor(t: Owner, site: Words = {}) {
    this.t = t
    this.site(site)
    t.teardown(() => this.#run?.end())
  }

  /** Writes the site's file; what is running follows it with the next `follow`. */
  site(words: Words): void {
    const quick = { session, health, retire: { quietPeriod: 'immediately' } }
    const merged: Record<string, unknown> = { ...quick }
    for (const [key, value] of Object.entries(words)) {
      const known = merged[key]
      merged[key] = known === undefined ? value : { ...(known as object), ...(value as object) }
    }
    this.files.set('sites/shop/site.yaml', siteWords(merged))
  }

  /** Another site, with a release that boards by itself. */
  neighbour(site: string, version: string, words: Words = {}): void {
    this.files.set(`sites/${site}/site.yaml`, siteWords({ session, health, hosts: [`${site}.test`] }))
    const text = JSON.stringify({ targets: [`http://${site}-${version}:1`], activate: 'auto', ...words })
    this.files.set(registrationPath(site, version), text)
  }

  drop(version: string, words: Words = {}): void {
    const text = JSON.stringify({ targets: [`http://${version}:1`], activate: 'auto', ...words })
    this.files.set(registrationPath('shop', version), text)
  }

  withdraw(version: string): void {
    this.files.delete(registrationPath('shop', version))
  }

  writeKeys(ring: SavedKeyRing): void {
    if (!this.isRingWritable) throw new Error('no space left')
    this.ring = ring
  }

  load(before: LoadedConfig | null): LoadedConfig {
    const saved = readLifecycle(this.store(() => true))
    const files = [...this.files].map(([path, content]) => ({ path, content }))
    const sites = new Set(files.map(({ path }) => path.split('/').slice(0, 2).join('/')))
    const directories = ['.', 'sites', ...[...sites].flatMap((site) => [site, `${site}/releases`])]
    const config = loadConfig({ files, directories, unreadable: [] }, (before ?? saved)?.lastGood ?? {}, {})
    const wrong = config.problems.find(({ severity }) => severity === 'error')
    if (wrong !== undefined) throw new Error(`${wrong.file}: ${wrong.path}: ${wrong.message}`)
    return config
  }

  store(isAlive: () => boolean): LifecycleStore {
    const { documents, events } = this
    return {
      get: (key) => documents.get(key),
      put: async (key, value) => {
        if (this.isDiskFull || this.unsavable.has(key)) throw new Error('no space left on device')
        if (isAlive()) documents.set(key, structuredClone(value))
      },
      remove: async (key) => void (isAlive() && documents.delete(key)),
      appendEvent: async (event) => void (isAlive() && events.push(event as SavedEvent)),
      events: () => [],
      eventAfter: () => null,
      flushed: async () => {},
      close: async () => {},
    }
  }

  sessionStore(isAlive: () => boolean): SessionStore {
    const { sessions } = this
    return {
      saveSessions: async (save) => {
        if (isAlive()) await sessions.saveSessions(save)
      },
      savedSegments: () => sessions.savedSegments(),
      savedBatches: () => sessions.savedBatches(),
      forgetSessions: () => sessions.forgetSessions(),
    }
  }

  /**
   * Starts a gateway; with `listens` its workers listen, with `restores` its saved sessions have been read back, and what
   * happens of itself has happened.
   */
  async boot({ workers = 1, listens = true, restores = true, bootMs = 0 } = {}): Promise<Run> {
    const run = new Run(this, bootMs)
    this.#run = run
    await run.start(workers)
    if (listens) await run.listen()
    if (restores) await run.restore()
    return run
  }
}

/** One worker process as the control plane knows it. */
export class FakeWorker implements WorkerHandle {
  readonly pid: number
  readonly observer: WorkerObserver
  publication: Publication | null = null
  /** What it saw, by release. */
  readonly figures = new Map<number, ReleaseFigures>()
  /** Publications are taken and acknowledged as they come. */
  isPrompt = true
  /** It says that it cannot listen. */
  cannotListen = false
  hasExited = false

  constructor(pid: number, observer: WorkerObserver) {
    this.pid = pid
    this.observer = observer
  }

  send(message: ToWorker): void {
    if (message.kind === 'publish' && this.isPrompt) queueMicrotask(() => this.take(message.publication))
    if (message.kind === 'listen') queueMicrotask(() => this.#listen())
  }

  kill(): void {
    queueMicrotask(() => this.exit('killed'))
  }

  /** Routes by that publication from now on. */
  take(publication: Publication): void {
    if (this.hasExited) return
    this.#extend(publication)
    this.publication = publication
    const { generation } = publication.table
    this.observer.onMessage({ kind: 'acknowledged', generation })
  }

  /** As the data plane does: spans that are new to it lengthen what it has promised. */
  #extend({ table }: Publication): void {
    const latest = this.publication?.table.spans.at(-1)?.from ?? -Infinity
    const spans = this.publication === null ? [] : table.spans.filter(({ from }) => from > latest)
    for (const [index, figures] of this.figures) {
      this.figures.set(index, { ...figures, birthsUntil: extendPromise(figures.birthsUntil, spans) })
    }
  }

  #listen(): void {
    if (this.hasExited) return
    if (this.cannotListen) this.observer.onMessage({ kind: 'listen-failed', reason: 'port in use' })
    else this.observer.onMessage({ kind: 'listening', ports: [1] })
  }

  saw(index: number, changes: Partial<ReleaseFigures>): void {
    this.figures.set(index, { ...figuresOf({ index }), ...this.figures.get(index), ...changes })
  }

  report(madeAt: number, changes: Partial<WorkerReport> = {}): void {
    if (this.hasExited || this.publication === null) return
    const { generation } = this.publication.table
    const report = reportOf({ generation, madeAt, releases: [...this.figures.values()], ...changes })
    this.observer.onMessage({ kind: 'report', report })
  }

  exit(how: string): void {
    if (this.hasExited) return
    this.hasExited = true
    this.observer.onExit(how)
  }
}

/** One life of a gateway on a machine. */
export class Run {
  readonly machine: Machine
  #plane: ControlPlane | null = null
  readonly workers: FakeWorker[] = []
  /** Every publication so far. */
  readonly published: Publication[] = []
  readonly clock: AdjustableClock
  #isAlive = true
  /** What a worker that is forked becomes. */
  onForked: (worker: FakeWorker) => void = () => {}

  constructor(machine: Machine, bootMs: number) {
    this.machine = machine
    this.clock = {
      epochMs: machine.epochMs + bootMs,
      now: () => Math.floor(this.clock.epochMs + machine.monotonic),
      monotonic: () => machine.monotonic,
      wallEpochMs: () => machine.epochMs + bootMs,
    }
  }

  get plane(): ControlPlane {
    if (this.#plane === null) throw new Error('the gateway has not been started')
    return this.#plane
  }

  async #assemble(workers: number): Promise<ControlPlane> {
    const { machine, clock } = this
    const store = machine.store(() => this.#isAlive)
    const journal = new Journal()
    const ledger = new SessionLedger({ maxSessions: 1000, segments: 1, journal })
    const ledgerKeeper = new LedgerKeeper({
      ledger,
      journal,
      store: machine.sessionStore(() => this.#isAlive),
    })
    ledger.suspend()
    const [lifecycle, checkpoint] = [readLifecycle(store), readCheckpoint(store)]
    const recovery = recover({
      lifecycle,
      checkpoint,
      freshIssuer: 'a'.repeat(16),
      now: clock.now(),
    })
    const supervisor: Supervisor = new Supervisor({
      fork: (observer) => this.#fork(observer),
      count: workers,
      clock,
      log: nullLog,
      events: {
        onListening: (worker, at) => this.plane.onListening(worker, at),
        onReport: (worker, report) => this.plane.onReport(worker, report),
        onTouched: (worker, part) => this.plane.onTouched(worker, part),
        onSessionsEnded: (ended) => this.plane.onSessionsEnded(ended),
        onAcknowledged: () => this.plane.onAcknowledged(),
        onLost: (worker, how) => this.plane.onLost(worker, how),
        onLeft: (worker) => this.plane.onLeft(worker),
        onListenFailed: (reason) => this.plane.onListenFailed(reason),
      },
    })
    const publish = supervisor.publish.bind(supervisor)
    supervisor.publish = (publication) => {
      this.published.push(publication)
      publish(publication)
    }
    return new ControlPlane(
      {
        clock,
        log: nullLog,
        store,
        ledger,
        ledgerKeeper,
        supervisor,
        probe: async (url) => ({ ok: !machine.down.has(url), detail: 'asked' }),
        keys: {
          ring: machine.ring,
          write: async (ring) => machine.writeKeys(ring),
          randomSecret: () => Buffer.alloc(32, 2),
        },
        webhooks: [],
        post: async () => 200,
        recovery,
        savedRegister: lifecycle?.register ?? null,
        savedCheckpoint: checkpoint,
      },
      machine.load(null),
    )
  }

  #fork(observer: WorkerObserver): FakeWorker {
    const worker = this.machine.newWorker(this.workers.length + 1, observer)
    this.workers.push(worker)
    queueMicrotask(() => observer.onMessage({ kind: 'started' }))
    this.onForked(worker)
    return worker
  }

  /** In the order in which the composition root does it. */
  async start(workers: number): Promise<void> {
    this.#plane = await this.#assemble(workers)
    const { supervisor, store, clock } = this.#plane.parts
    supervisor.start()
    this.#plane.start()
    await reopenCheckpoint(store, clock.now())
  }

  async listen(): Promise<void> {
    const spec = {
      name: 'http',
      engine: 'uws',
      host: '',
      port: 1,
      tls: null,
      isProxied: false,
      redirectPort: null,
    } as const
    this.plane.parts.supervisor.listen([{ spec, socket: null }])
    await this.settled()
  }

  /** Reads the saved sessions back. */
  async restore(): Promise<void> {
    await this.plane.parts.ledgerKeeper.restore()
    await this.plane.ledgerRestored({ isLost: false })
    await this.settled()
  }

  // -- what it is told ---------------------------------------------------------------------------------------------------

  /** The files have changed. */
  async follow(): Promise<void> {
    this.plane.useConfig(this.machine.load(this.plane.config))
    await this.settled()
  }

  /** Time passes, then every worker reports and the verdicts are made. */
  async pass(ms: number, changes: Partial<WorkerReport> = {}): Promise<void> {
    this.machine.monotonic += ms
    for (const worker of this.workers) worker.report(this.machine.monotonic, changes)
    this.plane.judge()
    await this.settled()
  }

  /** What a second brings: the clock is watched, the state is kept. */
  async beat(): Promise<void> {
    this.plane.beat()
    await this.settled()
  }

  /** Everything that follows of itself, without time, has happened. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < 8; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  }

  /** Waits for what probes bring about. */
  async probed(what: string, isSo: () => boolean): Promise<void> {
    await until(what, isSo, 3000)
    await this.settled()
  }

  // -- its end ------------------------------------------------------------------------------------------------------------

  /** In order: the workers have left, everything is known and saved. */
  async stop(): Promise<void> {
    const left = this.plane.parts.supervisor.leave(1000)
    for (const worker of this.workers) {
      worker.report(this.machine.monotonic, { isLast: true })
      worker.exit('exit code 0')
    }
    await left
    if (this.plane.parts.ledger.isSuspended) await this.restore()
    await this.plane.stop()
    this.#isAlive = false
  }

  /** At once: nothing more is saved. */
  kill(): Promise<void> {
    return this.end()
  }

  /** Whatever it is doing. */
  async end(): Promise<void> {
    this.#isAlive = false
    for (const worker of this.workers) worker.hasExited = true
    await this.plane.stop()
  }

  // -- what it says -------------------------------------------------------------------------------------------------------

  get site(): Site {
    const site = this.plane.register.site(shop)
    if (site === null) throw new Error('the site is not known')
    return site
  }

  find(version: string): Release | null {
    return this.site.releases.get(version as ReleaseVersion) ?? null
  }

  release(version: string): Release {
    const release = this.find(version)
    if (release === null) throw new Error(`"${version}" is not known`)
    return release
  }

  /** `1.0.0 active`, `2.0.0 draining withdrawn`… */
  get states(): string[] {
    return [...this.site.releases.values()].map(
      ({ registration, state, withdrawn }) =>
        `${registration.version} ${state.name}${withdrawn ? ' withdrawn' : ''}`,
    )
  }

  verdict(version: string): Verdict {
    return this.plane.controller.retirement.verdictOf(this.release(version))
  }

  /** `blocked births`, `unknown state-lost`, `retirable`. */
  verdictWords(version: string): string {
    const found = this.verdict(version)
    if (found.kind === 'blocked') return `blocked ${found.by.map(({ by }) => by).join(' ')}`
    if (found.kind === 'unknown') return `unknown ${found.why.map(({ because }) => because).join(' ')}`
    return found.kind
  }

  get latest(): Publication {
    const last = this.published.at(-1)
    if (last === undefined) throw new Error('nothing has been published')
    return last
  }

  get table(): TableSpec {
    return this.latest.table
  }

  /** The release as it is published; null when it is not. */
  served(version: string, table: TableSpec = this.table): ReleaseSpec | null {
    return table.sites[0]?.releases.find((release) => release.version === version) ?? null
  }

  get first(): FakeWorker {
    const worker = this.workers[0]
    if (worker === undefined) throw new Error('no worker was forked')
    return worker
  }

  eventTypes(): string[] {
    return this.machine.events.map(({ type }) => type)
  }
}
