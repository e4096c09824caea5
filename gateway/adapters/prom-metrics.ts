// The exposition of the metrics by prom-client: its registry and format, and the process's own figures. Knows nothing
// of what a metric means.
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Metric } from 'prom-client'
import type { MetricsExposition } from '../controlplane/admin-api.js'
import type { GatewayReading, GatewayView } from '../controlplane/gateway-view.js'
import { metricFamilies } from '../controlplane/metric-families.js'
import type { MetricFamily, Sample } from '../controlplane/metric-samples.js'
import { productVersion } from '../product.js'

/** promtool rejects them: gauges named `_total`. */
const misnamedDefaults = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

const buildInfo: MetricFamily = {
  name: 'amarre_build_info',
  help: 'Always 1; its labels tell the versions of the gateway and of Node.',
  type: 'gauge',
  samples: () => [{ labels: { version: productVersion, node_version: process.version }, value: 1 }],
}

/** What a registry asks of a metric when it is scraped: the part of prom-client's own classes that it calls. */
interface ScrapedMetric {
  readonly name: string
  readonly help: string
  readonly type: MetricFamily['type']
  get(): Promise<object>
}

/** Metrics of a running gateway: one reading a scrape, the same for all of them. */
export function createMetrics(view: Pick<GatewayView, 'reading'>): MetricsExposition {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of misnamedDefaults) registry.removeSingleMetric(name)
  let reading: GatewayReading | null = null
  for (const family of [buildInfo, ...metricFamilies]) {
    register(
      registry,
      scraped(family, () => reading ?? view.reading()),
    )
  }
  return {
    contentType: registry.contentType,
    expose() {
      reading = view.reading()
      return registry.metrics()
    },
  }
}

function scraped(family: MetricFamily, reading: () => GatewayReading): ScrapedMetric {
  const { name, help, type } = family
  return {
    name,
    help,
    type,
    get: () =>
      Promise.resolve({ name, help, type, values: family.samples(reading()).map((s) => value(s, name)) }),
  }
}

function value(sample: Sample, name: string): object {
  const { labels, value: number, suffix } = sample
  return suffix === undefined
    ? { labels, value: number }
    : { labels, value: number, metricName: name + suffix }
}

/**
 * The figures are absolute and counted elsewhere, and prom-client's counters and histograms can only be added to:
 * resetting and adding at each scrape works for counters and for no histogram. So the registry is given objects that
 * answer its one question, `get`, with the samples of the moment; series that ended are simply no longer there.
 */
function register(registry: Registry, metric: ScrapedMetric): void {
  registry.registerMetric(metric as unknown as Metric)
}
