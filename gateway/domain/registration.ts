// What a registration file declares about one release, as values. It never changes: an edited file is another value.
import type { ReleaseVersion, SiteName, TargetUrl } from './ids.js'

/** What an activation does whose instant or window has passed. */
export type IfMissed = 'next-window' | 'immediately' | 'skip'

export interface RolloutStep {
  /** Share of births, 0 to 1. */
  readonly share: number
  readonly holdMs: number
}

/** When a candidate's rollout is aborted; an absent limit judges nothing. */
export interface AbortLimits {
  /** Highest tolerated share of failed requests above the stable release's, 0 to 1; Infinity: not judged. */
  readonly errorRate: number
  /** Highest tolerated 95th percentile of the duration; Infinity: not judged. */
  readonly p95Ms: number
  readonly minRequests: number
  readonly windowMs: number
}

export type ActivationPlan =
  | { readonly kind: 'manual' }
  | { readonly kind: 'auto' }
  | { readonly kind: 'at'; readonly at: number; readonly ifMissed: IfMissed }
  | {
      readonly kind: 'steps'
      readonly steps: readonly RolloutStep[]
      readonly abortOn: AbortLimits | null
      readonly ifMissed: IfMissed
    }

/** What governs moves of sessions at activation: none, at a document navigation, or at any safe request. */
export type TakeOver = 'never' | 'onDocument' | 'immediately'

/** What becomes of the sessions born on an aborted candidate. */
export type OnAbort = 'keep' | 'move'

export interface Registration {
  readonly site: SiteName
  readonly version: ReleaseVersion
  readonly targets: readonly TargetUrl[]
  /** The oldest version whose sessions this release can take over; null: this version itself. */
  readonly compatibleFrom: ReleaseVersion | null
  /** The oldest version that can run on the data which this release writes; null: any may be activated. */
  readonly rollbackTo: ReleaseVersion | null
  readonly takeOver: TakeOver
  /** Semver ranges that the active releases of other sites must satisfy. */
  readonly requires: Readonly<Record<string, string>>
  readonly activate: ActivationPlan
  readonly onAbort: OnAbort
  readonly notes: string
  /** The declaring file, relative to the configuration directory. */
  readonly file: string
  /** SHA-256 of the file's content, hexadecimal. */
  readonly hash: string
}
