// Preloaded into the processes of a gateway under measurement (`node --import`): tells of each how late its event loop
// was and how much memory it holds after its garbage is gone. Writes PROBE_DIRECTORY/PID.json when signalled, beside and
// renamed over, and begins anew. Must not change what it measures but for a timer of a millisecond.
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { ProbeReading } from './probe-reading.js'

const resolutionMs = 1
const directory = process.env['PROBE_DIRECTORY']

/** Resident memory without what is mapped from files: of those the kernel lets go when it needs the room. */
function ownBytes(): number {
  const status = readFileSync('/proc/self/status', 'latin1')
  return Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024
}

/** CPU time of this thread in ms, by the system's last look at it: up to a tick (4 ms) old. */
function ranMs(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[0]) / 1e6
}

const watchEveryMs = 4

/** The longest that this thread itself worked in one turn of its loop, waiting for the processor left out. */
class TurnWatch {
  #worstMs = 0
  #ran = ranMs()

  begin(): void {
    setInterval(() => this.#look(), watchEveryMs).unref()
  }

  take(): number {
    const worst = this.#worstMs
    this.#worstMs = 0
    this.#ran = ranMs()
    return worst
  }

  #look(): void {
    const ran = ranMs()
    this.#worstMs = Math.max(this.#worstMs, ran - this.#ran)
    this.#ran = ran
  }
}

if (directory !== undefined) {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const loop = monitorEventLoopDelay({ resolution: resolutionMs })
  loop.enable()
  const watch = new TurnWatch()
  watch.begin()
  process.on('SIGUSR2', () => {
    // The histogram counts the timer's own interval in.
    const late = (ns: number): number => Math.max(0, ns / 1e6 - resolutionMs)
    const delays = {
      lateP99Ms: late(loop.percentile(99)),
      lateWorstMs: late(loop.max),
      turnWorstMs: watch.take(),
    }
    loop.disable()
    collect()
    collect()
    const { heapUsed, external } = process.memoryUsage()
    const reading: ProbeReading = { ...delays, ownBytes: ownBytes(), usedBytes: heapUsed + external }
    const file = join(directory, `${process.pid}.json`)
    writeFileSync(`${file}.new`, JSON.stringify(reading))
    renameSync(`${file}.new`, file)
    // `enable` begins anew without forgetting the worst.
    loop.reset()
    loop.enable()
    watch.take()
  })
}
