// What excuses that a session is not where it was: its release is dead, or has come to an end that was announced.
import type { ReleaseVersion } from '../../gateway/domain/ids.js'
import { BrokenRule, type Stage } from './stage.js'

export class AnnouncedEnds {
  readonly #stage: Stage
  /** Events that have been followed. */
  #followed = 0
  /** When each end that is ahead was announced, in time of being up, and when it may come by the promises of then. */
  readonly #announced = new Map<ReleaseVersion, { readonly upAt: number; readonly dueAt: number }>()
  /** Versions whose sessions had ended when last looked at. */
  #ended = new Set<ReleaseVersion>()

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** To be called after everything that may have announced an end, before any time passes. */
  follow(): void {
    const { machine } = this.#stage
    const news = machine.events.slice(this.#followed)
    this.#followed = machine.events.length
    const announced = news.filter(({ type }) => type === 'end-announced')
    for (const { release } of announced) this.#announce(release as ReleaseVersion)
    // One that has begun may be called off in the same moment: that comes after.
    this.#judgeEnds()
    for (const { type, release, to } of news) {
      const version = release as ReleaseVersion
      const isOver = type === 'transition' && (to === 'active' || to === 'retired')
      if (type === 'end-announced') this.#announce(version)
      else if (type === 'end-cancelled' || isOver) this.#announced.delete(version)
    }
  }

  /** One that stands is taken over by another word, and its time stays. */
  #announce(version: ReleaseVersion): void {
    if (this.#announced.has(version)) return
    const { truth, promiseMs } = this.#stage
    this.#announced.set(version, { upAt: truth.up, dueAt: truth.up + promiseMs })
  }

  #judgeEnds(): void {
    const ended = new Set(this.#stage.run.site.ended.map(({ version }) => version))
    for (const version of ended) if (!this.#ended.has(version)) this.#nobodyUntold(version)
    this.#ended = ended
  }

  /** Whoever was answered last before the announcement was promised no more than the time up to the end. */
  #nobodyUntold(version: ReleaseVersion): void {
    const { truth } = this.#stage
    const announced = this.#announced.get(version)
    if (announced === undefined) throw new BrokenRule(`${version} came to an end that nobody announced`)
    for (const visitor of truth.visitors) {
      const { token, number } = visitor
      if (token === null || token.held || token.release !== version || token.upAt >= announced.upAt) continue
      if (truth.isLive(visitor) && !truth.hasLeft(token.id, version))
        throw new BrokenRule(`${version} came to its end before visitor ${number} could hear of it`)
    }
  }

  /** Its sessions end or start over for a reason that an event names: an announced end has come, it is dead. */
  isExcused(version: ReleaseVersion): boolean {
    return (
      (this.#stage.history.onReleaseGone === 'restart' && this.#isDead(version)) || this.hasEnded(version)
    )
  }

  /** Nobody new is to come to it. */
  isOutOfService(version: ReleaseVersion): boolean {
    return this.#isDead(version) || this.hasEnded(version) || this.#isDue(version)
  }

  /** Its end is so long ago announced that it may have come. */
  #isDue(version: ReleaseVersion): boolean {
    const announced = this.#announced.get(version)
    return announced !== undefined && this.#stage.truth.up >= announced.dueAt
  }

  #isDead(version: ReleaseVersion): boolean {
    const told = this.#eventsOf(version).map(({ type }) => type)
    return told.lastIndexOf('release-dead') > told.lastIndexOf('release-alive')
  }

  /** Its announced end has come. */
  hasEnded(version: ReleaseVersion): boolean {
    const { ended, releases } = this.#stage.run.site
    return ended.some((each) => each.version === version) && releases.get(version)?.state.name !== 'active'
  }

  /** It was retired because its announced end had come, however long ago. */
  isRetiredByEnd(version: ReleaseVersion): boolean {
    const last = this.#eventsOf(version).findLast(({ type }) => type === 'transition')
    return last?.to === 'retired' && last.cause.startsWith('its announced end has come')
  }

  #eventsOf(version: ReleaseVersion) {
    return this.#stage.machine.events.filter(({ release }) => release === version)
  }
}
