// Plain requests sent on to HTTPS: answered here, before any session or release is thought of. What could not be served
// under HTTPS either goes the usual way, to be refused there.
import { identifyClient } from './client-identity.js'
import type { BeginExchange, Downstream, DownstreamEvents } from './downstream.js'
import type { BeginUpgrade, FrontCalls } from './downstream-socket.js'
import { readHead, type RequestHead } from './request-head.js'
import { newRequestId, type WorkerState } from './worker-state.js'

/** Nothing of the request matters any more. */
const answered: DownstreamEvents = {
  onBody() {},
  onBodyFailed() {},
  onDrained() {},
  onAborted() {},
}

/** The calls of a front whose requests go to HTTPS at that public port, but those that came to a trusted proxy by it. */
export function redirectedToHttps(
  state: WorkerState,
  port: number,
  { begin, beginUpgrade }: Pick<FrontCalls, 'begin' | 'beginUpgrade'>,
): { readonly begin: BeginExchange; readonly beginUpgrade: BeginUpgrade } {
  const elsewhere = (downstream: Downstream): DownstreamEvents | null =>
    redirect(state, port, downstream) ? answered : null
  return {
    begin: (downstream) => elsewhere(downstream) ?? begin(downstream),
    beginUpgrade: (downstream) => elsewhere(downstream) ?? beginUpgrade(downstream),
  }
}

/** False: the request goes the usual way. */
function redirect(state: WorkerState, port: number, downstream: Downstream): boolean {
  const { head } = downstream
  const reading = readHead(head)
  if (!reading.ok || identifyClient(head, state.trusted).isSecure) return false
  const site = state.table?.siteOf(reading.host.name) ?? null
  if (site === null) return false
  const startedAt = state.clock.monotonic()
  const status = statusFor(head.method)
  const authority = port === 443 ? reading.host.name : `${reading.host.name}:${port}`
  const path = head.target === '*' ? '/' : head.target
  downstream.start({
    status,
    fields: { bytes: null, runs: [], lines: `Location: https://${authority}${path}` },
    framing: 'length',
    contentLength: 0,
    // A body that nobody reads may follow (RFC 9112 section 9.3).
    closes: reading.framing !== 'none' || state.isLeaving,
    isEventStream: false,
    isCoded: false,
  })
  downstream.end()
  downstream.flush()
  state.activity.unrouted.add(site.name, status)
  state.logAccess?.(
    accessRecord(state, head, { status, startedAt, host: reading.host.name, site: site.name }),
  )
  return true
}

/** RFC 9110 section 15.4: a client may turn a POST into a GET at 301, and may not at 308. */
function statusFor(method: string): number {
  return method === 'GET' || method === 'HEAD' ? 301 : 308
}

interface Redirected {
  readonly status: number
  readonly startedAt: number
  readonly host: string
  readonly site: string
}

function accessRecord({ clock, trusted }: WorkerState, head: RequestHead, done: Redirected) {
  const { startedAt, ...same } = done
  return {
    ...same,
    at: clock.now(),
    requestId: newRequestId(),
    client: identifyClient(head, trusted).address,
    method: head.method,
    target: head.target,
    durationMs: clock.monotonic() - startedAt,
    release: '',
    error: null,
  }
}
