// Every metric of the gateway: its name, its help and its samples out of one reading. Knows nothing of exposition
// formats. Label values are bounded by what is configured; what has left the reading leaves the metrics with it.
import { latencyBoundsMs } from '../domain/latency-buckets.js'
import { releaseStateNames } from './admin-protocol.js'
import type { GatewayReading, ReleaseReading } from './gateway-view.js'
import {
  labelsOf,
  perRelease,
  perReleaseAnd,
  perSiteReason,
  single,
  truth,
  type MetricFamily,
  type Sample,
} from './metric-samples.js'

/** Why sessions end; always shown, so that a rate starts at zero. */
const endReasons = ['idle', 'age', 'signal', 'overflow'] as const
const rejectionReasons = ['malformed', 'signature', 'key', 'site', 'expired', 'future'] as const
const lostPinReasons = ['idle', 'age'] as const

const sessionFamilies: readonly MetricFamily[] = [
  {
    name: 'amarre_sessions_active',
    help: 'Confirmed sessions that are not over.',
    type: 'gauge',
    samples: perRelease((release) => release.active),
  },
  {
    name: 'amarre_sessions_provisional',
    help: 'Sessions born of late whose token has not come back yet.',
    type: 'gauge',
    samples: perRelease((release) => release.provisional),
  },
  {
    name: 'amarre_sessions_started_total',
    help: 'Births: sessions that began on the release.',
    type: 'counter',
    samples: perRelease((release) => release.traffic.births),
  },
  {
    name: 'amarre_sessions_confirmed_total',
    help: 'Sessions whose token came back for the first time.',
    type: 'counter',
    samples: perRelease((release) => release.confirmed),
  },
  {
    name: 'amarre_sessions_ended_total',
    help: 'Confirmed sessions that ended, by reason.',
    type: 'counter',
    samples: perReleaseAnd('reason', ({ ended }) =>
      Object.entries({ ...Object.fromEntries(endReasons.map((reason) => [reason, 0])), ...ended }),
    ),
  },
  {
    name: 'amarre_sessions_moved_total',
    help: 'Sessions that changed their release, by cause; counted when the new token was handed out.',
    type: 'counter',
    samples: ({ releases }) => releases.flatMap(moveSamples),
  },
  {
    name: 'amarre_session_oldest_timestamp_seconds',
    help: 'Birth of the oldest active session; NaN without one.',
    type: 'gauge',
    samples: perRelease(({ oldestBornAt }) => (oldestBornAt === 0 ? NaN : oldestBornAt / 1000)),
  },
]

const trafficFamilies: readonly MetricFamily[] = [
  {
    name: 'amarre_exchanges_open',
    help: 'Requests under way.',
    type: 'gauge',
    samples: perRelease((release) => release.traffic.exchangesOpen),
  },
  {
    name: 'amarre_websockets_open',
    help: 'Open WebSockets.',
    type: 'gauge',
    samples: perRelease((release) => release.traffic.socketsOpen),
  },
  {
    name: 'amarre_requests_total',
    help: 'Answered requests by status code; release="" reached none, site="" named no known host.',
    type: 'counter',
    samples: requestSamples,
  },
  {
    name: 'amarre_request_duration_seconds',
    help: 'Time from a request to the end of its answer.',
    type: 'histogram',
    samples: ({ releases }) => releases.flatMap(durationSamples),
  },
  {
    name: 'amarre_upstream_errors_total',
    help: 'Failed attempts upstream, by reason.',
    type: 'counter',
    samples: perReleaseAnd('reason', (release) => release.traffic.upstreamErrors),
  },
  {
    name: 'amarre_preview_requests_total',
    help: 'Requests under a preview pass; no other figure counts them.',
    type: 'counter',
    samples: perRelease((release) => release.traffic.previewRequests),
  },
  {
    name: 'amarre_tokens_rejected_total',
    help: 'Affinity tokens and preview passes that were treated as none, by reason.',
    type: 'counter',
    samples: perSiteReason(rejectionReasons, ({ rejected }) => rejected),
  },
  {
    name: 'amarre_pins_lost_total',
    help: "Visitors with the application's cookie but an expired token who met another release, by what expired it.",
    type: 'counter',
    samples: perSiteReason(lostPinReasons, ({ pinsLost }) => pinsLost),
  },
]

