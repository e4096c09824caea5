// A site's own error pages out of its folder `errors`: each read by itself, a bad one keeps its last good content in
// force. Knows nothing of what the site's other files say.
import {
  errorPageNames,
  isTemplateFault,
  parseErrorTemplate,
  type ErrorPage,
} from '../../domain/error-template.js'
import type { ConfigProblem, LastGoodFiles } from './desired-state.js'
import { roleOf } from './file-kinds.js'
import { nearest } from './nearest.js'
import type { HeldListing } from './vanished.js'

/** A page in force, and whether by its last good content. */
export interface LoadedErrorPage {
  readonly path: string
  readonly isKept: boolean
  readonly page: ErrorPage
}

/** They go to every worker with every routing table. */
const longestPageCharacters = 64 * 1024

/** The pages of one site, by the paths of their files. */
export function loadErrorPages(
  paths: readonly string[],
  held: HeldListing,
  lastGood: LastGoodFiles,
): { readonly pages: readonly LoadedErrorPage[]; readonly problems: readonly ConfigProblem[] } {
  const problems: ConfigProblem[] = []
  const pages = paths.flatMap((path): LoadedErrorPage[] => {
    const content = held.files.get(path)
    const problem = content === undefined ? null : problemOf(path, content)
    if (problem !== null) problems.push(problem)
    const former = Object.hasOwn(lastGood, path) ? lastGood[path] : undefined
    const isKept = content === undefined || problem !== null
    const html = isKept ? former : content
    return html === undefined ? [] : [{ path, isKept, page: { of: nameOf(path), html } }]
  })
  return { pages, problems }
}

function nameOf(path: string): string {
  const role = roleOf(path)
  return role.role === 'error-page' ? role.name : ''
}

function problemOf(file: string, content: string): ConfigProblem | null {
  const name = nameOf(file)
  const known = errorPageNames()
  if (!known.includes(name)) return whole(file, unknownName(name, known))
  if (content.length > longestPageCharacters) {
    return whole(file, `found ${content.length} characters, allowed: up to ${longestPageCharacters}`)
  }
  const parsed = parseErrorTemplate(content)
  if (!isTemplateFault(parsed)) return null
  const before = content.slice(0, parsed.at).split('\n')
  const place = { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 }
  return { severity: 'error', file, ...place, path: '', message: parsed.message }
}

function unknownName(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  const hint = meant === null ? '' : `; did you mean "${meant}.html"?`
  return `no error has the code or status "${name}", allowed: a status such as "503.html", a code such as "no_release.html", or "default.html"${hint}`
}

function whole(file: string, message: string): ConfigProblem {
  return { severity: 'error', file, line: 0, column: 0, path: '', message }
}
