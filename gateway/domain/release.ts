// A release and its life. A state carries its own data; `transition` is the only way from one to the next, pure, with
// time as an argument, and gives back the same object when the event changes nothing.
import type { ReleaseIndex, TargetUrl } from './ids.js'
import type { MoveOrder } from './moves.js'
import type { Registration } from './registration.js'
import { extendPromise, type TimeSpan } from './session.js'

/**
 * Why a release drains: a newer one is active, an operator's word, its file is gone, it was founded below the active
 * one, it serves for adoption only, its rollout was aborted, or its targets failed.
 */
export type DrainCause =
  'superseded' | 'operator' | 'withdrawn' | 'below-active' | 'adoption' | 'aborted' | 'unhealthy'

export type ReleaseState =
  /** Read and valid; not probed yet. */
  | { readonly name: 'registered'; readonly since: number }
  /** Probed quickly until every target is healthy. */
  | { readonly name: 'checking'; readonly since: number }
  /** Healthy, without births. */
  | { readonly name: 'staged'; readonly since: number }
  /** Accepts births. */
  | { readonly name: 'active'; readonly since: number }
  /** Serves its sessions, accepts no births since `begunAt`. */
  | {
      readonly name: 'draining'
      readonly since: number
      readonly begunAt: number
      readonly because: DrainCause
    }
  /** Provably empty. */
  | {
      readonly name: 'retirable'
      readonly since: number
      readonly begunAt: number
      readonly because: DrainCause
    }
  /** No longer routed to. */
  | { readonly name: 'retired'; readonly since: number }
  | { readonly name: 'rejected'; readonly since: number; readonly why: string }

/** The announced end of a release whose sessions have not ended by themselves. */
export interface Ending {
  readonly at: number
  readonly announcedAt: number
  /** The site's retention, or an operator. */
  readonly because: 'overflow' | 'operator'
  readonly by: string
}

/** When an announced end comes: time during which nobody could come does not count. */
export function endOf(ending: Ending, spans: readonly TimeSpan[]): number {
  const later = spans.filter((span) => ending.announcedAt < span.from + span.lengthMs)
  return extendPromise(ending.at, later)
}

export interface Release {
  readonly index: ReleaseIndex
  readonly registration: Registration
  /** Counts first registrations of the site: the order for `order: registration`. */
  readonly ordinal: number
  /** Grows with every change. */
  readonly generation: number
  /** The file of a serving release is gone. */
  readonly withdrawn: boolean
  /** Whether it was active when its file went; dropped again unchanged, it is back to that. */
  readonly wasActive: boolean
  /** Registered while its site had never had an active release. */
  readonly isFounder: boolean
  /** The last activation; null: never. Orders what is "previous". */
  readonly activatedAt: number | null
  /**
   * It gave its births back because it was bad, or before its rollout had shown that it was good: nothing but an operator
   * or a new drop brings it back.
   */
  readonly wasGivenUp: boolean
  /** Targets of the registration before, while none of the present ones has proved itself yet. */
  readonly formerTargets: readonly TargetUrl[]
  /** Everybody on it is to move; null: nobody is told to. */
  readonly moveOrder: MoveOrder | null
  /** Null: it goes on until nobody is left. */
  readonly ending: Ending | null
  readonly state: ReleaseState
}

export type ReleaseEvent =
  | { readonly type: 'check' }
  | { readonly type: 'checked' }
  | { readonly type: 'activate' }
  | { readonly type: 'drain'; readonly because: DrainCause }
  | { readonly type: 'emptied' }
  /** Somebody came back. */
  | { readonly type: 'returned' }
  | { readonly type: 'retire' }
  /** Everybody is to move, or an order to that ceases. */
  | { readonly type: 'order-move'; readonly order: MoveOrder | null }
  /** Its end is announced, or called off. */
  | { readonly type: 'announce-end'; readonly ending: Ending | null }
  /** The announced end has come: whoever was left on it has ended with it. */
  | { readonly type: 'end' }
  | { readonly type: 'reject'; readonly why: string }
  /** The file is gone. */
  | { readonly type: 'withdraw' }
  /** One of the new targets has proved itself: the former ones are not needed any more. */
  | { readonly type: 'retargeted' }
  /** The file is there again, or another content is. */
  | { readonly type: 'register'; readonly registration: Registration }

/** Whether requests with a token for the release reach it: in every state but the two in which it is out of service. */
export function serves(release: Release): boolean {
  return release.state.name !== 'retired' && release.state.name !== 'rejected'
}

/** The targets that have served so far: those of the registration before, until one of the present has proved itself. */
export function servedTargets(release: Release): readonly TargetUrl[] {
  return release.formerTargets.length > 0 ? release.formerTargets : release.registration.targets
}

export function acceptsBirths(release: Release): boolean {
  return release.state.name === 'active'
}

