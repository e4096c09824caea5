// What a request costs from one fifth of a second to the next while a load runs. On a machine that shares its processor
// with strangers a core is half as fast in one moment as in the next (a fixed piece of work took 6.6 or 11 to 13 ms, in turns of a tenth
// of a second to some seconds): the quiet windows tell what a program costs, all of them together what the strangers do.
import { readdirSync, readFileSync } from 'node:fs'
import { pause } from './programs.js'
import type { Upstream } from './upstream.js'

const windowMs = 200
/** A window lasts until it holds so many: those that are under way at either end must not count for much. */
const fewestRequests = 200

interface Look {
  readonly requests: number
  readonly cpuUs: number
}

/** Lets the load run to its end; what a request cost the processes in each window, µs. */
export async function inWindows<T>(
  load: Promise<T>,
  pids: readonly number[],
  upstream: Upstream,
): Promise<{ readonly result: T; readonly costs: readonly number[] }> {
  let isOver = false
  const over = load.finally(() => (isOver = true))
  const costs: number[] = []
  let before = await look(pids, upstream)
  while (!isOver) {
    await pause(windowMs)
    const now = await look(pids, upstream)
    const requests = now.requests - before.requests
    if (isOver || requests < fewestRequests) continue
    costs.push((now.cpuUs - before.cpuUs) / requests)
    before = now
  }
  return { result: await over, costs }
}

async function look(pids: readonly number[], upstream: Upstream): Promise<Look> {
  const requests = await upstream.served()
  return { requests, cpuUs: pids.reduce((sum, pid) => sum + cpuUsOf(pid), 0) }
}

/** CPU time of a process with all its threads that live, by the scheduler's own account: to the nanosecond. */
function cpuUsOf(pid: number): number {
  const tasks = `/proc/${pid}/task`
  return readdirSync(tasks).reduce((sum, task) => {
    const [ns = '0'] = readFileSync(`${tasks}/${task}/schedstat`, 'latin1').split(' ')
    return sum + Number(ns) / 1000
  }, 0)
}
