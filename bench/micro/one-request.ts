// A usual request without sockets: a browser's head, a session's token, a front and an upstream that answer at once.
// What is left is what the data plane itself costs.
import { Activity } from '../../gateway/dataplane/activity.js'
import { AssetOrigins } from '../../gateway/dataplane/asset-origins.js'
import { signToken, TokenReader, type KeyRing } from '../../gateway/dataplane/affinity-token.js'
import { TrustedProxies } from '../../gateway/dataplane/client-identity.js'
import type { Downstream, ResponseStart } from '../../gateway/dataplane/downstream.js'
import { MovePace } from '../../gateway/dataplane/move-pace.js'
import { MovedSessions } from '../../gateway/dataplane/moved-sessions.js'
import { Gate, noLimits } from '../../gateway/dataplane/gate.js'
import { OpenExchanges } from '../../gateway/dataplane/open-exchanges.js'
import { PassReader } from '../../gateway/dataplane/preview-pass.js'
import type { RequestHead } from '../../gateway/dataplane/request-head.js'
import type { TargetPools } from '../../gateway/dataplane/target-pools.js'
import { Tombstones } from '../../gateway/dataplane/tombstones.js'
import { FieldNames } from '../../gateway/dataplane/upstream/field-names.js'
import { ParsedHead } from '../../gateway/dataplane/upstream/response-head.js'
import type {
  UpstreamCall,
  UpstreamHandler,
  UpstreamRequest,
} from '../../gateway/dataplane/upstream/upstream.js'
import type { WorkerState } from '../../gateway/dataplane/worker-state.js'
import { responseFields } from '../../gateway/domain/headers.js'
import type {
  ReleaseIndex,
  ReleaseVersion,
  SessionId,
  SiteName,
  TargetUrl,
} from '../../gateway/domain/ids.js'
import { buildRoutingTable } from '../../gateway/domain/routing-table.js'
import { targetTag } from '../../gateway/domain/target-tag.js'
import { promiseUntil } from '../../gateway/domain/session.js'
import type { SessionPolicy } from '../../gateway/domain/site-policy.js'

const site = 'shop' as SiteName
const release = '1.0.0' as ReleaseVersion
const url = 'http://127.0.0.1:1' as TargetUrl
const issuer = '0011223344556677'
const ring: KeyRing = { keys: [{ id: 1, secret: new Uint8Array(32).fill(7) }], signsWith: 1 }

const policy: SessionPolicy = {
  cookie: 'amarre',
  domain: null,
  sameSite: 'auto',
  partitioned: false,
  affinity: 'target',
  onTargetGone: 'other',
  startsOn: { on: 'request' },
  idleTimeoutMs: 1_800_000,
  maxAgeMs: 86_400_000,
  provisionalTimeoutMs: 60_000,
  endsOn: { paths: [] },
  onReleaseGone: 'restart',
  legacy: null,
}

/** The table that usual requests are routed by: one site, one release, one target. */
export const usualTable = buildRoutingTable({
  generation: 1,
  issuer,
  spans: [],
  futureToleranceMs: 300_000,
  sites: [
    {
      site,
      hosts: ['shop.example.com'],
      session: policy,
      stateless: [],
      transportSecurity: '',
      errorPages: [],
      assets: [],
      pagePin: null,
      adoption: null,
      rolloutId: 'a',
      releases: [
        {
          index: 1 as ReleaseIndex,
          version: release,
          share: 1,
          isLive: true,
          targets: [{ url, isHealthy: true }],
        },
      ],
    },
  ],
})

/** The token of the visitor of that number, born now. */
export function tokenOf(visitor: number, now: number): string {
  const id = visitor.toString(16).padStart(16, '0') as SessionId
  const until = promiseUntil({ session: policy, spans: [] }, now, now, 0)
  const common = { site, release, targetTag: targetTag(site, release, url), issuer }
  return signToken({ ...common, id, bornAt: now, issuedAt: now, until, held: false }, ring)
}

/** A reader of tokens with the key ring that signs them. */
export function usualReader(): TokenReader {
  return new TokenReader(ring)
}

