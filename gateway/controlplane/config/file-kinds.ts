// What a file of the configuration directory is, by its path alone. Knows nothing of contents.
import { parseSiteName } from '../../domain/ids.js'
import type { SiteName } from '../../domain/ids.js'

/** What a path stands for; `stray`: it ends like configuration but stands where nothing reads it. */
export type FileRole =
  | { readonly role: 'gateway' }
  | { readonly role: 'site'; readonly site: SiteName }
  | { readonly role: 'registration'; readonly site: SiteName; readonly name: string }
  | { readonly role: 'error-page'; readonly site: SiteName; readonly name: string }
  | { readonly role: 'stray' }

const ending = /\.(?:yaml|yml|json)$/

/** Whether a file's name, without its folder, is one that counts: `*.yaml`, `*.yml` or `*.json` without a leading dot. */
export function isConfigName(name: string): boolean {
  return ending.test(name) && !name.startsWith('.')
}

/** Whether a file's name, without its folder, is one of an error page. */
export function isPageName(name: string): boolean {
  return name.endsWith('.html') && !name.startsWith('.')
}

/** The folder of a site: `sites/shop`. */
export function siteFolder(site: string): string {
  return `sites/${site}`
}

/** The folder of a site's registrations: `sites/shop/releases`. */
export function releasesFolder(site: string): string {
  return `${siteFolder(site)}/releases`
}

/** What a file is for, by its path relative to the configuration directory. */
export function roleOf(path: string): FileRole {
  const [first = '', folder = '', third = '', fourth = '', ...rest] = path.split('/')
  if (first.startsWith('gateway.') && folder === '') return { role: 'gateway' }
  const site = parseSiteName(folder)
  if (first !== 'sites' || site === null || rest.length > 0) return { role: 'stray' }
  if (/^site\.(?:yaml|yml|json)$/.test(third)) return { role: 'site', site }
  if (third === 'errors' && isPageName(fourth)) {
    return { role: 'error-page', site, name: fourth.slice(0, -'.html'.length) }
  }
  if (third !== 'releases' || fourth === '') return { role: 'stray' }
  return { role: 'registration', site, name: fourth.replace(ending, '') }
}
