// Single requests by which the benchmark proves that a contender answers correctly, and by which visitors board it.
import { request, type IncomingMessage } from 'node:http'

export interface Visit {
  readonly status: number
  /** Which release answered. */
  readonly release: string
  readonly setCookies: readonly string[]
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** What a visitor's browser sends of cookies before the contender has set its own. */
export function applicationCookies(visitor: number): string {
  return `sid=${visitor.toString(16).padStart(6, '0')}f3a9; release=${visitor % 2 === 0 ? 'r1' : 'r2'}`
}

/** What a single request carries. */
export interface Carried {
  readonly cookie?: string
  readonly host?: string | undefined
  readonly body?: Buffer
}

/** The host that visitors ask for unless told otherwise. */
export const usualHost = 'shop.example.com'

/** One request on a connection of its own. */
export function visit(port: number, path: string, carried: Carried = {}): Promise<Visit> {
  const { cookie = '', host = usualHost, body = null } = carried
  const headers = {
    host,
    accept: 'text/html',
    ...(cookie === '' ? {} : { cookie }),
    ...(body === null ? {} : { 'content-length': body.length }),
  }
  const method = body === null ? 'GET' : 'POST'
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers, agent: false }, (answer) => {
      const pieces: Buffer[] = []
      answer.on('data', (piece: Buffer) => pieces.push(piece))
      answer.once('error', reject)
      answer.once('end', () => resolve(visitOf(answer, Buffer.concat(pieces))))
    })
    sent.once('error', reject)
    sent.end(body ?? undefined)
  })
}

function visitOf(answer: IncomingMessage, body: Buffer): Visit {
  return {
    status: answer.statusCode ?? 0,
    release: String(answer.headers['x-release'] ?? ''),
    setCookies: (answer.headers['set-cookie'] ?? []).map((line) => line.split(';')[0] ?? ''),
    headers: answer.headers,
    body,
  }
}

/** The first requests of visitors, one after the other: their cookies from then on. */
export async function boardByVisit(
  port: number,
  first: number,
  count: number,
  host = usualHost,
): Promise<string[]> {
  const cookies: string[] = []
  for (let visitor = first; visitor < first + count; visitor++) {
    const own = applicationCookies(visitor)
    const { setCookies } = await visit(port, '/2k', { cookie: own, host })
    cookies.push([own, ...setCookies].join('; '))
  }
  return cookies
}
