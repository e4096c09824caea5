// The limits of one worker: those until the first publication, and what follows from those published. Knows nothing of
// what they bound.
import type { WorkerLimits } from '../plane-protocol.js'
import type { UpstreamLimits } from './upstream/upstream.js'

/** Until the first publication. */
export const firstLimits: WorkerLimits = {
  requestHeadBytes: 16_384,
  requestBodyBytes: 0,
  headerTimeoutMs: 10_000,
  upstreamTimeoutMs: 60_000,
  connectTimeoutMs: 2_000,
  exchangeTimeoutMs: Infinity,
  connections: Infinity,
  connectionsPerAddress: Infinity,
  exchanges: Infinity,
  overloadDelayMs: Infinity,
  bodyBytesPerS: 0,
  stalledClientMs: 60_000,
}

/** Each client may need a connection upstream as well. */
export function withinOpenFiles(limits: WorkerLimits, mostFiles: number): WorkerLimits {
  return { ...limits, connections: Math.min(limits.connections, Math.floor(mostFiles / 2)) }
}

/** What the pools of targets go by. */
export function upstreamLimits(limits: WorkerLimits): UpstreamLimits {
  const { connectTimeoutMs, upstreamTimeoutMs } = limits
  return { connectTimeoutMs, upstreamTimeoutMs, maxConnections: 1024, maxQueue: 4096, maxHeadBytes: 65_536 }
}
