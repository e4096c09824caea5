// Makes sure that nobody else holds the public port. The front binds with SO_REUSEPORT, which would share the port
// silently with a stale worker; a plain bind fails where that would have succeeded.
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'

/** The workers of a gateway that was killed leave within this time. */
const patienceMs = 3_000
const retryMs = 50

/** The port to listen on: the given one, or a free one for 0. Rejects with a clear error when it stays taken. */
export async function claimPort(host: string, port: number): Promise<number> {
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
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address()
      const claimed = typeof address === 'object' && address !== null ? address.port : port
      server.close(() => resolve(claimed))
    })
  })
}
