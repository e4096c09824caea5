// What no single key can tell: values of one file that do not go together. Rules over the program's values; knows
// nothing of words, files or positions.
import type { Registration } from '../../domain/registration.js'

import type { ReleaseOrder, SitePolicy } from '../../domain/site-policy.js'
import { compareVersions } from '../../domain/version-order.js'
import { durationInWords, shareInWords } from './duration-words.js'

/** One thing wrong with a whole; `path` are the keys of the part to change. */
export interface Finding {
  readonly severity: 'error' | 'warning'
  readonly path: readonly (string | number)[]
  readonly message: string
}

const error = (path: Finding['path'], message: string): Finding => ({ severity: 'error', path, message })
const warning = (path: Finding['path'], message: string): Finding => ({ severity: 'warning', path, message })

function repeated(key: string, values: readonly string[]): readonly Finding[] {
  return values.flatMap((value, index) =>
    values.indexOf(value) === index ? [] : [error([key, index], `"${value}" stands twice; remove one`)],
  )
}

function timeFindings({ session, health }: SitePolicy): readonly Finding[] {
  const { idleTimeoutMs, maxAgeMs } = session
  const findings: Finding[] = []
  if (idleTimeoutMs === Infinity && maxAgeMs === Infinity)
    findings.push(
      error(
        ['session', 'idleTimeout'],
        '"idleTimeout" and "maxAge" are both "never": no session would ever end',
      ),
    )
  if (idleTimeoutMs !== Infinity && idleTimeoutMs > maxAgeMs)
    findings.push(
      warning(
        ['session', 'idleTimeout'],
        `longer than "maxAge" (${durationInWords(maxAgeMs)}), so that sessions end by age while they are in use`,
      ),
    )
  if (health.timeoutMs > health.intervalMs)
    findings.push(
      warning(
        ['health', 'timeout'],
        `longer than "interval" (${durationInWords(health.intervalMs)}), so that probes come late`,
      ),
    )
  return findings
}

function cookieFindings({ hosts, session }: SitePolicy): readonly Finding[] {
  const { domain, cookie, startsOn, legacy, partitioned, sameSite } = session
  const findings: Finding[] = []
  const isOutside = (host: string): boolean => host !== '*' && host !== domain && !host.endsWith(`.${domain}`)
  const outside = domain === null ? -1 : hosts.findIndex(isOutside)
  if (outside >= 0)
    findings.push(
      error(
        ['session', 'domain'],
        `host "${hosts[outside]}" is not below "${domain}": its browsers would refuse the cookie`,
      ),
    )
  if (domain === null && hosts.length > 1)
    findings.push(
      warning(
        ['hosts'],
        'several hosts and no "session.domain": a visitor has one session for each host, each on its own release',
      ),
    )
  if (startsOn.on === 'cookie' && startsOn.name === cookie)
    findings.push(
      error(
        ['session', 'cookie'],
        `"${cookie}" is the application's own cookie in "startsOn"; choose another`,
      ),
    )
  if (legacy !== null && legacy.cookie === cookie)
    findings.push(
      error(['session', 'cookie'], `"${cookie}" is the application's own cookie in "legacy"; choose another`),
    )
  if (legacy !== null && startsOn.on === 'cookie' && legacy.cookie !== startsOn.name)
    findings.push(
      warning(
        ['session', 'legacy', 'cookie'],
        `"startsOn" names another cookie, "${startsOn.name}": which of them is the application's session?`,
      ),
    )
  if (partitioned && (sameSite === 'lax' || sameSite === 'strict'))
    findings.push(warning(['session', 'partitioned'], `of no use with "sameSite: ${sameSite}"`))
  return findings
}

function pinFindings({ pagePin, windows }: SitePolicy): readonly Finding[] {
  const findings: Finding[] = []
  const isOn = pagePin.header !== null || pagePin.query !== null
  const key = pagePin.header === null ? 'query' : 'header'
  if (isOn && !pagePin.sharedSessions)
    findings.push(
      error(
        ['pagePin', key],
        'needs "pagePin.sharedSessions: true": a page may only choose its release where all releases share their sessions',
      ),
    )
  windows.forEach(({ from, to }, index) => {
    if (from === to)
      findings.push(error(['windows', index, 'to'], `the same as "from" ("${from}"): the window never opens`))
  })
  return findings
}

/** Rules of site.yaml. */
export function siteFindings(policy: SitePolicy): readonly Finding[] {
  return [
    ...repeated('hosts', policy.hosts),
    ...repeated('stateless', policy.stateless),
    ...timeFindings(policy),
    ...cookieFindings(policy),
    ...pinFindings(policy),
  ]
}

function stepFindings({ activate, rollbackTo, version }: Registration): readonly Finding[] {
  if (activate.kind !== 'steps') return []
  const { steps, abortOn } = activate
  const findings: Finding[] = []
  steps.forEach(({ share }, index) => {
    const before = steps[index - 1]?.share ?? 0
    if (share <= before)
      findings.push(
        error(
          ['activate', 'steps', index, 'share'],
          `found "${shareInWords(share)}", allowed: more than "${shareInWords(before)}"; shares must grow`,
        ),
      )
  })
  if (abortOn !== null && abortOn.errorRate === Infinity && abortOn.p95Ms === Infinity)
    findings.push(error(['activate', 'abortOn'], 'judges nothing; set "errorRate", "p95" or both'))
  if (rollbackTo === version)
    findings.push(
      error(
        ['rollbackTo'],
        `"${version}" itself excludes every stable release that "activate.steps" would give sessions back to; activate at once, or name an older version`,
      ),
    )
  return findings
}

/** What a release claims of versions newer than itself cannot be meant; where versions are hashes none is newer. */
function orderFindings(registration: Registration, order: ReleaseOrder): readonly Finding[] {
  if (order === 'registration') return []
  return (['compatibleFrom', 'rollbackTo'] as const).flatMap((key) => {
    const other = registration[key]
    if (other === null || compareVersions(other, registration.version) <= 0) return []
    return [
      error(
        [key],
        `"${other}" is newer than "${registration.version}" itself; name that version or an older one`,
      ),
    ]
  })
}

/** Rules of one registration, of a site whose releases are in that order. */
export function registrationFindings(registration: Registration, order: ReleaseOrder): readonly Finding[] {
  const { site, targets, takeOver, compatibleFrom, requires, onAbort, rollbackTo } = registration
  const findings: Finding[] = [
    ...repeated('targets', targets),
    ...stepFindings(registration),
    ...orderFindings(registration, order),
  ]
  if (takeOver !== 'never' && compatibleFrom === null)
    findings.push(
      warning(
        ['takeOver'],
        'of no use without "compatibleFrom": no session of another version can move here',
      ),
    )
  if (onAbort === 'move' && rollbackTo === null)
    findings.push(
      warning(
        ['onAbort'],
        'of no use without "rollbackTo": no session may move back to an older release that is not declared',
      ),
    )
  if (Object.hasOwn(requires, site))
    findings.push(error(['requires', site], 'a release cannot require its own site; use "compatibleFrom"'))
  return findings
}
