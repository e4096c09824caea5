// The end of a worker that was told to leave: what is open may finish, clients are told to come back on another
// connection, and it goes when nothing is left or its time is up. Knows neither sockets nor processes.
import type { WorkerState } from './worker-state.js'

/** How a worker is to leave. */
export interface DepartureOrder {
  /** What is open then is cut. */
  readonly withinMs: number
  /** Another one has taken its place already: there is no hurry. */
  readonly isRelieved: boolean
}

export interface DepartureParts {
  readonly state: WorkerState
  /** Open connections of clients. */
  readonly connections: () => number
  /** Everything is told and done. */
  readonly depart: () => void
}

/** Sockets and event streams are closed within this window, or half the time there is. */
const spreadMs = 10_000
/**
 * Clients on kept-alive connections get so long for one more request, whose answer says that this was the last: what is
 * sent in the moment in which a connection closes is lost, and the longer one rested the less is sent on it.
 */
const lingerMs = 500
const relievedLingerMs = 5_000
/** The last answers get a moment to be on their way; a request that comes in it is served too. */
const lookMs = 20

/** Begins to leave; `depart` is called once. */
export function beginDeparture(order: DepartureOrder, { state, connections, depart }: DepartureParts): void {
  const { clock, open } = state
  const { withinMs, isRelieved } = order
  state.isLeaving = true
  const overstay = setTimeout(() => open.abandonAll(), withinMs)
  open.closeSpread(Math.min(withinMs / 2, spreadMs), clock.now())
  const lingersUntil = clock.monotonic() + Math.min(withinMs, isRelieved ? relievedLingerMs : lingerMs)
  const look = (): void => {
    const isLingering = connections() > 0 && clock.monotonic() < lingersUntil
    if (isLingering || open.size > 0) return lookAgain()
    clearTimeout(overstay)
    depart()
  }
  // A timer alone may come before what has arrived is read; one turn later it was.
  const lookAgain = (): void => open.whenEmpty(() => setTimeout(setImmediate, lookMs, look))
  lookAgain()
}
