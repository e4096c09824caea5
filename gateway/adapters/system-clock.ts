// The machine's clocks. `now` is the wall clock as it was when the epoch was taken, advanced by the monotonic clock,
// so that elapsed time is right whatever happens to the wall clock.
import { hrtime } from 'node:process'
import type { Clock } from '../domain/ports.js'

/** Ms of CLOCK_MONOTONIC: the same for every process of the machine. */
function monotonicMs(): number {
  const [seconds, nanoseconds] = hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}

export class SystemClock implements Clock {
  /** Wall-clock ms at the monotonic zero. */
  epochMs: number

  constructor(epochMs: number = Date.now() - monotonicMs()) {
    this.epochMs = epochMs
  }

  now(): number {
    return Math.floor(this.epochMs + monotonicMs())
  }

  monotonic(): number {
    return monotonicMs()
  }

  /** What the epoch would be by the wall clock of this moment; it parts from `epochMs` when the wall clock jumps. */
  wallEpochMs(): number {
    return Date.now() - monotonicMs()
  }
}
