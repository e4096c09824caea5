// Composition root of the main process: the only file that sees every part of the control plane. Starts the gateway,
// stops it in order, and says why when it cannot.
import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { ChokidarConfigSource } from './adapters/chokidar-config-source.js'
import { ConfigKeeper, findKeptConfig, isInForce } from './adapters/kept-config.js'
import { httpPost } from './adapters/http-post.js'
import { httpProbe } from './adapters/http-probe.js'
import { writeKeyFile } from './adapters/key-file.js'
import { openLmdbStore, type LmdbStore } from './adapters/lmdb-store.js'
import { createLog, type AdjustableLog } from './adapters/pino-log.js'
import type { AdminListener } from './adapters/fastify-admin.js'
import { claimPort } from './adapters/port-check.js'
import { claimListeners, type PublicListeners } from './adapters/public-listeners.js'
import { endOnUncaughtError, onRollSignal, stopSignal } from './adapters/process-signals.js'
import { openKeyRing, readWebhooks, type OpenedKeyRing } from './adapters/secret-files.js'
import { lockState } from './adapters/state-lock.js'
import { SystemClock } from './adapters/system-clock.js'
import { readToken } from './adapters/token-file.js'
import { forkWorker } from './adapters/worker-process.js'
import type {
  ConfigListing,
  ConfigProblem,
  LastGoodFiles,
  LoadedConfig,
} from './controlplane/config/desired-state.js'
import type { GatewaySettings } from './controlplane/config/gateway-settings.js'
import { keysNeedingRestart } from './controlplane/config/restart-keys.js'
import { ControlPlane } from './controlplane/control-plane.js'
import { LedgerKeeper } from './controlplane/ledger-keeper.js'
import { Journal } from './controlplane/ledger/journal.js'
import { recover } from './controlplane/recovery.js'
import { readCheckpoint, readLifecycle, reopenCheckpoint } from './controlplane/saved-state.js'
import { SessionLedger } from './controlplane/session-ledger.js'
import type { WebhookTarget } from './controlplane/webhooks.js'
import { Supervisor } from './controlplane/supervisor.js'
import { WorkerRoll } from './controlplane/worker-roll.js'
import type { FrontPreparation } from './plane-protocol.js'

/** Workers that have not listened within that time are not waited for. */
const longestOpeningMs = 1_000
/** Saved sessions that are read within that time (some millions) have been read when the admin address opens. */
const longestReadingMs = 1_000

export interface StartOptions {
  /** Configuration directory. */
  readonly config: string
}

/** A gateway that runs in this process, its workers as children. */
export interface RunningGateway {
  /** The saved sessions have been read. Rejects when they can be neither read nor given up: it cannot go on then. */
  readonly restored: Promise<void>
  /**
   * Fails readiness, waits `exitDelay`, lets exchanges finish within `drainOnExit` and what is still read of the saved
   * sessions come to its end, keeps the state.
   */
  stop(): Promise<void>
  /** Replaces the workers one after the other. */
  roll(): Promise<void>
}

/** Runs the gateway until a signal ends it; resolves with the exit code. */
export async function start(options: StartOptions): Promise<number> {
  let gateway: RunningGateway | null = null
  try {
    endOnUncaughtError()
    // Workers serve before the start is over: who asks for its end meanwhile waits for an orderly one.
    const stopped = stopSignal()
    onRollSignal(() => void gateway?.roll())
    gateway = await startGateway(resolve(options.config))
    await Promise.race([stopped, gateway.restored.then(() => stopped)])
    await gateway.stop()
    return 0
  } catch (error) {
    process.stderr.write(`amarre: ${error instanceof Error ? error.message : String(error)}\n`)
    // Whatever has been begun by then would keep this process, and it its workers.
    process.exit(1)
  }
}

