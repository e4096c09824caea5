// What an operator should know of a site now, in sentences, for status. Only reads.
import { acceptsBirths } from '../domain/release.js'
import { unmetText } from '../domain/requirements.js'
import { adoptionWarning } from './adoption.js'
import { standing } from './boarding-rules.js'
import type { ControlPlane } from './control-plane.js'
import { retentionWarning } from './retention.js'
import { activeReleases, compareReleases, isFrozen, type Site } from './site-register.js'
import { unmetBy } from './site-requirements.js'

/** Everything that stands in the way of a site's releases, or soon may. */
export function siteWarnings(plane: ControlPlane, site: Site): string[] {
  return [
    ...closedWarnings(site),
    ...(isFrozen(site) ? [`frozen by ${site.frozenBy ?? 'its file'}: nothing is activated`] : []),
    ...stagedWarnings(plane, site),
    ...activeWarnings(plane, site),
    ...adoptionWarnings(plane, site),
    ...departureWarnings(plane, site),
  ]
}

function closedWarnings(site: Site): string[] {
  if (site.file === null) return ['the site file is gone: its releases drain']
  if ([...site.releases.values()].some(acceptsBirths)) return []
  return [`no release accepts births: new visitors get 503${remedyText(site)}`]
}

/** A release that was dropped without a plan waits for a word that a newcomer may not know of. */
function remedyText(site: Site): string {
  const staged = [...site.releases.values()].filter(({ state }) => state.name === 'staged')
  const newest = staged.sort((a, b) => compareReleases(site, b, a))[0]
  if (newest === undefined) return ''
  const { version } = newest.registration
  return `; "${version}" is staged: \`amarre activate ${site.policy.site} ${version}\` gives it births`
}

/** Why a release with a plan of its own does not board. One that waits for an operator does as it was told. */
function stagedWarnings({ register, parts }: ControlPlane, site: Site): string[] {
  return [...site.releases.values()].flatMap((release) => {
    if (release.state.name !== 'staged') return []
    const found = standing(register, site, release, parts.clock.now())
    if (found.kind === 'boards' || found.isByHand) return []
    return [`"${release.registration.version}" stays staged: ${found.because}`]
  })
}

function activeWarnings({ register, controller }: ControlPlane, site: Site): string[] {
  return activeReleases(site).flatMap((release) => {
    const unmet = unmetBy(register, release).map(
      (each) => `"${release.registration.version}" ${unmetText(each)}`,
    )
    const stranded = controller.births.whyStranded(site, release)
    return stranded === null ? unmet : [...unmet, stranded]
  })
}

function adoptionWarnings({ parts }: ControlPlane, site: Site): string[] {
  const warning = adoptionWarning(site, parts.clock.now())
  return warning === null ? [] : [warning]
}

function departureWarnings({ parts, controller }: ControlPlane, site: Site): string[] {
  const retention = retentionWarning(site, parts.clock.now())
  const dead = [...site.releases.values()]
    .filter(({ index }) => controller.departures.isDead(index))
    .map(
      ({ registration }) =>
        `every target of "${registration.version}" has failed for long: it is taken for dead`,
    )
  return retention === null ? dead : [...dead, retention]
}
