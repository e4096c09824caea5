// Composition root of a worker process: the data plane behind one front. Takes publications, serves requests, reports
// what it saw five times a second, and leaves when told to or when the main process is gone.
import { nodeFront, prepareFronts, uwsFront } from './adapters/fronts.js'
import { takeCensus } from './adapters/kernel-connections.js'
import type { NodeListener } from './adapters/node-listener.js'
import { openFilesLimit } from './adapters/open-files.js'
import { SystemClock } from './adapters/system-clock.js'
import { connectWithWs } from './adapters/ws-client.js'
import { accessLog } from './dataplane/access-log.js'
import { Activity } from './dataplane/activity.js'
import { AssetOrigins } from './dataplane/asset-origins.js'
import { TokenReader } from './dataplane/affinity-token.js'
import { TrustedProxies } from './dataplane/client-identity.js'
import type { Downstream, FrontAbilities, Listener } from './dataplane/downstream.js'
import type { DownstreamUpgrade, FrontCalls } from './dataplane/downstream-socket.js'
import { beginExchange, beginUpgrade } from './dataplane/exchange.js'
import { beginDeparture, type DepartureOrder } from './dataplane/departure.js'
import { Gate } from './dataplane/gate.js'
import { redirectedToHttps } from './dataplane/https-redirect.js'
import { explainRequest } from './dataplane/explain.js'
import { MovePace } from './dataplane/move-pace.js'
import { MovedSessions } from './dataplane/moved-sessions.js'
import { OpenExchanges } from './dataplane/open-exchanges.js'
import { PassReader } from './dataplane/preview-pass.js'
import { fieldMasks } from './dataplane/response-fields.js'
import { TargetPools } from './dataplane/target-pools.js'
import { Tombstones } from './dataplane/tombstones.js'
import { firstLimits, upstreamLimits, withinOpenFiles } from './dataplane/worker-limits.js'
import { composeReport } from './dataplane/worker-report.js'
import type { WorkerState } from './dataplane/worker-state.js'
import type { SessionId } from './domain/ids.js'
import { buildRoutingTable, type RoutingTable, type TargetRoute } from './domain/routing-table.js'
import type { TimeSpan } from './domain/session.js'
import type {
  EndedSession,
  FromWorker,
  ListenerSpec,
  MovedSession,
  Publication,
  TlsMaterial,
  ToWorker,
} from './plane-protocol.js'

if (process.send === undefined) {
  process.stderr.write('worker.js is started by the gateway, not by hand\n')
  process.exit(2)
}
// The main process went while this one was reading its code: `disconnect` has been told to nobody.
if (!process.connected) process.exit(1)

const reportMs = 200
const mostFiles = openFilesLimit()
const clock = new SystemClock()
let limits = firstLimits
const gate = new Gate(limits, {
  refused: (fields) => warn('clients are refused', fields),
  overload: ({ message, fields }) => warn(message, fields),
})
gate.isExempt = (address) => state.trusted.has(address)
const pools = new TargetPools(upstreamLimits(limits))
const state: WorkerState = {
  table: null,
  trusted: new TrustedProxies([]),
  requestBodyBytes: 0,
  via: '',
  reader: new TokenReader({ keys: [], signsWith: 0 }),
  passes: new PassReader(),
  activity: new Activity(),
  pools,
  tombstones: new Tombstones(),
  assetOrigins: new AssetOrigins(),
  moved: new MovedSessions(),
  movePace: new MovePace(),
  gate,
  open: new OpenExchanges(),
  clock,
  balancing: {
    loadOf: (target) => pools.loadOf(target),
    random: Math.random,
    get shareOf() {
      return pools.isTroubled ? shareOf : undefined
    },
  },
  endSession,
  tellMoved,
  logAccess: null,
  isLeaving: false,
}
const sharedSockets = new Map<ListenerSpec['name'], object>()
const listeners: Listener[] = []
const secureListeners: NodeListener[] = []
/** Null: those that came with the listener. */
let newestCertificates: TlsMaterial | null = null
pools.onEjected = (target, spanMs) => warn('target is passed over', { target, spanMs })

