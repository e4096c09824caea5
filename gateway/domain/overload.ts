// When a worker is too busy: judged by how late its event loop is, which is how long a request waits before anybody
// looks at it. Who comes new is refused first, sessions that exist last. Knows no timers.

/** `strained`: newcomers are refused; `overloaded`: everybody is. */
export type Load = 'usual' | 'strained' | 'overloaded'

/** Where a worker stands. */
export interface Strain {
  /** Mean lateness of late, ms. */
  readonly delayMs: number
  readonly load: Load
}

/** How every worker begins. */
export const relaxed: Strain = { delayMs: 0, load: 'usual' }

/** Of each beat; five beats a second make it a mean of about one second. */
const weight = 0.2
/** No single pause (a collection, a machine that was suspended) reaches the bound by itself: 0.2 × 4 < 1. */
const mostLateness = 4
/** The bound times this, and nobody is served any more. */
const overloadedAt = 2

/** A beat came so late; `boundMs`: the lateness from which on newcomers are refused, Infinity for never. */
export function afterBeat(strain: Strain, latenessMs: number, boundMs: number): Strain {
  if (boundMs === Infinity) return relaxed
  const lateness = Math.min(latenessMs, mostLateness * boundMs)
  const delayMs = strain.delayMs + weight * (lateness - strain.delayMs)
  return { delayMs, load: loadOf(strain.load, delayMs / boundMs) }
}

/** A step back is taken at half of what led there, so that it does not come and go with every beat. */
function loadOf(load: Load, delay: number): Load {
  if (delay > overloadedAt) return 'overloaded'
  if (delay > 1) return load === 'overloaded' ? 'overloaded' : 'strained'
  if (delay > 0.5) return load === 'usual' ? 'usual' : 'strained'
  return 'usual'
}

/** Part of the most exchanges beyond which newcomers are refused. */
const newcomersShare = 0.8

/** How many exchanges may be open for newcomers, and for everybody. */
export function exchangesAllowed(strain: Strain, most: number, isNewcomer: boolean): number {
  switch (strain.load) {
    case 'overloaded':
      return 0
    case 'strained':
      return isNewcomer ? 0 : most
    case 'usual':
      return isNewcomer ? Math.floor(most * newcomersShare) : most
    default:
      return strain.load satisfies never
  }
}
