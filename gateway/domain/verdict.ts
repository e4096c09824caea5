// The words of a verdict: may this release be retired, and why not. How it is reached stands in retirement.ts.

/** What keeps a release from being retired; each with what an operator needs to judge it. Instants in ms. */
export type Blocker =
  /** It accepts births. */
  | { readonly by: 'accepts-births' }
  /** It has not been active yet: it waits for that, not for its end. */
  | { readonly by: 'standing-by' }
  /** Confirmed sessions that are not over; `until` is the latest promise among them. */
  | { readonly by: 'sessions'; readonly count: number; readonly until: number }
  /** Requests under way. */
  | { readonly by: 'exchanges'; readonly count: number }
  /** Open WebSockets. */
  | { readonly by: 'sockets'; readonly count: number }
  /** Promises made at births whose visitors have not come back yet, and to open pages that name the release. */
  | { readonly by: 'births'; readonly until: number }
  /** Losses of knowledge, each counted as a session that may exist. */
  | { readonly by: 'phantoms'; readonly count: number; readonly until: number }
  /** First adoption goes on until then. */
  | { readonly by: 'adoption'; readonly until: number }
  /** Empty, but not for long enough yet. */
  | { readonly by: 'quiet-period'; readonly until: number }

/** Why nothing certain can be said; `until`: when the cause has passed if it does not recur, null while it lasts. */
export interface Doubt {
  readonly because: 'state-lost' | 'clock-jump' | 'foreign-tokens' | 'worker-silent' | 'starting'
  readonly until: number | null
}

export type Verdict =
  /** Empty since `emptySince`, by reports that are as old as `asOf`. */
  | { readonly kind: 'retirable'; readonly emptySince: number; readonly asOf: number }
  /** `emptyBy`: by then it must be empty if nobody returns; null when that cannot be bounded. */
  | {
      readonly kind: 'blocked'
      readonly by: readonly Blocker[]
      readonly emptyBy: number | null
      readonly asOf: number
    }
  | {
      readonly kind: 'unknown'
      readonly why: readonly Doubt[]
      /** When the last of the doubts has passed; null while one lasts. */
      readonly until: number | null
      readonly asOf: number
    }
