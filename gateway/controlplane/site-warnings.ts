// What an operator should know of a site without asking, said once when it begins.
import { unmetText } from '../domain/requirements.js'
import type { EventLog, EventType } from './event-log.js'
import { retentionWarning } from './retention.js'
import { activeRelease, activeReleases, type Site, type SiteRegister } from './site-register.js'
import { unmetBy } from './site-requirements.js'

export class SiteWarnings {
  readonly #events: EventLog
  /** What has been said and still holds. */
  readonly #said = new Set<string>()

  constructor(events: EventLog) {
    this.#events = events
  }

  closed(site: Site): void {
    const isClosed = site.file !== null && activeRelease(site) === null && site.releases.size > 0
    this.#say(
      site,
      'no-accepting-release',
      isClosed ? 'no release accepts births: new visitors get 503' : null,
    )
  }

  retention(site: Site, now: number): void {
    this.#say(site, 'retention-exceeded', retentionWarning(site, now))
  }

  /** A release that takes births needs what another site no longer has, or never had. */
  requirements(site: Site, register: SiteRegister): void {
    const unmet = activeReleases(site).flatMap((release) =>
      unmetBy(register, release).map((each) => `"${release.registration.version}" ${unmetText(each)}`),
    )
    this.#say(site, 'requirement-unmet', unmet.length === 0 ? null : unmet.join('; '))
  }

  /** Births go to a release whose targets fail, and nobody else may have them: why, or null once that is over. */
  stranded(site: Site, cause: string | null): void {
    this.#say(site, 'births-stranded', cause)
  }

  #say(site: Site, type: EventType, cause: string | null): void {
    const key = `${type} ${site.policy.site}`
    if (cause === null) this.#said.delete(key)
    else if (!this.#said.has(key)) {
      this.#said.add(key)
      this.#events.add(type, cause, { site: site.policy.site })
    }
  }
}
