// Many sites with several live releases each, in one gateway: every site has the same number, the newest is active.
import type { BenchGateway } from './gateway.js'
import type { Entrant } from './rounds.js'
import type { Upstream } from './upstream.js'
import { boardByVisit } from './visits.js'

/** How many there are. */
export interface FleetSize {
  readonly sites: number
  readonly releasesASite: number
}

export function hostOf(site: number): string {
  return `s${site}.example.com`
}

export function siteOf(site: number): string {
  return `site-${site}`
}

export function portOf({ releases }: Upstream, number: number): number {
  return releases[number % releases.length]?.port ?? 0
}

/**
 * Deploys them release after release, on all sites at once; on each site some visitors board every release. Their
 * cookies, with the host of each.
 */
export async function deployFleet(
  gateway: BenchGateway,
  upstream: Upstream,
  { sites, releasesASite }: FleetSize,
  visitorsARelease: number,
): Promise<Pick<Entrant, 'cookies' | 'hosts'>> {
  const cookies: string[] = []
  const hosts: string[] = []
  for (let release = 0; release < releasesASite; release++) {
    for (let site = 0; site < sites; site++) {
      if (release === 0) gateway.site(siteOf(site), `hosts: [${hostOf(site)}]\n${siteWords}`)
      gateway.drop(siteOf(site), `1.${release}.0`, portOf(upstream, site * releasesASite + release))
    }
    if (release === 0) await gateway.start()
    for (let site = 0; site < sites; site++) {
      const { name = '' } =
        upstream.releases[(site * releasesASite + release) % upstream.releases.length] ?? {}
      await gateway.birthsOn(name, hostOf(site))
      const boarded = await boardByVisit(gateway.port, cookies.length, visitorsARelease, hostOf(site))
      cookies.push(...boarded)
      hosts.push(...boarded.map(() => hostOf(site)))
    }
  }
  return { cookies, hosts }
}

const siteWords = 'retain: { previous: 10 }\nhealth: { interval: 5s, healthyAfter: 1 }\n'
