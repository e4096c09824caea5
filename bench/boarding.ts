// Scenario: how long after the last byte of a dropped file the first visitor is born on the new release, in a small
// gateway and in one with 200 releases over 50 sites. The application answers its first health check at once.
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { deployFleet, hostOf, portOf, siteOf, type FleetSize } from './fleet.js'
import { BenchGateway } from './gateway.js'
import { pause } from './programs.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { median } from './statistics.js'
import { startUpstream, type Upstream } from './upstream.js'

const drops = 10
/** A file must have stood still for so long before it is read. */
const settlingMs = 50
const betweenMs = 1_200
const sizes: readonly FleetSize[] = [
  { sites: 1, releasesASite: 2 },
  { sites: 50, releasesASite: 4 },
]

export const boarding: Scenario = {
  name: 'boarding',
  asks: 'how long from a dropped file to the first birth on its release?',
  run,
}

async function run({ directory, dist }: Setting): Promise<Finding> {
  const most = Math.max(...sizes.map(({ sites, releasesASite }) => sites * releasesASite))
  const upstream = await startUpstream(directory, most + drops)
  try {
    const figures: Figure[] = []
    for (const size of sizes) {
      const folder = join(directory, `sites-${size.sites}`)
      mkdirSync(folder)
      const times = await dropsInto(new BenchGateway({ dist, directory: folder }), upstream, size)
      figures.push(...figuresOf(size, times))
    }
    return { figures, raw: figures }
  } finally {
    await upstream.stop()
  }
}

async function dropsInto(gateway: BenchGateway, upstream: Upstream, size: FleetSize): Promise<number[]> {
  try {
    await deployFleet(gateway, upstream, size, 1)
    const times: number[] = []
    for (let drop = 0; drop < drops; drop++) {
      await pause(betweenMs)
      const release = upstream.releases.length - drops + drop
      const birth = firstBirthOn(gateway.port, upstream.releases[release]?.name ?? '')
      const at = gateway.drop(siteOf(0), `2.${drop}.0`, portOf(upstream, release))
      times.push((await birth) - at)
    }
    return times
  } finally {
    await gateway.stop()
  }
}

/** Newcomers come one right after the other on one connection; the instant at which one is on that release. */
async function firstBirthOn(port: number, release: string): Promise<number> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const request = `GET /0 HTTP/1.1\r\nHost: ${hostOf(0)}\r\nAccept: text/html\r\n\r\n`
  try {
    for (;;) {
      socket.write(request)
      const [head] = (await once(socket, 'data')) as [Buffer]
      if (head.toString('latin1').includes(`X-Release: ${release}\r\n`)) return performance.now()
      await pause(1)
    }
  } finally {
    socket.destroy()
  }
}

function figuresOf({ sites, releasesASite }: FleetSize, times: readonly number[]): Figure[] {
  const where = `${sites * releasesASite} releases, ${sites} ${sites === 1 ? 'site' : 'sites'}`
  const apart = times.map((ms) => ms - settlingMs)
  return [
    {
      what: `${where}: from drop to birth, median`,
      value: median(times),
      unit: 'ms',
      target: null,
      of: times,
    },
    { what: `${where}: without settling, median`, value: median(apart), unit: 'ms', target: 'under 100' },
    { what: `${where}: without settling, worst`, value: Math.max(...apart), unit: 'ms', target: null },
  ]
}
