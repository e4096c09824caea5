// The samples of one metric out of one reading: types, and the ways to make them. Knows no metric by name.
import type { GatewayReading, ReleaseReading } from './gateway-view.js'
import type { SiteTraffic } from './traffic.js'

/** One line of the exposition; `suffix` tells the parts of a histogram. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  readonly suffix?: '_bucket' | '_sum' | '_count'
}

/** All samples of one name. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  samples(reading: GatewayReading): readonly Sample[]
}

/** What every metric of a release carries. */
export type ReleaseLabels = { readonly site: string; readonly release: string }

/** The labels of one release. */
export function labelsOf({ site, version }: ReleaseReading): ReleaseLabels {
  return { site, release: version }
}

/** One number for each release. */
export function perRelease(value: (release: ReleaseReading) => number): MetricFamily['samples'] {
  return ({ releases }) => releases.map((release) => ({ labels: labelsOf(release), value: value(release) }))
}

/** A number for each release and value of one more label. */
export function perReleaseAnd(
  label: string,
  entries: (release: ReleaseReading) => Iterable<readonly [string | number, number]>,
): MetricFamily['samples'] {
  return ({ releases }) =>
    releases.flatMap((release) =>
      Array.from(entries(release), ([key, value]) => ({
        labels: { ...labelsOf(release), [label]: key },
        value,
      })),
    )
}

/** One number of the whole gateway. */
export function single(value: (reading: GatewayReading) => number): MetricFamily['samples'] {
  return (reading) => [{ labels: {}, value: value(reading) }]
}

/** 1, 0, or NaN while it is unknown. */
export function truth(value: boolean | null): number {
  return value === null ? NaN : Number(value)
}

/** Counts of each site by reason; every known site has every reason, so that a rate starts at zero. */
export function perSiteReason(
  reasons: readonly string[],
  countsOf: (site: SiteTraffic) => ReadonlyMap<string, number>,
): MetricFamily['samples'] {
  return (reading) => {
    const counts = new Map<string, ReadonlyMap<string, number>>()
    for (const { site } of reading.releases) counts.set(site, new Map())
    for (const site of reading.sites) counts.set(site.site, countsOf(site))
    return [...counts].flatMap(([site, byReason]) =>
      [...new Set([...reasons, ...byReason.keys()])].map((reason) => ({
        labels: { site, reason },
        value: byReason.get(reason) ?? 0,
      })),
    )
  }
}
