// The worker processes: started, told what to route by, listened to, replaced when they die, killed when they fall
// silent or go on by an old table. Knows nothing of releases: it carries publications down and hands reports up.
import type { Clock, Log } from '../domain/ports.js'
import type {
  ExplainedRequest,
  Explanation,
  FromWorker,
  Publication,
  TlsMaterial,
  ToWorker,
} from '../plane-protocol.js'
import { Awaited } from './awaited.js'
import { faultOf, freshWorker, type SupervisedWorker as Worker } from './supervised-worker.js'
import type { WorkerKey } from './traffic.js'
import type { PublicListener, SupervisorEvents, WorkerHandle, WorkerObserver } from './worker-handle.js'
import { WorkerQuestions } from './worker-questions.js'
import { WorkerReplacement } from './worker-replacement.js'

export interface SupervisorOptions {
  readonly fork: (observer: WorkerObserver) => WorkerHandle
  readonly count: number
  readonly clock: Clock
  readonly log: Log
  readonly events: SupervisorEvents
}

/** When the main process itself did not get to watch for so long, nobody is judged. */
const awayMs = 3_000

export class Supervisor {
  readonly #options: SupervisorOptions
  readonly #workers = new Map<WorkerKey, Worker>()
  #nextKey = 1
  #publication: Publication | null = null
  #listeners: readonly PublicListener[] = []
  #lost = 0
  #isLeaving = false
  #watchedAt = 0
  #isRolling = false
  /** Workers that come and go. */
  readonly #awaited = new Awaited()
  readonly #questions = new WorkerQuestions()
  readonly #replacement = new WorkerReplacement()

  constructor(options: SupervisorOptions) {
    this.#options = options
  }

  /** Forks the workers at once; they wait for the first publication and for `listen`. */
  start(): void {
    for (let i = 0; i < this.#options.count; i++) this.#fork()
  }

  /** Lets workers listen, each as soon as it routes by a publication. */
  listen(listeners: readonly PublicListener[]): void {
    this.#listeners = listeners
    for (const worker of this.#workers.values()) this.#letListen(worker)
  }

  /** Other certificates for secure connections to come, in workers to come as well. */
  useCertificates(tls: TlsMaterial): void {
    this.#listeners = this.#listeners.map((listener) =>
      listener.spec.tls === null ? listener : { ...listener, spec: { ...listener.spec, tls } },
    )
    this.tellAll({ kind: 'certificates', tls })
  }

  publish(publication: Publication): void {
    for (const worker of this.#workers.values()) {
      if (worker.acknowledged >= this.#generation) worker.behindSince = this.#options.clock.monotonic()
    }
    this.#publication = publication
    this.tellAll({ kind: 'publish', publication })
  }

  /** How many workers there are to be. */
  get count(): number {
    return this.#options.count
  }

  /** Resolves when the first worker accepts connections. */
  accepting(): Promise<void> {
    return this.#awaited.until(() => [...this.#workers.values()].some((each) => each.isAccepting))
  }

  /** Where a request would go, by the word of one worker; it leaves no trace there. */
  explain(request: ExplainedRequest): Promise<Explanation> {
    return this.#questions.ask(
      [...this.#workers.values()].find((each) => each.isAccepting),
      request,
    )
  }

  /** The generation that every worker which may serve has acknowledged; null without any. */
  get acknowledged(): number | null {
    const serving = [...this.#workers.values()].filter((worker) => worker.state !== 'starting')
    return serving.length === 0 ? null : Math.min(...serving.map((worker) => worker.acknowledged))
  }

  get workers(): readonly { readonly pid: number; readonly state: string; readonly generation: number }[] {
    return [...this.#workers.values()].map(({ handle, state, acknowledged, isAccepting }) => ({
      pid: handle.pid,
      state: state === 'listening' && !isAccepting ? 'opening' : state,
      generation: acknowledged,
    }))
  }

  /** Workers that died since the start. */
  get lost(): number {
    return this.#lost
  }

  /** Kills workers that have been silent, or behind; called about once a second. */
  watch(): void {
    const now = this.#options.clock.monotonic()
    const wasAway = now - this.#watchedAt > awayMs
    this.#watchedAt = now
    for (const worker of this.#workers.values()) {
      // After a pause of this process their messages wait unread: silence would be our own deafness.
      if (wasAway) worker.lastHeardAt = worker.behindSince = now
      const fault = worker.isKilled ? null : faultOf(worker, now, this.#generation)
      if (fault === null) continue
      worker.isKilled = true
      this.#options.log.error(`worker ${fault} and is killed`, { pid: worker.handle.pid })
      worker.handle.kill('SIGKILL')
    }
  }

  get #generation(): number {
    return this.#publication?.table.generation ?? 0
  }

  /** Tells all to finish within that time; resolves when the last has gone, killing what overstays. */
  async leave(withinMs: number): Promise<void> {
    this.#isLeaving = true
    this.#replacement.callOff()
    await Promise.all([...this.#workers.values()].map((worker) => this.#dismiss(worker, withinMs, false)))
  }

  /**
   * Replaces the workers one after the other, each by a fresh one that accepts connections before it is told to leave
   * within that time. A second call while it goes on changes nothing; a fresh one that cannot take its place ends it.
   */
  async roll(withinMs: number): Promise<void> {
    if (this.#isRolling || this.#isLeaving) return
    this.#isRolling = true
    for (const old of [...this.#workers.values()]) {
      // One that died meanwhile has been replaced already.
      if (this.#isHere(old) && !(await this.#relieve(old, withinMs))) break
    }
    this.#isRolling = false
  }

  /** False: the rest of the roll is given up. */
  async #relieve(old: Worker, withinMs: number): Promise<boolean> {
    const fresh = this.#fork(old.key)
    await this.#awaited.until(() => fresh.isAccepting || !this.#isHere(fresh) || this.#isLeaving)
    if (this.#isLeaving) return false
    if (!this.#isHere(fresh)) {
      this.#options.log.error('a fresh worker could not take its place, the others stay', {
        pid: old.handle.pid,
      })
      return false
    }
    fresh.successorOf = null
    if (this.#isHere(old)) await this.#dismiss(old, withinMs, true)
    return !this.#isLeaving
  }

  #isHere(worker: Worker): boolean {
    return this.#workers.has(worker.key)
  }

  /** Tells one to finish within that time; resolves when it has gone, killed if it overstays. */
  async #dismiss(worker: Worker, withinMs: number, isRelieved: boolean): Promise<void> {
    worker.isDismissed = true
    if (worker.state === 'listening') worker.state = 'leaving'
    worker.handle.send({ kind: 'leave', withinMs, isRelieved })
    const overstay = setTimeout(() => worker.handle.kill('SIGKILL'), withinMs + 1_000)
    await this.#awaited.until(() => !this.#isHere(worker))
    clearTimeout(overstay)
  }

  // -- one worker's life ------------------------------------------------------------------------------------------------

  #fork(successorOf: WorkerKey | null = null): Worker {
    const key = this.#nextKey++
    const handle = this.#options.fork({
      onMessage: (message) => this.#heard(key, message),
      onFault: (reason) => this.#options.log.error('worker fault', { worker: key, reason }),
      onExit: (how) => this.#exited(key, how),
    })
    const worker = freshWorker(key, handle, this.#options.clock.monotonic(), successorOf)
    this.#workers.set(key, worker)
    return worker
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
        log.info('worker listens', { pid: worker.handle.pid, ports: message.ports })
        worker.isAccepting = true
        return this.#awaited.lookAgain()
      case 'listen-failed':
        // It is of no use; another one tries again, later and later.
        worker.handle.kill('SIGKILL')
        return events.onListenFailed(message.reason)
      case 'report':
        worker.hasSaidAll ||= message.report.isLast
        return events.onReport(key, message.report)
      case 'touched':
        return events.onTouched(key, message.part)
      case 'ended':
        return events.onSessionsEnded(message.sessions)
      case 'moved':
        return this.tellAll({ kind: 'moved', sessions: message.sessions })
      case 'explained':
        return this.#questions.answered(message.id, message.explanation)
      case 'log':
        return log[message.level](message.message, { pid: worker.handle.pid, ...message.fields })
      default:
        return message satisfies never
    }
  }

