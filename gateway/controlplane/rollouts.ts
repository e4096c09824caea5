// Carries rollouts: samples what both arms answer, acts on what the domain says comes next, and says every step in an
// event. Births change hands through the controller's `activate`; release state is changed there alone.
import type { Clock } from '../domain/ports.js'
import { recentArms, withSample, type ArmFigures, type ArmSample } from '../domain/arm-figures.js'
import type { ReleaseVersion } from '../domain/ids.js'
import type { Release, ReleaseEvent } from '../domain/release.js'
import {
  begunRollout,
  candidateShare,
  moved,
  nextMove,
  type Rollout,
  type RolloutEvidence,
  type RolloutMove,
  type StepPlan,
} from '../domain/rollout.js'
import type { TimeSpan } from '../domain/session.js'
import { canServe } from '../domain/version-order.js'
import type { EventLog, EventType } from './event-log.js'
import { armsText, excessText, shareText } from './rollout-text.js'
import { isFrozen, versionOrder, type Site } from './site-register.js'
import type { ReleaseTraffic, Traffic } from './traffic.js'

export interface RolloutParts {
  readonly clock: Clock
  readonly traffic: Traffic
  readonly events: EventLog
  /** Time that does not count. */
  readonly spans: () => readonly TimeSpan[]
  readonly apply: (site: Site, release: Release, event: ReleaseEvent, cause: string) => void
  /** Gives all births to a release. */
  readonly activate: (site: Site, release: Release, cause: string) => void
}

/** What this run of the gateway has seen of a rollout: after a restart figures begin anew, and so does judging. */
interface Watch {
  readonly id: string
  samples: readonly ArmSample[]
  step: number
  stepBase: ArmSample
}

/** A rollout as it stands: what comes next, by which figures. */
export interface RolloutProgress {
  readonly rollout: Rollout
  readonly evidence: RolloutEvidence
  readonly next: RolloutMove
}

/** Where the plan judges nothing, figures are shown over this window. */
const shownWindow = { windowMs: 300_000, minRequests: 0 }

export class Rollouts {
  readonly #parts: RolloutParts
  readonly #watches = new WeakMap<Site, Watch>()

  constructor(parts: RolloutParts) {
    this.#parts = parts
  }

