// The schema of site.yaml: every key with its default and sentence, and the step from its words to SitePolicy.
// Knows nothing of files, positions or other sites.
import { z } from 'zod'
import type { SiteName } from '../../domain/ids.js'
import type { SessionPolicy, SessionStart, SitePolicy } from '../../domain/site-policy.js'
import { cookieDomain, hostPattern } from './network-words.js'
import { toTransportSecurity, transportSecurity } from './transport-security.js'
import {
  applicationCookie,
  cookieName,
  duration,
  headerName,
  instant,
  longestTimerMs,
  oneOf,
  pathPattern,
  queryName,
  releaseVersion,
  text,
  timeOfDay,
  timeZone,
  wholeNumber,
} from './words.js'

const never = { words: ['never'] } as const
const pathList = () => z.array(pathPattern(), 'a list of paths such as [/robots.txt, "/public/*"]')

const startsOn = z.union(
  [
    oneOf('request', 'signal'),
    z.strictObject({ cookie: applicationCookie().describe("The application's own session cookie.") }),
  ],
  '"request", "signal" or a map such as { cookie: JSESSIONID }',
)

const legacy = z.strictObject({
  cookie: applicationCookie().describe("The application's own session cookie."),
  release: releaseVersion().describe('The release that its holders board.'),
  until: instant().describe('Until when.'),
})

const session = z.strictObject({
  cookie: cookieName()
    .prefault('amarre')
    .describe('The name of our cookie; under TLS `__Host-` or `__Secure-` stands before it.'),
  domain: cookieDomain()
    .nullable()
    .prefault(null)
    .describe(
      "The cookie's domain, where the application's own session spans several hosts; `null`: the host.",
    ),
  sameSite: oneOf('auto', 'lax', 'none', 'strict')
    .prefault('auto')
    .describe('`SameSite` of our cookie; `auto`: `None` under TLS, `Lax` on plain HTTP.'),
  partitioned: z.boolean().prefault(false).describe('Whether our cookie is `Partitioned`.'),
  affinity: oneOf('target', 'release')
    .prefault('target')
    .describe('Whether a session stays on one target of its release, or uses any of them.'),
  onTargetGone: oneOf('other', 'refuse')
    .prefault('other')
    .describe('What a session meets when its target is gone: another one of its release, or a refusal.'),
  startsOn: startsOn
    .prefault('request')
    .describe(
      "When a session begins: at the first request, at the application's own cookie (`{ cookie: NAME }`), or at its `Amarre-Session: start`.",
    ),
  idleTimeout: duration({ min: 100, ...never })
    .prefault('30m')
    .describe("How long a session may idle before it is over; at least the application's own idle time."),
  maxAge: duration({ min: 1000, ...never })
    .prefault('7d')
    .describe(
      'How long a session may last at most, the time apart in which the gateway was down. Made shorter, it takes back nothing that was promised before.',
    ),
  provisionalTimeout: duration({ min: 1000 })
    .prefault('60s')
    .describe('How long a session that never came back counts as provisional; for the gauge only.'),
  endsOn: z
    .strictObject({ paths: pathList().prefault([]).describe('Paths, as of a logout, that end the session.') })
    .prefault({})
    .describe('What ends a session besides time and the application.'),
  onReleaseGone: oneOf('move', 'restart', 'refuse')
    .prefault('move')
    .describe(
      'What a session meets whose release is gone: a compatible release, a new session, or a refusal.',
    ),
  legacy: legacy
    .nullable()
    .prefault(null)
    .describe(
      "First adoption: who has the application's cookie and no token of ours boards this release, until an instant.",
    ),
})

const retain = z.strictObject({
  previous: wholeNumber(0, 1000)
    .prefault(4)
    .describe('How many former releases may still hold sessions; beyond, `onOverflow` applies.'),
  warm: wholeNumber(0, 1000)
    .prefault(0)
    .describe('How many of the newest former releases are never retired automatically.'),
  maxDrain: duration({ ...never })
    .prefault('never')
    .describe('How long a release may drain before `onOverflow` applies.'),
  onOverflow: oneOf('keep', 'move', 'end')
    .prefault('keep')
    .describe('What happens to sessions beyond the cap: nothing, a move, or an announced end.'),
})

const retire = z.strictObject({
  when: oneOf('auto', 'manual')
    .prefault('auto')
    .describe('Whether a release is retired as soon as it may be, or by an operator.'),
  quietPeriod: duration({ words: ['immediately'] })
    .prefault('30s')
    .describe('How long a release must have been empty before it may be retired.'),
})

const timer = { max: longestTimerMs } as const