process.on('message', (message, socket) =>
  follow(message as ToWorker, (socket as object | undefined) ?? null),
)
// The main process is gone: nobody would ever hear of what this worker sees.
process.on('disconnect', () => {
  // Leaving with a live front would abort the process (docs/conformance.md).
  for (const listener of listeners) listener.close()
  process.exit(1)
})
// Signals reach the whole process group; the main process decides when workers leave.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('SIGHUP', () => {})
process.on('uncaughtException', (error) => {
  tell({
    kind: 'log',
    level: 'error',
    message: 'uncaught error, the worker ends',
    fields: { error: error.stack },
  })
  setImmediate(() => {
    for (const listener of listeners) listener.close()
    process.exit(70)
  })
})
let reportedAt = clock.monotonic()
setInterval(report, reportMs)
takeCensus(gate, () => listeners.map(({ port }) => port))
tell({ kind: 'started' })

function shareOf(target: TargetRoute): number {
  return pools.shareOf(target, clock.monotonic())
}

function warn(message: string, fields: object): void {
  tell({ kind: 'log', level: 'warn', message, fields })
}

function tell(message: FromWorker): void {
  process.send?.(message)
}

function follow(message: ToWorker, socket: object | null): void {
  switch (message.kind) {
    case 'prepare':
      return prepareFronts(message.fronts)
    case 'publish':
      return usePublication(message.publication)
    case 'listen':
      void listen(message.listeners)
      return
    case 'socket':
      if (socket !== null) sharedSockets.set(message.listener, socket)
      return
    case 'certificates':
      return showCertificates(message.tls)
    case 'ended':
      return bury(message.sessions)
    case 'moved':
      for (const moved of message.sessions) state.moved.add(moved)
      return
    case 'explain':
      return tell({ kind: 'explained', id: message.id, explanation: explainRequest(state, message.request) })
    case 'leave':
      return leave(message)
    default:
      return message satisfies never
  }
}

/** Swaps everything that requests read, in one turn, and acknowledges. */
function usePublication(publication: Publication): void {
  clock.epochMs = publication.epochMs
  if (state.table !== null) state.activity.extend(newSpans(state.table.spans, publication.table.spans))
  state.table = buildRoutingTable(publication.table)
  state.reader.useRing(publication.keys)
  state.trusted = new TrustedProxies(publication.trustedProxies)
  state.via = publication.via
  limits = withinOpenFiles(publication.limits, mostFiles)
  gate.limits = limits
  state.requestBodyBytes = limits.requestBodyBytes
  state.logAccess = accessLog(publication.access, (line) => process.stdout.write(line))
  pools.follow(state.table, upstreamLimits(limits), clock.monotonic())
  tell({ kind: 'acknowledged', generation: publication.table.generation })
}

/** What is in no table any more and has nothing open has been told to the end, by the report just made. */
function forgetReleases(table: RoutingTable): void {
  const served = new Set(table.sites.flatMap((site) => site.releases.map((release) => release.index)))
  for (const { index, exchangesOpen, socketsOpen } of state.activity.releases()) {
    if (!served.has(index) && exchangesOpen === 0 && socketsOpen === 0) state.activity.forget(index)
  }
}

/** Spans are only ever added at the end; old ones are dropped at the front. */
function newSpans(known: readonly TimeSpan[], published: readonly TimeSpan[]): TimeSpan[] {
  const latest = known.at(-1)?.from ?? -Infinity
  return published.filter((span) => span.from > latest)
}

async function listen(specs: readonly ListenerSpec[]): Promise<void> {
  try {
    for (const spec of specs) listeners.push(await open(spec))
    tell({ kind: 'listening', ports: listeners.map(({ port }) => port) })
  } catch (error) {
    tell({ kind: 'listen-failed', reason: error instanceof Error ? error.message : String(error) })
  }
}

