// The worker processes: started, told what to route by, listened to, replaced when they die, killed when they fall
// silent. Knows nothing of releases: it carries publications down and hands reports up.
import type { Clock, Log } from '../domain/ports.js'
import type {
  EndedSession,
  FromWorker,
  ListenerSpec,
  Publication,
  ToWorker,
  WorkerReport,
} from '../plane-protocol.js'
import type { WorkerKey } from './traffic.js'

/** One running worker process. */
export interface WorkerHandle {
  readonly pid: number
  send(message: ToWorker): void
  kill(signal: 'SIGTERM' | 'SIGKILL'): void
}

/** What a worker process tells whoever forked it. */
export interface WorkerObserver {
  onMessage(message: FromWorker): void
  onFault(reason: string): void
  onExit(how: string): void
}

/** What the supervisor tells its owner. */
export interface SupervisorEvents {
  /** It listens from now on: from this instant (monotonic) it can touch releases. */
  onListening(worker: WorkerKey, at: number): void
  onReport(worker: WorkerKey, report: WorkerReport): void
  onSessionsEnded(sessions: readonly EndedSession[]): void
  /** Every worker routes by this generation or a later one. */
  onAcknowledged(generation: number): void
  /** It is gone; what it saw since its last report is lost. Not called for workers that were told to leave. */
  onLost(worker: WorkerKey, how: string): void
  /** It left when told to, its last report delivered. */
  onLeft(worker: WorkerKey): void
  /** The first worker could not listen. */
  onListenFailed(reason: string): void
}

export interface SupervisorOptions {
  readonly fork: (observer: WorkerObserver) => WorkerHandle
  readonly count: number
  readonly clock: Clock
  readonly log: Log
  readonly events: SupervisorEvents
}

/** A worker silent for so long is killed. */
const silenceMs = 5_000
/** When the main process itself did not get to watch for so long, nobody is judged. */
const awayMs = 3_000
/** A worker that dies young is replaced later and later. */
const restartDelaysMs = [0, 200, 500, 1_000, 2_000, 5_000]
const youngMs = 10_000

