// Which releases are dead: all their targets have failed for `deadAfter`, and not because it is the gateway's own
// network that is ill. Learnt by probes alone, so after a restart nobody is dead until they have failed for so long.
import { isNetworkIll } from '../domain/give-back.js'
import type { ReleaseIndex } from '../domain/ids.js'
import type { Clock } from '../domain/ports.js'
import { serves, type Release } from '../domain/release.js'
import { isDead, type TargetHealth } from '../domain/target-health.js'
import type { EventLog } from './event-log.js'
import type { HealthProber } from './health-prober.js'
import type { Site } from './site-register.js'

export interface DeathsParts {
  readonly clock: Clock
  readonly prober: HealthProber
  readonly events: EventLog
}

export class Deaths {
  readonly #parts: DeathsParts
  readonly #dead = new Set<ReleaseIndex>()
  /** Sites of which that has been said. */
  readonly #suspected = new Set<string>()

  constructor(parts: DeathsParts) {
    this.#parts = parts
  }

  isDead(release: ReleaseIndex): boolean {
    return this.#dead.has(release)
  }

  forget(release: ReleaseIndex): void {
    this.#dead.delete(release)
  }

  /** Looks at every release of a site that has been in service. */
  follow(site: Site): void {
    const serving = [...site.releases.values()].filter(isInService)
    const failing = serving.filter((release) => this.#targetsOf(release).every(isFailing))
    const isIll = isNetworkIll(failing.length, serving.length)
    this.#suspect(site, isIll ? `${failing.length} of ${serving.length} releases fail together` : null)
    for (const release of site.releases.values()) {
      const isOver = !isIll && isInService(release) && this.#hasDied(site, release)
      if (isOver !== this.#dead.has(release.index)) this.#tell(site, release, isOver)
    }
  }

  #hasDied(site: Site, release: Release): boolean {
    const targets = this.#targetsOf(release).filter((health) => health !== null)
    // New targets are probed before the former ones go: a release with such is not at its end.
    if (targets.length < release.registration.targets.length || release.formerTargets.length > 0) return false
    return isDead(targets, site.policy.health, this.#parts.clock.now())
  }

  #targetsOf({ index, registration }: Release): (TargetHealth | null)[] {
    return registration.targets.map((url) => this.#parts.prober.healthOf(index, url))
  }

  #tell(site: Site, { index, registration }: Release, isOver: boolean): void {
    const place = { site: site.policy.site, release: registration.version, hash: registration.hash }
    if (isOver) {
      this.#dead.add(index)
      const policy = site.policy.session.onReleaseGone
      this.#parts.events.add(
        'release-dead',
        `every target has failed for long; onReleaseGone: ${policy}`,
        place,
      )
    } else {
      this.#dead.delete(index)
      this.#parts.events.add('release-alive', 'it is not taken for dead any more', place)
    }
  }

  #suspect(site: Site, cause: string | null): void {
    const name = site.policy.site
    if (cause === null) this.#suspected.delete(name)
    else if (!this.#suspected.has(name)) {
      this.#suspected.add(name)
      const told = `${cause}: it may be the gateway's own network, and nobody is moved`
      this.#parts.events.add('network-suspected', told, { site: name })
    }
  }
}

function isInService(release: Release): boolean {
  return serves(release) && release.state.name !== 'registered' && release.state.name !== 'checking'
}

function isFailing(health: TargetHealth | null): boolean {
  return health !== null && health.state === 'unhealthy'
}