async function open(spec: ListenerSpec): Promise<Listener> {
  if (spec.engine === 'uws') {
    const { listenWithUws, uwsAbilities } = await uwsFront()
    return listenWithUws(listenOptions(spec, uwsAbilities))
  }
  return openNode(spec)
}

async function openNode(spec: ListenerSpec): Promise<Listener> {
  const { listenWithNode, nodeAbilities } = await nodeFront()
  const listener = await listenWithNode({
    ...listenOptions(spec, nodeAbilities(spec.tls !== null)),
    shared: sharedSockets.get(spec.name) ?? null,
    maxHeadBytes: limits.requestHeadBytes,
    headerTimeoutMs: limits.headerTimeoutMs,
    proxied: spec.isProxied ? { isTrusted: (address) => state.trusted.has(address) } : null,
    onRefused: (status) => state.activity.unrouted.add('', status),
  })
  if (spec.tls === null) return listener
  // They may have changed while the front was loaded and bound.
  if (newestCertificates !== null) listener.useCertificates(newestCertificates)
  secureListeners.push(listener)
  return listener
}

function listenOptions(spec: ListenerSpec, { writesDate }: FrontAbilities): ListenerSpec & FrontCalls {
  const masks = fieldMasks(writesDate)
  const calls = {
    begin: (downstream: Downstream) => beginExchange(state, masks, downstream),
    beginUpgrade: (downstream: DownstreamUpgrade) => beginUpgrade(state, masks, downstream, connectWithWs),
  }
  const { redirectPort } = spec
  return {
    ...spec,
    gate,
    ...(redirectPort === null ? calls : redirectedToHttps(state, redirectPort, calls)),
    onFault: (error: string) =>
      tell({ kind: 'log', level: 'error', message: 'request failed', fields: { error } }),
  }
}

function showCertificates(tls: TlsMaterial): void {
  newestCertificates = tls
  for (const listener of secureListeners) listener.useCertificates(tls)
}

/** The application ended a session in an answer of this worker. */
function endSession(id: SessionId, tombstoneUntil: number): void {
  state.tombstones.add(id, tombstoneUntil)
  tell({ kind: 'ended', sessions: [{ id, until: tombstoneUntil }] })
}

const untold: MovedSession[] = []

/** Moves of one turn are told together: many come at once where a new release takes over. */
function tellMoved(moved: MovedSession): void {
  untold.push(moved)
  if (untold.length > 1) return
  setImmediate(() => tell({ kind: 'moved', sessions: untold.splice(0) }))
}

function bury(ended: readonly EndedSession[]): void {
  for (const { id, until } of ended) state.tombstones.add(id, until)
}

function report(): void {
  const now = clock.now()
  state.tombstones.sweep(now)
  state.moved.sweep(now)
  const monotonic = clock.monotonic()
  state.pools.sweep(monotonic)
  state.open.refresh(now, monotonic - limits.exchangeTimeoutMs)
  gate.overload.beat(monotonic - reportedAt - reportMs, state.open.size)
  reportedAt = monotonic
  const { parts, report } = composeReport(state)
  for (const part of parts) tell({ kind: 'touched', part })
  tell({ kind: 'report', report })
  if (state.table !== null) forgetReleases(state.table)
}

/** Stops accepting, lets exchanges finish and closes those that would not, reports a last time and goes. */
function leave(order: DepartureOrder): void {
  for (const listener of listeners) listener.stopAccepting()
  beginDeparture(order, { state, connections: () => gate.connections, depart })
}

function depart(): void {
  for (const listener of listeners) listener.close()
  pools.close()
  const { parts, report } = composeReport(state, true)
  for (const part of parts) tell({ kind: 'touched', part })
  process.send?.({ kind: 'report', report } satisfies FromWorker, () => process.exit(0))
}
