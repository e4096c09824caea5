// A control plane in memory: readings to be set by a test, and the orders that came.
import type {
  EventStatus,
  GatewayStatus,
  PlanStatus,
  ReleaseStatus,
  SiteStatus,
} from '../../gateway/controlplane/admin-protocol.js'
import type {
  GatewayReading,
  GatewayView,
  Order,
  RecallOrder,
  ReleaseReading,
} from '../../gateway/controlplane/gateway-view.js'
import { RuleRefusal } from '../../gateway/controlplane/rule-refusal.js'
import { verdictStatus } from '../../gateway/controlplane/verdict-status.js'
import { latencyBoundsMs } from '../../gateway/domain/latency-buckets.js'

const startedAt = Date.parse('2026-03-01T12:00:00Z')

export function releaseStatus(fields: Partial<ReleaseStatus> & { readonly version: string }): ReleaseStatus {
  return {
    site: 'shop',
    state: 'active',
    since: '2026-03-01T12:00:00.000Z',
    withdrawn: false,
    rejected: null,
    generation: 3,
    serves: true,
    acceptsBirths: false,
    share: 0,
    rollout: null,
    file: `sites/shop/releases/${fields.version}.yaml`,
    hash: 'ab12',
    targets: [],
    sessions: { active: 0, provisional: 0, oldest: null },
    births: 0,
    exchangesOpen: 0,
    websocketsOpen: 0,
    verdict: verdictStatus(
      { kind: 'blocked', by: [{ by: 'accepts-births' }], emptyBy: null, asOf: startedAt },
      startedAt,
    ),
    dead: false,
    overflowing: false,
    endsAt: null,
    moveOrder: null,
    moves: null,
    ...fields,
  }
}

export function releaseReading(
  fields: Partial<ReleaseReading> & { readonly version: string },
): ReleaseReading {
  return {
    site: 'shop',
    state: 'active',
    acceptsBirths: true,
    overflows: false,
    endsAt: NaN,
    share: 1,
    isStranded: false,
    requirements: [],
    retirable: 0,
    emptyBy: NaN,
    active: 0,
    provisional: 0,
    confirmed: 0,
    ended: {},
    oldestBornAt: 0,
    targets: [],
    traffic: {
      births: 0,
      previewRequests: 0,
      exchangesOpen: 0,
      socketsOpen: 0,
      requests: new Map(),
      durations: [0, ...latencyBoundsMs].fill(0),
      durationSumMs: 0,
      upstreamErrors: new Map(),
      takenOver: new Map(),
    },
    ...fields,
  }
}

export function event(sequence: number): EventStatus {
  return {
    sequence,
    id: `e-${sequence}`,
    at: '2026-03-01T12:00:00.000Z',
    type: 'transition',
    site: 'shop',
    release: '1.0.0',
    from: 'active',
    to: 'draining',
    cause: 'superseded by 1.1.0',
    hash: 'ab12',
  }
}

export class FakeView implements GatewayView {
  gateway: GatewayStatus = {
    ready: true,
    waitingFor: [],
    startedAt: new Date(startedAt).toISOString(),
    publicUrl: 'http://0.0.0.0:8080',
    workers: [
      { pid: 11, state: 'serving', generation: 7 },
      { pid: 12, state: 'serving', generation: 7 },
    ],
    config: { problems: [], keptFiles: [] },
    state: { ageMs: 1500, problem: null },
  }
  siteList: SiteStatus[] = []
  plans: PlanStatus[] = []
  eventList: EventStatus[] = []
  figures: GatewayReading = {
    releases: [],
    sites: [],
    configFiles: [],
    configReloads: { applied: 0, rejected: 0 },
    workers: { running: 2, lost: 0 },
    stateAgeMs: 1500,
    usesGeneratedKeys: true,
    connections: 7,
    frontRefusals: [],
  }
  /** Orders in words, as they came. */
  readonly orders: string[] = []
  /** What `status` throws; null: it answers. */
  fault: Error | null = null
  /** What every order is refused by; null: each is carried out. */
  refusal: RuleRefusal | null = null
  isReading = false

