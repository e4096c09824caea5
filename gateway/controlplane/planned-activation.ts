// What an activation would do, told beforehand: sessions, retention, requirements, data, notes. It asks the same rules
// that the controller acts by, and changes nothing.
import { isoText } from '../domain/instant-text.js'
import { serves, type Release } from '../domain/release.js'
import { unmetText } from '../domain/requirements.js'
import { roadBook } from '../domain/road-book.js'
import { canServe } from '../domain/version-order.js'
import { adoptionUntil } from './adoption.js'
import type { PlannedSessions, PlanStatus } from './admin-protocol.js'
import { standing } from './boarding-rules.js'
import { durationInWords, shareInWords } from './config/duration-words.js'
import type { ControlPlane } from './control-plane.js'
import { obstaclesOf, refusedGoingBack } from './order-rules.js'
import {
  activeRelease,
  activeReleases,
  compareReleases,
  formerReleases,
  versionOrder,
  type Site,
} from './site-register.js'
import { brokenBy, refusedByRequirements, requirementsOf, unmetBy } from './site-requirements.js'

/** The plan of one release, by everything that is known now. */
export function plannedActivation(plane: ControlPlane, site: Site, release: Release): PlanStatus {
  const { register } = plane
  const { version, rollbackTo } = release.registration
  const sessions = plannedSessions(plane, site, release)
  const broken = brokenBy(register, site, version)
  return {
    site: site.policy.site,
    version,
    state: release.state.name,
    active: activeReleases(site).map(({ registration }) => registration.version),
    boarding: boardingOf(plane, site, release),
    refusals: refusalsOf(plane, site, release),
    sessions,
    previous: previousOf(site, release)?.registration.version ?? null,
    retention: retentionOf(site, release, plane.parts.clock.now()),
    requirements: requirementsOf(register, release).map(({ site: name, range, isMet }) => ({
      site: name,
      range,
      met: isMet,
    })),
    unmet: unmetBy(register, release).map(unmetText),
    breaks: broken.map(
      (each) => `"${each.by.version}" of "${each.by.site}" needs "${site.policy.site}" at "${each.range}"`,
    ),
    goingBack: { rollbackTo, barred: barredBy(site, release) },
    road: roadOf(site, release),
  }
}

/** The release that drains when this one takes its births; null where nothing else is active. */
function previousOf(site: Site, release: Release): Release | null {
  return activeReleases(site).find(({ index }) => index !== release.index) ?? null
}

function refusalsOf({ register, parts }: ControlPlane, site: Site, release: Release): PlanStatus['refusals'] {
  const isDone = release.state.name === 'active' && site.rollout === null
  if (isDone) return []
  const unmet = refusedByRequirements(register, release)
  const all = [...obstaclesOf(site, release, parts.clock.now()), ...(unmet === null ? [] : [unmet])]
  return all.map(({ rule, message }) => ({ rule, detail: message }))
}

// -- when and how it boards ---------------------------------------------------------------------------------------------

function boardingOf(
  { register, parts, controller }: ControlPlane,
  site: Site,
  release: Release,
): PlanStatus['boarding'] {
  const plan = planText(release)
  const none = (text: string): PlanStatus['boarding'] => ({ text, at: null })
  const { state } = release
  switch (state.name) {
    case 'active': {
      const isArm = site.rollout !== null
      const rollout = isArm ? controller.rollouts.progress(site) : null
      return none(rollout === null ? 'it is active' : `its rollout is under way (${plan})`)
    }
    case 'rejected':
      return none(`never: it is rejected: ${state.why}`)
    case 'draining':
    case 'retirable':
      return none('by an order of an operator: it was active or drained before')
    case 'retired':
      return none('by an order of an operator, after its checks')
    case 'registered':
    case 'checking':
    case 'staged': {
      const found = standing(register, site, release, parts.clock.now())
      const after = state.name === 'staged' ? '' : 'after its checks: '
      if (found.kind === 'boards') return none(`${after}by itself, now (${plan})`)
      const how = found.isByHand ? 'by an order of an operator' : `by itself, but waits: ${found.because}`
      return { text: `${after}${how} (${plan})`, at: found.until === null ? null : isoText(found.until) }
    }
    default:
      return state satisfies never
  }
}

function planText({ registration: { activate } }: Release): string {
  if (activate.kind === 'at') return `activate: at ${isoText(activate.at)}`
  if (activate.kind !== 'steps') return `activate: ${activate.kind}`
  const steps = activate.steps.map(
    ({ share, holdMs }) => `${shareInWords(share)} for ${durationInWords(holdMs)}`,
  )
  return `activate: in steps, ${steps.join(', ')}, then all`
}

// -- sessions and releases on their way out -----------------------------------------------------------------------------

function plannedSessions({ parts }: ControlPlane, site: Site, release: Release): PlanStatus['sessions'] {
  const of = [...site.releases.values()]
    .filter((other) => other.index !== release.index && serves(other))
    .sort((a, b) => compareReleases(site, b, a))
    .map((other) => sessionsOn(site, other, release, parts.ledger.of(other.index).active))
    .filter(({ active }) => active > 0)
  const sum = (counted: readonly PlannedSessions[]): number =>
    counted.reduce((all, { active }) => all + active, 0)
  const moving = sum(of.filter(({ moves }) => moves !== 'never'))
  return { staying: sum(of) - moving, moving, movable: sum(of.filter(({ compatible }) => compatible)), of }
}

function sessionsOn(site: Site, from: Release, to: Release, active: number): PlannedSessions {
  const compatible = canServe(from.registration, to.registration, versionOrder(site))
  // By itself a session only moves forwards; going back leaves everybody where he is.
  const isForwards = compareReleases(site, from, to) < 0
  const moves = compatible && isForwards ? to.registration.takeOver : 'never'
  return { version: from.registration.version, active, compatible, moves }
}

/** Counted as retention will count them: what is empty, or kept for adoption, is not beyond any limit. */
function retentionOf(site: Site, release: Release, now: number): PlanStatus['retention'] {
  const isCounted = (each: Release): boolean =>
    each.index !== release.index && each.state.name !== 'retirable' && adoptionUntil(site, each, now) === 0
  const former = [...activeReleases(site), ...formerReleases(site)]
    .filter(isCounted)
    .map(({ registration }) => registration.version)
  const { previous, onOverflow } = site.policy.retain
  return { former, limit: previous, overflowing: former.slice(previous), onOverflow }
}

/** Versions that stand by or served and could not follow this one. */
function barredBy(site: Site, release: Release): readonly string[] {
  return [...site.releases.values()]
    .filter(({ state, index }) => state.name !== 'rejected' && index !== release.index)
    .filter((other) => refusedGoingBack(site, release, other) !== null)
    .sort((a, b) => compareReleases(site, b, a))
    .map(({ registration }) => registration.version)
}

function roadOf(site: Site, release: Release): PlanStatus['road'] {
  const inOrder = [...site.releases.values()]
    .filter(({ state }) => state.name !== 'rejected')
    .sort((a, b) => compareReleases(site, a, b))
  const from = previousOf(site, release) ?? activeRelease(site)
  const notes = roadBook(
    inOrder.map(({ registration: { version, notes: text } }) => ({ version, notes: text.trim() })),
    from?.registration.version ?? null,
    release.registration.version,
  )
  const isDown = from !== null && compareReleases(site, release, from) < 0
  return { direction: isDown ? 'down' : 'up', notes }
}
