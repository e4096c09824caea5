// The limits of retention: which former releases are too many or too old, and what `onOverflow` makes of that. Nothing
// live ends unannounced: an end lies a whole promise ahead, which is an idle time and a grain.
import type { Clock } from '../domain/ports.js'
import type { Release, ReleaseEvent } from '../domain/release.js'
import { beyondRetention } from '../domain/retirement.js'
import { adoptionUntil } from './adoption.js'
import { formerReleases, longestPromiseMs, type Site } from './site-register.js'

export interface RetentionParts {
  readonly clock: Clock
  readonly apply: (site: Site, release: Release, event: ReleaseEvent, cause: string) => void
}

/** The former releases of a site that are beyond its limits, the newest first. */
export function overflowing(site: Site, now: number): Release[] {
  const former = formerReleases(site).flatMap((release) => {
    const { state, activatedAt } = release
    // Visitors from before the gateway are on their way to it, and nobody counts them.
    if (state.name !== 'draining' || adoptionUntil(site, release, now) > 0) return []
    return [{ release, holdsSessions: true, activatedAt, drainingSince: state.begunAt }]
  })
  return beyondRetention(former, site.policy.retain, now).map(({ release }) => release)
}

/** What an operator should know of releases beyond the limits; null where there is none. */
export function retentionWarning(site: Site, now: number): string | null {
  const versions = overflowing(site, now).map(({ registration }) => `"${registration.version}"`)
  if (versions.length === 0) return null
  const { previous, onOverflow } = site.policy.retain
  const limits = `beyond "retain.previous" (${previous}) or "retain.maxDrain"`
  return `${versions.join(', ')} still hold${versions.length === 1 ? 's' : ''} sessions ${limits}; onOverflow: ${onOverflow}`
}

/** When an end that is announced now may come. */
export function earliestEnd(site: Site, now: number): number {
  return now + longestPromiseMs(site, 0)
}

export class Retention {
  readonly #parts: RetentionParts

  constructor(parts: RetentionParts) {
    this.#parts = parts
  }

  /** Announces the end of what is beyond the limits, and calls off what no longer is. */
  follow(site: Site): void {
    const now = this.#parts.clock.now()
    const ends = site.policy.retain.onOverflow === 'end' ? overflowing(site, now) : []
    for (const release of ends) {
      if (release.ending === null) this.#announce(site, release, now)
    }
    for (const release of [...site.releases.values()]) {
      if (release.ending?.because !== 'overflow' || ends.includes(release)) continue
      // One whose last session has gone meanwhile needs no end any more.
      if (ends.some(({ index }) => index === release.index)) continue
      this.#parts.apply(
        site,
        release,
        { type: 'announce-end', ending: null },
        'it is within the limits again',
      )
    }
  }

  #announce(site: Site, release: Release, now: number): void {
    const by = 'onOverflow: end'
    const ending = { at: earliestEnd(site, now), announcedAt: now, because: 'overflow', by } as const
    this.#parts.apply(site, release, { type: 'announce-end', ending }, by)
  }
}
