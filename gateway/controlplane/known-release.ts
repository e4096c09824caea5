// The site and release that a request of the admin API names. The API has looked them up before; when a change is
// carried out they can only be gone since.
import type { SiteName } from '../domain/ids.js'
import type { Release } from '../domain/release.js'
import { RuleRefusal } from './rule-refusal.js'
import type { Site, SiteRegister } from './site-register.js'

/** Throws the rule `no-such-site` where it is not known. */
export function knownSite(register: SiteRegister, name: string): Site {
  const site = register.site(name as SiteName)
  if (site === null) throw new RuleRefusal('no-such-site', `there is no site "${name}"`)
  return site
}

/** Throws the rule `no-such-site` or `no-such-release`. */
export function knownRelease(
  register: SiteRegister,
  siteName: string,
  version: string,
): { readonly site: Site; readonly release: Release } {
  const site = knownSite(register, siteName)
  const release = [...site.releases.values()].find((each) => each.registration.version === version)
  if (release !== undefined) return { site, release }
  throw new RuleRefusal('no-such-release', `site "${siteName}" has no release "${version}"`)
}