  status(): GatewayStatus {
    if (this.fault !== null) throw this.fault
    return this.gateway
  }

  isReadingSessions(): boolean {
    return this.isReading
  }

  sites(): readonly SiteStatus[] {
    return this.siteList
  }

  releases(site: string): readonly ReleaseStatus[] | null {
    return this.siteList.find((each) => each.site === site)?.releases ?? null
  }

  plan(site: string, version: string): PlanStatus | null {
    return this.plans.find((each) => each.site === site && each.version === version) ?? null
  }

  events(limit: number, before = Infinity): readonly EventStatus[] {
    return this.eventList.filter(({ sequence }) => sequence < before).slice(0, limit)
  }

  reading(): GatewayReading {
    return this.figures
  }

  rotateKeys(by: string): Promise<{ readonly keyId: number }> {
    if (this.refusal !== null) return Promise.reject(this.refusal)
    this.orders.push(`rotate by ${by}`)
    return Promise.resolve({ keyId: 4 })
  }

  activate(site: string, version: string, order: Order): Promise<ReleaseStatus> {
    return this.#ordered('activate', 'active', { site, version, order })
  }

  drain(site: string, version: string, order: Order): Promise<ReleaseStatus> {
    return this.#ordered('drain', 'draining', { site, version, order })
  }

  rollback(site: string, order: Order & { readonly to: string | null }): Promise<ReleaseStatus> {
    return this.#ordered('rollback', 'active', { site, version: order.to ?? '1.0.0', order })
  }

  freeze(site: string, order: Order): Promise<SiteStatus> {
    return this.#frozen(site, order, true)
  }

  unfreeze(site: string, order: Order): Promise<SiteStatus> {
    return this.#frozen(site, order, false)
  }

  #frozen(name: string, order: Order, frozen: boolean): Promise<SiteStatus> {
    if (this.refusal !== null) return Promise.reject(this.refusal)
    const site = this.siteList.find((each) => each.site === name)
    if (site === undefined) return Promise.reject(new RuleRefusal('no-such-site', name))
    this.orders.push(`${frozen ? 'freeze' : 'unfreeze'} ${name} by ${order.by}`)
    return Promise.resolve({ ...site, frozen })
  }

  #ordered(
    verb: string,
    state: ReleaseStatus['state'],
    { site, version, order }: { site: string; version: string; order: Order },
  ): Promise<ReleaseStatus> {
    if (this.refusal !== null) return Promise.reject(this.refusal)
    const release = this.releases(site)?.find((each) => each.version === version)
    if (release === undefined) return Promise.reject(new RuleRefusal('no-such-release', version))
    this.orders.push(`${verb} ${site} ${version} by ${order.by}${order.force ? ', forced' : ''}`)
    return Promise.resolve({ ...release, state, generation: release.generation + 1 })
  }

  cancelEnd(site: string, version: string, order: Order): Promise<ReleaseStatus> {
    return this.#ordered('cancel end', 'draining', { site, version, order })
  }

  recall(site: string, version: string, order: RecallOrder): Promise<ReleaseStatus> {
    const { to, perSecond } = order
    const verb = `recall to ${to}${perSecond === null ? '' : ` at ${perSecond}/s`}`
    return this.#ordered(verb, 'draining', { site, version, order })
  }

  cancelRecall(site: string, version: string, order: Order): Promise<ReleaseStatus> {
    return this.#ordered('cancel recall', 'draining', { site, version, order })
  }

  retire(site: string, version: string, order: Order): Promise<ReleaseStatus> {
    if (this.refusal !== null) return Promise.reject(this.refusal)
    const release = this.releases(site)?.find((each) => each.version === version)
    if (release?.state !== 'retirable') {
      return Promise.reject(
        new RuleRefusal('retire-needs-retirable', `"${version}" is "${release?.state}", not "retirable"`),
      )
    }
    this.orders.push(`retire ${site} ${version} by ${order.by}`)
    return Promise.resolve({ ...release, state: 'retired', generation: release.generation + 1 })
  }
}