async function startGateway(directory: string): Promise<RunningGateway> {
  const listing = await readOnce(directory)
  const kept = findKeptConfig(listing, process.env)
  const { state } = (kept ?? (await loadConfig(listing, {}))).gateway
  const stateDirectory = resolve(state.directory)
  const lock = await lockState(stateDirectory)
  try {
    const store = await openLmdbStore(stateDirectory)
    const lifecycle = readLifecycle(store)
    const lastGood = lifecycle?.lastGood ?? {}
    const isKnown = kept !== null && isInForce(kept, lastGood)
    const config = isKnown ? kept : await loadConfig(listing, lastGood)
    refuseWithoutGateway(config)
    const log = createLog(config.gateway.log.level)
    tellProblems(log, config.problems)
    const gateway = await assemble({ directory, stateDirectory, store, config, log })
    return {
      ...gateway,
      async stop() {
        await gateway.stop()
        await store.close()
        await lock.release()
      },
    }
  } catch (error) {
    await lock.release()
    throw error
  }
}

async function readOnce(directory: string): Promise<ConfigListing> {
  const source = new ChokidarConfigSource({ directory, mode: 'poll', onNotificationLost: () => {} })
  const listing = await source.read()
  await source.close()
  return listing
}

/** Its code (zod, yaml) is a third of what a start reads: loaded where the files have changed, else after the start. */
async function loadConfig(listing: ConfigListing, lastGood: LastGoodFiles): Promise<LoadedConfig> {
  const loader = await import('./controlplane/config/load-config.js')
  return loader.loadConfig(listing, lastGood, process.env)
}

/** Without any good gateway settings there is nothing to go by; sites and registrations may be bad. */
function refuseWithoutGateway(config: LoadedConfig): void {
  const isGateway = ({ severity, file }: ConfigProblem): boolean =>
    severity === 'error' && (file === 'environment' || /^gateway\.(ya?ml|json)$/.test(file))
  const errors = config.problems.filter(isGateway)
  if (errors.length === 0 || config.keptFiles.some((file) => file.startsWith('gateway.'))) return
  const lines = errors.map(
    ({ file, line, column, path, message }) => `  ${file}:${line}:${column}: ${path}: ${message}`,
  )
  throw new Error(`the configuration cannot be used:\n${lines.join('\n')}`)
}

function tellProblems(log: AdjustableLog, problems: readonly ConfigProblem[]): void {
  for (const { severity, ...problem } of problems) {
    if (severity === 'error') log.error('configuration', { ...problem })
    else log.warn('configuration', { ...problem })
  }
}

interface Assembly {
  readonly directory: string
  readonly stateDirectory: string
  readonly store: LmdbStore
  readonly config: LoadedConfig
  readonly log: AdjustableLog
}

/** What the outside must give: claimed before anything runs, so that a start fails before it has served anybody. */
interface Claimed {
  readonly webhooks: readonly WebhookTarget[]
  readonly front: PublicListeners
  readonly adminPlace: AdminPlace
  readonly keys: OpenedKeyRing
}

/** From what is claimed to a gateway that serves: in the order in which its first visitor waits for it. */
async function assemble(assembly: Assembly): Promise<RunningGateway> {
  const { stateDirectory, store, config, log } = assembly
  const settings = config.gateway
  const claimed: Claimed = {
    webhooks: await readWebhooks(settings),
    front: await claimListeners(settings.listen, stateDirectory),
    adminPlace: await claimAdmin(settings.admin, stateDirectory),
    keys: await openKeyRing(settings, stateDirectory, log),
  }
  const clock = new SystemClock()
  const plane = joinControlPlane(assembly, claimed, clock)
  const { supervisor } = plane.parts
  plane.start()
  await reopenCheckpoint(store, clock.now())
  supervisor.listen(claimed.front.listeners)
  const roll = workerRoll(plane)
  claimed.front.watch(log, supervisor, roll)
  // Their first answer goes before: reading this code would keep them waiting for a word from here.
  await atMost(longestOpeningMs, supervisor.accepting())
  const startedAt = clock.now()
  // Nor do they need the ledger: reading ten million sessions takes seconds.
  const restored = restoreLedger(plane)
  await atMost(longestReadingMs, restored)
  const admin = await openAdmin(plane, claimed, startedAt)
  tellPlaces(assembly, claimed.front, admin)
  const keeper = new ConfigKeeper(stateDirectory, process.env, log)
  const source = watchConfig({ directory: assembly.directory, plane, front: claimed.front, log, keeper })
  const stop = (): Promise<void> => leave({ plane, front: claimed.front, admin, source, keeper, restored })
  return { restored, roll: () => roll.now(), stop }
}

