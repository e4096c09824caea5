// Measures contenders side by side: alternately, round after round, CPU time of the worker for each request.
import { usualCase, type Case } from './cases.js'
import type { Running } from './contenders/contender.js'
import { runLoad } from './load/wrk.js'
import type { Upstream } from './upstream.js'
import { inWindows } from './windows.js'
import { coreAtRest, cpuTime, residentBytes, workerCore, type CpuTime } from './programs.js'

/** A contender that runs, with its visitors. */
export interface Entrant {
  readonly name: string
  readonly running: Running
  readonly cookies: readonly string[]
  /** The host that each of them asks for; the usual one unless given. */
  readonly hosts?: readonly string[]
  readonly directory: string
}

/** One round of one contender. */
export interface Sample {
  readonly contender: string
  readonly case: string
  readonly round: number
  readonly requests: number
  readonly seconds: number
  readonly failures: number
  /** CPU time of the worker for each request. */
  readonly workerUs: number
  /** The same in each of its windows. */
  readonly windowsUs: readonly number[]
  /** Of the whole, outside the kernel. */
  readonly userUs: number
  /** CPU time of the process beside it for each request; 0 where there is none. */
  readonly mainUs: number
  readonly residentBytes: number
  readonly p50Us: number
  readonly p99Us: number
}

export interface RoundOptions {
  /** Counts what is served. */
  readonly upstream: Upstream
  readonly round: number
  readonly seconds: number
}

function totalUs({ userUs, systemUs }: CpuTime): number {
  return userUs + systemUs
}

/** One round of one contender: CPU time of its processes before and after the load. */
export async function measure(entrant: Entrant, load: Case, options: RoundOptions): Promise<Sample> {
  const { cookies, directory, hosts = [] } = entrant
  const { round, upstream } = options
  const seconds = options.seconds * load.stretch
  const { port, workerPids, mainPid } = entrant.running
  const mainPids = mainPid === null ? [] : [mainPid]
  const worker = cpuTime(workerPids)
  const main = cpuTime(mainPids)
  const running = runLoad({ ...load, port, seconds, cookies, hosts, directory })
  const { connections } = load
  const { result, costs } = await inWindows(running, { pids: workerPids, connections, upstream })
  const workerAfter = cpuTime(workerPids)
  const mainAfter = cpuTime(mainPids)
  return {
    ...result,
    contender: entrant.name,
    case: load.name,
    round,
    workerUs: (totalUs(workerAfter) - totalUs(worker)) / result.requests,
    windowsUs: costs,
    userUs: (workerAfter.userUs - worker.userUs) / result.requests,
    mainUs: (totalUs(mainAfter) - totalUs(main)) / result.requests,
    residentBytes: workerPids.reduce((sum, pid) => sum + residentBytes(pid), 0),
  }
}

/** Requests a second with the usual load, once warm: what one worker on one core can do. */
export async function capacityOf(entrant: Entrant, upstream: Upstream): Promise<number> {
  await measure(entrant, usualCase, { upstream, round: -1, seconds: 1 })
  const { workerUs } = await measure(entrant, usualCase, { upstream, round: 0, seconds: 2 })
  return 1e6 / workerUs
}

/**
 * Every contender in turn, in each round in another order, so that none always follows the same one; each begins when the
 * core has come to rest, because some of them are busy for seconds after their load. A first round warms up and is not
 * kept: what is compiled as it runs would be judged by its first second. The samples of each stand together.
 */
export async function measureInTurn(
  entrants: readonly Entrant[],
  load: Case,
  options: Omit<RoundOptions, 'round'> & { readonly rounds: number },
): Promise<Sample[]> {
  const samples: Sample[] = []
  for (let round = -1; round < options.rounds; round++) {
    for (const entrant of inOrderOf(round + 1, entrants)) {
      await coreAtRest(workerCore)
      const sample = await measure(entrant, load, { ...options, round })
      if (round < 0) continue
      const { requests, failures } = sample
      if (failures > 0)
        console.log(`${entrant.name}: ${failures} of ${requests} failed, ${load.name}, round ${round}`)
      if (requests > 0) samples.push(sample)
      else console.log(`${entrant.name} completed nothing of ${load.name} in round ${round}`)
    }
  }
  return entrants.flatMap(({ name }) => samples.filter(({ contender }) => contender === name))
}

/** All of them, from another one on and in another step each time. */
function inOrderOf(round: number, entrants: readonly Entrant[]): Entrant[] {
  const count = entrants.length
  const steps = entrants.map((_, i) => i).filter((step) => greatestDivisor(step, count) === 1)
  const step = steps[round % steps.length] ?? 1
  return entrants.map((_, i) => entrants[(round + i * step) % count] as Entrant)
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}
