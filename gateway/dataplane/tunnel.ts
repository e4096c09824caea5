// One open WebSocket: what comes from one end goes to the other, at the pace of the slower one, until either is gone.
// Counts as activity of its session for as long as it is open. Knows neither HTTP nor the libraries of its ends.
import type { ExchangeAccount } from './activity.js'
import type { RouteSession } from './exchange-session.js'
import type { Stay } from './long-stay.js'
import type { OpenExchange } from './open-exchanges.js'
import { maxMessageBytes, type SocketEnd, type SocketEvents } from './socket-end.js'
import type { WorkerState } from './worker-state.js'

/** Who is connected to whom, on whose behalf. */
export interface TunnelRoute {
  readonly account: ExchangeAccount
  readonly session: RouteSession
  readonly client: SocketEnd
  readonly upstream: SocketEnd
}

/**
 * What may wait for an end that is slow while the other one cannot be paused. A message of any size passes as long as
 * less than this waits, so that at most twice as much is ever kept.
 */
const queueBytes = maxMessageBytes

/** RFC 6455 section 7.4.1 and the registry behind it: 1001 going away, 1012 service restart, 1013 try again later. */
const goingAway = 1001
const serviceRestart = 1012
const tryAgainLater = 1013

/** Connects two open ends and counts them until one is gone. */
export function openTunnel(state: WorkerState, route: TunnelRoute): void {
  new Tunnel(state, route).open()
}

class Tunnel implements OpenExchange {
  readonly #state: WorkerState
  readonly #route: TunnelRoute
  readonly #stay: Stay
  #isOver = false
  before: OpenExchange | null = null
  after: OpenExchange | null = null

  constructor(state: WorkerState, route: TunnelRoute) {
    this.#state = state
    this.#route = route
    this.#stay = route.session.stayFrom(state.clock.now())
  }

  open(): void {
    const { client, upstream, account } = this.#route
    this.#state.open.add(this)
    account.socketOpened()
    upstream.listen(new Direction(upstream, client, this))
    client.listen(new Direction(client, upstream, this))
    if (this.#state.isLeaving) this.abandon()
  }

  refresh(now: number): void {
    this.#route.session.refresh(now)
    if (this.#stay.isOver(now)) this.abandon()
  }

  leaveWithin(windowMs: number, now: number): void {
    this.#stay.leaveWithin(windowMs, now)
  }

  /** The gateway ends it: the client is asked to come back, the application sees him go. */
  abandon(): void {
    if (this.#isOver) return
    this.#route.client.close(serviceRestart, Buffer.from('service restart'))
    this.#route.upstream.close(goingAway, Buffer.alloc(0))
    this.over()
  }

  /** More waits for the upstream than is kept, and the client cannot be paused. */
  overflow(): void {
    if (this.#isOver) return
    this.#route.client.close(tryAgainLater, Buffer.from('the application is too slow'))
    // A goodbye would stand behind everything that it does not read.
    this.#route.upstream.terminate()
    this.over()
  }

  /** Both ends are gone or going. */
  over(): void {
    if (this.#isOver) return
    this.#isOver = true
    const { account, session } = this.#route
    this.#state.open.remove(this)
    account.socketClosed()
    session.close(this.#state.clock.now())
  }
}

/** Everything that one end says, and that it is ready for more. */
class Direction implements SocketEvents {
  readonly #from: SocketEnd
  readonly #to: SocketEnd
  readonly #tunnel: Tunnel

  constructor(from: SocketEnd, to: SocketEnd, tunnel: Tunnel) {
    this.#from = from
    this.#to = to
    this.#tunnel = tunnel
  }

  onMessage(message: Buffer, isBinary: boolean): void {
    if (this.#hasRoom() && !this.#to.send(message, isBinary)) this.#from.pause()
  }

  onPing(payload: Buffer): void {
    if (this.#hasRoom() && !this.#to.ping(payload)) this.#from.pause()
  }

  onPong(payload: Buffer): void {
    if (this.#hasRoom() && !this.#to.pong(payload)) this.#from.pause()
  }

  #hasRoom(): boolean {
    if (this.#from.canPause || this.#to.waitingBytes < queueBytes) return true
    this.#tunnel.overflow()
    return false
  }

  /** This end takes more: the other one may go on. */
  onDrained(): void {
    this.#to.resume()
  }

  onClose(code: number, reason: Buffer): void {
    this.#to.close(code, reason)
    this.#tunnel.over()
  }
}
