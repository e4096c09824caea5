// What a site's file says, as values: durations in milliseconds (`never` is Infinity, `immediately` is 0), shares as
// fractions of 1. Read once at the border (controlplane/config); nobody else knows how it was written.
import type { ErrorPage } from './error-template.js'
import type { ReleaseVersion, SiteName } from './ids.js'

/** An exact host name, `*.example.com`, or `*`; lower case, without port. */
export type HostPattern = string
/** An exact path (`/robots.txt`) or a prefix that ends in `/*`. */
export type PathPattern = string

/** `version`: natural order of versions; `registration`: order of first registration. */
export type ReleaseOrder = 'version' | 'registration'
/** `target`: a session stays on one target of its release; `release`: any target of it will do. */
export type Affinity = 'target' | 'release'
/** What a pinned session meets when its target is gone: `other` of the same release, or a refusal. */
export type OnTargetGone = 'other' | 'refuse'
/** What a session meets when its release is gone: `move` to a compatible one, `restart` as a birth, or `refuse`. */
export type OnReleaseGone = 'move' | 'restart' | 'refuse'
/** `SameSite` of our cookie; `auto` is None under TLS and Lax on plain HTTP. */
export type SameSite = 'auto' | 'lax' | 'none' | 'strict'

/** When a session is born. */
export type SessionStart =
  { readonly on: 'request' } | { readonly on: 'cookie'; readonly name: string } | { readonly on: 'signal' }

/** First adoption: visitors with the application's own cookie and no token of ours board this release until then. */
export interface LegacyAdoption {
  readonly cookie: string
  readonly release: ReleaseVersion
  /** Wall-clock instant, ms since the epoch. */
  readonly until: number
}

export interface SessionPolicy {
  /** The name without prefix; `__Host-` or `__Secure-` is put before it under TLS. */
  readonly cookie: string
  readonly domain: string | null
  readonly sameSite: SameSite
  readonly partitioned: boolean
  readonly affinity: Affinity
  readonly onTargetGone: OnTargetGone
  readonly startsOn: SessionStart
  readonly idleTimeoutMs: number
  readonly maxAgeMs: number
  /** For the provisional gauge only. */
  readonly provisionalTimeoutMs: number
  readonly endsOn: { readonly paths: readonly PathPattern[] }
  readonly onReleaseGone: OnReleaseGone
  readonly legacy: LegacyAdoption | null
}

/** What happens to sessions beyond the cap of retained releases: nothing, a move, or an announced end. */
export type OnOverflow = 'keep' | 'move' | 'end'

export interface RetentionPolicy {
  /** How many former releases may still hold sessions. */
  readonly previous: number
  /** How many of the newest former releases are never retired automatically. */
  readonly warm: number
  readonly maxDrainMs: number
  readonly onOverflow: OnOverflow
}

export interface RetirementPolicy {
  readonly when: 'auto' | 'manual'
  readonly quietPeriodMs: number
}

export interface HealthPolicy {
  /** Path of the probe's GET; null probes by connecting. */
  readonly path: string | null
  readonly intervalMs: number
  readonly timeoutMs: number
  readonly healthyAfter: number
  readonly unhealthyAfter: number
  readonly deadAfterMs: number
}

export type Weekday = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun'

/** An activation window; it crosses midnight where `from` is after `to`. */
export interface ActivationWindow {
  readonly days: readonly Weekday[]
  /** `HH:MM` in the zone. */
  readonly from: string
  readonly to: string
  /** An IANA zone, as `Europe/Paris`. */
  readonly zone: string
}

export interface AssetPolicy {
  readonly paths: readonly PathPattern[]
  readonly fallback: 'previous' | 'none'
}

export interface PagePinPolicy {
  readonly header: string | null
  readonly query: string | null
  readonly sharedSessions: boolean
}

/** What browsers are told to remember under TLS (RFC 6797). */
export interface TransportSecurity {
  readonly maxAgeMs: number
  readonly includeSubDomains: boolean
  readonly preload: boolean
}

export interface SitePolicy {
  readonly site: SiteName
  readonly hosts: readonly HostPattern[]
  readonly order: ReleaseOrder
  readonly session: SessionPolicy
  readonly retain: RetentionPolicy
  readonly retire: RetirementPolicy
  readonly health: HealthPolicy
  readonly stateless: readonly PathPattern[]
  readonly assets: AssetPolicy
  readonly pagePin: PagePinPolicy
  /** Null: nothing is said of it. */
  readonly hsts: TransportSecurity | null
  /** The site's own pages for errors, out of files beside its own. */
  readonly errorPages: readonly ErrorPage[]
  /** Steers activation from the file. */
  readonly active: ReleaseVersion | null
  readonly freeze: boolean
  readonly windows: readonly ActivationWindow[]
}

/** Name of the application's own session cookie; null where the site's file does not say. */
export function applicationCookie({ startsOn, legacy }: SessionPolicy): string | null {
  return startsOn.on === 'cookie' ? startsOn.name : (legacy?.cookie ?? null)
}
