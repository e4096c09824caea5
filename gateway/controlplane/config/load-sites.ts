// All sites and registrations out of their files: each read by itself, then hosts and versions settled among them.
// Knows nothing of gateway.yaml.
import type { SiteName } from '../../domain/ids.js'
import type { Registration } from '../../domain/registration.js'
import type { SitePolicy } from '../../domain/site-policy.js'
import { settleClaims } from './claims.js'
import type { Claimant, Settled, Settlement } from './claims.js'
import type { ConfigProblem, DesiredSite, LastGoodFiles } from './desired-state.js'
import { takeInventory } from './inventory.js'
import type { SiteInventory } from './inventory.js'
import { problemOfFinding, readRegistration, readSite } from './read-file.js'
import type { FileReading, RegistrationSite } from './read-file.js'
import { Remembered } from './remembered.js'
import { siteWarnings } from './site-warnings.js'
import { loadErrorPages } from './load-error-pages.js'
import type { HeldListing } from './vanished.js'
import type { SourceDocument } from './yaml-document.js'

/** A file in force, and whether by its last good content. */
export interface FileInForce {
  readonly path: string
  readonly isKept: boolean
}

/** The sites that run, the files they come from, and everything wrong with any file. */
export interface LoadedSites {
  readonly sites: readonly DesiredSite[]
  readonly problems: readonly ConfigProblem[]
  readonly filesInForce: readonly FileInForce[]
}

/** 250 files take about 100 ms to read and 5 ms to remember. A few KiB each. */
const siteReadings = new Remembered<FileReading<SitePolicy>>(200)
const registrationReadings = new Remembered<FileReading<Registration>>(1000)

/** What the files say now, and what they said when they were last good. */
interface Contents {
  readonly held: HeldListing
  readonly lastGood: LastGoodFiles
}

interface Read<T> {
  readonly claimant: Claimant<T>
  readonly problems: readonly ConfigProblem[]
  /** Of the present content; null where there is none. */
  readonly source: SourceDocument | null
}

/** Reads the present content and, where that differs, the last good one. */
function readBoth<T>(
  path: string,
  { held, lastGood }: Contents,
  read: (content: string) => FileReading<T>,
): Read<T> {
  const content = held.files.get(path)
  const former = Object.hasOwn(lastGood, path) ? lastGood[path] : undefined
  const reading = content === undefined ? null : read(content)
  const present = reading?.value ?? null
  const kept = former === undefined || former === content ? present : read(former).value
  return {
    claimant: { key: path, present, former: former === undefined ? null : kept },
    problems: reading?.problems ?? [],
    source: reading?.source ?? null,
  }
}

/** Problems of files that lost a claim, in their present form. */
function conflictProblems<T>(
  reads: readonly Read<T>[],
  { conflicts }: Settlement<T>,
  place: (claim: string, value: T) => readonly (string | number)[],
  sentence: (claim: string, holder: string) => string,
): readonly ConfigProblem[] {
  return reads.flatMap(({ claimant: { key, present }, source }) => {
    if (present === null || source === null) return []
    return conflicts
      .filter((conflict) => conflict.key === key)
      .map(({ claim, holder }) => {
        const path = place(claim, present)
        return problemOfFinding({ severity: 'error', path, message: sentence(claim, holder) }, source)
      })
  })
}

interface SiteFiles {
  readonly policy: SitePolicy
  readonly file: string
  readonly inventory: SiteInventory
  readonly source: SourceDocument | null
}

interface LoadedRegistrations {
  readonly settled: readonly Settled<Registration>[]
  readonly problems: readonly ConfigProblem[]
  readonly sources: ReadonlyMap<string, SourceDocument>
}