/** Forks the workers first; what the main process needs beside them is made meanwhile. */
function joinControlPlane(
  { store, config, log }: Assembly,
  { webhooks, keys }: Claimed,
  clock: SystemClock,
): ControlPlane {
  const settings = config.gateway
  const lifecycle = readLifecycle(store)
  const checkpoint = readCheckpoint(store)
  const freshIssuer = randomBytes(8).toString('hex')
  const recovery = recover({ lifecycle, checkpoint, freshIssuer, now: clock.now() })
  const journal = new Journal()
  const ledger = new SessionLedger({ maxSessions: settings.limits.sessions, journal })
  ledger.suspend()
  const supervisor: Supervisor = new Supervisor({
    fork: (observer) => forkWorker(frontsOf(settings), observer),
    count: settings.workers === 'auto' ? availableParallelism() : settings.workers,
    clock,
    log,
    events: {
      onListening: (worker, at) => plane.onListening(worker, at),
      onReport: (worker, report) => plane.onReport(worker, report),
      onTouched: (worker, part) => plane.onTouched(worker, part),
      onSessionsEnded: (sessions) => plane.onSessionsEnded(sessions),
      onAcknowledged: () => plane.onAcknowledged(),
      onLost: (worker, how) => plane.onLost(worker, how),
      onLeft: (worker) => plane.onLeft(worker),
      onListenFailed: (reason) => plane.onListenFailed(reason),
    },
  })
  supervisor.start()
  const plane = new ControlPlane(
    {
      clock,
      log,
      store,
      ledger,
      ledgerKeeper: new LedgerKeeper({ ledger, journal, store }),
      supervisor,
      probe: httpProbe,
      keys: {
        ring: keys.ring,
        write: (next) => writeKeyFile(keys.file, next),
        randomSecret: () => randomBytes(32),
      },
      webhooks,
      post: httpPost,
      recovery,
      savedRegister: lifecycle?.register ?? null,
      savedCheckpoint: checkpoint,
    },
    config,
  )
  return plane
}

function workerRoll(plane: ControlPlane): WorkerRoll {
  const { supervisor, log } = plane.parts
  return new WorkerRoll(() => {
    const { drainOnExitMs } = plane.config.gateway.limits
    log.info('replacing the workers', { drainOnExitMs })
    return supervisor.roll(drainOnExitMs)
  })
}

/** Waits for what comes, but not longer. */
async function atMost(ms: number, awaited: Promise<unknown>): Promise<void> {
  await Promise.race([awaited, delay(ms, null, { ref: false })])
}

async function openAdmin(
  plane: ControlPlane,
  { front, adminPlace, keys }: Claimed,
  startedAt: number,
): Promise<AdminListener> {
  const { GatewayReader, OperatorDesk, listenAdmin, createAdminApi, createMetrics } = await loadAdmin()
  const publicUrl = (): string => front.urls.http
  const view = new GatewayReader({ plane, startedAt, publicUrl, usesGeneratedKeys: keys.isGenerated })
  const desk = new OperatorDesk({ plane, urls: () => front.urls, randomBytes: () => randomBytes(8) })
  const api = createAdminApi({ view, desk, metrics: createMetrics(view) })
  return listenAdmin({ ...adminPlace, api, log: plane.parts.log })
}

function tellPlaces(
  { directory, stateDirectory, log }: Assembly,
  { urls }: PublicListeners,
  admin: AdminListener,
): void {
  const places = { config: directory, state: stateDirectory }
  log.info('amarre runs', { public: urls.http, secure: urls.https, admin: admin.port, ...places })
}

