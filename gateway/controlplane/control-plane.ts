// The control plane as one running thing: configuration in, publications out, reports in, state kept. It wires the
// parts and beats their time; each decision is made in the part that it belongs to.
import type { ReleaseIndex, SiteName } from '../domain/ids.js'
import type { LifecycleStore, Log } from '../domain/ports.js'
import { longestPreviewMs } from '../domain/preview-pass.js'
import type { TimeSpan } from '../domain/session.js'
import type { EndedSession, TouchedPart, WorkerReport } from '../plane-protocol.js'
import type { LoadedConfig } from './config/desired-state.js'
import { Doubts } from './doubts.js'
import { EventLog } from './event-log.js'
import { EvidenceBook } from './evidence-book.js'
import { HealthProber, type Probe } from './health-prober.js'
import { KeyKeeper } from './key-keeper.js'
import type { SavedKeyRing } from './key-ring.js'
import type { LedgerKeeper } from './ledger-keeper.js'
import { LostWorkers } from './lost-workers.js'
import { OnceATurn } from './once-a-turn.js'
import { ProvisionalWindow } from './provisional-window.js'
import { publishedSettings } from './published-settings.js'
import { Publisher } from './publisher.js'
import { Readiness } from './readiness.js'
import { phantomsOf, type Loss, type Recovery } from './recovery.js'
import { ReleaseController } from './release-controller.js'
import type { SavedCheckpoint, SavedLifecycle } from './saved-state.js'
import type { SessionLedger } from './session-ledger.js'
import { longestPromiseMs, longestTokenMs, SiteRegister, type SavedRegister } from './site-register.js'
import { StateKeeper } from './state-keeper.js'
import type { Supervisor } from './supervisor.js'
import { composeSites } from './table-composer.js'
import { TimeKeeper, type AdjustableClock } from './time-keeper.js'
import { Traffic, type WorkerKey } from './traffic.js'
import { Webhooks, type Post, type WebhookTarget } from './webhooks.js'
import type { SupervisorEvents } from './worker-handle.js'

export interface ControlPlaneParts {
  readonly clock: AdjustableClock
  readonly log: Log
  readonly store: LifecycleStore
  /** Suspended until `ledgerRestored`: workers serve before the saved sessions have been read back. */
  readonly ledger: SessionLedger
  readonly ledgerKeeper: LedgerKeeper
  readonly supervisor: Supervisor
  readonly probe: Probe
  readonly keys: {
    readonly ring: SavedKeyRing
    write(ring: SavedKeyRing): Promise<void>
    randomSecret(): Uint8Array
  }
  readonly webhooks: readonly WebhookTarget[]
  readonly post: Post
  readonly recovery: Recovery
  readonly savedRegister: SavedRegister | null
  readonly savedCheckpoint: SavedCheckpoint | null
}

const judgeMs = 200
const beatMs = 1_000

export class ControlPlane implements SupervisorEvents {
  readonly parts: ControlPlaneParts
  readonly register = new SiteRegister()
  readonly traffic = new Traffic((index) => this.register.indexes.has(index as ReleaseIndex))
  readonly events: EventLog
  readonly webhooks: Webhooks
  readonly evidence: EvidenceBook
  readonly doubts: Doubts
  readonly prober: HealthProber
  readonly publisher: Publisher
  readonly controller: ReleaseController
  readonly readiness: Readiness
  readonly keyKeeper: KeyKeeper
  readonly provisional = new ProvisionalWindow()
  config: LoadedConfig
  readonly reloads = { applied: 0, rejected: 0 }
  readonly state: StateKeeper
  readonly #time: TimeKeeper
  readonly #lost: LostWorkers
  /** Of 200 releases the first probes answer all at once: settled one by one a start took 1.3 s longer. */
  readonly #settling = new OnceATurn(() => this.controller.settle())
  #timers: NodeJS.Timeout[] = []

