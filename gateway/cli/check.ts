// `amarre check DIR`: says everything that is wrong with a configuration directory, or what would run. Reads it the
// way the gateway does and changes nothing.
import { join } from 'node:path'
import { ChokidarConfigSource } from '../adapters/chokidar-config-source.js'
import { activeAtStart } from '../controlplane/config/active-at-start.js'
import type {
  ConfigProblem,
  DesiredSite,
  Environment,
  LoadedConfig,
} from '../controlplane/config/desired-state.js'
import { durationInWords, shareInWords } from '../controlplane/config/duration-words.js'
import { roleOf } from '../controlplane/config/file-kinds.js'
import type { ListenAddress } from '../controlplane/config/gateway-settings.js'
import { loadConfig } from '../controlplane/config/load-config.js'
import { problemInWords } from '../controlplane/config/problems.js'
import type { ReleaseVersion } from '../domain/ids.js'
import type { Registration } from '../domain/registration.js'
import type { SitePolicy } from '../domain/site-policy.js'
import { compareVersions } from '../domain/version-order.js'

/** How to check and how to say it. */
export interface CheckOptions {
  /** JSON in place of text. */
  readonly json?: boolean
  /** Whose AMARRE_* variables count; none by default, so that a pipeline checks the files alone. */
  readonly environment?: Environment
}

/** What to print, and the exit code: 1 when anything is wrong. */
export interface CheckResult {
  readonly output: string
  readonly exitCode: 0 | 1
}

interface PlannedRelease {
  readonly version: string
  readonly file: string
  readonly targets: readonly string[]
  readonly compatibleFrom: string | null
  readonly activate: string
  /** What becomes of it when the gateway starts with nothing saved and all are healthy. */
  readonly atStart: string
}

interface PlannedSite {
  readonly site: string
  readonly file: string
  readonly hosts: readonly string[]
  readonly idleTimeout: string
  readonly maxAge: string
  readonly releases: readonly PlannedRelease[]
}

function activationInWords({ activate }: Registration): string {
  if (activate.kind === 'at') return `at ${new Date(activate.at).toISOString()}`
  if (activate.kind !== 'steps') return activate.kind
  const steps = activate.steps.map(
    ({ share, holdMs }) => `${shareInWords(share)} for ${durationInWords(holdMs)}`,
  )
  return `in steps: ${steps.join(', ')}`
}

function fateOf(
  { version, activate }: Registration,
  active: ReleaseVersion | null,
  policy: SitePolicy,
): string {
  if (version === active) return 'active: takes new sessions'
  const { legacy } = policy.session
  const isNamed = legacy !== null && legacy.release === version && Date.now() < legacy.until
  const isAwaited = isNamed && (active !== null || activate.kind === 'manual')
  if (isAwaited) return 'draining: serves visitors from before the gateway'
  if (activate.kind === 'auto') return 'draining: serves its sessions'
  return activate.kind === 'steps' && active !== null
    ? `active beside "${active}", by steps`
    : 'staged: waits for its activation'
}

function plannedSite(site: DesiredSite): PlannedSite {
  const { policy, registrations, file } = site
  const active = activeAtStart(site)
  const inOrder = policy.order === 'version' ? byVersion(registrations) : registrations
  return {
    site: policy.site,
    file,
    hosts: policy.hosts,
    idleTimeout: durationInWords(policy.session.idleTimeoutMs),
    maxAge: durationInWords(policy.session.maxAgeMs),
    releases: inOrder.map((registration) => ({
      version: registration.version,
      file: registration.file,
      targets: registration.targets,
      compatibleFrom: registration.compatibleFrom,
      activate: activationInWords(registration),
      atStart: fateOf(registration, active, policy),
    })),
  }
}

function byVersion(registrations: readonly Registration[]): readonly Registration[] {
  return registrations.toSorted((one, other) => compareVersions(one.version, other.version))
}

function addressInWords({ host, port }: ListenAddress): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function listenersOf({ gateway: { listen, admin } }: LoadedConfig): Readonly<Record<string, string>> {
  const https = listen.https === null ? {} : { https: addressInWords(listen.https.address) }
  return { http: addressInWords(listen.http.address), ...https, admin: addressInWords(admin.listen) }
}