interface Leaving {
  readonly plane: ControlPlane
  readonly front: PublicListeners
  readonly admin: AdminListener
  readonly source: ChokidarConfigSource
  readonly keeper: ConfigKeeper
  readonly restored: Promise<void>
}

/** Workers go first, and the admin address, which tells what is still waited for, last. */
async function leave({ plane, front, admin, source, keeper, restored }: Leaving): Promise<void> {
  const { supervisor, log } = plane.parts
  plane.readiness.leave()
  const { exitDelayMs, drainOnExitMs } = plane.config.gateway.limits
  log.info('leaving', { exitDelayMs, drainOnExitMs })
  await delay(exitDelayMs)
  await source.close()
  await keeper.flush()
  front.close()
  await supervisor.leave(drainOnExitMs)
  // With what was read before the state vouches for everything.
  await restored
  await plane.stop()
  await admin.close()
}

interface AdminPlace {
  readonly host: string
  readonly port: number
  readonly token: string
}

/** It listens last, when workers serve: what would keep it from that is a refusal before the first of them does. */
async function claimAdmin(
  { listen, tokenFile }: GatewaySettings['admin'],
  stateDirectory: string,
): Promise<AdminPlace> {
  if (listen.port !== 0) await claimPort(listen.host, listen.port)
  const token = await readToken(tokenFile ?? join(stateDirectory, 'admin-token'), tokenFile === null)
  return { ...listen, token }
}

/** A third of all code to be read, and no request waits for it: read when workers listen. */
async function loadAdmin() {
  const [{ GatewayReader }, { OperatorDesk }, { listenAdmin }, { createAdminApi }, { createMetrics }] =
    await Promise.all([
      import('./controlplane/gateway-reader.js'),
      import('./controlplane/operator-desk.js'),
      import('./adapters/fastify-admin.js'),
      import('./controlplane/admin-api.js'),
      import('./adapters/prom-metrics.js'),
    ])
  return { GatewayReader, OperatorDesk, listenAdmin, createAdminApi, createMetrics }
}

function frontsOf({ listen: { http, https }, limits }: GatewaySettings): FrontPreparation {
  const engines = new Set([http, ...(https === null ? [] : [https])].map(({ engine }) => engine))
  return { engines: [...engines], requestHeadBytes: limits.requestHeadBytes }
}

async function restoreLedger(plane: ControlPlane): Promise<void> {
  const { ledgerKeeper, log } = plane.parts
  let isLost = false
  try {
    log.info('reading the saved sessions')
    const { sessions } = await ledgerKeeper.restore()
    log.info('the saved sessions are read', { sessions })
  } catch (error) {
    isLost = true
    log.error('the saved sessions cannot be read and are given up', { error: String(error) })
    // Before they go, or the next start would take what is given up for known.
    await plane.state.giveUp()
    await ledgerKeeper.startAfresh()
  }
  await plane.ledgerRestored({ isLost })
}

interface Watched {
  readonly directory: string
  readonly plane: ControlPlane
  readonly front: PublicListeners
  readonly log: AdjustableLog
  readonly keeper: ConfigKeeper
}

function watchConfig({ directory, plane, front, log, keeper }: Watched): ChokidarConfigSource {
  const running = plane.config.gateway
  const source = new ChokidarConfigSource({
    directory,
    mode: running.watch,
    onNotificationLost: (error) => log.warn('watching by polling', { error: String(error) }),
  })
  void import('./controlplane/config/load-config.js').then(({ loadConfig: load }) =>
    source.watch((listing) => {
      const config = load(listing, plane.config.lastGood, process.env)
      log.level = config.gateway.log.level
      tellProblems(log, config.problems)
      front.useFiles(config.gateway.listen.https)
      const late = keysNeedingRestart(running, config.gateway)
      if (late.length > 0) log.warn('changes that need a restart', { keys: late })
      plane.useConfig(config)
      keeper.keep(listing, config)
    }),
  )
  return source
}
