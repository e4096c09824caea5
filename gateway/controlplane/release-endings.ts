// The announced end of a release, when its time has come: first no worker serves it, so that its sockets are closed in
// order and whoever comes is born anew; when all have let go of it, its sessions have ended and it is retired.
import type { ReleaseIndex } from '../domain/ids.js'
import type { Clock } from '../domain/ports.js'
import { endOf, isOnItsWayOut, type Release, type ReleaseEvent } from '../domain/release.js'
import type { TimeSpan } from '../domain/session.js'
import type { EvidenceBook } from './evidence-book.js'
import type { Publisher } from './publisher.js'
import type { SessionLedger } from './session-ledger.js'
import { earliestEnd } from './retention.js'
import type { Site } from './site-register.js'

export interface ReleaseEndingParts {
  readonly clock: Clock
  readonly evidence: EvidenceBook
  readonly ledger: SessionLedger
  readonly publisher: Publisher
  readonly apply: (site: Site, release: Release, event: ReleaseEvent, cause: string) => void
  readonly settle: () => void
  /** Time that did not count as idling. */
  readonly spans: () => readonly TimeSpan[]
  /** What workers are to serve has changed. */
  readonly onChange: () => void
}

/** Sockets and streams are closed within 10 s; a download that goes on after this is left behind. */
const graceMs = 30_000

interface Leaving {
  /** The first publication without it. */
  readonly generation: number
  /** Monotonic. */
  readonly since: number
}

export class ReleaseEndings {
  readonly #parts: ReleaseEndingParts
  readonly #closing = new Set<ReleaseIndex>()
  readonly #leaving = new Map<ReleaseIndex, Leaving>()

  constructor(parts: ReleaseEndingParts) {
    this.#parts = parts
  }

  /** Its end has come: nobody is to board it any more, and then no worker is to serve it. */
  isClosing(release: ReleaseIndex): boolean {
    return this.#closing.has(release)
  }

  /** Its end has come, and no worker is to serve it any more. */
  isLeaving(release: ReleaseIndex): boolean {
    return this.#leaving.has(release)
  }

  forget(release: ReleaseIndex): void {
    this.#closing.delete(release)
    this.#leaving.delete(release)
  }

  /** Whether the release is at its end, so that no verdict matters any more; carries that as far as it can go. */
  carryOut(site: Site, release: Release): boolean {
    const { clock, spans } = this.#parts
    const { ending, index } = release
    if (ending === null || !isOnItsWayOut(release) || clock.now() < endOf(ending, spans())) {
      const wasDue = this.#closing.has(index)
      this.forget(index)
      if (wasDue) this.#parts.onChange()
      return false
    }
    this.#close(index)
    const begun = this.#leaving.get(index)
    if (begun === undefined && this.#mayStillBear(index)) return false
    const leaving = begun ?? this.#begin(site, release)
    if (this.#isLetGo(index, leaving)) this.#finish(site, release, ending.by)
    return true
  }

  /** A worker routes by a table in which sessions begin there: as long as one does, every other one serves them. */
  #mayStillBear(index: ReleaseIndex): boolean {
    const { publisher } = this.#parts
    const ended = Math.max(publisher.birthsEndedIn(index), publisher.adoptionEndedIn(index))
    return !publisher.isAcknowledged(ended)
  }

  /** Visitors from before the gateway, who may be awaited there, board it no more. */
  #close(index: ReleaseIndex): void {
    if (this.#closing.has(index)) return
    this.#closing.add(index)
    this.#parts.onChange()
  }

  #begin(site: Site, release: Release): Leaving {
    const { clock, publisher, onChange } = this.#parts
    const { index } = release
    // In the same publication that takes it out of service: its tokens are over, not lost.
    this.#noteEnded(site, release)
    const leaving = { generation: publisher.nextGeneration, since: clock.monotonic() }
    this.#leaving.set(index, leaving)
    onChange()
    return leaving
  }

  /** What was open until now may have been seen until now. */
  #noteEnded(site: Site, { registration: { version } }: Release): void {
    const others = site.ended.filter((each) => each.version !== version)
    site.ended = [...others, { version, until: earliestEnd(site, this.#parts.clock.now()) }]
  }

  #isLetGo(index: ReleaseIndex, { generation, since }: Leaving): boolean {
    const { publisher, evidence, clock } = this.#parts
    if (!publisher.isAcknowledged(generation) || !evidence.allReportedAt(generation)) return false
    return !evidence.isOpen(index) || clock.monotonic() - since >= graceMs
  }

  #finish(site: Site, release: Release, by: string): void {
    this.#noteEnded(site, release)
    this.#parts.ledger.endAll(release.index)
    this.#parts.apply(site, release, { type: 'end' }, `its announced end has come: ${by}`)
    this.forget(release.index)
    this.#parts.settle()
  }
}
