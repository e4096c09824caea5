// Which files belong to which site, and which of two that stand for the same thing counts. Judges paths only.
import { parseSiteName } from '../../domain/ids.js'
import type { SiteName } from '../../domain/ids.js'
import type { ConfigProblem, LastGoodFiles } from './desired-state.js'
import { roleOf, siteFolder } from './file-kinds.js'
import type { HeldListing } from './vanished.js'

/** The files of one site's folder that are there or held. */
export interface SiteInventory {
  readonly site: SiteName
  /** Null where the site has no file of its own: it is removed. */
  readonly siteFile: string | null
  readonly registrations: readonly string[]
  readonly errorPages: readonly string[]
}

const endings = ['.yaml', '.yml', '.json']

function rank(path: string, lastGood: LastGoodFiles): number {
  const ending = endings.findIndex((known) => path.endsWith(known))
  return Object.hasOwn(lastGood, path) ? ending - endings.length : ending
}

/** Of `site.yaml` and `site.json` the one in force counts, else the first of `.yaml`, `.yml` and `.json`. */
export function firstOfTwins(
  paths: readonly string[],
  lastGood: LastGoodFiles,
): { readonly path: string | null; readonly problems: readonly ConfigProblem[] } {
  const [first, ...others] = paths.toSorted((one, other) => rank(one, lastGood) - rank(other, lastGood))
  const problems = others.map((file): ConfigProblem => {
    const message = `"${first}" says the same thing and is in force; remove one of them`
    return { severity: 'error', file, line: 0, column: 0, path: '', message }
  })
  return { path: first ?? null, problems }
}

function strayProblem(file: string): ConfigProblem {
  const message =
    'not read: a site is "sites/NAME/site.yaml", a registration "sites/NAME/releases/VERSION.yaml"'
  return { severity: 'warning', file, line: 0, column: 0, path: '', message }
}

function badFolder(folder: string): ConfigProblem {
  const name = folder.slice('sites/'.length)
  const message = `found "${name}" as a site's name, allowed: up to 63 lower-case letters, digits and "-", the first not a "-"; rename the folder`
  return { severity: 'error', file: folder, line: 0, column: 0, path: '', message }
}

function orphaned({ site, registrations }: SiteInventory): ConfigProblem {
  const count = registrations.length === 1 ? '1 registration is' : `${registrations.length} registrations are`
  const message = `there is no "site.yaml" in this folder, so that its ${count} not in force`
  return { severity: 'warning', file: siteFolder(site), line: 0, column: 0, path: '', message }
}

function siteFoldersOf(held: HeldListing): readonly string[] {
  return [...held.directories].filter((folder) => /^sites\/[^/]+$/.test(folder))
}

function isInBadFolder(path: string): boolean {
  const [, folder = '', file] = path.split('/')
  return file !== undefined && parseSiteName(folder) === null
}

/** All sites in order of their names, and what stands where nothing reads it. */
export function takeInventory(
  held: HeldListing,
  lastGood: LastGoodFiles,
): { readonly sites: readonly SiteInventory[]; readonly problems: readonly ConfigProblem[] } {
  const paths = [...new Set([...held.files.keys(), ...held.held])].toSorted()
  const roles = paths.map((path) => ({ path, ...roleOf(path) }))
  const names = new Set(roles.flatMap((found) => ('site' in found ? [found.site] : [])))
  const problems: ConfigProblem[] = siteFoldersOf(held)
    .filter((folder) => parseSiteName(folder.slice('sites/'.length)) === null)
    .map(badFolder)
  for (const { role, path } of roles) {
    if (role === 'stray' && !isInBadFolder(path)) problems.push(strayProblem(path))
  }
  const sites = [...names].toSorted().map((site): SiteInventory => {
    const own = roles.filter((found) => 'site' in found && found.site === site)
    const siteFiles = own.filter(({ role }) => role === 'site').map(({ path }) => path)
    const twins = firstOfTwins(siteFiles, lastGood)
    problems.push(...twins.problems)
    const registrations = own.filter(({ role }) => role === 'registration').map(({ path }) => path)
    const errorPages = own.filter(({ role }) => role === 'error-page').map(({ path }) => path)
    return { site, siteFile: twins.path, registrations, errorPages }
  })
  const orphans = sites.filter(({ siteFile, registrations }) => siteFile === null && registrations.length > 0)
  return { sites, problems: [...problems, ...orphans.map(orphaned)] }
}
