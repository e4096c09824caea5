// The JSON of the admin API beside the state of releases: previews, sessions, explanations. As admin-protocol.ts: instants
// are ISO 8601 strings in UTC, durations milliseconds.
import type { VerdictStatus } from './admin-protocol.js'

/** A link by which one browser sees a release before it is open to all. */
export interface PreviewLink {
  readonly site: string
  readonly version: string
  readonly url: string
  /** Link and preview end then. */
  readonly until: string
}

/** One confirmed session. */
export interface SessionStatus {
  /** Random, and the same that the application is told in `Amarre-Session`. */
  readonly id: string
  readonly bornAt: string
  readonly ageMs: number
  /** Until when it counts if nothing more is seen of it; null without end. */
  readonly honouredUntil: string | null
}

/** Who keeps a release alive. */
export interface ReleaseSessions {
  readonly site: string
  readonly version: string
  /** All of them, whatever the limit of the list. */
  readonly active: number
  readonly sessions: readonly SessionStatus[]
  readonly exchangesOpen: number
  readonly websocketsOpen: number
  /** What else keeps it: births that nobody has confirmed, losses, doubts. */
  readonly verdict: VerdictStatus
}

/** What becomes of a request. */
export const outcomeNames = [
  'preview',
  'link',
  'page',
  'stay',
  'trail',
  'move',
  'board',
  'unpinned',
  'pass',
  'refuse',
] as const

/** Where a request goes, by which rule, until when. */
export interface ExplanationStatus {
  /** All of it in a sentence. */
  readonly text: string
  /** The site that answers for its host; null for none. */
  readonly site: string | null
  readonly outcome: (typeof outcomeNames)[number]
  /** The rule that speaks; null where the request came to none. */
  readonly rule: { readonly number: number; readonly name: string } | null
  readonly release: string | null
  /** Null where any of the release will do. */
  readonly target: string | null
  /** Code of a refusal. */
  readonly error: string | null
  /** Null where nothing is promised, or without end. */
  readonly until: string | null
  /** The token that it was judged by. */
  readonly token: {
    readonly session: string
    readonly release: string
    readonly bornAt: string
    readonly issuedAt: string
    readonly until: string | null
    readonly held: boolean
  } | null
  /** Why tokens and passes count as none: the reasons of `amarre_tokens_rejected_total`. */
  readonly rejected: readonly string[]
  /** Of the table by which the worker routes that was asked. */
  readonly generation: number
}

/** A request to be explained; what is left out is what a browser's navigation has. */
export interface ExplainBody {
  /** `NAME=VALUE`. */
  readonly cookie?: string | readonly string[]
  /** `Name: value`. */
  readonly header?: string | readonly string[]
  /** An address, or a path of the site. */
  readonly url?: string
  readonly method?: string
}
