// A bound socket that all workers share: each of them listens on its own copy, so that whoever is free accepts, and a
// worker that dies takes no waiting connection with it. For Node's servers; uWebSockets.js binds by itself.
import * as net from 'node:net'

/** Bound but not listening, so that the main process never accepts a connection itself. */
export interface SharedSocket {
  /** What `child.send` takes. */
  readonly handle: object
  /** Gives it up; workers that listen go on. */
  close(): void
}

/** What Node's own cluster module binds with. `net.Server` has no way to bind without listening. */
interface Binding {
  _createServerHandle(host: string, port: number, addressType: 4 | 6, fd: number, flags: number): unknown
}

/** Rejects when the address cannot be bound; `claimPort` says more clearly why. */
export function bindShared(host: string, port: number): SharedSocket {
  const bound = (net as unknown as Binding)._createServerHandle(host, port, net.isIPv6(host) ? 6 : 4, -1, 0)
  if (typeof bound === 'number') throw new Error(`cannot bind ${host}:${port}: error ${bound}`)
  const handle = bound as { close(): void }
  return { handle, close: () => handle.close() }
}
