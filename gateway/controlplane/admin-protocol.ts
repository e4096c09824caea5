// The JSON of the admin API, shared by the API, the command and the dashboard. Instants are ISO 8601 strings in UTC,
// durations milliseconds.
import type { MoveCause } from '../domain/moves.js'
import type { Verdict } from '../domain/verdict.js'

/** The states of a release, in the order of a deployment. */
export const releaseStateNames = [
  'registered',
  'checking',
  'staged',
  'active',
  'draining',
  'retirable',
  'retired',
  'rejected',
] as const

export type ReleaseStateName = (typeof releaseStateNames)[number]

export interface TargetStatus {
  readonly url: string
  /** Null until the first probe has answered. */
  readonly healthy: boolean | null
  readonly lastProbe: {
    readonly at: string
    readonly ok: boolean
    /** `200 OK`, `connect ECONNREFUSED`, `timeout after 1000 ms` … */
    readonly detail: string
    readonly durationMs: number
  } | null
}

export interface SessionFigures {
  readonly active: number
  readonly provisional: number
  /** Birth of the oldest active session; null without one. */
  readonly oldest: string | null
}

export type VerdictStatus = {
  readonly [K in Verdict['kind']]: VerdictJson<Extract<Verdict, { kind: K }>>
}[Verdict['kind']]

/** Instants of a verdict become ISO strings; null stays null. `text` says it in a sentence. */
export type VerdictJson<V extends Verdict> = {
  readonly kind: V['kind']
  readonly text: string
  readonly asOf: string
  /** `blocked`: by when it must be empty if nobody returns. `retirable`: empty since then. `unknown`: doubt until. */
  readonly at: string | null
  /** Blockers or doubts, with ISO instants. */
  readonly reasons: readonly Readonly<Record<string, string | number | null>>[]
}

/** One release of a rollout, and what it answered in the time that is judged. */
export interface RolloutArmStatus {
  readonly version: string
  /** Share of births, 0 to 1. */
  readonly share: number
  readonly births: number
  readonly requests: number
  /** Answered with 500 or above. */
  readonly failed: number
  /** Share of the requests, 0 to 1. */
  readonly errorRate: number
  /** 95th percentile of the duration; null without requests, or above the last bucket. */
  readonly p95Ms: number | null
}

/** A rollout by steps that is under way. */
export interface RolloutStatus {
  readonly candidate: RolloutArmStatus
  readonly stable: RolloutArmStatus
  readonly startedAt: string
  /** From 1. */
  readonly step: number
  readonly steps: readonly { readonly share: number; readonly holdMs: number }[]
  readonly stepSince: string
  /** When it may go on by itself; null when time alone does not bring that. */
  readonly until: string | null
  /** Births on the candidate since the step began, and how many are judged at least before the next. */
  readonly birthsInStep: number
  readonly birthsNeeded: number
  /** When the last step ends at the earliest. */
  readonly endsBy: string
  /** How it stands, in words. */
  readonly text: string
}

/** An order to move everybody off a release, as long as it holds. */
export interface MoveOrderStatus {
  readonly to: string
  readonly because: 'recall' | 'abort'
  /** Sessions a second over all workers; null: as they come. */
  readonly perSecond: number | null
  /** At any safe request, not at documents only. */
  readonly forced: boolean
  readonly by: string
  readonly since: string
}

/** Where the sessions of a release move at present, and why. */
export interface MoveStatus {
  readonly to: string
  readonly because: MoveCause
  readonly at: 'document' | 'safe'
}

export interface ReleaseStatus {
  readonly site: string
  readonly version: string
  readonly state: ReleaseStateName
  readonly since: string
  readonly withdrawn: boolean
  /** Why it was rejected, or null. */
  readonly rejected: string | null
  readonly generation: number
  readonly serves: boolean
  readonly acceptsBirths: boolean
  /** Share of births, 0 to 1. */
  readonly share: number
  /** Where it is the candidate of a rollout under way. */
  readonly rollout: RolloutStatus | null
  readonly file: string
  readonly hash: string
  readonly targets: readonly TargetStatus[]
  readonly sessions: SessionFigures
  readonly births: number
  readonly exchangesOpen: number
  readonly websocketsOpen: number
  readonly verdict: VerdictStatus
  /** All its targets have failed for `deadAfter`. */
  readonly dead: boolean
  /** Beyond what the site retains. */
  readonly overflowing: boolean
  /** When its sessions end, as announced; null: it has no end. */
  readonly endsAt: string | null
  readonly moveOrder: MoveOrderStatus | null
  /** Null: its sessions stay; also while an order waits for its target. */
  readonly moves: MoveStatus | null
}

export interface SiteStatus {
  readonly site: string
  readonly hosts: readonly string[]
  readonly active: readonly string[]
  /** Nothing is activated by itself, by the file's word or an operator's. */
  readonly frozen: boolean
  readonly rollout: RolloutStatus | null
  /** Something an operator should know now, in sentences: no release accepts births, retention exceeded … */
  readonly warnings: readonly string[]
  /** Newest first, by the site's order. */
  readonly releases: readonly ReleaseStatus[]
}

