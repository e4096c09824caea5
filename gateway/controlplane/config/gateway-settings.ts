// What gateway.yaml and the AMARRE_* environment say, as values: durations in ms, sizes in bytes.

export interface ListenAddress {
  readonly host: string
  /** 0 asks the system for a free port. */
  readonly port: number
}

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** What both listeners have. */
export interface PublicListen {
  readonly address: ListenAddress
  readonly engine: 'uws' | 'node'
  /** `v2`: connections begin with a header that tells the client's address. */
  readonly proxyProtocol: 'off' | 'v2'
}

export interface HttpListen extends PublicListen {
  /** The public port of HTTPS; null: plain requests are served. */
  readonly redirectToHttps: number | null
}

/** Who may sign the certificates of clients (a file), and whether every client needs one. */
export interface ClientCertificates {
  readonly ca: string
  readonly required: boolean
}

export interface HttpsListen extends PublicListen {
  readonly certificates: readonly Certificate[]
  /** Null: no client is asked for one. */
  readonly clientCertificates: ClientCertificates | null
}

/** A share of 0 is `off`, 1 is `all`; `errors` logs failed requests only. */
export type AccessLog = { readonly kind: 'errors' } | { readonly kind: 'share'; readonly share: number }

export interface Webhook {
  readonly url: string
  readonly secretFile: string
  /** Event names; null: all. */
  readonly events: readonly string[] | null
}

export interface Limits {
  readonly requestHeadBytes: number
  readonly requestBodyBytes: number
  readonly headerTimeoutMs: number
  readonly upstreamTimeoutMs: number
  readonly connectTimeoutMs: number
  /** Infinity: no bound. */
  readonly exchangeTimeoutMs: number
  /** Client connections of all workers together; Infinity: as many as the workers may open. */
  readonly connections: number
  /** Infinity: no bound. */
  readonly connectionsPerAddress: number
  /** Requests under way in all workers together; Infinity: no bound. */
  readonly exchanges: number
  /** Infinity: never. */
  readonly overloadDelayMs: number
  readonly bodyBytesPerS: number
  readonly stalledClientMs: number
  /** Most confirmed sessions in the ledger. */
  readonly sessions: number
  readonly exitDelayMs: number
  readonly drainOnExitMs: number
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'

export interface GatewaySettings {
  readonly listen: { readonly http: HttpListen; readonly https: HttpsListen | null }
  readonly admin: { readonly listen: ListenAddress; readonly tokenFile: string | null }
  /** A number of processes; `auto` is one for each processor. */
  readonly workers: number | 'auto'
  readonly state: { readonly directory: string }
  readonly keys: { readonly file: string | null }
  readonly watch: 'notify' | 'poll'
  /** CIDR blocks or single addresses. */
  readonly trustedProxies: readonly string[]
  /** The gateway's name in `Via`; null: it adds none. */
  readonly via: string | null
  readonly log: { readonly level: LogLevel; readonly access: AccessLog }
  readonly webhooks: readonly Webhook[]
  readonly limits: Limits
}
