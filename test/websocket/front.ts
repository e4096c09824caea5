// A worker's data plane in the test's own process: the real front, pools and sockets on the loopback, with a clock and
// a table that the test sets. No control plane.
import { listenWithNode, nodeAbilities } from '../../gateway/adapters/node-listener.js'
import { listenWithUws, uwsAbilities } from '../../gateway/adapters/uws-listener.js'
import { connectWithWs } from '../../gateway/adapters/ws-client.js'
import { Activity, type ReleaseActivity } from '../../gateway/dataplane/activity.js'
import { AssetOrigins } from '../../gateway/dataplane/asset-origins.js'
import { TokenReader } from '../../gateway/dataplane/affinity-token.js'
import { TrustedProxies } from '../../gateway/dataplane/client-identity.js'
import type { FrontAbilities, Listener } from '../../gateway/dataplane/downstream.js'
import type { FrontCalls } from '../../gateway/dataplane/downstream-socket.js'
import { beginExchange, beginUpgrade } from '../../gateway/dataplane/exchange.js'
import { MovePace } from '../../gateway/dataplane/move-pace.js'
import { MovedSessions } from '../../gateway/dataplane/moved-sessions.js'
import { Gate, noLimits } from '../../gateway/dataplane/gate.js'
import { OpenExchanges } from '../../gateway/dataplane/open-exchanges.js'
import { PassReader } from '../../gateway/dataplane/preview-pass.js'
import { fieldMasks } from '../../gateway/dataplane/response-fields.js'
import { TargetPools } from '../../gateway/dataplane/target-pools.js'
import { Tombstones } from '../../gateway/dataplane/tombstones.js'
import type { WorkerState } from '../../gateway/dataplane/worker-state.js'
import type { ReleaseIndex, ReleaseVersion, TargetUrl } from '../../gateway/domain/ids.js'
import { buildRoutingTable, type ReleaseSpec, type SiteSpec } from '../../gateway/domain/routing-table.js'
import type { Owner } from '../fixtures/owner.js'
import { sessionPolicy, siteSpec } from '../fixtures/site-spec.js'

export const policy = sessionPolicy({
  idleTimeoutMs: 80_000,
  maxAgeMs: 1_000_000,
  onReleaseGone: 'refuse',
})

/** A release as a test names it: its share of births, 0 while it drains. */
export interface Deployed {
  readonly version: string
  readonly share: number
  readonly targets: readonly string[]
  /** False for one that was never active. */
  readonly isLive?: boolean
}

export interface Front {
  /** `127.0.0.1:port`. */
  readonly host: string
  readonly state: WorkerState
  readonly clock: { nowMs: number }
  /** What stands for chance, 0.5 unless told otherwise. */
  readonly dice: { next: () => number }
  /** Routes by these releases from now on. */
  publish(releases: readonly Deployed[]): void
  /** What the worker saw of the nth release of the first publication. */
  seen(release?: number): ReleaseActivity
  /** What the worker does five times a second. */
  beat(): void
}

let engine: FrontAbilities['engine'] = 'uws'

/** Which engine fronts that are opened from now on are made of; `uws` unless it is called. */
export function useEngine(chosen: FrontAbilities['engine']): void {
  engine = chosen
}

/** The engine that is in use. */
export function engineInUse(): FrontAbilities['engine'] {
  return engine
}

function listen(calls: FrontCalls & { readonly gate: Gate }): Promise<Listener> {
  const place = { host: '127.0.0.1', port: 0, tls: null }
  if (engine === 'uws') return listenWithUws({ ...place, ...calls })
  const limits = { maxHeadBytes: 16_384, headerTimeoutMs: 10_000, bodySilenceMs: 30_000 }
  return listenWithNode({ ...place, ...calls, ...limits, shared: null, proxied: null, onRefused: () => {} })
}

/** Opens a front over these releases of a site that is like the usual one but for `site`; closed at the test's end. */
export async function openFront(
  t: Owner,
  releases: readonly Deployed[],
  upstreamTimeoutMs = 15_000,
  site: Partial<SiteSpec> = {},
): Promise<Front> {
  const clock = { nowMs: 1_800_000_000_000 }
  const limits = {
    connectTimeoutMs: 1_000,
    upstreamTimeoutMs,
    maxConnections: 64,
    maxQueue: 64,
    maxHeadBytes: 65_536,
  }
  const pools = new TargetPools(limits)
  const dice = { next: () => 0.5 }
  const state: WorkerState = {
    table: null,
    trusted: new TrustedProxies([]),
    requestBodyBytes: 1_000_000,
    via: '',
    reader: new TokenReader({ keys: [{ id: 1, secret: Buffer.alloc(32, 7) }], signsWith: 1 }),
    passes: new PassReader(),
    activity: new Activity(),
    pools,
    tombstones: new Tombstones(),
    assetOrigins: new AssetOrigins(),
    moved: new MovedSessions(),
    movePace: new MovePace(),
    gate: new Gate(noLimits),
    open: new OpenExchanges(),
    clock: { now: () => clock.nowMs, monotonic: () => performance.now() },
    balancing: { loadOf: (target) => pools.loadOf(target), random: () => dice.next() },
    endSession: () => {},
    tellMoved: () => {},
    logAccess: null,
    isLeaving: false,
  }
  const indices = new Map(releases.map(({ version }, i) => [version, i]))
  const masks = fieldMasks((engine === 'uws' ? uwsAbilities : nodeAbilities(false)).writesDate)
  const faults: string[] = []
  const listener = await listen({
    gate: state.gate,
    begin: (downstream) => beginExchange(state, masks, downstream),
    beginUpgrade: (downstream) => beginUpgrade(state, masks, downstream, connectWithWs),
    onFault: (fault) => faults.push(fault),
  })
  t.teardown(() => {
    listener.stopAccepting()
    listener.close()
    pools.close()
    if (faults.length > 0) throw new Error(faults.join('\n'))
  })
  const front: Front = {
    host: `127.0.0.1:${listener.port}`,
    state,
    clock,
    dice,
    publish: (published) => {
      const specs = published.map((release) => specOf(release, indices.get(release.version) ?? 99))
      state.table = tableOf(specs, site)
    },
    seen: (release = 0) => state.activity.of(release as ReleaseIndex),
    beat: () => state.open.refresh(clock.nowMs, -Infinity),
  }
  front.publish(releases)
  return front
}

function specOf({ version, share, targets, isLive = true }: Deployed, index: number): ReleaseSpec {
  return {
    index: index as ReleaseIndex,
    version: version as ReleaseVersion,
    share,
    isLive,
    targets: targets.map((url) => ({ url: url as TargetUrl, isHealthy: true })),
  }
}

function tableOf(releases: readonly ReleaseSpec[], changes: Partial<SiteSpec>) {
  return buildRoutingTable({
    generation: 1,
    issuer: '0000000000000001',
    spans: [],
    futureToleranceMs: 300_000,
    sites: [siteSpec({ session: policy, stateless: ['/public/*'], rolloutId: 'r1', releases, ...changes })],
  })
}