function siteInWords({ site, file, hosts, idleTimeout, maxAge, releases }: PlannedSite): readonly string[] {
  const width = Math.max(0, ...releases.map(({ version }) => version.length))
  const lines = releases.flatMap(({ version, activate, atStart, compatibleFrom, targets }) => [
    `  ${version.padEnd(width)}  ${atStart} (activate: ${activate})`,
    ...(compatibleFrom === null ? [] : [`  ${' '.repeat(width)}  compatible from ${compatibleFrom}`]),
    ...targets.map((target) => `  ${' '.repeat(width)}  ${target}`),
  ])
  const isSilent = !releases.some(({ atStart }) => atStart.startsWith('active'))
  const silence = '  no release becomes active by itself: new visitors get 503 until one is activated'
  return [
    `site ${site} (${file})`,
    `  hosts ${hosts.join(', ')}; sessions idle for ${idleTimeout} and last for ${maxAge} at most`,
    ...lines,
    ...(isSilent ? [silence] : []),
  ]
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`
}

function planInWords(config: LoadedConfig): string {
  const listeners = Object.entries(listenersOf(config)).map(([name, address]) => `${name} ${address}`)
  const sites = config.sites.map(plannedSite)
  const releases = sites.reduce((sum, site) => sum + site.releases.length, 0)
  return [
    `listens on ${listeners.join(', ')}`,
    ...sites.flatMap(siteInWords),
    `${count(sites.length, 'site')}, ${count(releases, 'release')}`,
  ].join('\n')
}

function summary(problems: readonly ConfigProblem[]): string {
  if (problems.length === 0) return 'nothing wrong'
  const errors = problems.filter(({ severity }) => severity === 'error').length
  const warnings = problems.length - errors
  return [count(errors, 'error'), ...(warnings === 0 ? [] : [count(warnings, 'warning')])].join(', ')
}

/** A problem whose file can be opened from where the command runs. */
function placed(problem: ConfigProblem, directory: string): ConfigProblem {
  return problem.file === 'environment' ? problem : { ...problem, file: join(directory, problem.file) }
}

/** A directory that is not there, or holds no site, was hardly the one that was meant. */
function emptiness(directory: string, config: LoadedConfig, isThere: boolean): readonly ConfigProblem[] {
  const place = { file: '.', line: 0, column: 0, path: '' }
  if (!isThere) return [{ severity: 'error', ...place, message: `there is no directory "${directory}"` }]
  if (config.files.some(({ file }) => roleOf(file).role === 'site')) return []
  return [
    { severity: 'warning', ...place, message: 'there is no site; the first goes to "sites/NAME/site.yaml"' },
  ]
}

/** Adoption that is over: true of an old file as of a slip in the year. */
function lapsed({ sites }: LoadedConfig, now: number): readonly ConfigProblem[] {
  return sites.flatMap(({ policy, file }): readonly ConfigProblem[] => {
    const { legacy } = policy.session
    if (legacy === null || now < legacy.until) return []
    const path = 'session.legacy.until'
    const message = `"${new Date(legacy.until).toISOString()}" has passed: nobody is adopted any more`
    return [{ severity: 'warning', file, line: 0, column: 0, path, message }]
  })
}

function asJson(config: LoadedConfig, problems: readonly ConfigProblem[], isGood: boolean): string {
  const plan = isGood ? { listen: listenersOf(config), sites: config.sites.map(plannedSite) } : {}
  return JSON.stringify({ valid: isGood, problems, ...plan }, null, 2)
}

/** Checks a configuration directory. It rejects for nothing that the directory is like. */
export async function checkConfig(directory: string, options: CheckOptions = {}): Promise<CheckResult> {
  const source = new ChokidarConfigSource({ directory, mode: 'poll', onNotificationLost: () => undefined })
  const listing = await source.read()
  await source.close()
  const config = loadConfig(listing, {}, options.environment ?? {})
  const isThere = listing.directories.includes('.') || listing.unreadable.length > 0
  const found = [...config.problems, ...emptiness(directory, config, isThere), ...lapsed(config, Date.now())]
  const problems = found.map((problem) => placed(problem, directory))
  const isGood = problems.every(({ severity }) => severity === 'warning')
  const exitCode = isGood ? 0 : 1
  if (options.json === true) return { output: asJson(config, problems, isGood), exitCode }
  const lines = problems.map(problemInWords)
  const plan = isGood ? [planInWords(config)] : []
  return { output: [...lines, ...plan, summary(problems)].join('\n'), exitCode }
}
