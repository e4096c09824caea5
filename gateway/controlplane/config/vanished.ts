// The rule of the failed mount: a folder that vanishes whole, or from which two or more registrations vanish at once
// leaving none, is taken for a mount that failed, and nothing changes. Pure; judges paths and never contents.
import type { ConfigListing, ConfigProblem, LastGoodFiles } from './desired-state.js'
import { releasesFolder, roleOf, siteFolder } from './file-kinds.js'

/** What a listing means once vanished folders are put back. */
export interface HeldListing {
  /** The content of what is there, by path. */
  readonly files: ReadonlyMap<string, string>
  readonly directories: ReadonlySet<string>
  /** Files that are not there, or not readable, and stay in force. */
  readonly held: ReadonlySet<string>
  readonly problems: readonly ConfigProblem[]
}

interface Loss {
  readonly folder: string
  readonly files: readonly string[]
}

function isBelow(path: string, folder: string): boolean {
  return folder === '.' || path === folder || path.startsWith(`${folder}/`)
}

function isRegistration(path: string): boolean {
  return roleOf(path).role === 'registration'
}

function vanishedFolder(site: string, paths: readonly string[], listing: ConfigListing): string | null {
  const isThere = (folder: string): boolean => listing.directories.includes(folder)
  const present = new Set(listing.files.map(({ path }) => path))
  const registrations = paths.filter(isRegistration)
  if (!isThere(siteFolder(site))) return siteFolder(site)
  if (registrations.length === 0) return null
  if (!isThere(releasesFolder(site))) return releasesFolder(site)
  const isEmpty = !listing.files.some(({ path }) => isBelow(path, releasesFolder(site)))
  return registrations.filter((path) => !present.has(path)).length > 1 && isEmpty
    ? releasesFolder(site)
    : null
}

function knownSites(paths: readonly string[]): ReadonlyMap<string, readonly string[]> {
  const sites = new Map<string, string[]>()
  for (const path of paths) {
    const [, site] = path.split('/')
    if (site !== undefined) sites.set(site, [...(sites.get(site) ?? []), path])
  }
  return sites
}

/** The folders that vanished, each with the files in force that went with it; the outermost where several did. */
function losses(listing: ConfigListing, inForce: readonly string[]): readonly Loss[] {
  const present = new Set(listing.files.map(({ path }) => path))
  const missing = (paths: readonly string[]): readonly string[] => paths.filter((path) => !present.has(path))
  const sites = knownSites(inForce)
  const isThere = (folder: string): boolean => listing.directories.includes(folder)
  if (inForce.length > 0 && !isThere('.')) return [{ folder: '.', files: missing(inForce) }]
  if (sites.size > 0 && !isThere('sites')) return [{ folder: 'sites', files: missing(inForce) }]
  return [...sites].flatMap(([site, files]) => {
    const folder = vanishedFolder(site, files, listing)
    return folder === null ? [] : [{ folder, files: missing(files) }]
  })
}

function problemOf({ folder, files }: Loss): ConfigProblem {
  const name = folder === '.' ? 'the configuration directory' : `folder "${folder}"`
  const count = files.length === 1 ? 'file' : 'files'
  const remedy = 'put it back, or remove registrations one by one and a site by its site file alone'
  const message = `${name} vanished with ${files.length} ${count} in force, which looks like a failed mount: nothing changes; ${remedy}`
  return { severity: 'error', file: folder, line: 0, column: 0, path: '', message }
}

/** Puts back what vanished with its folder or cannot be read; `lastGood` names what is in force. */
export function holdVanished(listing: ConfigListing, lastGood: LastGoodFiles): HeldListing {
  const files = new Map(listing.files.map(({ path, content }) => [path, content]))
  const missing = Object.keys(lastGood).filter((path) => !files.has(path))
  const isHidden = (path: string): boolean => listing.unreadable.some(({ file }) => isBelow(path, file))
  const inForce = Object.keys(lastGood).filter((path) => !isHidden(path))
  const lost = losses(listing, inForce)
  const isLost = (path: string): boolean => lost.some((loss) => loss.files.includes(path))
  return {
    files,
    directories: new Set(listing.directories),
    held: new Set(missing.filter((path) => isHidden(path) || isLost(path))),
    problems: [...listing.unreadable, ...lost.map(problemOf)],
  }
}
