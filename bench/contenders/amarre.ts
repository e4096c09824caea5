// Amarre itself, with one worker and everything on that is on by default. The second release is dropped while half of
// the visitors are on the first, which drains from then on.
import { existsSync } from 'node:fs'
import { BenchGateway, programIn, type GatewayPlan } from '../gateway.js'
import { boardByVisit } from '../visits.js'
import type { Contender, Place } from './contender.js'

/** A build of Amarre as a contender; `dist` is the folder that its compiler wrote. */
export function amarre(
  name: string,
  dist: string,
  options: Pick<GatewayPlan, 'engine' | 'workers' | 'nodeOptions'> = {},
): Contender {
  return {
    name,
    does: 'verifies a signed token, counts the session, its release and latencies, sets forwarded headers',
    hasWebSockets: true,
    missing: () => (existsSync(programIn(dist)) ? null : `${name}: no build of Amarre in "${dist}"`),
    version: () => `amarre on Node ${process.version}`,
    async start(place) {
      const { directory, port, adminPort } = place
      const gateway = new BenchGateway({ ...options, dist, directory, port, adminPort })
      gateway.site('shop')
      gateway.drop('shop', '1.0.0', place.releases[0].port)
      await gateway.start()
      await gateway.birthsOn('r1')
      return {
        port,
        workerPids: gateway.workerPids,
        mainPid: gateway.mainPid,
        board: (visitors) => boardInTurn(gateway, place, visitors),
        stop: () => gateway.stop(),
      }
    },
  }
}

async function boardInTurn(gateway: BenchGateway, place: Place, visitors: number): Promise<string[]> {
  const half = visitors >> 1
  const early = await boardByVisit(place.port, 0, half)
  gateway.drop('shop', '2.0.0', place.releases[1].port)
  await gateway.birthsOn('r2')
  return [...early, ...(await boardByVisit(place.port, half, visitors - half))]
}