const lifecycleFamilies: readonly MetricFamily[] = [
  {
    name: 'amarre_target_healthy',
    help: 'Whether the probes of a target pass; NaN until the first has answered.',
    type: 'gauge',
    samples: perReleaseAnd('target', ({ targets }) =>
      targets.map(({ url, healthy }): readonly [string, number] => [url, truth(healthy)]),
    ),
  },
  {
    name: 'amarre_target_ejected',
    help: 'How many workers give a target no new visitors, because requests to it failed.',
    type: 'gauge',
    samples: perReleaseAnd('target', ({ targets }) =>
      targets.map(({ url, ejectedBy }): readonly [string, number] => [url, ejectedBy]),
    ),
  },
  {
    name: 'amarre_release_state',
    help: 'State of a release: 1 for the one it is in.',
    type: 'gauge',
    samples: perReleaseAnd('state', ({ state }) =>
      releaseStateNames.map((name): readonly [string, number] => [name, Number(name === state)]),
    ),
  },
  {
    name: 'amarre_release_accepts_births',
    help: 'Whether new sessions may begin on the release.',
    type: 'gauge',
    samples: perRelease((release) => Number(release.acceptsBirths)),
  },
  {
    name: 'amarre_release_birth_share_ratio',
    help: 'Share of the births that the release gets.',
    type: 'gauge',
    samples: perRelease(({ share }) => share),
  },
  {
    name: 'amarre_release_births_stranded',
    help: 'Whether births go to the release although all its targets fail, as no other may have them.',
    type: 'gauge',
    samples: perRelease(({ isStranded }) => Number(isStranded)),
  },
  {
    name: 'amarre_release_requirement_met',
    help: 'Whether what a release that accepts births requires of another site is there.',
    type: 'gauge',
    samples: perReleaseAnd('requires', ({ requirements }) =>
      requirements.map(({ site, isMet }): readonly [string, number] => [site, Number(isMet)]),
    ),
  },
  {
    name: 'amarre_release_over_retention',
    help: 'Whether the release is beyond what its site retains (retain.previous, retain.maxDrain).',
    type: 'gauge',
    samples: perRelease((release) => Number(release.overflows)),
  },
  {
    name: 'amarre_release_ends_timestamp_seconds',
    help: 'When the sessions of the release end, as announced; NaN without an end.',
    type: 'gauge',
    samples: perRelease((release) => release.endsAt / 1000),
  },
  {
    name: 'amarre_release_retirable',
    help: 'The verdict: 1 retirable, 0 blocked, NaN unknown. To see; stop containers on the state "retired" only.',
    type: 'gauge',
    samples: perRelease((release) => release.retirable),
  },
  {
    name: 'amarre_release_empty_by_timestamp_seconds',
    help: 'By when the release must be empty if nobody returns; NaN without a bound.',
    type: 'gauge',
    samples: perRelease((release) => release.emptyBy / 1000),
  },
]

const gatewayFamilies: readonly MetricFamily[] = [
  {
    name: 'amarre_config_reloads_total',
    help: 'Changes of the configuration directory: applied whole, or with something rejected.',
    type: 'counter',
    samples: ({ configReloads }) =>
      Object.entries(configReloads).map(([result, value]) => ({ labels: { result }, value })),
  },
  {
    name: 'amarre_config_file_valid',
    help: 'Whether the present content of a configuration file is in force.',
    type: 'gauge',
    samples: ({ configFiles }) =>
      configFiles.map(({ file, valid }) => ({ labels: { file }, value: Number(valid) })),
  },
  {
    name: 'amarre_workers',
    help: 'Worker processes that run.',
    type: 'gauge',
    samples: single((reading) => reading.workers.running),
  },
  {
    name: 'amarre_workers_lost_total',
    help: 'Worker processes that died and were replaced.',
    type: 'counter',
    samples: single((reading) => reading.workers.lost),
  },
  {
    name: 'amarre_connections_open',
    help: 'Open connections of clients.',
    type: 'gauge',
    samples: single((reading) => reading.connections),
  },
  {
    name: 'amarre_front_refusals_total',
    help: 'Connections and requests that were refused before any release was asked, by limitation.',
    type: 'counter',
    samples: ({ frontRefusals }) =>
      frontRefusals.map(([limitation, value]) => ({ labels: { limitation }, value })),
  },
  {
    name: 'amarre_state_age_seconds',
    help: 'How long ago the state was last saved, or since the start; about a second where all is well.',
    type: 'gauge',
    samples: single((reading) => reading.stateAgeMs / 1000),
  },
  {
    name: 'amarre_keys_generated',
    help: 'Whether the token keys were generated under the state directory, and are lost with it.',
    type: 'gauge',
    samples: single((reading) => Number(reading.usesGeneratedKeys)),
  },
]

/** Every metric, in the order of the exposition. */
export const metricFamilies: readonly MetricFamily[] = [
  ...sessionFamilies,
  ...trafficFamilies,
  ...lifecycleFamilies,
  ...gatewayFamilies,
]

function moveSamples({ site, version, traffic }: ReleaseReading): readonly Sample[] {
  return [...traffic.takenOver].flatMap(([from, counts]) =>
    Array.from(counts, ([reason, value]) => ({ labels: { site, from, to: version, reason }, value })),
  )
}

function requestSamples(reading: GatewayReading): readonly Sample[] {
  const routed = perReleaseAnd('code', (release) => release.traffic.requests)(reading)
  const unrouted = reading.sites.flatMap(({ site, unrouted: counts }) =>
    Array.from(counts, ([code, value]) => ({ labels: { site, release: '', code }, value })),
  )
  return [...routed, ...unrouted]
}

/** Buckets are counted apart and exposed as running sums, as the format asks; bounds in seconds. */
function durationSamples(release: ReleaseReading): readonly Sample[] {
  const labels = labelsOf(release)
  const { durations, durationSumMs } = release.traffic
  let sum = 0
  const buckets = [...latencyBoundsMs, Infinity].map((boundMs, bucket): Sample => {
    sum += durations[bucket] ?? 0
    const le = boundMs === Infinity ? '+Inf' : boundMs / 1000
    return { labels: { ...labels, le }, value: sum, suffix: '_bucket' }
  })
  return [
    ...buckets,
    { labels, value: durationSumMs / 1000, suffix: '_sum' },
    { labels, value: sum, suffix: '_count' },
  ]
}