  constructor(parts: ControlPlaneParts, config: LoadedConfig) {
    const { clock, log, store, ledger, recovery } = parts
    this.parts = parts
    this.config = config
    this.#time = new TimeKeeper(clock, recovery, () => this.#longestTokenMs())
    this.events = new EventLog(store, clock, log)
    this.#lost = new LostWorkers({ clock, log, events: this.events })
    this.webhooks = new Webhooks({
      targets: parts.webhooks,
      post: parts.post,
      events: this.events,
      store,
      clock,
      log,
    })
    this.events.onKept = () => this.webhooks.wake()
    this.evidence = new EvidenceBook(ledger, this.traffic, clock)
    this.doubts = new Doubts(recovery.doubts)
    this.prober = new HealthProber(parts.probe, clock, () => this.#settling.ask())
    this.publisher = new Publisher(parts.supervisor)
    this.keyKeeper = new KeyKeeper(parts.keys.ring, {
      clock,
      events: this.events,
      write: (ring) => parts.keys.write(ring),
      randomSecret: () => parts.keys.randomSecret(),
      longestTokenMs: () => Math.max(longestPreviewMs, this.#longestTokenMs()),
      spannedMs: () => this.#time.spannedMs,
      log,
      onChange: () => this.#publish(),
    })
    this.state = new StateKeeper({
      clock,
      log,
      store,
      evidence: this.evidence,
      ledgerKeeper: parts.ledgerKeeper,
      lifecycle: () => this.#lifecycle(),
      time: () => ({
        spans: this.#time.spans,
        tolerance: this.#time.tolerance,
        doubts: this.doubts.save(),
      }),
    })
    this.#restore()
    this.controller = new ReleaseController({
      clock,
      register: this.register,
      evidence: this.evidence,
      doubts: this.doubts,
      ledger,
      prober: this.prober,
      publisher: this.publisher,
      traffic: this.traffic,
      events: this.events,
      spans: () => this.spans,
      onRemoved: (release) => this.provisional.forget(release),
      onChange: () => this.#changed(),
    })
    this.readiness = new Readiness({
      supervisor: parts.supervisor,
      register: this.register,
      publisher: this.publisher,
      retirement: this.controller.retirement,
    })
  }

  /** Time that did not count as idling. */
  get spans(): readonly TimeSpan[] {
    return this.#time.spans
  }

  /** Takes up where the saved state ends: what was known, what may be lost, what does not count as idling. */
  #restore(): void {
    const { recovery, savedRegister, savedCheckpoint } = this.parts
    if (savedRegister !== null) this.register.restore(savedRegister)
    if (savedCheckpoint !== null) this.evidence.restore(savedCheckpoint.promises)
    if (recovery.gap !== null) {
      this.#time.addSpan(recovery.gap)
      this.evidence.addSpan(recovery.gap, this.publisher.nextGeneration)
    }
    if (recovery.loss === null) return
    this.#addPhantoms(recovery.loss)
    this.events.add('unclean-stop', 'the gateway was killed: what it saw last may be lost')
  }

  /** Begins: the first publication goes out, time begins to beat. */
  start(): void {
    if (this.parts.savedRegister === null || this.parts.savedCheckpoint === null) {
      this.events.add('state-lost', 'no saved state: verdicts are unknown for one whole promise')
    }
    this.events.add('started', 'the gateway started')
    this.controller.follow(this.config)
    this.webhooks.wake()
    this.#timers = [setInterval(() => this.judge(), judgeMs), setInterval(() => this.beat(), beatMs)]
  }

  /**
   * The saved sessions have been read back, changes that waited are made, and verdicts begin; `isLost`: they could not
   * be, and nothing is known of what was promised.
   */
  async ledgerRestored({ isLost }: { readonly isLost: boolean }): Promise<void> {
    const { clock, ledgerKeeper, recovery } = this.parts
    if (isLost) {
      this.doubts.stateLost(Math.max(clock.now(), recovery.handedOutUntil))
      this.events.add('state-lost', 'the saved sessions cannot be read: verdicts are unknown for one promise')
    }
    await ledgerKeeper.resume()
    // Nobody reads figures of these sessions beside verdicts that were made without.
    this.judge()
    await this.state.checkpoint()
  }

  /** Another content of the configuration directory. */
  useConfig(config: LoadedConfig): void {
    const known = new Set(this.config.problems.map((problem) => JSON.stringify(problem)))
    const errors = config.problems.filter((problem) => problem.severity === 'error')
    for (const problem of errors) {
      if (known.has(JSON.stringify(problem))) continue
      const { file, line, column, path, message } = problem
      this.events.add(
        'config-rejected',
        `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`,
      )
    }
    this.reloads[errors.length > 0 ? 'rejected' : 'applied']++
    this.config = config
    this.controller.follow(config)
  }

  // -- what workers tell --------------------------------------------------------------------------------------------------

  onListening(worker: WorkerKey, at: number): void {
    this.evidence.listening(worker, at)
    // The first mark of a state, once its ledger is read: a crash from then on is a gap, not a lost state.
    void this.state.checkpoint()
  }

  onTouched(worker: WorkerKey, part: TouchedPart): void {
    this.evidence.touched(worker, part)
  }

  onReport(worker: WorkerKey, report: WorkerReport): void {
    this.traffic.reported(worker, report)
    const { indexes } = this.register
    this.evidence.reported(worker, report, (release) => indexes.has(release))
    for (const [site, at] of report.foreignSeen) {
      const known = this.register.site(site as SiteName)
      if (!this.doubts.foreignSeen(site, at, known === null ? Infinity : longestPromiseMs(known, at)))
        continue
      const cause =
        'a token of another gateway came: it sees part of the traffic, or the state was lost before'
      this.events.add('foreign-tokens', cause, { site })
    }
  }

  onSessionsEnded(sessions: readonly EndedSession[]): void {
    const now = this.parts.clock.now()
    for (const { id, until } of sessions) this.parts.ledger.end(id, now, Math.max(0, until - now))
    this.parts.supervisor.tellAll({ kind: 'ended', sessions })
  }

  onAcknowledged(): void {
    this.controller.settle()
    this.#followAcknowledged()
  }

  /** Also called now and then, as a ring that could not be written waits for no other word. */
  #followAcknowledged(): void {
    if (!this.publisher.isAcknowledged(this.publisher.generation)) return
    // A worker with an older table may go on promising by a policy of before.
    this.register.formerPoliciesEnded(this.parts.clock.now())
    if (this.keyKeeper.isRotating) void this.keyKeeper.everyoneVerifies()
  }

