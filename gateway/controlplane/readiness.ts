// Whether traffic may be sent to the gateway, and what it still waits for.
import { serves } from '../domain/release.js'
import type { Publisher } from './publisher.js'
import type { ReleaseRetirement } from './release-retirement.js'
import type { SiteRegister } from './site-register.js'
import type { Supervisor } from './supervisor.js'

export interface ReadinessParts {
  readonly supervisor: Supervisor
  readonly register: SiteRegister
  readonly publisher: Publisher
  readonly retirement: ReleaseRetirement
}

export class Readiness {
  readonly #parts: ReadinessParts
  #wasReady = false
  #isLeaving = false

  constructor(parts: ReadinessParts) {
    this.#parts = parts
  }

  /** Fails readiness from now on. */
  leave(): void {
    this.#isLeaving = true
  }

  /** Why the gateway is not ready; empty when it is. Once it was, a worker that is replaced does not undo it. */
  waitingFor(): string[] {
    if (this.#isLeaving) return ['the gateway is leaving']
    const { workers } = this.#parts.supervisor
    const listening = workers.filter((worker) => worker.state === 'listening').length
    const reasons = listening === 0 ? ['no worker listens'] : []
    if (!this.#wasReady) reasons.push(...this.#startWaitsFor(listening, workers.length))
    if (reasons.length === 0) this.#wasReady = true
    return reasons
  }

  /** A start is over when all workers listen and serve every release that is known. */
  #startWaitsFor(listening: number, workers: number): string[] {
    const { register, publisher, retirement } = this.#parts
    const reasons = listening < workers ? [`${listening} of ${workers} workers listen`] : []
    for (const site of register.sites) {
      for (const release of site.releases.values()) {
        if (!serves(release) || retirement.isLeaving(release.index)) continue
        if (publisher.isServedEverywhere(release.index)) continue
        reasons.push(`${site.policy.site} ${release.registration.version} is not served by every worker yet`)
      }
    }
    return reasons
  }
}
