// What the files ask for, release by release: new ones are registered, edited ones updated, missing ones withdrawn,
// bad ones shown as rejected. Release state is changed by the controller, through `apply`, alone.
import type { Registration } from '../domain/registration.js'
import type { Release, ReleaseEvent } from '../domain/release.js'
import type { DesiredSite, DesiredState } from './config/desired-state.js'
import { emptyRegistration, rejectedRegistrations, type RejectedRegistration } from './config/rejected.js'
import type { EventLog } from './event-log.js'
import { otherArm } from './rollouts.js'
import type { SessionLedger } from './session-ledger.js'
import { activeRelease, compareReleases, type Site, type SiteRegister } from './site-register.js'

export interface FollowerParts {
  readonly register: SiteRegister
  readonly ledger: SessionLedger
  readonly events: EventLog
  readonly apply: (site: Site, release: Release, event: ReleaseEvent, cause: string) => void
  /** Gives births to a release; the active one drains. */
  readonly activate: (site: Site, release: Release, cause: string) => void
  /** Births of a release that takes none any more go to the last good former one. */
  readonly giveBack: (site: Site, from: Release) => void
  readonly remove: (site: Site, release: Release) => void
}

export class RegistrationFollower {
  readonly #parts: FollowerParts

  constructor(parts: FollowerParts) {
    this.#parts = parts
  }

  follow(desired: DesiredState): void {
    for (const site of desired.sites) this.#followSite(site)
    this.#withdrawMissingSites(desired)
    this.#followRejected(rejectedRegistrations(desired))
  }

  #followSite(desired: DesiredSite): void {
    const { register, events } = this.#parts
    const site = register.site(desired.policy.site) ?? register.addSite(desired.policy, desired.file)
    site.file = desired.file
    if (JSON.stringify(site.policy) !== JSON.stringify(desired.policy)) {
      events.add('policy', `"${desired.file}" changed`, { site: desired.policy.site })
    }
    register.usePolicy(site, desired.policy)
    for (const registration of desired.registrations) this.#followRegistration(site, registration)
    const present = new Set(desired.registrations.map((registration) => registration.version))
    for (const release of [...site.releases.values()]) {
      const isMissing = !present.has(release.registration.version) && release.state.name !== 'rejected'
      if (isMissing) this.#withdraw(site, release)
    }
  }

  #followRegistration(site: Site, registration: Registration): void {
    const { register, ledger, events } = this.#parts
    const known = site.releases.get(registration.version)
    const { version, file, hash } = registration
    if (known === undefined) {
      register.addRelease(site, registration, (index) => ledger.isForgetting(index))
      return events.add('registered', `"${file}" was dropped`, {
        site: site.policy.site,
        release: version,
        hash,
      })
    }
    const isBack = known.withdrawn
    if (!isBack && known.registration.hash === hash) return
    this.#parts.apply(
      site,
      known,
      { type: 'register', registration },
      `"${file}" ${isBack ? 'is back' : 'was edited'}`,
    )
    events.add(isBack ? 'restored' : 'updated', `"${file}"`, {
      site: site.policy.site,
      release: version,
      hash,
    })
    if (isBack && known.wasActive && known.registration.hash === hash) this.#reactivate(site, registration)
  }

  /** Dropped again unchanged, a release that was active is back to that, unless a newer one has taken its place. */
  #reactivate(site: Site, registration: Registration): void {
    const release = site.releases.get(registration.version)
    const active = activeRelease(site)
    if (release === undefined) return
    if (active === null || compareReleases(site, active, release) < 0)
      this.#parts.activate(site, release, 'its file is back')
  }

  #withdraw(site: Site, found: Release): void {
    const { version: name } = found.registration
    if (found.withdrawn) return
    this.#leaveRollout(site, found)
    const release = site.releases.get(name) ?? found
    const wasActive = release.state.name === 'active'
    const { file, hash, version } = release.registration
    this.#parts.apply(site, release, { type: 'withdraw' }, `"${file}" is gone`)
    this.#parts.events.add('withdrawn', `"${file}" is gone`, {
      site: site.policy.site,
      release: version,
      hash,
    })
    if (wasActive && site.file !== null) this.#parts.giveBack(site, release)
  }

  /** An arm of a rollout that goes leaves all births to the other; where the whole site goes, there is none. */
  #leaveRollout(site: Site, release: Release): void {
    const other = otherArm(site, release)
    if (other === null) return
    if (site.file === null) site.rollout = null
    else this.#parts.activate(site, other, `"${release.registration.file}" is gone`)
  }

  /** A registration that is no good is a release that says why; it goes with its file, or becomes what that says. */
  #followRejected(rejected: readonly RejectedRegistration[]): void {
    const { register, ledger } = this.#parts
    for (const site of register.sites) {
      const found = rejected.filter((each) => each.site === site.policy.site)
      for (const release of [...site.releases.values()]) {
        const isGone = !found.some((each) => each.version === release.registration.version)
        if (release.state.name === 'rejected' && isGone) this.#parts.remove(site, release)
      }
      for (const each of found) {
        const known = site.releases.get(each.version)
        if (known !== undefined && known.state.name !== 'rejected') continue
        if (known?.state.name === 'rejected' && known.state.why === each.why) continue
        if (known !== undefined) this.#parts.remove(site, known)
        const fresh = register.addRelease(site, emptyRegistration(each), (index) =>
          ledger.isForgetting(index),
        )
        this.#parts.apply(site, fresh, { type: 'reject', why: each.why }, each.why)
      }
    }
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
}