  onLost(worker: WorkerKey, how: string): void {
    const since = this.evidence.reportedAt(worker)
    const hasReported = this.evidence.hasReported(worker)
    if (since !== null) this.#addPhantoms({ since, end: this.parts.clock.now(), slackMs: 0 })
    this.onLeft(worker)
    this.#lost.add(how, hasReported)
  }

  #addPhantoms(loss: Loss): void {
    for (const { index, until } of phantomsOf(this.register.sites, loss)) {
      this.evidence.addPhantom(index, until)
    }
  }

  onLeft(worker: WorkerKey): void {
    this.evidence.left(worker)
    this.traffic.died(worker)
  }

  onListenFailed(reason: string): void {
    this.parts.log.error('a worker cannot listen', { reason })
  }

  // -- time -----------------------------------------------------------------------------------------------------------------

  /** Five times a second: verdicts by the newest reports, and never by a clock that was set since the last look. */
  judge(): void {
    if (this.parts.ledger.isSuspended) return
    this.#watchClock()
    this.controller.judge()
  }

  /** Once a second: what comes with time alone. */
  beat(): void {
    this.parts.supervisor.watch()
    this.#watchClock()
    this.#sample()
    // Instants and windows come without anybody's word.
    this.controller.settle()
    this.#followAcknowledged()
    void this.keyKeeper.dropExpired()
    void this.events.keepAgain()
    void this.state.checkpoint()
  }

  /** A jump of the wall clock is taken like a stop: nobody idled, and for one promise nothing is certain. */
  #watchClock(): void {
    const jump = this.#time.followJump()
    if (jump === null) return
    if (jump.span === null) this.evidence.clockSetBack()
    else this.evidence.addSpan(jump.span, this.publisher.nextGeneration)
    this.doubts.clockJumped(jump.at)
    this.events.add('clock-jump', `the wall clock jumped by ${Math.round(jump.byMs / 1000)} s`)
    void this.state.checkpoint()
    this.#changed()
  }

  #sample(): void {
    const now = this.parts.clock.now()
    for (const site of this.register.sites) {
      for (const { index } of site.releases.values()) {
        const windowMs = site.policy.session.provisionalTimeoutMs
        this.provisional.sample(index, { births: this.traffic.of(index).births, now, windowMs })
      }
    }
  }

  // -- keeping and publishing -------------------------------------------------------------------------------------------

  #changed(): void {
    this.#keepPolicies()
    this.#publish()
    void this.state.saveLifecycle()
  }

  #keepPolicies(): void {
    for (const site of this.register.sites) {
      for (const { index } of site.releases.values()) {
        this.parts.ledger.setMaxAge(index, site.policy.session.maxAgeMs)
        this.parts.ledger.setProvisionalWindow(index, site.policy.session.provisionalTimeoutMs)
      }
    }
  }

  #publish(): void {
    const { recovery } = this.parts
    const sites = composeSites(this.register.sites, {
      healthOf: (release, url) => this.prober.healthOf(release, url),
      isClosing: (index) => this.controller.retirement.isClosing(index),
      isLeaving: (index) => this.controller.retirement.isLeaving(index),
      isServedEverywhere: (index) => this.publisher.isServedEverywhere(index),
      isMissedSomewhere: (index) => this.publisher.isMissedSomewhere(index),
      bears: (index) => this.publisher.bears(index),
      now: this.parts.clock.now(),
      isDead: (index) => this.controller.departures.isDead(index),
      isOverflowing: (site, release) => this.controller.departures.isOverflowing(site, release),
      endsAt: (release) => this.controller.departures.endsAt(release),
      workers: this.parts.supervisor.count,
    })
    this.publisher.publish(
      sites,
      this.keyKeeper.spec,
      this.#time.published,
      publishedSettings(recovery.issuer, this.config.gateway, this.parts.supervisor.count),
    )
  }

  #lifecycle(): SavedLifecycle {
    return {
      version: 3,
      issuer: this.parts.recovery.issuer,
      register: this.register.save(),
      lastGood: this.config.lastGood,
    }
  }

  /** The longest that any token can live, held ones included, spans apart. */
  #longestTokenMs(): number {
    return Math.max(0, ...this.register.sites.map(longestTokenMs))
  }

  /** Stops the beat and keeps everything; the workers have left before. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    // Without its saved sessions it vouches for nothing that came since.
    const isKnown = !this.parts.ledger.isSuspended
    if (isKnown) {
      this.#watchClock()
      this.controller.retirement.judge()
    }
    // After the last verdicts: what they change is probed anew.
    this.prober.stop()
    this.#settling.cancel()
    this.events.add('stopped', 'the gateway was told to stop')
    if (isKnown) await this.state.checkpoint(true)
    await this.webhooks.stop()
    await this.parts.store.flushed()
  }
}
