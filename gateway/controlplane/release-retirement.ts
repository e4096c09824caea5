// From "somebody is on it" to "retired": judges every release by the newest evidence, and takes a retirable one out of
// service: first nobody comes back to it, then no worker serves it, then it is retired. Release state is changed by the
// controller, through `apply`, alone.
import type { ReleaseIndex } from '../domain/ids.js'
import type { Clock } from '../domain/ports.js'
import { acceptsBirths, isOnItsWayOut, serves, type Release } from '../domain/release.js'
import { dueForRetirement, verdict as judge } from '../domain/retirement.js'
import { extendPromise } from '../domain/session.js'
import type { Verdict } from '../domain/verdict.js'
import { adoptionUntil } from './adoption.js'
import type { Doubts } from './doubts.js'
import { ReleaseEndings, type ReleaseEndingParts } from './release-endings.js'
import type { SessionLedger } from './session-ledger.js'
import { formerReleases, longestPromiseMs, type Site, type SiteRegister } from './site-register.js'
import type { SiteWarnings } from './site-warnings.js'

export interface ReleaseRetirementParts extends ReleaseEndingParts {
  readonly register: SiteRegister
  readonly doubts: Doubts
  readonly warnings: SiteWarnings
}

/** How far a retirable release is on its way out of service. */
interface WayOut {
  /** `closing`: served, but a session that is over is not revived there; `leaving`: no worker is to serve it. */
  readonly step: 'closing' | 'leaving'
  /** The publication that says so. */
  readonly generation: number
  /** By whose word. */
  readonly by: string
}

export class ReleaseRetirement {
  readonly #parts: ReleaseRetirementParts
  readonly #waysOut = new Map<ReleaseIndex, WayOut>()

  readonly #endings: ReleaseEndings

  constructor(parts: ReleaseRetirementParts) {
    this.#parts = parts
    this.#endings = new ReleaseEndings(parts)
  }

  /** A round of reports is in: verdicts, and what follows from them. */
  judge(): void {
    const { register, ledger, evidence, clock } = this.#parts
    const asOf = evidence.asOf
    // Sessions expire as of the oldest report: what a worker has not told yet may have prolonged them.
    if (asOf !== null) sweepFor(ledger, asOf, clock)
    for (const site of register.sites) this.#judgeSite(site)
  }

  /** By the evidence of this moment, so that it fits the figures that are read with it. */
  verdictOf(release: Release): Verdict {
    return this.#judgeRelease(release)
  }

  /** A release that is not retirable any more is served again, or never was to leave. */
  stay(index: ReleaseIndex): void {
    this.#waysOut.delete(index)
    this.#endings.forget(index)
  }

  /** Nobody is left on it, or its end has come: nobody is to come back. */
  isClosing(index: ReleaseIndex): boolean {
    return this.#waysOut.get(index)?.step === 'closing' || this.#endings.isClosing(index)
  }

  /** No worker is to serve it any more. */
  isLeaving(index: ReleaseIndex): boolean {
    return this.#waysOut.get(index)?.step === 'leaving' || this.#endings.isLeaving(index)
  }

  forget(index: ReleaseIndex): void {
    this.#waysOut.delete(index)
    this.#endings.forget(index)
  }

  #judgeSite(site: Site): void {
    for (const { registration } of [...site.releases.values()]) {
      // What follows from one verdict may change another release.
      const release = site.releases.get(registration.version)
      if (release === undefined || !serves(release) || this.#endings.carryOut(site, release)) continue
      const found = this.#judgeRelease(release)
      if (isOnItsWayOut(release)) this.#followVerdict(site, release, found)
    }
    this.#retireDue(site)
    this.#parts.warnings.retention(site, this.#parts.clock.now())
  }

  #judgeRelease(release: Release): Verdict {
    const { register, evidence, doubts, clock } = this.#parts
    const site = register.site(release.registration.site)
    const now = clock.now()
    const adopts = site === null ? 0 : adoptionUntil(site, release, now)
    const is = {
      acceptsBirths: acceptsBirths(release) || this.#mayStillBear(release, adopts > 0),
      adoptionUntil: adopts,
      isStandingBy: ['registered', 'checking', 'staged'].includes(release.state.name),
    }
    const seen = evidence.observe(release.index, is, this.#endedUntil(site, release))
    const asOf = seen?.asOf ?? now
    if (site === null || seen === null) {
      return { kind: 'unknown', why: [{ because: 'starting', until: null }], until: null, asOf }
    }
    const since = (at: number): number => longestPromiseMs(site, at)
    const spans = this.#parts.spans()
    const about = doubts.about(site.policy.site, { promiseMs: since, spans, asOf: seen.asOf, now })
    return judge({ ...seen, doubts: about }, site.policy.retire.quietPeriodMs, now)
  }

