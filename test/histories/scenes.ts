// Scenes: several steps in a row of which one alone seldom leads anywhere; and what their parts are drawn from.
import fc from 'fast-check'
import { releaseCount, visitorCount, type RequestKind, type Step } from './steps.js'

export const release = fc.nat(releaseCount - 1)
export const worker = fc.nat(2)
export const times = (...ms: number[]): fc.Arbitrary<number> => fc.constantFrom(...ms)
export const second = 1000
export const minute = 60 * second
export const visitor = fc.nat(visitorCount - 1)

/** Somebody opens a page, or what his page loads comes. */
function asks(who: number, kind: RequestKind, tab: number, at: number): Step {
  return { do: 'visit', visitor: who, worker: at, kind, tab, answer: 'login', delivery: 'now' }
}

/** Steps of which one alone seldom leads anywhere. */
export const scene: fc.Arbitrary<readonly Step[]> = fc.oneof(
  // A release has come to its end, and perhaps nobody takes births.
  fc
    .record({
      release,
      others: fc.boolean(),
      ms: times(7 * minute, 9 * minute, 12 * minute),
      visitor,
      worker,
    })
    .map(({ release: one, others, ms, visitor: who, worker: at }): readonly Step[] => [
      ...[0, 1, 2, 3].flatMap((each): readonly Step[] =>
        others || each === one ? [{ do: 'drain', release: each }] : [],
      ),
      { do: 'retire', release: one, force: true },
      asks(who, 'document', 0, at),
      { do: 'pass', ms, silent: null },
      asks(who, 'document', 0, at),
      { do: 'pass', ms: 4 * minute, silent: null },
      asks(who, 'document', 0, at + 1),
    ]),
  // A page of a former release stays open beside one of the next.
  fc
    .record({ release, ms: times(2 * minute, 7 * minute, 9 * minute), visitor, worker })
    .map(({ release: next, ms, visitor: who, worker: at }): readonly Step[] => [
      asks(who, 'document', 0, at),
      { do: 'drop', release: next, note: 0 },
      { do: 'pass', ms: 200, silent: null },
      { do: 'activate', release: next, force: true },
      { do: 'pass', ms, silent: null },
      asks(who, 'document', 1, at),
      asks(who, 'fetch', 0, at + 1),
      { do: 'pass', ms, silent: null },
      asks(who, 'part', 0, at),
    ]),
  // A page wakes up while its release is on its way out, of which one worker hears late.
  fc
    .record({ release, ms: times(7 * minute, 9 * minute, 12 * minute), visitor, worker })
    .map(({ release: next, ms, visitor: who, worker: at }): readonly Step[] => [
      asks(who, 'document', 0, at),
      { do: 'drop', release: next, note: 0 },
      { do: 'pass', ms: 200, silent: null },
      { do: 'activate', release: next, force: true },
      { do: 'pass', ms: 200, silent: null },
      asks(who, 'document', 1, at),
      { do: 'worker-stalls', worker: at },
      { do: 'pass', ms, silent: null },
      { do: 'pass', ms: 200, silent: null },
      asks(who, 'fetch', 0, at + 1),
      { do: 'worker-wakes', worker: at },
      asks(who, 'part', 0, at + 1),
      { do: 'pass', ms: 200, silent: null },
      asks(who, 'part', 0, at),
    ]),
)