/** Sessions of one release, and what an activation would do to them. */
export interface PlannedSessions {
  readonly version: string
  readonly active: number
  /** Whether the compatibility rule lets them move to the planned release at all. */
  readonly compatible: boolean
  /** When they move by themselves: `takeOver` of the planned release; `never` where they are not compatible. */
  readonly moves: 'never' | 'onDocument' | 'immediately'
}

/** What an activation would do, told without doing it. */
export interface PlanStatus {
  readonly site: string
  readonly version: string
  readonly state: ReleaseStateName
  /** The versions that accept births now. */
  readonly active: readonly string[]
  /** When and how it boards, in words; `at` where an instant is known. */
  readonly boarding: { readonly text: string; readonly at: string | null }
  /** Rules that would refuse an operator's `activate` now. */
  readonly refusals: readonly { readonly rule: string; readonly detail: string }[]
  readonly sessions: {
    /** Active ones that stay where they are. */
    readonly staying: number
    /** Active ones that would move here by themselves. */
    readonly moving: number
    /** Active ones that the rule would let an operator move here. */
    readonly movable: number
    readonly of: readonly PlannedSessions[]
  }
  /** What becomes the previous release; null where nothing is active. */
  readonly previous: string | null
  readonly retention: {
    /** Former releases afterwards, the newest first. */
    readonly former: readonly string[]
    /** `retain.previous`. */
    readonly limit: number
    /** Those beyond it, and what becomes of their sessions. */
    readonly overflowing: readonly string[]
    readonly onOverflow: 'keep' | 'move' | 'end'
  }
  readonly requirements: readonly { readonly site: string; readonly range: string; readonly met: boolean }[]
  /** Requirements that are not met, and those of other sites that this would break, in words. */
  readonly unmet: readonly string[]
  readonly breaks: readonly string[]
  readonly goingBack: {
    /** The oldest version that can run on the data which the release writes; null: any. */
    readonly rollbackTo: string | null
    /** Versions to which going back would be refused afterwards. */
    readonly barred: readonly string[]
  }
  /** The notes between what is active and this one, in the order in which they come true. */
  readonly road: {
    readonly direction: 'up' | 'down'
    readonly notes: readonly { readonly version: string; readonly notes: string }[]
  }
}

export interface ConfigStatus {
  readonly problems: readonly {
    readonly severity: 'error' | 'warning'
    readonly file: string
    readonly line: number
    readonly column: number
    readonly path: string
    readonly message: string
  }[]
  /** Files whose last good content stays in force. */
  readonly keptFiles: readonly string[]
}

export interface GatewayStatus {
  readonly ready: boolean
  /** Why it is not ready. */
  readonly waitingFor: readonly string[]
  readonly startedAt: string
  readonly publicUrl: string
  readonly workers: readonly { readonly pid: number; readonly state: string; readonly generation: number }[]
  readonly config: ConfigStatus
  readonly state: StateStatus
}

/** How the state is kept: sessions, releases and their promises, up to about a second ago. */
export interface StateStatus {
  /** Since it was last saved, or since the start. */
  readonly ageMs: number
  /** Why it cannot be saved, in words; null: it can. */
  readonly problem: string | null
}

/** One entry of the event log. */
export interface EventStatus {
  readonly sequence: number
  /** Stable over retries of a webhook. */
  readonly id: string
  readonly at: string
  /** `transition`, `rollout-aborted`, `worker-lost`, `clock-jump`, `keys-rotated` … */
  readonly type: string
  readonly site: string | null
  readonly release: string | null
  readonly from: string | null
  readonly to: string | null
  /** Who or what caused it, in words. */
  readonly cause: string
  /** Hash of the registration file that it came from; null without one. */
  readonly hash: string | null
}

/** Whether traffic may be sent here. */
export interface ReadyStatus {
  readonly ready: boolean
  /** Why it is not ready. */
  readonly waitingFor: readonly string[]
}

/** The key that the next tokens are signed with. */
export interface KeyRotation {
  readonly keyId: number
}

/** Body of an order; may be left out. */
export interface OrderBody {
  /** Why, for the event log; one line. */
  readonly reason?: string
  /** Rules that only protect data give way. */
  readonly force?: boolean
  /** Of a rollback: the version to go back to. Of a recall: the one to move to. */
  readonly to?: string
  /** Of a preview: how long it lasts, as `30m` or `2d`. */
  readonly ttl?: string
  /** Of a preview: where the browser begins, as it sees the site. */
  readonly url?: string
  /** Of a recall: sessions a second, as `2/s`. */
  readonly rate?: string
}

/** RFC 9457. */
export interface ProblemJson {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail?: string
  /** Name of the rule that refused (409): lower case with dashes, stable for scripts. */
  readonly rule?: string
}
