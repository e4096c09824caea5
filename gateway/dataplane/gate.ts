// Who comes in at the fronts of one worker: client connections counted against their limits, requests while it is not
// too busy, and what is refused, counted by limitation and told to the operator. Knows no sockets.
import type { ClientLimits } from '../plane-protocol.js'
import { Overload, type OverloadNews } from './overload.js'

/** What is refused before it is any release's business, each with what an operator can do about it. */
const remedies = {
  connections: 'more client connections than limits.connections allows: raise it, or see who holds them',
  'connections-per-address':
    'one address holds as many connections as limits.connectionsPerAddress allows: raise it, or name a proxy in trustedProxies',
  'no-request':
    'connections end without a request that this engine can read: a proxy or client in front may speak HTTP/1.0, HTTP/2 or TLS here (nginx: proxy_http_version 1.1), or probes only connect; the engine "node" understands HTTP/1.0',
  malformed: 'what a client sends is no HTTP, or not by the book (docs/hostile-bytes.md)',
  framing: 'a client leaves open where its body ends (docs/hostile-bytes.md)',
  method: 'a client uses a method that no parser knows',
  'head-too-large': 'request heads are larger than limits.requestHead',
  'head-timeout': 'request heads take longer than limits.headerTimeout',
  'slow-body':
    'clients send less of a request body than limits.minimalThroughput, or nothing: they were given up',
  'unstoppable-body':
    'a client on this machine sends faster than its body can be stopped for a slow application: smaller receive buffers (net.ipv4.tcp_rmem), or the engine "node"',
  'slow-reader': 'clients take nothing of their answers for limits.stalledClient: they were cut',
  pipelining: 'a client sends thousands of requests without waiting for an answer',
  'proxy-header':
    'connections do not begin with the header of the PROXY protocol that listen.http.proxyProtocol asks for: have the balancer send it (version 2), or leave the key out',
  misdirected:
    'requests come on connections whose certificate is not for their host (421): clients try again on one of their own',
  'tls-handshake': 'TLS handshakes fail: plain HTTP on the secure port, TLS before 1.2, or no common cipher',
  'http2-protocol': 'a client breaks the rules of HTTP/2 (RFC 9113)',
  'overload-newcomers':
    'the workers are too busy: more of them, or see limits.exchanges and limits.overloadDelay',
  'overload-sessions':
    'the workers are far too busy: more of them, or see limits.exchanges and limits.overloadDelay',
  'http2-resets': 'a client takes back stream after stream (rapid reset): it was asked to calm down',
} as const

/** A word of `amarre_front_refusals_total{limitation}`. */
export type FrontLimitation = keyof typeof remedies

/** What an operator is told when something is refused, at most once in ten minutes for each limitation. */
export interface Refusal {
  readonly limitation: FrontLimitation
  /** Since the worker started. */
  readonly count: number
  readonly remedy: string
}

/** Until the first publication. */
export const noLimits: ClientLimits = {
  connections: Infinity,
  connectionsPerAddress: Infinity,
  exchanges: Infinity,
  overloadDelayMs: Infinity,
  bodyBytesPerS: 0,
  stalledClientMs: 60_000,
}

const tellAgainMs = 600_000

/** Where the gate's news goes. */
export interface GateObserver {
  refused(refusal: Refusal): void
  overload(news: OverloadNews): void
}

const nobody: GateObserver = { refused() {}, overload() {} }

export class Gate {
  readonly overload: Overload
  #limits: ClientLimits
  /** Open connections, of all fronts together. */
  connections = 0
  /** Addresses whose number of connections has no bound: trusted proxies. */
  isExempt: (address: string) => boolean = () => false
  readonly #counts = new Map<FrontLimitation, number>()
  readonly #toldAt = new Map<FrontLimitation, number>()
  readonly #observer: GateObserver
  /** By address at the last census; null before the first. */
  #census: ReadonlyMap<string, number> | null = null
  /** Opened less closed since then, by address. */
  #since = new Map<string, number>()
  /** The same since the census that is being taken began, which may have missed them. */
  #meanwhile: Map<string, number> | null = null

  constructor(limits: ClientLimits, observer = nobody) {
    this.#limits = limits
    this.#observer = observer
    this.overload = new Overload(limits, (news) => observer.overload(news))
  }

  get limits(): ClientLimits {
    return this.#limits
  }

  set limits(limits: ClientLimits) {
    this.#limits = limits
    this.overload.use(limits)
  }

  /** Whether a request is refused because its worker is too busy; asked beyond `overload.from` only. */
  sheds(exchangesOpen: number, isNewcomer: boolean): boolean {
    if (!this.overload.sheds(exchangesOpen, isNewcomer)) return false
    this.#count(isNewcomer ? 'overload-newcomers' : 'overload-sessions', 1)
    return true
  }

  /** Counts a connection; false: close it. The address is empty where the front does not know it. */
  opened(address: string): boolean {
    this.connections++
    const { connections, connectionsPerAddress } = this.limits
    if (this.connections > connections) return this.#refuse('connections')
    if (connectionsPerAddress === Infinity || address === '' || this.isExempt(address)) return true
    const since = this.#since.get(address) ?? 0
    const open = (this.#census?.get(address) ?? 0) + since
    if (open >= connectionsPerAddress) return this.#refuse('connections-per-address')
    this.#add(address, 1)
    return true
  }

  #refuse(limitation: FrontLimitation): false {
    this.refused(limitation)
    return false
  }

  /** Once for each `opened`; the address is empty where it was refused or the front does not know it any more. */
  closed(address: string): void {
    this.connections--
    if (address === '' || this.limits.connectionsPerAddress === Infinity) return
    this.#add(address, -1)
  }

  #add(address: string, change: 1 | -1): void {
    for (const counts of [this.#since, this.#meanwhile]) {
      if (counts === null) continue
      const count = (counts.get(address) ?? 0) + change
      // Without a census only those are closed that were counted; a limit may have come later than they.
      if (count === 0 || (count < 0 && this.#census === null)) counts.delete(address)
      else counts.set(address, count)
    }
  }

  /** Whether it matters how many connections each address has; then `useCensus` follows. */
  beginCensus(): boolean {
    if (this.limits.connectionsPerAddress === Infinity || this.connections === 0) return false
    this.#meanwhile = new Map()
    return true
  }

  /** How many connections each address has, with all workers. */
  useCensus(byAddress: ReadonlyMap<string, number>): void {
    this.#census = byAddress
    this.#since = this.#meanwhile ?? new Map<string, number>()
    this.#meanwhile = null
  }

  /** A front has refused what was no request, or a connection. */
  refused(limitation: FrontLimitation, times = 1): void {
    const count = this.#count(limitation, times)
    const now = performance.now()
    if (now - (this.#toldAt.get(limitation) ?? -Infinity) < tellAgainMs) return
    this.#toldAt.set(limitation, now)
    this.#observer.refused({ limitation, count, remedy: remedies[limitation] })
  }

  #count(limitation: FrontLimitation, times: number): number {
    const count = (this.#counts.get(limitation) ?? 0) + times
    this.#counts.set(limitation, count)
    return count
  }

  /** Counts since the start. */
  refusals(): (readonly [limitation: FrontLimitation, count: number])[] {
    return [...this.#counts]
  }
}
