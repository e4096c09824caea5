// What excuses that a session is not where it was: its release is dead, or has come to an end that was announced.
import type { ReleaseVersion } from '../../gateway/domain/ids.js'
import { BrokenRule, type Stage } from './stage.js'

export class AnnouncedEnds {
  readonly #stage: Stage

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** Its sessions end or start over for a reason that an event names: an announced end has come, it is dead. */
  isExcused(version: ReleaseVersion): boolean {
    const told = this.#eventsOf(version).map(({ type }) => type)
    const isDead = told.lastIndexOf('release-dead') > told.lastIndexOf('release-alive')
    return (isDead && this.#stage.history.onReleaseGone === 'restart') || this.hasEnded(version)
  }

  /** Its announced end has come, a promise after it was announced. */
  hasEnded(version: ReleaseVersion): boolean {
    const { ended, releases } = this.#stage.run.site
    if (!ended.some((each) => each.version === version)) return false
    const announced = this.#eventsOf(version).findLast(({ type }) => type === 'end-announced')
    if (announced === undefined) throw new BrokenRule(`${version} came to an end that nobody announced`)
    return releases.get(version)?.state.name !== 'active'
  }

  #eventsOf(version: ReleaseVersion) {
    return this.#stage.machine.events.filter(({ release }) => release === version)
  }
}
