// Preview links: who may have one, how it is signed, and at which address the browser begins. What a link opens is for
// the data plane to say.
import { createHmac } from 'node:crypto'
import { isoText } from '../domain/instant-text.js'
import type { SessionId } from '../domain/ids.js'
import { passMacBytes, passText, signedByPass, type PreviewPass } from '../domain/preview-pass.js'
import type { Release } from '../domain/release.js'
import type { KeyRingSpec } from '../plane-protocol.js'
import type { EventLog } from './event-log.js'
import type { Publisher } from './publisher.js'
import { RuleRefusal } from './rule-refusal.js'

/** What an operator asks for. */
export interface PreviewOrder {
  readonly by: string
  /** How long link and pass are good for. */
  readonly ttlMs: number
  /** Where the browser is to begin, as it sees the site; null: by listeners and hosts. */
  readonly url: string | null
}

/** The addresses of the listeners. */
export interface PublicUrls {
  readonly http: string
  /** Null without certificates. */
  readonly https: string | null
}

export interface PreviewParts {
  readonly publisher: Publisher
  readonly events: EventLog
  readonly keys: () => KeyRingSpec
  readonly urls: () => PublicUrls
  /** 8 random bytes as hexadecimal digits. */
  readonly randomId: () => SessionId
}

/** A link, and until when it is good; throws the rule that stands against it. */
export function previewLink(
  release: Release,
  hosts: readonly string[],
  order: PreviewOrder & { readonly now: number },
  parts: PreviewParts,
): { readonly url: string; readonly until: number } {
  refuseUnpreviewable(release, parts.publisher)
  const { site, version } = release.registration
  const until = order.now + order.ttlMs
  const begin = order.url ?? publicOrigin(hosts, parts.urls())
  const text = signed({ site, release: version, id: parts.randomId(), until }, parts.keys())
  parts.events.add('preview-link', `${order.by}, good until ${isoText(until)}`, { site, release: version })
  const url = new URL(begin)
  url.searchParams.set('amarre-preview', text)
  return { url: url.href, until }
}

/** Signed with a key that every worker verifies, for a release that every worker serves. */
function refuseUnpreviewable(release: Release, publisher: Publisher): void {
  const { state, registration } = release
  const { version } = registration
  switch (state.name) {
    case 'rejected':
    case 'retired':
      throw new RuleRefusal('preview-needs-serving', `"${version}" is ${state.name}: nothing serves it`)
    case 'registered':
    case 'checking': {
      const remedy = 'see the last probes in `amarre status`'
      throw new RuleRefusal('preview-needs-checked', `"${version}" is ${state.name}: ${remedy}`)
    }
    case 'staged':
    case 'active':
    case 'draining':
    case 'retirable':
      if (publisher.isServedEverywhere(release.index)) return
      throw new RuleRefusal('preview-needs-serving', 'not every worker serves it: try again in a moment')
    default:
      return state satisfies never
  }
}

function signed(pass: PreviewPass, keys: KeyRingSpec): string {
  const key = keys.keys.find(({ id }) => id === keys.signsWith)
  if (key === undefined) throw new Error('the key ring lacks its signing key')
  const text = passText(pass, key.id)
  const mac = createHmac('sha256', key.secret).update(signedByPass(text)).digest().subarray(0, passMacBytes)
  return `${Buffer.from(text).toString('base64url')}.${mac.toString('base64url')}`
}

/** The site's first exact host at the secure listener, where there is one; the listener's own for any host. */
export function publicOrigin(hosts: readonly string[], urls: PublicUrls): string {
  const listener = new URL(urls.https ?? urls.http)
  const host = hosts.find((each) => !each.startsWith('*'))
  if (host === undefined && !hosts.includes('*')) {
    throw new RuleRefusal(
      'preview-needs-url',
      `the site names no exact host ("${hosts[0]}"): say where to begin by "url"`,
    )
  }
  // What listens everywhere is reached here by this name.
  const isAnywhere = listener.hostname === '0.0.0.0' || listener.hostname === '[::]'
  const name = host ?? (isAnywhere ? 'localhost' : listener.hostname)
  return `${listener.protocol}//${name}${listener.port === '' ? '' : `:${listener.port}`}/`
}