  #acknowledged(worker: Worker, generation: number): void {
    worker.acknowledged = Math.max(worker.acknowledged, generation)
    worker.behindSince = this.#options.clock.monotonic()
    if (worker.state === 'starting') worker.state = 'waiting'
    this.#letListen(worker)
    this.#announceAcknowledged()
  }

  #announceAcknowledged(): void {
    const generation = this.acknowledged
    if (generation !== null) this.#options.events.onAcknowledged(generation)
  }

  #letListen(worker: Worker): void {
    if (worker.state !== 'waiting' || worker.isDismissed || this.#listeners.length === 0) return
    worker.state = 'listening'
    this.#options.events.onListening(worker.key, this.#options.clock.monotonic())
    for (const { spec, socket } of this.#listeners) {
      if (socket !== null) worker.handle.send({ kind: 'socket', listener: spec.name }, socket)
    }
    worker.handle.send({ kind: 'listen', listeners: this.#listeners.map(({ spec }) => spec) })
  }

  #exited(key: WorkerKey, how: string): void {
    const worker = this.#workers.get(key)
    if (worker === undefined) return
    this.#workers.delete(key)
    this.#questions.gone(key)
    const { events, log, clock } = this.#options
    // One that never listened saw nothing; one that listened has left in order when its last report has come.
    const hasLeft = worker.state === 'leaving' ? worker.hasSaidAll : worker.isDismissed
    if (hasLeft) {
      events.onLeft(key)
    } else {
      this.#lost++
      log.error('worker is gone', { pid: worker.handle.pid, how })
      events.onLost(key, how)
    }
    this.#awaited.lookAgain()
    if (this.#isLeaving) return
    // Fewer workers may mean that all that are left have acknowledged.
    this.#announceAcknowledged()
    if (this.#leavesGap(worker)) {
      this.#replacement.after(clock.monotonic() - worker.startedAt, () => this.#fork())
    }
  }

  #leavesGap(gone: Worker): boolean {
    if (gone.isDismissed || gone.successorOf !== null) return false
    const successor = [...this.#workers.values()].find((worker) => worker.successorOf === gone.key)
    if (successor === undefined) return true
    successor.successorOf = null
    return false
  }

  /** Says something to every worker that lives now. */
  tellAll(message: ToWorker): void {
    for (const worker of this.#workers.values()) worker.handle.send(message)
  }
}
