// Which release of a site boards from an empty state, as far as its files tell. Knows nothing of health or time.
import type { ReleaseVersion } from '../../domain/ids.js'
import { compareVersions } from '../../domain/version-order.js'
import type { DesiredSite } from './desired-state.js'

/** The version that would become active from an empty state: the one steered to, else the newest `auto` one. */
export function activeAtStart({ policy, registrations }: DesiredSite): ReleaseVersion | null {
  if (policy.active !== null)
    return registrations.find(({ version }) => version === policy.active)?.version ?? null
  const auto = registrations.filter(({ activate }) => activate.kind === 'auto').map(({ version }) => version)
  if (policy.order === 'registration') return auto.at(-1) ?? null
  return auto.toSorted(compareVersions).at(-1) ?? null
}