  /** Its sessions ended with it, and it is back: who still holds one of their tokens is served; 0 for nobody. */
  #endedUntil(site: Site | null, { registration: { version } }: Release): number {
    const ended = site?.ended.find((each) => each.version === version)
    return ended === undefined ? 0 : extendPromise(ended.until, this.#parts.spans())
  }

  /** Not every worker has reported since births were taken from it. */
  #mayStillBear({ index }: Release, adopts: boolean): boolean {
    const { evidence, publisher } = this.#parts
    if (!evidence.allReportedAt(publisher.birthsEndedIn(index))) return true
    return !adopts && !evidence.allReportedAt(publisher.adoptionEndedIn(index))
  }

  #followVerdict(site: Site, release: Release, found: Verdict): void {
    if (found.kind === 'retirable') {
      this.#parts.apply(site, release, { type: 'emptied' }, 'nobody is left on it')
      this.#goOnLeaving(site, release)
    } else {
      if (this.#waysOut.delete(release.index)) this.#parts.settle()
      const cause = found.kind === 'unknown' ? 'what is known no longer proves it empty' : 'somebody is on it'
      this.#parts.apply(site, release, { type: 'returned' }, cause)
    }
  }

  #retireDue(site: Site): void {
    // Who announced its end does not wait for it once nobody is left.
    for (const release of formerReleases(site)) {
      if (release.ending?.because === 'operator') this.retire(release, release.ending.by)
    }
    if (site.policy.retire.when !== 'auto') return
    const former = formerReleases(site).map((release) => ({
      release,
      activatedAt: release.activatedAt,
      isRetirable: release.state.name === 'retirable' && !this.#waysOut.has(release.index),
    }))
    // Nobody goes back to what is withdrawn or was given up: it is not kept warm.
    const isWarmable = ({ release }: { readonly release: Release }): boolean =>
      !release.withdrawn && !release.wasGivenUp
    const due = [
      ...dueForRetirement(former.filter(isWarmable), site.policy.retain.warm),
      ...dueForRetirement(
        former.filter((each) => !isWarmable(each)),
        0,
      ),
    ]
    for (const { release } of due) this.retire(release, 'retire.when: auto')
  }

  /** Begins its way out of service; every step waits until all workers have reported since the one before. */
  retire(release: Release, by: string): void {
    if (release.state.name !== 'retirable' || this.#waysOut.has(release.index)) return
    this.#enter(release, 'closing', by)
  }

  #enter({ index }: Release, step: WayOut['step'], by: string): void {
    this.#waysOut.set(index, { step, generation: this.#parts.publisher.nextGeneration, by })
    this.#parts.onChange()
  }

  /** The next step, when all have reported since the last one and still nobody was there. */
  #goOnLeaving(site: Site, release: Release): void {
    const wayOut = this.#waysOut.get(release.index)
    const { publisher, evidence } = this.#parts
    if (wayOut === undefined || !publisher.isAcknowledged(wayOut.generation)) return
    if (!evidence.allReportedAt(wayOut.generation)) return
    if (wayOut.step === 'closing') return this.#enter(release, 'leaving', wayOut.by)
    const emptied = site.releases.get(release.registration.version)
    if (emptied === undefined) return
    this.#waysOut.delete(release.index)
    this.#parts.apply(site, emptied, { type: 'retire' }, `${wayOut.by}: it is empty and no worker serves it`)
    this.#parts.settle()
  }
}

/** A slice of sweeping, bounded by 5 ms, so that a large ledger never stalls the main process. */
function sweepFor(ledger: SessionLedger, asOf: number, clock: Clock): void {
  const deadline = clock.monotonic() + 5
  ledger.sweep(asOf, () => clock.monotonic() >= deadline)
}
