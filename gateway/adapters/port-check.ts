// Makes sure that nobody else holds the public port. The front binds with SO_REUSEPORT, which would share the port
// silently with a stale worker; a plain bind fails where that would have succeeded.
import { createServer } from 'node:net'

/** The port to listen on: the given one, or a free one for 0. Rejects with a clear error when it is taken. */
export function claimPort(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'another process listens there' : error.message
      reject(new Error(`cannot listen on ${host}:${port}: ${reason}`))
    })
    server.listen({ host, port, exclusive: true }, () => {
      const address = server.address()
      const claimed = typeof address === 'object' && address !== null ? address.port : port
      server.close(() => resolve(claimed))
    })
  })
}
