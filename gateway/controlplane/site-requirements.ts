// Requirements between the sites of the register: which are unmet, and which would be broken by another release's
// activation. Reads, changes nothing.
import type { ReleaseVersion } from '../domain/ids.js'
import type { Release } from '../domain/release.js'
import { unmetRequirements, unmetText, type UnmetRequirement } from '../domain/requirements.js'
import { RuleRefusal } from './rule-refusal.js'
import { activeReleases, type Site, type SiteRegister } from './site-register.js'

function activeVersions(site: Site): ReleaseVersion[] {
  return activeReleases(site).map(({ registration }) => registration.version)
}

function siteNamed(register: SiteRegister, name: string): Site | null {
  return register.sites.find(({ policy }) => policy.site === name) ?? null
}

/** What a release requires and does not find, by what is active now. */
export function unmetBy(register: SiteRegister, { registration }: Release): readonly UnmetRequirement[] {
  return unmetRequirements(registration.requires, (name) => {
    const site = siteNamed(register, name)
    return site === null ? null : activeVersions(site)
  })
}

/** Each requirement of a release, and whether it is met now. */
export function requirementsOf(
  register: SiteRegister,
  release: Release,
): readonly { readonly site: string; readonly range: string; readonly isMet: boolean }[] {
  const unmet = new Set(unmetBy(register, release).map(({ site }) => site))
  return Object.entries(release.registration.requires).map(([site, range]) => ({
    site,
    range,
    isMet: !unmet.has(site),
  }))
}

/** A requirement of another site's active release that an activation would break. */
export interface BrokenRequirement extends UnmetRequirement {
  /** Whose requirement it is. */
  readonly by: { readonly site: string; readonly version: ReleaseVersion }
}

/** What would be broken on other sites if that version alone were active on its site, and is not broken now. */
export function brokenBy(
  register: SiteRegister,
  site: Site,
  version: ReleaseVersion,
): readonly BrokenRequirement[] {
  return register.sites
    .filter((other) => other !== site)
    .flatMap((other) => activeReleases(other))
    .flatMap(({ registration }) => {
      const range = registration.requires[site.policy.site]
      if (range === undefined) return []
      const requires = { [site.policy.site]: range }
      if (unmetRequirements(requires, () => activeVersions(site)).length > 0) return []
      const by = { site: registration.site, version: registration.version }
      return unmetRequirements(requires, () => [version]).map((unmet) => ({ ...unmet, by }))
    })
}

/** Refuses an activation whose requirements are not met; null for nothing. */
export function refusedByRequirements(register: SiteRegister, release: Release): RuleRefusal | null {
  const unmet = unmetBy(register, release)
  if (unmet.length === 0) return null
  const { version } = release.registration
  return new RuleRefusal('requires-unmet', `"${version}" ${unmet.map(unmetText).join('; ')}`)
}
