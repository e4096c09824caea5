// The single writer of release state. It reads like the story of a deployment: follow the files, check what is new,
// let it accept births once every worker serves it, drain what came before, retire what is provably empty.
import type { ReleaseIndex } from '../domain/ids.js'
import type { Clock } from '../domain/ports.js'
import { isOnItsWayOut, serves, transition, type Release, type ReleaseEvent } from '../domain/release.js'
import type { Registration } from '../domain/registration.js'
import { dueForRetirement, verdict as judge } from '../domain/retirement.js'
import { isUsable } from '../domain/target-health.js'
import type { Verdict } from '../domain/verdict.js'
import { compareVersions } from '../domain/version-order.js'
import type { DesiredSite, DesiredState } from './config/desired-state.js'
import type { Doubts } from './doubts.js'
import type { EventLog } from './event-log.js'
import type { EvidenceBook } from './evidence-book.js'
import type { HealthProber, ProbePlan } from './health-prober.js'
import type { Publisher } from './publisher.js'
import type { SessionLedger } from './session-ledger.js'
import {
  activeRelease,
  compareReleases,
  formerReleases,
  longestPromiseMs,
  type Site,
  type SiteRegister,
} from './site-register.js'

export interface ControllerParts {
  readonly clock: Clock
  readonly register: SiteRegister
  readonly evidence: EvidenceBook
  readonly doubts: Doubts
  readonly ledger: SessionLedger
  readonly prober: HealthProber
  readonly publisher: Publisher
  readonly events: EventLog
  /** The state has changed: publish it, keep it. */
  readonly onChange: () => void
}

export class ReleaseController {
  readonly #parts: ControllerParts
  /** Releases that no worker is to serve any more, not retired yet: since which generation, and by whose word. */
  readonly #leaving = new Map<ReleaseIndex, { readonly generation: number; readonly by: string }>()
  readonly #verdicts = new Map<ReleaseIndex, Verdict>()
  /** Releases that served when the gateway stopped: used at once, health is learnt meanwhile. */
  readonly #assumed = new Set<ReleaseIndex>()
  readonly #warned = new Set<string>()

  constructor(parts: ControllerParts) {
    this.#parts = parts
    for (const site of parts.register.sites) {
      for (const release of site.releases.values()) {
        const hadPassed = serves(release) && !['registered', 'checking'].includes(release.state.name)
        if (hadPassed) this.#assumed.add(release.index)
      }
    }
  }

  /** The configuration says this now. */
  follow(desired: DesiredState): void {
    for (const site of desired.sites) this.#followSite(site)
    this.#withdrawMissingSites(desired)
    this.settle()
  }

  /** Carries every release as far as it can go; called after everything that may let one go on. */
  settle(): void {
    for (const site of this.#parts.register.sites) this.#settleSite(site)
    this.#probe()
    this.#parts.onChange()
  }

  /** A round of reports is in: verdicts, and what follows from them. */
  judge(): void {
    const { register, ledger, evidence } = this.#parts
    const asOf = evidence.asOf
    // Sessions expire as of the oldest report: what a worker has not told yet may have prolonged them.
    if (asOf !== null) sweepFor(ledger, asOf, this.#parts.clock)
    for (const site of register.sites) this.#judgeSite(site)
  }

  verdictOf(release: Release): Verdict {
    return this.#verdicts.get(release.index) ?? this.#judgeRelease(release)
  }

  isLeaving(index: ReleaseIndex): boolean {
    return this.#leaving.has(index)
  }

  // -- following the files ----------------------------------------------------------------------------------------------

  #followSite(desired: DesiredSite): void {
    const { register, clock, events } = this.#parts
    const site = register.site(desired.policy.site) ?? register.addSite(desired.policy, desired.file)
    site.file = desired.file
    if (JSON.stringify(site.policy) !== JSON.stringify(desired.policy)) {
      events.add('policy', `"${desired.file}" changed`, { site: desired.policy.site })
    }
    register.usePolicy(site, desired.policy, clock.now())
    for (const registration of desired.registrations) this.#followRegistration(site, registration)
    const present = new Set(desired.registrations.map((registration) => registration.version))
    for (const release of [...site.releases.values()]) {
      if (!present.has(release.registration.version)) this.#withdraw(site, release)
    }
  }

  #followRegistration(site: Site, registration: Registration): void {
    const { register, ledger, events } = this.#parts
    const known = site.releases.get(registration.version)
    const { version, file, hash } = registration
    if (known === undefined) {
      register.addRelease(site, registration, (index) => ledger.isForgetting(index))
      return events.add('registered', `"${file}" was dropped`, { site: site.policy.site, release: version, hash })
    }
    const isBack = known.withdrawn
    if (!isBack && known.registration.hash === hash) return
    this.#apply(site, known, { type: 'register', registration }, `"${file}" ${isBack ? 'is back' : 'was edited'}`)
    events.add(isBack ? 'restored' : 'updated', `"${file}"`, { site: site.policy.site, release: version, hash })
    if (isBack && known.wasActive && known.registration.hash === hash) this.#reactivate(site, registration)
  }

