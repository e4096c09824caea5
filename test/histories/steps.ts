// What can happen in a history, as values: drawn by drawing.ts, printed when a history fails, played by world.ts.
import type { AnswerKind } from './routing-worker.js'

/** How a visitor asks: he opens a page, the page loads a part, a script reads something, a form is sent. */
export type RequestKind = 'document' | 'part' | 'fetch' | 'post'

/** What becomes of an answer: it comes at once, after whatever comes next, or its connection breaks on the way. */
export type Delivery = 'now' | 'later' | 'lost'

/** How long a session may last at most. */
export type MaxAge = '20m' | '45m' | '7d'

export type Step =
  | { readonly do: 'drop'; readonly release: number; readonly note: number }
  | { readonly do: 'withdraw'; readonly release: number }
  | { readonly do: 'activate'; readonly release: number; readonly force: boolean }
  | { readonly do: 'rollback'; readonly force: boolean }
  | { readonly do: 'drain'; readonly release: number }
  /** By force: its end is announced. */
  | { readonly do: 'retire'; readonly release: number; readonly force: boolean }
  | {
      readonly do: 'recall'
      readonly release: number
      readonly to: number
      readonly rate: number | null
      readonly force: boolean
    }
  | { readonly do: 'freeze' | 'unfreeze' | 'rotate' }
  | {
      readonly do: 'visit'
      readonly visitor: number
      readonly worker: number
      readonly kind: RequestKind
      /** Where he opens a page, or whose page asks. */
      readonly tab: number
      readonly answer: AnswerKind
      readonly delivery: Delivery
    }
  /** He is given a link to a preview, and opens it. */
  | {
      readonly do: 'preview'
      readonly visitor: number
      readonly worker: number
      readonly release: number
      readonly minutes: number
    }
  | { readonly do: 'end-preview'; readonly visitor: number; readonly worker: number }
  | { readonly do: 'crowd'; readonly count: number; readonly worker: number }
  /** The oldest of what is under way goes on: an answer comes, a stream ends. */
  | { readonly do: 'answer'; readonly request: number }
  /** Time passes; a worker may be silent meanwhile. */
  | { readonly do: 'pass'; readonly ms: number; readonly silent: number | null }
  | { readonly do: 'worker-dies' | 'worker-stalls' | 'worker-wakes'; readonly worker: number }
  /**
   * The main process is killed, or told to stop; the wall clock may be set meanwhile. The next one has read the saved
   * sessions so many steps after it serves.
   */
  | {
      readonly do: 'crash' | 'stop'
      readonly downMs: number
      readonly jumpMs: number
      readonly readsFor: number
    }
  | { readonly do: 'jump'; readonly ms: number }
  | { readonly do: 'targets-fail' | 'targets-heal'; readonly release: number }
  | { readonly do: 'idle-time'; readonly minutes: number | 'never' }
  | { readonly do: 'max-age'; readonly age: MaxAge }

/** What the registration of each release declares, in numbers of releases. */
export interface Declared {
  /** Null: this version itself. */
  readonly compatibleFrom: number | null
  readonly rollbackTo: number | null
  readonly takeOver: 'never' | 'onDocument' | 'immediately'
  readonly plan: 'auto' | 'manual' | 'steps' | 'abortable'
  readonly onAbort: 'keep' | 'move'
}

export interface History {
  readonly seed: number
  readonly workers: number
  readonly onReleaseGone: 'move' | 'restart' | 'refuse'
  readonly affinity: 'target' | 'release'
  readonly startsOn: 'request' | 'cookie'
  /** How long a session may last at most. */
  readonly maxAge: MaxAge
  /** Pages name their release in what they load. */
  readonly pagesName: boolean
  /** Visitors from before the gateway are awaited on this release, for so long. */
  readonly legacy: { readonly release: number; readonly minutes: number } | null
  readonly retain: {
    readonly previous: number
    readonly warm: number
    readonly maxDrain: 'never' | '15m'
    readonly onOverflow: 'keep' | 'move' | 'end'
  }
  readonly releases: readonly Declared[]
  readonly steps: readonly Step[]
}

export const releaseCount = 4
export const visitorCount = 6
export const tabCount = 2
