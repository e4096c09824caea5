// Makes sure that nobody else holds the public port. The front binds with SO_REUSEPORT, which would share the port
// silently with a stale worker; a plain bind fails where that would have succeeded.
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** The workers of a gateway that was killed leave within this time. */
const patienceMs = 3_000
const retryMs = 50

/**
 * Where a free port is looked for: below the ports that systems give to outgoing connections (Linux from 32768 on). One
 * of those could be taken by the gateway's own first probe before its workers listen.
 */
const freePorts = { from: 15_000, count: 17_000 }
const freePortTries = 50

/** The port to listen on: the given one, or a free one for 0. Rejects with a clear error when it stays taken. */
export async function claimPort(host: string, port: number): Promise<number> {
  if (port === 0) return claimFreePort(host)
  const deadline = performance.now() + patienceMs
  for (;;) {
    try {
      return await bindOnce(host, port)
    } catch (error) {
      if (!(error instanceof PortTaken) || performance.now() > deadline) throw error
    }
    await delay(retryMs)
  }
}

async function claimFreePort(host: string): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      return await bindOnce(host, freePorts.from + Math.floor(Math.random() * freePorts.count))
    } catch (error) {
      if (!(error instanceof PortTaken) || tries === freePortTries) throw error
    }
  }
}

class PortTaken extends Error {}

function bindOnce(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') {
        reject(new PortTaken(`cannot listen on ${host}:${port}: another process listens there`))
      } else {
        reject(new Error(`cannot listen on ${host}:${port}: ${error.message}`))
      }
    })
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(port)))
  })
}
