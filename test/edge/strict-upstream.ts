// An application that reads requests with Node's own strict parser and writes down what it read, byte for byte: the
// judge of what a gateway may send.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Owner } from '../fixtures/owner.js'
import { startRawServer } from '../faults/raw-server.js'

/** One request as the parser read it. */
export interface ReadRequest {
  readonly method: string
  readonly target: string
  /** Names in lower case and values, one character a byte, in order. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** One character a byte. */
  body: string
  isComplete: boolean
}

export interface StrictUpstream {
  readonly url: string
  readonly port: number
  readonly requests: ReadRequest[]
  /** What the parser refused, by its error code. */
  readonly refused: string[]
  /** Connections open at this end. */
  readonly connections: number
  /** Forgets what it has read. */
  clear(): void
}

/** The values of a field, by its lower-case name. */
export function valuesOf(request: ReadRequest | undefined, name: string): readonly string[] {
  return (request?.fields ?? []).filter(([known]) => known === name).map(([, value]) => value)
}

/** Answers every request with 200 and `ok`, once its body is complete. */
export async function startStrictUpstream(t: Owner): Promise<StrictUpstream> {
  const requests: ReadRequest[] = []
  const refused: string[] = []
  const reader = createServer({ insecureHTTPParser: false, keepAliveTimeout: 0, requestTimeout: 0 })
  const take = (request: IncomingMessage, response: ServerResponse): void => {
    const read = readingOf(request)
    requests.push(read)
    request.on('data', (chunk: Buffer) => (read.body += chunk.toString('latin1')))
    request.on('end', () => {
      read.isComplete = request.complete
      response.end('ok')
    })
    request.on('error', () => {})
  }
  reader.on('request', take)
  reader.on('checkContinue', take)
  reader.on('checkExpectation', take)
  reader.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // A gateway that gives up a request closes in the middle of it: that is no fault of framing.
    if (error.code !== 'ECONNRESET' && error.code !== 'HPE_INVALID_EOF_STATE') refused.push(error.code ?? '')
    socket.destroy()
  })
  const server = await startRawServer((socket) => void reader.emit('connection', socket))
  t.teardown(() => server.close())
  return {
    url: server.url,
    port: server.port,
    requests,
    refused,
    get connections() {
      return server.sockets.size
    },
    clear() {
      requests.length = 0
      refused.length = 0
    },
  }
}

function readingOf(request: IncomingMessage): ReadRequest {
  const { rawHeaders } = request
  const fields = rawHeaders.flatMap((name, i) =>
    i % 2 === 0 ? [[name.toLowerCase(), rawHeaders[i + 1] ?? ''] as const] : [],
  )
  return { method: request.method ?? '', target: request.url ?? '', fields, body: '', isComplete: false }
}