const requestFields: readonly (readonly [name: string, value: string])[] = [
  ['host', 'shop.example.com'],
  [
    'user-agent',
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
  ],
  ['accept', 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8'],
  ['accept-language', 'en-US,en;q=0.5'],
  ['accept-encoding', 'gzip, deflate, br'],
  ['referer', 'http://shop.example.com/'],
  ['sec-fetch-dest', 'document'],
  ['sec-fetch-mode', 'navigate'],
  ['sec-fetch-site', 'same-origin'],
  ['sec-fetch-user', '?1'],
  ['upgrade-insecure-requests', '1'],
]

/** Heads whose strings are new each time, as those of a front are: nothing about them is remembered by the engine. */
export class FreshHeads {
  readonly #bytes: Buffer
  readonly #ends: readonly number[]

  constructor(token: string) {
    const fields = [...requestFields, ['cookie', `sid=00c8f3a9; release=r1; amarre=${token}`] as const]
    const texts = fields.flat()
    this.#bytes = Buffer.from(texts.join(''), 'latin1')
    let end = 0
    this.#ends = texts.map((text) => (end += text.length))
  }

  next(): RequestHead {
    const names: string[] = []
    const values: string[] = []
    let start = 0
    this.#ends.forEach((end, i) => {
      ;(i % 2 === 0 ? names : values).push(this.#bytes.toString('latin1', start, end))
      start = end
    })
    // A literal, as in the fronts: copies by spread come out in ever new shapes, and every access would pay for it.
    return {
      method: 'GET',
      target: '/2k',
      path: '/2k',
      remoteAddress: '127.0.0.1',
      isSecure: false,
      version: '1.1',
      clientCertificate: '',
      names,
      values,
    }
  }
}

const responseText = [
  'HTTP/1.1 200 OK',
  'Server: nginx/1.22.1',
  'Date: Sat, 21 Nov 2026 09:27:37 GMT',
  'Content-Type: text/html',
  'Content-Length: 2048',
  'Last-Modified: Sat, 21 Nov 2026 09:27:37 GMT',
  'Connection: keep-alive',
  'X-Release: r1',
  'Cache-Control: no-store',
  'Accept-Ranges: bytes',
].join('\r\n')
const responseBytes = Buffer.from(`${responseText}\r\n\r\n${'x'.repeat(2048)}`, 'latin1')
const responseHead = new ParsedHead(new FieldNames(responseFields))
const bodyStart = responseHead.parse(responseBytes, 0, responseBytes.length, false)
const body = responseBytes.subarray(bodyStart)

/** An upstream that has answered before `send` returns to the loop; counts what it was asked. */
export class InstantUpstream implements UpstreamCall {
  readonly isWritten = true
  sent = 0
  headBytes = 0
  #handler: UpstreamHandler | null = null

  send(request: UpstreamRequest, handler: UpstreamHandler): UpstreamCall {
    this.sent++
    this.headBytes += request.head.length
    this.#handler = handler
    return this
  }

  answer(): void {
    const handler = this.#handler
    if (handler === null) throw new Error('nothing was sent')
    this.#handler = null
    handler.onHead(responseHead)
    handler.onData(body)
    handler.onEnd()
  }

  write(): boolean {
    return true
  }
  end(): void {}
  pause(): void {}
  resume(): void {}
  cancel(): void {}
}

/** A client that takes everything; counts what it got. */
export class InstantClient implements Downstream {
  head: RequestHead
  started = 0
  bytes = 0
  ended = 0

  constructor(head: RequestHead) {
    this.head = head
  }

  start(_response: ResponseStart): void {
    this.started++
  }
  write(chunk: Buffer): void {
    this.bytes += chunk.length
  }
  end(): void {
    this.ended++
  }
  interim(): void {}
  flush(): boolean {
    return true
  }
  cut(): void {
    throw new Error('the answer was cut')
  }
  pauseBody(): void {}
  resumeBody(): void {}
}

/** A worker's state whose every target is that upstream. */
export function stateWith(upstream: InstantUpstream): WorkerState {
  const pools = { of: () => upstream, loadOf: () => 0 } as unknown as TargetPools
  return {
    table: usualTable,
    trusted: new TrustedProxies([]),
    requestBodyBytes: Infinity,
    via: '',
    reader: usualReader(),
    passes: new PassReader(),
    activity: new Activity(),
    pools,
    tombstones: new Tombstones(),
    assetOrigins: new AssetOrigins(),
    moved: new MovedSessions(),
    movePace: new MovePace(),
    gate: new Gate(noLimits),
    open: new OpenExchanges(),
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    balancing: { loadOf: () => 0, random: Math.random },
    endSession: () => {},
    tellMoved: () => {},
    logAccess: null,
    isLeaving: false,
  }
}
