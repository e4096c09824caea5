// What the rules of moving make of a site at this moment: for each release where its sessions go, and what takes those
// of releases that are gone. Reads releases and their health; changes nothing.
import type { GoneSpec } from '../domain/gone-releases.js'
import type { ReleaseIndex } from '../domain/ids.js'
import { heirOf, moveOf, takers, type Move, type MoveRules, type MovingRelease } from '../domain/moves.js'
import { isOnItsWayOut, serves, type Release } from '../domain/release.js'
import { activeRelease, versionOrder, type Site } from './site-register.js'

/** What is asked about a release. */
export interface MoveSources {
  /** Whether every worker routes by a table in which it serves, and goes on doing so. */
  isServedEverywhere(release: ReleaseIndex): boolean
  /** It is about to be taken out of service. */
  isClosing(release: ReleaseIndex): boolean
  isLeaving(release: ReleaseIndex): boolean
  isDead(release: ReleaseIndex): boolean
  /** A target of it may be used. */
  isUsable(release: Release): boolean
  /** Beyond what its site retains. */
  isOverflowing(site: Site, release: Release): boolean
}

/** The moves of one site. */
export interface SiteMoves {
  readonly moves: ReadonlyMap<ReleaseIndex, Move>
  /** Null where nothing is gone and nothing would take it. */
  readonly gone: GoneSpec | null
}

/** By the releases as they are now. */
export function movesOf(site: Site, sources: MoveSources): SiteMoves {
  const rules = movingRules(site)
  const serving = [...site.releases.values()].filter(serves)
  const all = serving.map((release) => movingRelease(site, release, sources))
  const moves = new Map<ReleaseIndex, Move>()
  serving.forEach((release, i) => {
    const from = all[i]
    const move = from === undefined ? null : moveOf(from, all, rules)
    if (move !== null) moves.set(release.index, move)
  })
  return { moves, gone: goneOf(site, all, rules) }
}

/** What the site says of moves, by its own order of versions. */
export function movingRules(site: Site): MoveRules {
  return {
    order: versionOrder(site),
    onReleaseGone: site.policy.session.onReleaseGone,
    onOverflow: site.policy.retain.onOverflow,
  }
}

function movingRelease(site: Site, release: Release, sources: MoveSources): MovingRelease {
  const { index, registration, activatedAt, withdrawn, moveOrder } = release
  const hasBoarded = activatedAt !== null && (release.state.name === 'active' || isOnItsWayOut(release))
  return {
    compatibility: registration,
    isActive: activeRelease(site) === release,
    isFormer: isOnItsWayOut(release),
    isDead: sources.isDead(index),
    // Asked only where it matters: the whole site is looked through.
    isOverflowing: site.policy.retain.onOverflow === 'move' && sources.isOverflowing(site, release),
    takeOver: registration.takeOver,
    order: moveOrder,
    mayTake:
      hasBoarded &&
      !withdrawn &&
      release.ending === null &&
      !sources.isDead(index) &&
      // Who came to it now would find it gone at his next request.
      !sources.isClosing(index) &&
      !sources.isLeaving(index) &&
      sources.isUsable(release) &&
      sources.isServedEverywhere(index),
    activatedAt,
  }
}

function goneOf(site: Site, all: readonly MovingRelease[], rules: MoveRules): GoneSpec | null {
  const ended = site.ended.map(({ version }) => version)
  if (rules.onReleaseGone !== 'move') return ended.length === 0 ? null : { heirs: [], takers: [], ended }
  const heirs = [...site.releases.values()].flatMap((release) => {
    if (serves(release) || release.state.name === 'rejected') return []
    const heir = heirOf(release.registration, all, rules.order)
    const { version } = release.registration
    return heir === null ? [] : [{ version, to: heir.compatibility.version }]
  })
  // Of a version that nobody knows nothing can be said where versions have no order of their own.
  const able = site.policy.order === 'version' ? takers(all) : []
  const spec = able.map(({ compatibility: { version, compatibleFrom } }) => ({ version, compatibleFrom }))
  return { heirs, takers: spec, ended }
}
