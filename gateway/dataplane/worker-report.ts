// Composes one worker's report: absolute counters and what was touched since the last one.
import type { SessionBatch } from '../domain/session.js'
import type { TouchedPart, WorkerReport } from '../plane-protocol.js'
import type { ReleaseActivity } from './activity.js'
import type { WorkerState } from './worker-state.js'

/** The main process takes in so many in 2 ms; 100,000 at once stopped it for 25 to 40 ms (docs/performance.md). */
const mostRows = 5_000

/** What is to be sent in this order: sessions touched beyond what one message holds, then the report. */
export function composeReport(
  state: WorkerState,
  isLast = false,
): { readonly parts: readonly TouchedPart[]; readonly report: WorkerReport } {
  const generation = state.table?.generation ?? 0
  const batches = inParts(state.activity.takeTouches())
  const parts = batches.slice(1).map((touched) => ({ generation, touched }))
  return { parts, report: reportOf(state, isLast, batches[0] as SessionBatch) }
}

/** At least one, usually that one. */
function inParts(batch: SessionBatch): SessionBatch[] {
  const parts: SessionBatch[] = []
  for (let from = 0; from < Math.max(1, batch.releases.length); from += mostRows) {
    const to = from + mostRows
    parts.push({
      ids: batch.ids.slice(2 * from, 2 * to),
      releases: batch.releases.slice(from, to),
      bornAt: batch.bornAt.slice(from, to),
      until: batch.until.slice(from, to),
    })
  }
  return parts
}

function reportOf(state: WorkerState, isLast: boolean, touched: SessionBatch): WorkerReport {
  const { activity } = state
  return {
    generation: state.table?.generation ?? 0,
    madeAt: state.clock.monotonic(),
    isLast,
    releases: activity.releases().map(figuresOf),
    unrouted: activity.unrouted.list(),
    rejected: activity.rejected.list(),
    pinsLost: activity.pinsLost.list(),
    foreignSeen: [...activity.foreignSeen],
    touched,
    ejected: state.pools.ejected(state.clock.monotonic()),
    connections: state.gate.connections,
    frontRefusals: state.gate.refusals(),
  }
}

function figuresOf(release: ReleaseActivity): WorkerReport['releases'][number] {
  return {
    index: release.index,
    births: release.births,
    birthsUntil: release.birthsUntil,
    lastTouchAt: release.lastTouchAt,
    exchangesOpen: release.exchangesOpen,
    socketsOpen: release.socketsOpen,
    previewRequests: release.previewRequests,
    requests: [...release.requests],
    durations: release.durations,
    durationSumMs: release.durationSumMs,
    upstreamErrors: [...release.upstreamErrors],
    takenOver: release.takenOver.map(({ from, because, count }) => [from, because, count] as const),
  }
}
