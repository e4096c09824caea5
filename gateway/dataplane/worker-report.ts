// Composes one worker's report: absolute counters and what was touched since the last one.
import type { WorkerReport } from '../plane-protocol.js'
import type { ReleaseActivity } from './activity.js'
import type { WorkerState } from './worker-state.js'

export function composeReport(state: WorkerState, isLast = false): WorkerReport {
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
    touched: activity.takeTouches(),
    ejected: state.pools.ejected(state.clock.monotonic()),
    frontRefusals: [],
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
