// Scenario: what a proxy adds to the latency of a request at half of what Amarre can carry, beside HAProxy and a direct
// request, all at the same rate. The rate is kept by a load of its own (bench/load/open-loop-program.ts).
import { contenders, enter } from './contestants.js'
import { usualCase } from './cases.js'
import { capacityOf, type Entrant } from './rounds.js'
import { failedOf, runOpenLoop, type OpenLoopResult } from './load/open-loop.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { median } from './statistics.js'
import { startUpstream } from './upstream.js'
import { usualHost } from './visits.js'

const secondsARound = 3

interface LatencySample extends OpenLoopResult {
  readonly contender: string
}

export const latency: Scenario = {
  name: 'latency',
  asks: 'how much later does an answer come, at half of what Amarre can carry?',
  run,
}

async function run(setting: Setting): Promise<Finding> {
  const { directory, dist, rounds } = setting
  const entrants: Entrant[] = []
  const upstream = await startUpstream(directory)
  try {
    for (const contender of contenders(dist, setting.only ?? ['nginx', 'haproxy', 'amarre'], null)) {
      entrants.push(await enter(contender, upstream, directory))
    }
    const own = entrants.find(({ name }) => name === 'amarre')
    if (own === undefined) throw new Error('latency is measured at half of what "amarre" can carry')
    const rate = setting.rate ?? (await capacityOf(own, upstream)) / 2
    const running = { ...own.running, port: upstream.releases[0].port }
    const all = [{ ...own, name: 'direct', running }, ...entrants]
    const samples: LatencySample[] = []
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < all.length; i++) {
        const entrant = all[(i + round) % all.length]
        if (entrant !== undefined) samples.push(await sample(entrant, rate))
      }
    }
    return { figures: figuresOf(samples, rate), raw: { rate, samples } }
  } finally {
    for (const { running } of entrants) await running.stop()
    await upstream.stop()
  }
}

async function sample({ name, running, cookies, directory }: Entrant, rate: number): Promise<LatencySample> {
  const visitors = cookies.map((cookie) => ({ host: usualHost, cookie }))
  const load = { ...usualCase, port: running.port, rate, seconds: secondsARound, churn: 0, visitors }
  return { contender: name, ...(await runOpenLoop(load, directory)) }
}

function figuresOf(samples: readonly LatencySample[], rate: number): Figure[] {
  const of = (name: string, value: (sample: LatencySample) => number): number[] =>
    samples.filter(({ contender }) => contender === name).map(value)
  const names = [...new Set(samples.map(({ contender }) => contender))].toSorted()
  const percentiles = [
    { word: 'p50', value: ({ p50Us }: LatencySample) => p50Us },
    { word: 'p99', value: ({ p99Us }: LatencySample) => p99Us },
    { word: 'p99 of a tenth of a second', value: ({ steadyP99Us }: LatencySample) => steadyP99Us },
  ]
  const figures = percentiles.flatMap(({ word, value }) => {
    const direct = median(of('direct', value))
    return names.map((name): Figure => {
      const values = of(name, value)
      const target = name === 'amarre' && word.length === 3 ? 'at most that of haproxy' : null
      if (name === 'direct') return { what: `${word} direct`, value: direct, unit: 'µs', target, of: values }
      const added = median(values) - direct
      return { what: `${word} added by ${name}`, value: added, unit: 'µs', target, of: values }
    })
  })
  const ownLateness = Math.max(...samples.map(({ ownLateP99Us }) => ownLateP99Us))
  const failed = samples.reduce((sum, sample) => sum + failedOf(sample), 0)
  return [
    { what: 'rate', value: rate, unit: '/s', target: null },
    ...figures,
    { what: 'p99 by which the load itself was late, at worst', value: ownLateness, unit: 'µs', target: null },
    { what: 'requests that failed', value: failed, unit: '', target: null },
  ]
}