function loadRegistrations(
  { registrations }: SiteInventory,
  site: RegistrationSite,
  contents: Contents,
): LoadedRegistrations {
  const reads = registrations.map((path) =>
    readBoth(path, contents, (content) =>
      registrationReadings.of([path, site.order, content].join('\0'), () =>
        readRegistration(path, content, site),
      ),
    ),
  )
  const settlement = settleClaims(
    reads.map(({ claimant }) => claimant),
    ({ version }) => [version],
  )
  const conflicts = conflictProblems(
    reads,
    settlement,
    () => ['version'],
    (version, holder) => `version "${version}" is declared by "${holder}" already, which stays in force`,
  )
  return {
    settled: settlement.settled,
    problems: [...reads.flatMap(({ problems }) => problems), ...conflicts],
    sources: new Map(
      reads.flatMap(({ claimant, source }) => (source === null ? [] : [[claimant.key, source]])),
    ),
  }
}

function settleSites(
  inventory: readonly SiteInventory[],
  contents: Contents,
): {
  readonly sites: readonly SiteFiles[]
  readonly kept: ReadonlySet<string>
  readonly problems: readonly ConfigProblem[]
} {
  const inventories = new Map(
    inventory.flatMap((found) => (found.siteFile === null ? [] : [[found.siteFile, found]])),
  )
  const reads = [...inventories].map(([path, { site }]) =>
    readBoth(path, contents, (content) =>
      siteReadings.of(`${path}\0${content}`, () => readSite(path, content, site)),
    ),
  )
  const settlement = settleClaims(
    reads.map(({ claimant }) => claimant),
    ({ hosts }) => hosts,
  )
  const siteOf = (path: string): SiteName | undefined => inventories.get(path)?.site
  const conflicts = conflictProblems(
    reads,
    settlement,
    (host, { hosts }) => ['hosts', hosts.indexOf(host)],
    (host, holder) => `host "${host}" belongs to site "${siteOf(holder)}" already ("${holder}")`,
  )
  const sites = settlement.settled.flatMap(({ key, value, isFormer }): readonly SiteFiles[] => {
    const found = inventories.get(key)
    const source = isFormer ? null : (reads.find(({ claimant }) => claimant.key === key)?.source ?? null)
    return found === undefined ? [] : [{ policy: value, file: key, inventory: found, source }]
  })
  const kept = settlement.settled.filter(({ isFormer }) => isFormer)
  return {
    sites,
    kept: new Set(kept.map(({ key }) => key)),
    problems: [...reads.flatMap(({ problems }) => problems), ...conflicts],
  }
}

/** Reads every site. One with a bad file and no last good content is not in force, nor are its registrations. */
export function loadSites(held: HeldListing, lastGood: LastGoodFiles): LoadedSites {
  const contents = { held, lastGood }
  const inventory = takeInventory(held, lastGood)
  const settled = settleSites(inventory.sites, contents)
  const problems = [...inventory.problems, ...settled.problems]
  const filesInForce: FileInForce[] = []
  const policies = new Map(settled.sites.map(({ policy }) => [policy.site, policy]))
  const registrations = new Map(
    inventory.sites.map((found) => {
      const site: RegistrationSite = policies.get(found.site) ?? { site: found.site, order: 'version' }
      return [found.site, loadRegistrations(found, site, contents)]
    }),
  )
  for (const { problems: found } of registrations.values()) problems.push(...found)
  const loaded = settled.sites.map(({ policy: words, file, inventory: { site, errorPages }, source }) => {
    const own = registrations.get(site)
    const { pages, problems: pageProblems } = loadErrorPages(errorPages, held, lastGood)
    problems.push(...pageProblems)
    const policy: SitePolicy = { ...words, errorPages: pages.map(({ page }) => page) }
    filesInForce.push({ path: file, isKept: settled.kept.has(file) })
    for (const { key, isFormer } of own?.settled ?? []) filesInForce.push({ path: key, isKept: isFormer })
    filesInForce.push(...pages)
    const desired: DesiredSite = { policy, file, registrations: own?.settled.map(({ value }) => value) ?? [] }
    return { desired, source, sources: own?.sources ?? new Map<string, SourceDocument>() }
  })
  const sites = loaded.map(({ desired }) => desired)
  const warnings = loaded.flatMap(({ desired, source, sources }) =>
    siteWarnings(desired, sites, { source, sources }),
  )
  return { sites, problems: [...problems, ...warnings], filesInForce }
}
