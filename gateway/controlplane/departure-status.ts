// What the admin API says of sessions that leave a release, or soon will. Only reads.
import { isoText } from '../domain/instant-text.js'
import type { Release } from '../domain/release.js'
import type { MoveOrderStatus, ReleaseStatus } from './admin-protocol.js'
import type { ControlPlane } from './control-plane.js'
import type { Site } from './site-register.js'

type DepartureStatus = Pick<ReleaseStatus, 'dead' | 'overflowing' | 'endsAt' | 'moveOrder' | 'moves'>

/** Of one release; null where its site is gone. */
export function departureStatus(plane: ControlPlane, site: Site | null, release: Release): DepartureStatus {
  const { departures } = plane.controller
  const endsAt = departures.endsAt(release)
  const move = plane.publisher.moveOf(release.index)
  return {
    dead: departures.isDead(release.index),
    overflowing: site !== null && departures.isOverflowing(site, release),
    endsAt: endsAt === null ? null : isoText(endsAt),
    moveOrder: orderStatus(release),
    moves: move === null ? null : { to: move.to, because: move.because, at: move.at },
  }
}

function orderStatus({ moveOrder }: Release): MoveOrderStatus | null {
  if (moveOrder === null) return null
  const { to, because, perSecond, isForced, by, since } = moveOrder
  return { to, because, perSecond, forced: isForced, by, since: isoText(since) }
}
