// The sample application: `node server.js --version 1.0.0 --port 3100 --name a`. Turns requests into the shop's own,
// writes its answers, keeps the live streams, and closes gracefully. Knows nothing of what may stand in front of it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { parseArgs } from 'node:util'
import { plainAnswer, type Answer } from './answer.js'
import { LiveStreams } from './live-streams.js'
import { releaseOf, type Release } from './release.js'
import { Shop, type ShopRequest } from './shop.js'

const bodyLimitBytes = 16 * 1024
const closingLimitMs = 10_000
const origin = 'http://shop.invalid'
const usage = 'usage: server.js --version VERSION --port PORT [--name NAME] [--host ADDRESS]'

const tooLong: Answer = { status: 413, headers: { Connection: 'close' }, body: 'too long\n' }

interface Settings {
  readonly release: Release
  readonly port: number
  readonly host: string
}

function settingsOf(args: readonly string[]): Settings {
  const text = { type: 'string' } as const
  const { values } = parseArgs({
    args: [...args],
    options: { version: text, port: text, name: text, host: text },
  })
  const port = Number(values.port)
  if (!/^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/.test(values.version ?? '')) throw new Error(usage)
  if (values.port === undefined || !Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(usage)
  const release = releaseOf(values.version ?? '', values.name ?? 'a')
  return { release, port, host: values.host ?? '127.0.0.1' }
}

/** The form of a request, or null when it is too long. */
async function formOf(request: IncomingMessage): Promise<URLSearchParams | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  // Not destroyed when it is too long: the answer has to get out first.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bodyLimitBytes) return null
    chunks.push(chunk)
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'))
}

function isFromOperator(request: IncomingMessage): boolean {
  const isLoopback = /^(127\.|::1$|::ffff:127\.)/.test(request.socket.remoteAddress ?? '')
  return isLoopback && request.headers['x-forwarded-for'] === undefined
}

function proxyNotesOf(request: IncomingMessage): ReadonlyMap<string, string> {
  const notes = new Map<string, string>()
  for (const name of ['Amarre-Release', 'Amarre-Session']) {
    const value = request.headers[name.toLowerCase()]
    if (typeof value === 'string') notes.set(name, value)
  }
  return notes
}

function shopRequestOf(request: IncomingMessage, url: URL, form: URLSearchParams): ShopRequest {
  return {
    method: request.method ?? 'GET',
    path: url.pathname,
    query: url.searchParams,
    form,
    basketId: /(?:^|;\s*)shopsid=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1],
    isSecure: request.headers['x-forwarded-proto'] === 'https',
    isFromOperator: isFromOperator(request),
    proxyNotes: proxyNotesOf(request),
  }
}

function write(response: ServerResponse, answer: Answer, closing: Closing): void {
  response.writeHead(answer.status, {
    ...answer.headers,
    'Content-Length': Buffer.byteLength(answer.body),
    ...(closing.hasBegun && { Connection: 'close' }),
  })
  response.end(answer.body)
}

/** Ends what is idle at once, lets the rest finish, and cuts what has not finished in time. */
class Closing {
  readonly #server: Server
  readonly #live: LiveStreams
  hasBegun = false

  constructor(server: Server, live: LiveStreams) {
    this.#server = server
    this.#live = live
  }

  begin(): void {
    if (this.hasBegun) return
    this.hasBegun = true
    this.#server.close(() => process.disconnect?.())
    this.#live.end()
    this.#server.closeIdleConnections()
    setTimeout(() => this.#server.closeAllConnections(), closingLimitMs).unref()
  }
}

function serve({ release, port, host }: Settings): void {
  const shop = new Shop(release)
  const live = new LiveStreams(release, () => shop.basketCount)
  const server = createServer((request, response) => {
    if (!URL.canParse(request.url ?? '/', origin))
      return write(response, plainAnswer(400, 'bad address'), closing)
    const url = new URL(request.url ?? '/', origin)
    if (url.pathname === '/events' && request.method === 'GET') return live.add(response)
    formOf(request)
      .then((form) => {
        if (form) return write(response, shop.answer(shopRequestOf(request, url, form), Date.now()), closing)
        return write(response, tooLong, closing)
      })
      // The client went away in the middle of its form: there is nobody to tell.
      .catch(() => response.destroy())
  })
  const closing = new Closing(server, live)
  // Longer than a proxy keeps its idle connections, so that none is closed while a request is on its way.
  server.keepAliveTimeout = 75_000
  server.on('error', (error: NodeJS.ErrnoException) => {
    const reason = error.code === 'EADDRINUSE' ? `port ${port} is in use` : error.message
    console.error(`shop ${release.version} ${release.name}: ${reason}`)
    process.exitCode = 1
    closing.begin()
  })
  server.listen(port, host, () => announce(server, release))
  process.on('SIGTERM', () => closing.begin())
  process.on('SIGINT', () => closing.begin())
  // Started by another program over a channel: not to outlive it.
  process.on('disconnect', () => closing.begin())
}

function announce(server: Server, release: Release): void {
  const address = server.address()
  if (address === null || typeof address === 'string') return
  console.log(`shop ${release.version} ${release.name} listens on http://${address.address}:${address.port}`)
}

try {
  serve(settingsOf(process.argv.slice(2)))
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 2
}
