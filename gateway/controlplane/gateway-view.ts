// What the admin API and the metrics may ask of the running control plane: readings, and the few orders that exist.
import type {
  ReleaseStateName,
  EventStatus,
  GatewayStatus,
  PlanStatus,
  ReleaseStatus,
  SiteStatus,
} from './admin-protocol.js'
import type { ReleaseTraffic, SiteTraffic } from './traffic.js'

/** One release as the metrics see it. Instants in ms. */
export interface ReleaseReading {
  readonly site: string
  readonly version: string
  readonly state: ReleaseStateName
  readonly acceptsBirths: boolean
  readonly overflows: boolean
  /** When its sessions end, as announced; NaN without an end. */
  readonly endsAt: number
  /** Share of births, 0 to 1. */
  readonly share: number
  /** It accepts births, its targets fail, and nobody else may have them. */
  readonly isStranded: boolean
  /** Of a release that accepts births: what it requires of other sites. */
  readonly requirements: readonly { readonly site: string; readonly isMet: boolean }[]
  /** 1 retirable, 0 blocked, NaN unknown. */
  readonly retirable: number
  /** By when it must be empty if nobody returns; NaN without a bound. */
  readonly emptyBy: number
  readonly active: number
  readonly provisional: number
  readonly confirmed: number
  readonly ended: Readonly<Record<string, number>>
  /** 0 for none. */
  readonly oldestBornAt: number
  readonly targets: readonly {
    readonly url: string
    readonly healthy: boolean | null
    /** Workers that pass it over. */
    readonly ejectedBy: number
  }[]
  /** Folded over all workers that ever were. */
  readonly traffic: ReleaseTraffic
}

export interface GatewayReading {
  readonly releases: readonly ReleaseReading[]
  readonly sites: readonly SiteTraffic[]
  readonly configFiles: readonly { readonly file: string; readonly valid: boolean }[]
  readonly configReloads: { readonly applied: number; readonly rejected: number }
  readonly workers: { readonly running: number; readonly lost: number }
  /** Since the state was last saved, or since the start. */
  readonly stateAgeMs: number
  /** Keys generated under the state directory: lost with a container's own disk. */
  readonly usesGeneratedKeys: boolean
  /** Open connections of clients. */
  readonly connections: number
  readonly frontRefusals: readonly (readonly [limitation: string, count: number])[]
}

/** Who orders, and whether rules that only protect data give way. */
export interface Order {
  readonly by: string
  readonly force: boolean
}

/** An operator's recall: to which version, and how many sessions a second; null: as they come. */
export interface RecallOrder extends Order {
  readonly to: string
  readonly perSecond: number | null
}

export interface GatewayView {
  status(): GatewayStatus
  /** Who is where is not known yet: the saved sessions are still being read. */
  isReadingSessions(): boolean
  sites(): readonly SiteStatus[]
  /** Null: no such site. */
  releases(site: string): readonly ReleaseStatus[] | null
  /** What an activation would do, told without doing it. Null: no such release. */
  plan(site: string, version: string): PlanStatus | null
  events(limit: number, before?: number): readonly EventStatus[]
  reading(): GatewayReading
  /** Adds a key, signs with it once every worker verifies it. Resolves with the new key's id. */
  rotateKeys(by: string): Promise<{ readonly keyId: number }>
  /** Gives births to a release, at once. Rejects with a RuleRefusal. */
  activate(site: string, version: string, order: Order): Promise<ReleaseStatus>
  /** Takes births from a release; they go to the last good former one. Rejects with a RuleRefusal. */
  drain(site: string, version: string, order: Order): Promise<ReleaseStatus>
  /** Back to the last good former release, or to the one named. Rejects with a RuleRefusal. */
  rollback(site: string, order: Order & { readonly to: string | null }): Promise<ReleaseStatus>
  /** No release of the site is activated by itself until it is unfrozen. */
  freeze(site: string, order: Order): Promise<SiteStatus>
  unfreeze(site: string, order: Order): Promise<SiteStatus>
  /**
   * The operator's retirement of a retirable release (`retire.when: manual`); forced, the end of any former release is
   * announced. Rejects with a RuleRefusal.
   */
  retire(site: string, version: string, order: Order): Promise<ReleaseStatus>
  /** Calls an announced end off. */
  cancelEnd(site: string, version: string, order: Order): Promise<ReleaseStatus>
  /** Moves everybody on a former release to another one. Rejects with a RuleRefusal. */
  recall(site: string, version: string, order: RecallOrder): Promise<ReleaseStatus>
  cancelRecall(site: string, version: string, order: Order): Promise<ReleaseStatus>
}
