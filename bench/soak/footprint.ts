// What a process holds on to: open descriptors and resident memory, as the kernel counts them.
import { readdirSync } from 'node:fs'
import type { Gateway } from '../../test/fixtures/gateway.js'
import { isRunning } from '../../test/fixtures/gateway-process.js'
import { residentBytes } from '../programs.js'

/** One reading. */
export interface Footprint {
  readonly mainDescriptors: number
  readonly mainMiB: number
  /** The greatest of any worker. */
  readonly workerDescriptors: number
  readonly workerMiB: number
}

/** What may be more at the end than in the middle: pools, caches and heaps breathe. */
const slack: Footprint = { mainDescriptors: 8, mainMiB: 32, workerDescriptors: 8, workerMiB: 32 }

/** Reads them now. */
export async function footprintOf(gateway: Gateway): Promise<Footprint> {
  // One that was killed in this moment holds nothing.
  const workers = (await gateway.workers()).filter(isRunning)
  return {
    mainDescriptors: descriptorsOf(gateway.pid),
    mainMiB: mebibytesOf(gateway.pid),
    workerDescriptors: Math.max(...workers.map(descriptorsOf)),
    workerMiB: Math.max(...workers.map(mebibytesOf)),
  }
}

/** What has grown beyond its slack. */
export function leaksBetween(before: Footprint, after: Footprint): readonly string[] {
  return (Object.keys(slack) as (keyof Footprint)[])
    .filter((figure) => after[figure] > before[figure] + slack[figure])
    .map((figure) => `${figure}: ${before[figure]} became ${after[figure]}`)
}

function descriptorsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0
    throw error
  }
}

function mebibytesOf(pid: number): number {
  if (!isRunning(pid)) return 0
  return Math.round(residentBytes(pid) / 1_048_576)
}
