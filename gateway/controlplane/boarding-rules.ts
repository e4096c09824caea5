// When a checked release boards by its own plan, and what it waits for: the one place that the controller acts on, and
// that status and `amarre plan` tell. Reads, changes nothing.
import { isoText } from '../domain/instant-text.js'
import type { Release } from '../domain/release.js'
import { boarding, type WaitCause } from '../domain/schedule.js'
import { refusedByData, refusedGoingBack } from './order-rules.js'
import {
  activeReleases,
  compareReleases,
  isFrozen,
  steeredTo,
  type Site,
  type SiteRegister,
} from './site-register.js'
import { refusedByRequirements } from './site-requirements.js'

/** What becomes of a checked release now. */
export type Standing =
  | { readonly kind: 'boards' }
  /** `isByHand`: its plan is to wait for an operator. `until`: when that changes by itself, if known. */
  | {
      readonly kind: 'waits'
      readonly because: string
      readonly until: number | null
      readonly isByHand: boolean
    }

const boards: Standing = { kind: 'boards' }

function waits(because: string, until: number | null = null): Standing {
  return { kind: 'waits', because, until, isByHand: false }
}

/** What becomes of a release that has passed its checks, by the site's rules and its plan. */
export function standing(register: SiteRegister, site: Site, release: Release, now: number): Standing {
  const decided = steered(site, release) ?? byPlan(site, release, now)
  if (decided.kind === 'waits') return decided
  const refusal =
    refusedByData(site, release) ?? stepsRefusal(site, release) ?? refusedByRequirements(register, release)
  return refusal === null ? boards : waits(refusal.message)
}

/** `active` in the site's file stands above every plan. */
function steered(site: Site, release: Release): Standing | null {
  const version = steeredTo(site)
  if (version === null) return null
  if (version !== release.registration.version) return waits(`site.yaml says "active: ${version}"`)
  return isFrozen(site) ? waits(waitWords.frozen) : boards
}

function byPlan(site: Site, release: Release, now: number): Standing {
  const { activate: plan } = release.registration
  const above = releaseAbove(site, release)
  if (above !== null && (plan.kind === 'auto' || plan.kind === 'steps')) {
    return waits(`"activate: ${plan.kind}" never goes below the active "${above.registration.version}"`)
  }
  if (plan.kind === 'steps') {
    if (site.rollout !== null) return waits(`the rollout of "${site.rollout.candidate}" goes on`)
    if (activeReleases(site).length === 0) return waits('no release is active to be compared with')
  }
  const decision = boarding(plan, { isFrozen: isFrozen(site), windows: site.policy.windows }, now)
  if (decision.kind === 'board') return boards
  const { because, until } = decision
  if (because === 'manual') return { kind: 'waits', because: waitWords.manual, until, isByHand: true }
  return waits(`${waitWords[because]}${until === null ? '' : ` until ${isoText(until)}`}`, until)
}

/** An active release that comes after this one in the site's order. */
export function releaseAbove(site: Site, release: Release): Release | null {
  return activeReleases(site).find((active) => compareReleases(site, active, release) > 0) ?? null
}

/** Steps need a stable release to go back to. */
function stepsRefusal(site: Site, release: Release): Error | null {
  const [stable] = activeReleases(site)
  if (release.registration.activate.kind !== 'steps' || steeredTo(site) !== null) return null
  return stable === undefined ? null : refusedGoingBack(site, release, stable)
}

const waitWords: Readonly<Record<WaitCause, string>> = {
  manual: 'its plan is an operator',
  frozen: 'the site is frozen',
  'closed-window': 'no window is open',
  'not-yet': 'its instant has not come',
  missed: 'its instant was missed, and "ifMissed" says "skip"',
}
