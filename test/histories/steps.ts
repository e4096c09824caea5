// What can happen in a history, as values: drawn at random, printed when a history fails, played by world.ts.
import fc from 'fast-check'
import type { AnswerKind } from './routing-worker.js'

/** How a visitor asks: he opens a page, the page loads a part, a script reads something, a form is sent. */
export type RequestKind = 'document' | 'part' | 'fetch' | 'post'

/** What becomes of an answer: it comes at once, after whatever comes next, or its connection breaks on the way. */
export type Delivery = 'now' | 'later' | 'lost'

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
      readonly answer: AnswerKind
      readonly delivery: Delivery
    }
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
  | { readonly do: 'idle-time'; readonly minutes: number }

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

const release = fc.nat(releaseCount - 1)
const worker = fc.nat(2)
const times = (...ms: number[]): fc.Arbitrary<number> => fc.constantFrom(...ms)
const second = 1000
const minute = 60 * second

const visit = fc.record({
  do: fc.constant('visit' as const),
  visitor: fc.nat(visitorCount - 1),
  worker,
  kind: fc.constantFrom<RequestKind>('document', 'document', 'document', 'part', 'fetch', 'post'),
  answer: fc.constantFrom<AnswerKind>('page', 'page', 'page', 'page', 'shared', 'end', 'stream', 'failure'),
  delivery: fc.constantFrom<Delivery>('now', 'now', 'now', 'later', 'lost'),
})

const pass = fc.record({
  do: fc.constant('pass' as const),
  ms: times(
    200,
    second,
    30 * second,
    2 * minute,
    4 * minute,
    7 * minute,
    9 * minute,
    12 * minute,
    40 * minute,
  ),
  silent: fc.option(worker, { freq: 6 }),
})

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: visit },
  { weight: 8, arbitrary: pass },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('drop' as const), release, note: fc.nat(1) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('withdraw' as const), release }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('activate' as const), release, force: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rollback' as const), force: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('drain' as const), release }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('retire' as const), release, force: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('recall' as const),
      release,
      to: release,
      rate: fc.option(fc.constantFrom(0.1, 2)),
      force: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('freeze' as const, 'unfreeze' as const, 'rotate' as const) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crowd' as const),
      count: fc.integer({ min: 10, max: 60 }),
      worker,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('answer' as const), request: fc.nat(3) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constantFrom('worker-dies' as const, 'worker-stalls' as const, 'worker-wakes' as const),
      worker,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('crash' as const, 'stop' as const),
      downMs: times(0, second, minute, 10 * minute, 60 * minute),
      jumpMs: times(0, 0, 0, 10 * minute, -4000, -3 * minute, -60 * minute),
      readsFor: fc.constantFrom(0, 0, 1, 5, 20),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('jump' as const),
      ms: times(4 * second, 10 * minute, 90 * minute, -10 * second, -10 * minute, -90 * minute),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('targets-fail' as const, 'targets-heal' as const),
      release,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('idle-time' as const), minutes: fc.constantFrom(2, 8, 16) }),
  },
)

const declared: fc.Arbitrary<Declared> = fc.record({
  compatibleFrom: fc.option(release),
  rollbackTo: fc.option(release),
  takeOver: fc.constantFrom('never' as const, 'onDocument' as const, 'immediately' as const),
  plan: fc.constantFrom(
    'auto' as const,
    'auto' as const,
    'manual' as const,
    'steps' as const,
    'abortable' as const,
  ),
  onAbort: fc.constantFrom('keep' as const, 'move' as const),
})

/** Without somebody on board nothing can go wrong. */
const beginning: readonly Step[] = [
  { do: 'drop', release: 0, note: 0 },
  { do: 'pass', ms: 200, silent: null },
  { do: 'visit', visitor: 0, worker: 0, kind: 'document', answer: 'page', delivery: 'now' },
  { do: 'visit', visitor: 1, worker: 0, kind: 'document', answer: 'page', delivery: 'now' },
]

/** A whole history: what each release declares, then what happens. */
export function histories(maxSteps: number): fc.Arbitrary<History> {
  return fc.record({
    seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    workers: fc.integer({ min: 1, max: 3 }),
    onReleaseGone: fc.constantFrom('move' as const, 'restart' as const, 'refuse' as const),
    affinity: fc.constantFrom('target' as const, 'release' as const),
    retain: fc.record({
      previous: fc.constantFrom(1, 4),
      warm: fc.nat(1),
      maxDrain: fc.constantFrom('never' as const, 'never' as const, '15m' as const),
      onOverflow: fc.constantFrom('keep' as const, 'keep' as const, 'move' as const, 'end' as const),
    }),
    releases: fc.array(declared, { minLength: releaseCount, maxLength: releaseCount }),
    steps: fc
      .array(step, { minLength: 10, maxLength: maxSteps, size: 'max' })
      .map((steps) => [...beginning, ...steps]),
  })
}