/** Whether visitors may have pages of it open: it is active, or was. */
export function isLive(release: Release): boolean {
  return acceptsBirths(release) || isOnItsWayOut(release)
}

/** Whether a verdict is sought: it serves and will not accept births again by itself. */
export function isOnItsWayOut(release: Release): boolean {
  return release.state.name === 'draining' || release.state.name === 'retirable'
}

/** The release after the event; the same object when the event means nothing in its state. */
export function transition(release: Release, event: ReleaseEvent, now: number): Release {
  switch (event.type) {
    case 'check':
      return isAnyOf(release, 'registered', 'retired', 'rejected')
        ? to(release, { name: 'checking', since: now })
        : release
    case 'checked':
      return isAnyOf(release, 'checking') ? to(release, { name: 'staged', since: now }) : release
    case 'activate':
      if (!isAnyOf(release, 'staged', 'draining', 'retirable')) return release
      return {
        ...relieved(to(release, { name: 'active', since: now })),
        activatedAt: now,
        wasGivenUp: false,
      }
    case 'drain':
      if (!isAnyOf(release, 'active', 'staged')) return release
      return {
        ...to(release, { name: 'draining', since: now, begunAt: now, because: event.because }),
        wasGivenUp: event.because === 'aborted' || event.because === 'unhealthy',
      }
    case 'emptied':
      if (release.state.name !== 'draining') return release
      return to(release, { ...release.state, name: 'retirable', since: now })
    case 'returned':
      if (release.state.name !== 'retirable') return release
      return to(release, { ...release.state, name: 'draining', since: now })
    case 'retire':
      return isAnyOf(release, 'retirable') ? relieved(to(release, { name: 'retired', since: now })) : release
    case 'end':
      return isOnItsWayOut(release) ? relieved(to(release, { name: 'retired', since: now })) : release
    case 'order-move':
      if (release.moveOrder === event.order) return release
      return { ...release, generation: release.generation + 1, moveOrder: event.order }
    case 'announce-end':
      if (release.ending === event.ending) return release
      return { ...release, generation: release.generation + 1, ending: event.ending }
    case 'reject':
      if (!isAnyOf(release, 'registered', 'checking', 'staged')) return release
      return to(release, { name: 'rejected', since: now, why: event.why })
    case 'withdraw':
      return withdraw(release, now)
    case 'retargeted':
      if (release.formerTargets.length === 0) return release
      return { ...release, generation: release.generation + 1, formerTargets: [] }
    case 'register':
      return register(release, event.registration, now)
    default:
      return event satisfies never
  }
}

function isAnyOf(release: Release, ...names: readonly ReleaseState['name'][]): boolean {
  return names.includes(release.state.name)
}

function to(release: Release, state: ReleaseState): Release {
  return { ...release, generation: release.generation + 1, state }
}

/** Nobody is told to leave it any more. */
function relieved(release: Release): Release {
  return { ...release, moveOrder: null, ending: null }
}

/** What serves drains until its last session has gone; what does not is only marked. */
function withdraw(release: Release, now: number): Release {
  if (release.withdrawn) return release
  const wasActive = release.state.name === 'active'
  const marked = { ...release, generation: release.generation + 1, withdrawn: true, wasActive }
  if (!serves(release) || isOnItsWayOut(release)) return marked
  return { ...marked, state: { name: 'draining', since: now, begunAt: now, because: 'withdrawn' } }
}

function register(release: Release, registration: Registration, now: number): Release {
  const isSame = registration.hash === release.registration.hash
  if (!release.withdrawn) {
    if (isSame) return release
    const updated = { ...release, registration, generation: release.generation + 1 }
    // A release out of service has nothing to keep: another content is another try.
    if (!serves(release)) return { ...updated, state: { name: 'registered', since: now } }
    return { ...updated, formerTargets: replacedTargets(release, registration) }
  }
  const back = {
    ...release,
    registration,
    withdrawn: false,
    wasActive: false,
    generation: release.generation + 1,
    formerTargets: replacedTargets(release, registration),
  }
  // Unchanged it is back to where it was; whether it becomes active again is for the controller to decide.
  if (isSame && isOnItsWayOut(release) && hadBoarded(release)) return back
  // Another registration, with a plan of its own: the end of the former one is not its end.
  return { ...back, ending: null, state: { name: 'registered', since: now } }
}

/** Whether it drains for another reason than that its file went before it was ever active. */
function hadBoarded(release: Release): boolean {
  const isWithdrawn = 'because' in release.state && release.state.because === 'withdrawn'
  return release.wasActive || !isWithdrawn
}

/** Where every target is another one, the former ones serve until a new one has proved itself. */
function replacedTargets(release: Release, registration: Registration): readonly TargetUrl[] {
  const served = servedTargets(release)
  return registration.targets.some((target) => served.includes(target)) ? [] : served
}
