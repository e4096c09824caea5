// What a release requires of other sites: semver ranges, held against the versions that are active there. The ranges
// mean what they mean to npm: a pre-release satisfies only a range that names one of its own version.
import semver from 'semver'
import type { ReleaseVersion } from './ids.js'

/** A range, and why the other site's active releases do not satisfy it. */
export interface UnmetRequirement {
  readonly site: string
  readonly range: string
  readonly because: 'no-site' | 'none-active' | 'not-semver' | 'outside'
  /** The active versions that do not satisfy it. */
  readonly found: readonly ReleaseVersion[]
}

/** Active versions of a site: one, both arms of a rollout, none; null where there is no such site. */
export type ActiveVersions = (site: string) => readonly ReleaseVersion[] | null

/** Whether a version lies in a range; null where it is no semantic version, of which nothing can be said. */
export function satisfies(version: ReleaseVersion, range: string): boolean | null {
  return semver.valid(version) === null ? null : semver.satisfies(version, range)
}

/** The requirements that are not met: every active release of the other site has to satisfy the range. */
export function unmetRequirements(
  requires: Readonly<Record<string, string>>,
  activeOf: ActiveVersions,
): readonly UnmetRequirement[] {
  return Object.entries(requires).flatMap(([site, range]): readonly UnmetRequirement[] => {
    const active = activeOf(site)
    if (active === null) return [{ site, range, because: 'no-site', found: [] }]
    if (active.length === 0) return [{ site, range, because: 'none-active', found: [] }]
    const found = active.filter((version) => satisfies(version, range) !== true)
    if (found.length === 0) return []
    const isNoVersion = found.some((version) => satisfies(version, range) === null)
    return [{ site, range, because: isNoVersion ? 'not-semver' : 'outside', found }]
  })
}

/** A requirement that is not met, in words: `needs "billing" at ">=3.1", active there is "3.0.2"`. */
export function unmetText({ site, range, because, found }: UnmetRequirement): string {
  const needs = `needs "${site}" at "${range}"`
  const versions = found.map((version) => `"${version}"`).join(' and ')
  switch (because) {
    case 'no-site':
      return `${needs}, and there is no such site`
    case 'none-active':
      return `${needs}, and no release is active there`
    case 'not-semver':
      return `${needs}, and ${versions}, active there, is no semantic version`
    case 'outside':
      return `${needs}, active there is ${versions}`
    default:
      return because satisfies never
  }
}