interface Worker {
  readonly key: WorkerKey
  readonly handle: WorkerHandle
  readonly startedAt: number
  state: 'starting' | 'waiting' | 'listening' | 'leaving'
  acknowledged: number
  lastHeardAt: number
  /** When it began to fall silent for too long: it has been killed. */
  isKilled: boolean
}

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #workers = new Map<WorkerKey, Worker>()
  #nextKey = 1
  #publication: Publication | null = null
  #listener: ListenerSpec | null = null
  #earlyDeaths = 0
  #lost = 0
  #isLeaving = false
  #watchedAt = 0
  #whenGone: (() => void) | null = null
  readonly #restarts = new Set<NodeJS.Timeout>()

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  /** Forks the workers at once; they wait for the first publication and for `listen`. */
  start(): void {
    for (let i = 0; i < this.#options.count; i++) this.#fork()
  }

  /** Lets workers listen, each as soon as it routes by a publication. */
  listen(listener: ListenerSpec): void {
    this.#listener = listener
    for (const worker of this.#workers.values()) this.#letListen(worker)
  }

  publish(publication: Publication): void {
    this.#publication = publication
    this.#tellAll({ kind: 'publish', publication })
  }

  /** Sessions that ended elsewhere, for every worker's tombstones. */
  tellEnded(sessions: readonly EndedSession[]): void {
    this.#tellAll({ kind: 'ended', sessions })
  }

  /** The generation that every worker which may serve has acknowledged; null without any. */
  get acknowledged(): number | null {
    const serving = [...this.#workers.values()].filter((worker) => worker.state !== 'starting')
    return serving.length === 0 ? null : Math.min(...serving.map((worker) => worker.acknowledged))
  }

  get workers(): readonly { readonly pid: number; readonly state: string; readonly generation: number }[] {
    return [...this.#workers.values()].map(({ handle, state, acknowledged }) => ({
      pid: handle.pid,
      state,
      generation: acknowledged,
    }))
  }

  /** Workers that died since the start. */
  get lost(): number {
    return this.#lost
  }

  /** Kills workers that have been silent; called about once a second. */
  watch(): void {
    const now = this.#options.clock.monotonic()
    const wasAway = now - this.#watchedAt > awayMs
    this.#watchedAt = now
    // After a pause of this process their messages wait unread: silence would be our own deafness.
    if (wasAway) for (const worker of this.#workers.values()) worker.lastHeardAt = now
    for (const worker of this.#workers.values()) {
      if (worker.isKilled || now - worker.lastHeardAt < silenceMs) continue
      worker.isKilled = true
      this.#options.log.error('worker is silent and is killed', { pid: worker.handle.pid })
      worker.handle.kill('SIGKILL')
    }
  }

  /** Tells all to finish within that time; resolves when the last has gone, killing what overstays. */
  async leave(withinMs: number): Promise<void> {
    this.#isLeaving = true
    for (const timer of this.#restarts) clearTimeout(timer)
    if (this.#workers.size === 0) return
    const gone = new Promise<void>((resolve) => (this.#whenGone = resolve))
    for (const worker of this.#workers.values()) {
      if (worker.state === 'listening') worker.state = 'leaving'
      worker.handle.send({ kind: 'leave', withinMs })
    }
    const overstay = setTimeout(() => this.#killAll(), withinMs + 1_000)
    await gone
    clearTimeout(overstay)
  }

  #killAll(): void {
    for (const worker of this.#workers.values()) worker.handle.kill('SIGKILL')
  }

  // -- one worker's life ------------------------------------------------------------------------------------------------

  #fork(): void {
    const key = this.#nextKey++
    const now = this.#options.clock.monotonic()
    const handle = this.#options.fork({
      onMessage: (message) => this.#heard(key, message),
      onFault: (reason) => this.#options.log.error('worker fault', { worker: key, reason }),
      onExit: (how) => this.#exited(key, how),
    })
    const worker: Worker = {
      key,
      handle,
      startedAt: now,
      state: 'starting',
      acknowledged: 0,
      lastHeardAt: now,
      isKilled: false,
    }
    this.#workers.set(key, worker)
  }

  #heard(key: WorkerKey, message: FromWorker): void {
    const worker = this.#workers.get(key)
    if (worker === undefined) return
    worker.lastHeardAt = this.#options.clock.monotonic()
    const { events, log } = this.#options
    switch (message.kind) {
      case 'started':
        if (this.#publication !== null)
          worker.handle.send({ kind: 'publish', publication: this.#publication })
        return
      case 'acknowledged':
        return this.#acknowledged(worker, message.generation)
      case 'listening':
        log.info('worker listens', { pid: worker.handle.pid, port: message.port })
        return
      case 'listen-failed':
        return events.onListenFailed(message.reason)
      case 'report':
        return events.onReport(key, message.report)
      case 'ended':
        return events.onSessionsEnded(message.sessions)
      case 'log':
        return log[message.level](message.message, { pid: worker.handle.pid, ...message.fields })
      default:
        return message satisfies never
    }
  }

  #acknowledged(worker: Worker, generation: number): void {
    worker.acknowledged = Math.max(worker.acknowledged, generation)
    if (worker.state === 'starting') worker.state = 'waiting'
    this.#letListen(worker)
    this.#announceAcknowledged()
  }

  #announceAcknowledged(): void {
    const generation = this.acknowledged
    if (generation !== null) this.#options.events.onAcknowledged(generation)
  }

  #letListen(worker: Worker): void {
    if (worker.state !== 'waiting' || this.#listener === null) return
    worker.state = 'listening'
    this.#options.events.onListening(worker.key, this.#options.clock.monotonic())
    worker.handle.send({ kind: 'listen', http: this.#listener })
  }

  #exited(key: WorkerKey, how: string): void {
    const worker = this.#workers.get(key)
    if (worker === undefined) return
    this.#workers.delete(key)
    const { events, log, clock } = this.#options
    if (worker.state === 'leaving' && how === 'code 0') {
      events.onLeft(key)
    } else {
      this.#lost++
      log.error('worker is gone', { pid: worker.handle.pid, how })
      events.onLost(key, how)
    }
    if (this.#isLeaving) {
      if (this.#workers.size === 0) this.#whenGone?.()
      return
    }
    // Fewer workers may mean that all that are left have acknowledged.
    this.#announceAcknowledged()
    this.#replace(clock.monotonic() - worker.startedAt)
  }

  #replace(livedMs: number): void {
    this.#earlyDeaths = livedMs < youngMs ? this.#earlyDeaths + 1 : 0
    const delayMs = restartDelaysMs[Math.min(this.#earlyDeaths, restartDelaysMs.length - 1)] ?? 0
    const timer = setTimeout(() => {
      this.#restarts.delete(timer)
      this.#fork()
    }, delayMs)
    this.#restarts.add(timer)
  }

  #tellAll(message: ToWorker): void {
    for (const worker of this.#workers.values()) worker.handle.send(message)
  }
}
