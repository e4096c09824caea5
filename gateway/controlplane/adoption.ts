// First adoption: which release visitors from before the gateway board, and until when. Reads releases, changes nothing.
import { isLive, type Release } from '../domain/release.js'
import type { AdoptionSpec } from '../domain/adoption-spec.js'
import { activeRelease, type Site } from './site-register.js'

/** Until when the release is boarded by visitors from before the gateway; 0 where that is over, or never was. */
export function adoptionUntil(site: Site, release: Release, now: number): number {
  const { legacy } = site.policy.session
  if (legacy === null || legacy.release !== release.registration.version) return 0
  return now < legacy.until ? legacy.until : 0
}

/** A staged release that is to serve without births, for adoption alone: nothing but that would let it serve. */
export function isAwaitedByAdoption(site: Site, release: Release, now: number): boolean {
  if (release.state.name !== 'staged' || adoptionUntil(site, release, now) === 0) return false
  // Where nothing is active yet, its own plan is about to board it.
  return activeRelease(site) !== null || release.registration.activate.kind === 'manual'
}

/** What workers adopt by; null where adoption is over. `mayBoard`: every worker serves the release, and goes on doing so. */
export function adoptionSpec(
  site: Site,
  now: number,
  mayBoard: (release: Release) => boolean,
): AdoptionSpec | null {
  const { legacy } = site.policy.session
  if (legacy === null || now >= legacy.until) return null
  const release = site.releases.get(legacy.release)
  const isReady = release !== undefined && isLive(release) && mayBoard(release)
  return { cookie: legacy.cookie, release: isReady ? release.index : null, until: legacy.until }
}

/** What an operator should know of the adoption; null where all is well. */
export function adoptionWarning(site: Site, now: number): string | null {
  const { legacy } = site.policy.session
  if (legacy === null || site.file === null) return null
  if (now >= legacy.until) return '"session.legacy.until" has passed: "session.legacy" may be removed'
  const release = site.releases.get(legacy.release)
  if (release !== undefined && isLive(release)) return null
  const state = release === undefined ? 'is not registered' : `is ${release.state.name}`
  return `"session.legacy" names "${legacy.release}", which ${state}: holders of "${legacy.cookie}" without a token are refused`
}
