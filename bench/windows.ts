// What a request costs from one fifth of a second to the next while a load runs. On a machine that shares its processor
// with strangers a core is half as fast in one moment as in the next (bench/README.md): the quiet windows tell what a
// program costs, all of them together what the strangers do to it.
import { readdirSync, readFileSync } from 'node:fs'
import { pause } from './programs.js'
import type { Upstream } from './upstream.js'

const windowMs = 200
/** What is under way at either end is at most one request a connection: a window lasts for so many of each. */
const requestsAConnection = 20
/** Of a window's CPU time: more uncertain ones do not count. */
const largestDoubt = 0.03

interface Look {
  readonly requests: number
  /** When half of the question had passed. */
  readonly cpuUs: number
  /** By so much it may be more or less. */
  readonly doubtUs: number
}

/** What is looked at while a load runs. */
export interface Watched {
  readonly pids: readonly number[]
  /** Of the load. */
  readonly connections: number
  readonly upstream: Upstream
}

/** Lets the load run to its end; what a request cost the processes in each window, µs. */
export async function inWindows<T>(
  load: Promise<T>,
  watched: Watched,
): Promise<{ readonly result: T; readonly costs: readonly number[] }> {
  const costs: number[] = []
  let isOver = false
  const result = load.finally(() => (isOver = true))
  const watching = watch(watched, costs, () => isOver)
  await Promise.all([result, watching])
  return { result: await result, costs }
}

async function watch(watched: Watched, costs: number[], isOver: () => boolean): Promise<void> {
  // The load has begun by then.
  await pause(windowMs)
  let before = await look(watched)
  while (!isOver()) {
    await pause(windowMs)
    const now = await look(watched)
    const requests = now.requests - before.requests
    if (isOver() || requests < requestsAConnection * watched.connections) continue
    const spentUs = now.cpuUs - before.cpuUs
    const isCertain = now.doubtUs + before.doubtUs < spentUs * largestDoubt
    if (isCertain) costs.push(spentUs / requests)
    // An uncertain window goes on, unless its beginning is to blame.
    if (isCertain || before.doubtUs > now.doubtUs) before = now
  }
}

/** The application counts at some moment of the question, which waits its turn beside the load. */
async function look({ pids, upstream }: Watched): Promise<Look> {
  const before = cpuUsOf(pids)
  const requests = await upstream.served()
  const after = cpuUsOf(pids)
  return { requests, cpuUs: (before + after) / 2, doubtUs: (after - before) / 2 }
}

function cpuUsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuUsOfOne(pid), 0)
}

/** With all its threads that live, by the scheduler's account, which is finer than the ticks of `stat`. */
function cpuUsOfOne(pid: number): number {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks).reduce((sum, task) => {
    const [ns = '0'] = readFileSync(`${tasks}/${task}/schedstat`, 'latin1').split(' ')
    return sum + Number(ns) / 1000
  }, 0)
}