const health = z.strictObject({
  path: text(
    'path',
    /^\/[!"$-~]*$/,
    'a path such as "/healthz", of ASCII letters and signs without "#" (others as "%C3%A9"), or null to probe by connecting',
  )
    .nullable()
    .prefault('/healthz')
    .describe('What is asked of each target; `null` probes by connecting.'),
  interval: duration({ min: 50, ...timer })
    .prefault('2s')
    .describe('The time between two probes of a target.'),
  timeout: duration({ min: 10, ...timer })
    .prefault('1s')
    .describe('How long an answer may take.'),
  healthyAfter: wholeNumber(1, 100).prefault(2).describe('Good answers in a row that make a target healthy.'),
  unhealthyAfter: wholeNumber(1, 100)
    .prefault(3)
    .describe('Bad answers in a row that make a target unhealthy.'),
  deadAfter: duration({ ...never })
    .prefault('60s')
    .describe('How long all targets must have failed before a release counts as dead.'),
})

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const

const activationWindow = z.strictObject({
  days: z
    .array(oneOf(...days), 'a list of days such as [mon, tue]')
    .min(1, 'at least one day')
    .prefault([...days])
    .describe('The days on which it opens.'),
  from: timeOfDay().describe('When it opens.'),
  to: timeOfDay().describe('When it closes; before `from`: on the next day.'),
  zone: timeZone().describe('The time zone of both.'),
})

const pagePin = z.strictObject({
  header: headerName()
    .nullable()
    .prefault(null)
    .describe('The request header in which a page names its release.'),
  query: queryName()
    .nullable()
    .prefault(null)
    .describe('The query parameter in which a page names its release.'),
  sharedSessions: z.boolean().prefault(false).describe('Whether all releases share their session store.'),
})

/** The words of site.yaml. Every key is optional. */
export const siteSchema = z
  .strictObject({
    $schema: z.string().optional().describe('Where an editor finds the JSON Schema; otherwise ignored.'),
    hosts: z
      .array(hostPattern(), 'a list of hosts such as [shop.example.com]')
      .min(1, 'at least one host, "*" for any')
      .prefault(['*'])
      .describe('The hosts of the site: exact, `"*.example.com"`, or `"*"` for any.'),
    order: oneOf('version', 'registration')
      .prefault('version')
      .describe('Which release is newer: by version, or by registration where versions are hashes.'),
    session: session.prefault({}).describe('When a session begins and ends, and how it is recognised.'),
    retain: retain.prefault({}).describe('How many former releases are kept, and how long.'),
    retire: retire.prefault({}).describe('When a release is retired.'),
    health: health.prefault({}).describe('How targets are probed.'),
    stateless: pathList()
      .prefault(['/robots.txt', '/sitemap.xml', '/favicon.ico'])
      .describe('Paths that never begin a session.'),
    assets: z
      .strictObject({
        paths: pathList().prefault([]).describe("Paths of pages' parts that other releases may have."),
        fallback: oneOf('previous', 'none')
          .prefault('previous')
          .describe(
            'Where a part is looked for that its release does not have: in the former ones, or nowhere.',
          ),
      })
      .prefault({})
      .describe('Scripts, styles and images of different releases.'),
    pagePin: pagePin.prefault({}).describe('Lets two tabs on two releases both work.'),
    hsts: transportSecurity(),
    active: releaseVersion()
      .nullable()
      .prefault(null)
      .describe('The version that is to be active, to steer activation from this file; `null`: not steered.'),
    freeze: z.boolean().prefault(false).describe('Refuses every activation.'),
    windows: z
      .array(activationWindow, 'a list of maps of "days", "from", "to" and "zone"')
      .prefault([])
      .describe('When releases may be activated; none: always.'),
  })
  .describe('One application: hosts, session policy, retention, health, stateless paths and assets.')

/** What siteSchema gives. */
export type SiteWords = z.output<typeof siteSchema>

function startOf(words: SiteWords['session']['startsOn']): SessionStart {
  return typeof words === 'string' ? { on: words } : { on: 'cookie', name: words.cookie }
}

function sessionOf(words: SiteWords['session']): SessionPolicy {
  const { idleTimeout, maxAge, provisionalTimeout, ...same } = words
  return {
    ...same,
    startsOn: startOf(words.startsOn),
    idleTimeoutMs: idleTimeout,
    maxAgeMs: maxAge,
    provisionalTimeoutMs: provisionalTimeout,
  }
}

/** The policy that validated words stand for. */
export function toSitePolicy(site: SiteName, words: SiteWords): SitePolicy {
  const { retain: kept, retire: retiring, health: probes } = words
  return {
    site,
    hosts: words.hosts,
    order: words.order,
    session: sessionOf(words.session),
    retain: {
      previous: kept.previous,
      warm: kept.warm,
      maxDrainMs: kept.maxDrain,
      onOverflow: kept.onOverflow,
    },
    retire: { when: retiring.when, quietPeriodMs: retiring.quietPeriod },
    health: {
      path: probes.path,
      intervalMs: probes.interval,
      timeoutMs: probes.timeout,
      healthyAfter: probes.healthyAfter,
      unhealthyAfter: probes.unhealthyAfter,
      deadAfterMs: probes.deadAfter,
    },
    stateless: words.stateless,
    assets: words.assets,
    pagePin: words.pagePin,
    hsts: toTransportSecurity(words.hsts),
    errorPages: [],
    active: words.active,
    freeze: words.freeze,
    windows: words.windows,
  }
}
