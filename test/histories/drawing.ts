// Draws histories at random: what each release declares, then what happens. What is drawn is values only.
import fc from 'fast-check'
import type { AnswerKind } from './routing-worker.js'
import { minute, release, scene, second, times, visitor, worker } from './scenes.js'
import {
  releaseCount,
  tabCount,
  type Declared,
  type Delivery,
  type History,
  type MaxAge,
  type RequestKind,
  type Step,
} from './steps.js'

const visit = fc.record({
  do: fc.constant('visit' as const),
  visitor,
  worker,
  kind: fc.constantFrom<RequestKind>('document', 'document', 'document', 'part', 'fetch', 'post'),
  tab: fc.nat(tabCount - 1),
  answer: fc.constantFrom<AnswerKind>(
    'page',
    'page',
    'page',
    'page',
    'login',
    'login',
    'shared',
    'logout',
    'end',
    'stream',
    'failure',
  ),
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

const maxAge = fc.constantFrom<MaxAge>('20m', '45m', '7d', '7d')

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
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('preview' as const),
      visitor,
      worker,
      release,
      minutes: fc.constantFrom(1, 15, 60),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('end-preview' as const),
      visitor,
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
    arbitrary: fc.oneof(
      fc.record({
        do: fc.constant('idle-time' as const),
        minutes: fc.constantFrom(2, 8, 16, 'never' as const),
      }),
      fc.record({ do: fc.constant('max-age' as const), age: maxAge }),
    ),
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
  { do: 'visit', visitor: 0, worker: 0, kind: 'document', tab: 0, answer: 'login', delivery: 'now' },
  { do: 'visit', visitor: 1, worker: 0, kind: 'document', tab: 0, answer: 'login', delivery: 'now' },
]

/** A whole history: what each release declares, then what happens. */
export function histories(maxSteps: number): fc.Arbitrary<History> {
  return fc.record({
    seed: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
    workers: fc.integer({ min: 1, max: 3 }),
    onReleaseGone: fc.constantFrom('move' as const, 'restart' as const, 'refuse' as const),
    affinity: fc.constantFrom('target' as const, 'release' as const),
    startsOn: fc.constantFrom('request' as const, 'request' as const, 'cookie' as const),
    maxAge,
    pagesName: fc.boolean(),
    legacy: fc.option(fc.record({ release, minutes: fc.constantFrom(5, 25, 80, 24 * 60) })),
    retain: fc.record({
      previous: fc.constantFrom(1, 4),
      warm: fc.nat(1),
      maxDrain: fc.constantFrom('never' as const, 'never' as const, '15m' as const),
      onOverflow: fc.constantFrom('keep' as const, 'keep' as const, 'move' as const, 'end' as const),
    }),
    releases: fc.array(declared, { minLength: releaseCount, maxLength: releaseCount }),
    steps: fc
      .array(fc.oneof({ weight: 30, arbitrary: step.map((one) => [one]) }, { weight: 1, arbitrary: scene }), {
        minLength: 10,
        maxLength: maxSteps,
        size: 'max',
      })
      .map((steps) => [...beginning, ...steps.flat()]),
  })
}