  /** Dropped again unchanged, a release that was active is back to that, unless a newer one has taken its place. */
  #reactivate(site: Site, registration: Registration): void {
    const release = site.releases.get(registration.version)
    const active = activeRelease(site)
    if (release === undefined) return
    if (active === null || compareReleases(site, active, release) < 0) this.#activate(site, release, 'its file is back')
  }

  #withdraw(site: Site, release: Release): void {
    if (release.withdrawn) return
    const wasActive = release.state.name === 'active'
    const { file, hash, version } = release.registration
    this.#apply(site, release, { type: 'withdraw' }, `"${file}" is gone`)
    this.#parts.events.add('withdrawn', `"${file}" is gone`, { site: site.policy.site, release: version, hash })
    if (wasActive && site.file !== null) this.#giveBack(site, release)
  }

  /** Births go to the last good former release, where the data rule allows it. */
  #giveBack(site: Site, from: Release): void {
    const { rollbackTo } = from.registration
    const next = formerReleases(site).find(
      (release) =>
        !release.withdrawn &&
        release.activatedAt !== null &&
        this.#isHealthy(release) &&
        (rollbackTo === null || compareVersions(release.registration.version, rollbackTo) >= 0),
    )
    if (next !== undefined) this.#activate(site, next, `"${from.registration.version}" was withdrawn`)
  }

  #withdrawMissingSites(desired: DesiredState): void {
    const present = new Set(desired.sites.map((site) => site.policy.site))
    for (const site of this.#parts.register.sites) {
      if (present.has(site.policy.site)) continue
      site.file = null
      for (const release of [...site.releases.values()]) this.#withdraw(site, release)
      this.#parts.register.removeEmptySite(site)
    }
  }

  // -- checking and activating ------------------------------------------------------------------------------------------

  #settleSite(site: Site): void {
    for (const { registration } of [...site.releases.values()]) {
      this.#settleRelease(site, registration.version)
    }
    this.#warnIfClosed(site)
  }

  #settleRelease(site: Site, version: Registration['version']): void {
    const current = (): Release | undefined => site.releases.get(version)
    const release = current()
    if (release === undefined) return
    if (release.state.name === 'registered') this.#apply(site, release, { type: 'check' }, 'its registration is valid')
    const checking = current()
    if (checking?.state.name === 'checking' && this.#isHealthy(checking)) {
      this.#apply(site, checking, { type: 'checked' }, 'every target is healthy')
    }
    const staged = current()
    if (staged?.state.name === 'staged' && staged.registration.activate.kind === 'auto') this.#board(site, staged)
    const retired = current()
    if (retired?.state.name === 'retired' && retired.withdrawn) this.#remove(site, retired)
  }

  /** A checked release with `activate: auto`: births, or where it stands below the active one, only its sessions. */
  #board(site: Site, release: Release): void {
    if (!this.#parts.publisher.isServedEverywhere(release.index)) return
    const active = activeRelease(site)
    if (active === null || compareReleases(site, active, release) < 0) {
      this.#activate(site, release, 'activate: auto')
    } else if (release.isFounder) {
      this.#apply(site, release, { type: 'drain', because: 'below-active' }, 'a higher version is active')
    }
  }

  /** The release accepts births from now on; the former active one drains. */
  #activate(site: Site, release: Release, cause: string): void {
    const former = activeRelease(site)
    if (former !== null && former.index !== release.index) {
      const by = release.registration.version
      this.#apply(site, former, { type: 'drain', because: 'superseded' }, `"${by}" is active`)
    }
    this.#apply(site, release, { type: 'activate' }, cause)
    site.wasEverActive = true
  }

  #isHealthy(release: Release): boolean {
    return release.registration.targets.every((url) => {
      const health = this.#parts.prober.healthOf(release.index, url)
      return health !== null && isUsable(health)
    })
  }

  #probe(): void {
    const plans: ProbePlan[] = []
    for (const site of this.#parts.register.sites) {
      for (const release of site.releases.values()) {
        if (!serves(release)) continue
        plans.push({
          release: release.index,
          targets: release.registration.targets,
          policy: site.policy.health,
          isChecking: release.state.name === 'checking',
          isAssumed: this.#assumed.has(release.index),
        })
      }
    }
    this.#parts.prober.follow(plans)
    // Only what is probed for the first time is assumed healthy; a target added later has to prove itself.
    this.#assumed.clear()
  }

  // -- judging and retiring ---------------------------------------------------------------------------------------------

  #judgeSite(site: Site): void {
    for (const release of [...site.releases.values()]) {
      if (!serves(release)) continue
      const found = this.#judgeRelease(release)
      this.#verdicts.set(release.index, found)
      if (isOnItsWayOut(release)) this.#followVerdict(site, release, found)
    }
    this.#retireDue(site)
    this.#warnOfRetention(site)
  }

  #judgeRelease(release: Release): Verdict {
    const { register, evidence, doubts, clock } = this.#parts
    const site = register.site(release.registration.site)
    const now = clock.now()
    const seen = evidence.observe(release.index, release.state.name === 'active')
    const asOf = seen?.asOf ?? now
    if (site === null || seen === null) {
      return { kind: 'unknown', why: [{ because: 'starting', until: null }], until: null, asOf }
    }
    const since = (at: number): number => longestPromiseMs(site, at)
    const about = doubts.about(site.policy.site, since, { asOf: seen.asOf, now })
    return judge({ ...seen, doubts: about }, site.policy.retire.quietPeriodMs, now)
  }

  #followVerdict(site: Site, release: Release, found: Verdict): void {
    if (found.kind === 'retirable') {
      this.#apply(site, release, { type: 'emptied' }, 'nobody is left on it')
      this.#finishLeaving(site, release)
    } else {
      if (this.#leaving.delete(release.index)) this.settle()
      const cause = found.kind === 'unknown' ? 'what is known no longer proves it empty' : 'somebody is on it'
      this.#apply(site, release, { type: 'returned' }, cause)
    }
  }

  #retireDue(site: Site): void {
    if (site.policy.retire.when !== 'auto') return
    const former = formerReleases(site).map((release) => ({
      release,
      activatedAt: release.activatedAt,
      isRetirable: release.state.name === 'retirable' && !this.#leaving.has(release.index),
    }))
    for (const { release } of dueForRetirement(former, site.policy.retain.warm)) this.retire(release, 'retire.when: auto')
  }

  /** First no worker serves it; only when all have reported since, and still nobody was there, is it retired. */
  retire(release: Release, by: string): void {
    if (release.state.name !== 'retirable' || this.#leaving.has(release.index)) return
    this.#leaving.set(release.index, { generation: this.#parts.publisher.nextGeneration, by })
    this.#parts.onChange()
  }

  #finishLeaving(site: Site, release: Release): void {
    const leaving = this.#leaving.get(release.index)
    const { publisher, evidence } = this.#parts
    if (leaving === undefined || !publisher.isAcknowledged(leaving.generation)) return
    if (!evidence.allReportedAt(leaving.generation)) return
    const emptied = site.releases.get(release.registration.version)
    if (emptied === undefined) return
    this.#leaving.delete(release.index)
    this.#apply(site, emptied, { type: 'retire' }, `${leaving.by}: it is empty and no worker serves it`)
    this.settle()
  }

  /** A retired release whose file is gone is forgotten. */
  #remove(site: Site, release: Release): void {
    const { register, evidence, events } = this.#parts
    register.removeRelease(site, release)
    evidence.forget(release.index)
    this.#verdicts.delete(release.index)
    const { site: name, version, hash } = release.registration
    events.add('removed', 'retired, and its file is gone', { site: name, release: version, hash })
  }

  // -- saying what should be known ----------------------------------------------------------------------------------------

  #warnIfClosed(site: Site): void {
    const isClosed = site.file !== null && activeRelease(site) === null && site.releases.size > 0
    this.#warnOnce(isClosed, `closed ${site.policy.site}`, () => {
      const cause = 'no release accepts births: new visitors get 503'
      this.#parts.events.add('no-accepting-release', cause, { site: site.policy.site })
    })
  }

  #warnOfRetention(site: Site): void {
    const holding = formerReleases(site).length
    const { previous } = site.policy.retain
    this.#warnOnce(holding > previous, `retention ${site.policy.site}`, () => {
      const cause = `${holding} former releases are kept, retain.previous is ${previous}; onOverflow: keep`
      this.#parts.events.add('retention-exceeded', cause, { site: site.policy.site })
    })
  }

  #warnOnce(isSo: boolean, key: string, warn: () => void): void {
    if (!isSo) this.#warned.delete(key)
    else if (!this.#warned.has(key)) {
      this.#warned.add(key)
      warn()
    }
  }

  /** The only place where a release changes. */
  #apply(site: Site, release: Release, event: ReleaseEvent, cause: string): void {
    const next = transition(release, event, this.#parts.clock.now())
    if (next === release) return
    const { version, hash } = next.registration
    site.releases.set(version, next)
    if (next.state.name === release.state.name) return
    const [from, to] = [release.state.name, next.state.name]
    this.#parts.events.add('transition', cause, { site: site.policy.site, release: version, from, to, hash })
    this.#parts.onChange()
  }
}

/** A slice of sweeping, bounded by 5 ms, so that a large ledger never stalls the main process. */
function sweepFor(ledger: SessionLedger, asOf: number, clock: Clock): void {
  const deadline = clock.monotonic() + 5
  ledger.sweep(asOf, () => clock.monotonic() >= deadline)
}