  /** The candidate gets the first step's share of the births; the stable release keeps the rest. */
  begin(site: Site, stable: Release, candidate: Release, plan: StepPlan): void {
    const versions = { candidate: candidate.registration.version, stable: stable.registration.version }
    const rollout = begunRollout(versions, plan, this.#parts.clock.now())
    site.rollout = rollout
    this.#parts.apply(site, candidate, { type: 'activate' }, 'activate: steps')
    this.#say(site, rollout, 'rollout-started', `${stepText(rollout)}; "${rollout.stable}" keeps the rest`)
  }

  /** Carries the site's rollout as far as it can go. */
  follow(site: Site): void {
    const progress = this.progress(site)
    if (progress === null) return
    const { rollout, next } = progress
    switch (next.kind) {
      case 'stay':
        return
      case 'park':
        site.rollout = moved(rollout, 'park', this.#parts.clock.now())
        return this.#say(site, rollout, 'rollout-held', 'no window is open, and "ifMissed" says "skip"')
      case 'advance':
        site.rollout = moved(rollout, 'advance', this.#parts.clock.now())
        return this.#say(site, rollout, 'rollout-step', stepText(site.rollout))
      case 'finish':
        return this.#parts.activate(site, arm(site, rollout.candidate), 'every step has passed')
      case 'abort': {
        const cause = next.excesses.map(excessText).join(', ')
        return this.#parts.activate(site, arm(site, rollout.stable), cause)
      }
      default:
        return next satisfies never
    }
  }

  /** How the site's rollout stands; null where there is none. */
  progress(site: Site): RolloutProgress | null {
    const { rollout } = site
    if (rollout === null) return null
    const { clock } = this.#parts
    const evidence = this.#evidence(site, rollout)
    const { windows } = site.policy
    const rules = { isFrozen: isFrozen(site), windows, spans: this.#parts.spans() }
    return { rollout, evidence, next: nextMove(rollout, evidence, rules, clock.now()) }
  }

  /**
   * All births are about to go to one release: a rollout of the site is over, and how it ended is told. Gives the candidate
   * that has not passed its steps; null for none.
   */
  end(site: Site, winner: Release, cause: string): ReleaseVersion | null {
    const { rollout } = site
    if (rollout === null) return null
    const { version } = winner.registration
    const figures = armsText(rollout, this.#evidence(site, rollout).judged)
    site.rollout = null
    this.#watches.delete(site)
    if (version === rollout.stable) {
      this.#say(site, rollout, 'rollout-aborted', `${cause}; ${figures}; ${bornText(site, rollout)}`)
    } else if (version === rollout.candidate) {
      this.#say(site, rollout, 'rollout-finished', `${cause}; ${figures}`)
      return null
    } else this.#say(site, rollout, 'rollout-ended', `"${version}" takes its place: ${cause}; ${figures}`)
    return rollout.candidate
  }

  /** Those born on an aborted candidate move to the stable release where both the file and the rule say so. */
  releaseBorn(site: Site, candidate: Release, stable: Release, cause: string): void {
    if (candidate.registration.onAbort !== 'move' || !canGoBack(site, candidate, stable)) return
    const { apply, clock } = this.#parts
    const to = stable.registration.version
    const order = {
      to,
      because: 'abort',
      perSecond: null,
      isForced: false,
      by: cause,
      since: clock.now(),
    } as const
    apply(site, candidate, { type: 'order-move', order }, cause)
  }

  #evidence(site: Site, rollout: Rollout): RolloutEvidence {
    const now = this.#sample(site, rollout)
    const watch = this.#watch(site, rollout, now)
    const limits = rollout.plan.abortOn ?? shownWindow
    watch.samples = withSample(watch.samples, now, limits.windowMs)
    const judged = recentArms(watch.samples, now, limits)
    return { judged, birthsInStep: now.candidate.births - watch.stepBase.candidate.births }
  }

  #watch(site: Site, rollout: Rollout, now: ArmSample): Watch {
    const known = this.#watches.get(site)
    if (known?.id === rollout.id) {
      if (known.step !== rollout.step) Object.assign(known, { step: rollout.step, stepBase: now })
      return known
    }
    const watch = { id: rollout.id, samples: [now], step: rollout.step, stepBase: now }
    this.#watches.set(site, watch)
    return watch
  }

  #sample(site: Site, rollout: Rollout): ArmSample {
    const of = (version: Rollout['stable']): ArmFigures =>
      figuresOf(this.#parts.traffic.of(arm(site, version).index))
    return { at: this.#parts.clock.now(), candidate: of(rollout.candidate), stable: of(rollout.stable) }
  }

  #say(site: Site, rollout: Rollout, type: EventType, cause: string): void {
    const { hash } = arm(site, rollout.candidate).registration
    this.#parts.events.add(type, cause, { site: site.policy.site, release: rollout.candidate, hash })
  }
}

/** An arm of the site's rollout: it is there for as long as the rollout lasts, as what leaves it ends the rollout. */
function arm(site: Site, version: Rollout['stable']): Release {
  const release = site.releases.get(version)
  if (release === undefined) throw new Error(`"${version}" is an arm of a rollout and not known`)
  return release
}

/** The other release of a rollout that this one is an arm of; null for every other release. */
export function otherArm(site: Site, { registration: { version } }: Release): Release | null {
  const { rollout } = site
  if (rollout === null) return null
  if (version === rollout.candidate) return arm(site, rollout.stable)
  return version === rollout.stable ? arm(site, rollout.candidate) : null
}

function canGoBack(site: Site, candidate: Release, stable: Release): boolean {
  return canServe(candidate.registration, stable.registration, versionOrder(site))
}

/** What becomes of those born on an aborted candidate. */
function bornText(site: Site, rollout: Rollout): string {
  const [candidate, stable] = [arm(site, rollout.candidate), arm(site, rollout.stable)]
  if (candidate.registration.onAbort === 'keep') return 'its sessions stay'
  if (canGoBack(site, candidate, stable)) return `its sessions move to "${rollout.stable}"`
  return `its sessions stay, as "rollbackTo" does not let them go back to "${rollout.stable}"`
}

function stepText(rollout: Rollout): string {
  const share = shareText(candidateShare(rollout))
  return `step ${rollout.step + 1} of ${rollout.plan.steps.length}: ${share} of the births`
}

function figuresOf({ births, requests, durations }: ReleaseTraffic): ArmFigures {
  let all = 0
  let failed = 0
  for (const [status, count] of requests) {
    all += count
    if (status >= 500) failed += count
  }
  return { births, requests: all, failed, durations }
}
