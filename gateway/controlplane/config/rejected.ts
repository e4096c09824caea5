// Registrations that are not valid and have no last good content: releases that an operator dropped and that will not
// run. They are shown as such, with the reason, instead of not at all.
import { parseReleaseVersion, type ReleaseVersion, type SiteName } from '../../domain/ids.js'
import type { Registration } from '../../domain/registration.js'
import type { ConfigProblem, DesiredState } from './desired-state.js'
import { roleOf } from './file-kinds.js'

export interface RejectedRegistration {
  readonly site: SiteName
  readonly version: ReleaseVersion
  readonly file: string
  /** The first problem of the file, with its place. */
  readonly why: string
}

export function rejectedRegistrations(desired: DesiredState): RejectedRegistration[] {
  const inForce = new Set(desired.sites.flatMap((site) => site.registrations.map(({ file }) => file)))
  const found = new Map<string, RejectedRegistration>()
  for (const problem of desired.problems) {
    const { file, severity } = problem
    if (severity !== 'error' || inForce.has(file) || found.has(file)) continue
    const role = roleOf(file)
    if (role.role !== 'registration') continue
    const version = parseReleaseVersion(role.name)
    if (version !== null) found.set(file, { site: role.site, version, file, why: reasonOf(problem) })
  }
  return [...found.values()]
}

function reasonOf({ file, line, column, path, message }: ConfigProblem): string {
  return `${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`
}

/** What a rejected release is known by: its name and file, and nothing to run. */
export function emptyRegistration({ site, version, file }: RejectedRegistration): Registration {
  return {
    site,
    version,
    targets: [],
    compatibleFrom: null,
    rollbackTo: null,
    takeOver: 'never',
    requires: {},
    activate: { kind: 'manual' },
    onAbort: 'keep',
    notes: '',
    file,
    hash: '',
  }
}
