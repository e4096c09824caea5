// What only shows when a site's files are seen together, or beside the other sites': versions and sites that nobody
// declares. Warnings, for files may come in any order.
import type { Registration } from '../../domain/registration.js'
import { satisfies } from '../../domain/requirements.js'
import { compareVersions } from '../../domain/version-order.js'
import { activeAtStart } from './active-at-start.js'
import type { Finding } from './combinations.js'
import type { ConfigProblem, DesiredSite } from './desired-state.js'
import { problemOfFinding } from './read-file.js'
import type { SourceDocument } from './yaml-document.js'

/** The present documents of a site's files; a file in force by its last good content has none. */
export interface SiteSources {
  readonly source: SourceDocument | null
  readonly sources: ReadonlyMap<string, SourceDocument>
}

function unknownVersions({ policy, registrations }: DesiredSite): readonly Finding[] {
  const versions = new Set(registrations.map(({ version }) => version))
  const legacy = policy.session.legacy?.release ?? null
  const findings: Finding[] = []
  const missing = (version: string): string => `no registration declares "${version}" yet`
  if (policy.active !== null && !versions.has(policy.active))
    findings.push({ severity: 'warning', path: ['active'], message: missing(policy.active) })
  if (legacy !== null && !versions.has(legacy))
    findings.push({ severity: 'warning', path: ['session', 'legacy', 'release'], message: missing(legacy) })
  return findings
}

/** Which process of a release knows a visitor from before the gateway, nobody can tell. */
function legacyFindings({ policy, registrations }: DesiredSite): readonly Finding[] {
  const { legacy } = policy.session
  const targets = registrations.find(({ version }) => version === legacy?.release)?.targets.length ?? 0
  if (legacy === null || targets < 2) return []
  const message = `"${legacy.release}" has ${targets} targets, and whoever comes from before boards any of them: sessions must not live in one process's memory`
  return [{ severity: 'warning', path: ['session', 'legacy', 'release'], message }]
}

/** A range is for semantic versions: of a site that has others only, it can never be satisfied. */
function requirementFindings(
  registration: Registration,
  site: DesiredSite,
  sites: readonly DesiredSite[],
): readonly Finding[] {
  return Object.entries(registration.requires).flatMap(([name, range]): readonly Finding[] => {
    const path = ['requires', name]
    const other = sites.find(({ policy }) => policy.site === name)
    if (other === undefined) return [{ severity: 'warning', path, message: `there is no site "${name}"` }]
    const versions = other.registrations.map(({ version }) => version)
    const odd = versions.filter((version) => satisfies(version, range) === null)
    if (versions.length > 0 && odd.length === versions.length) {
      const message = `no version of "${name}" is a semantic one ("${odd[0]}"), so that none satisfies "${range}"`
      return [{ severity: 'error', path, message }]
    }
    const mayBoard = registration.activate.kind !== 'auto' || registration.version === activeAtStart(site)
    const messages = [
      ...odd.map((version) => `"${version}" of "${name}" is no semantic version: it satisfies no range`),
      ...(mayBoard ? unmetAtStart(other, range) : []),
    ]
    return messages.map((message): Finding => ({ severity: 'warning', path, message }))
  })
}

/** The release that would be active there from an empty state, where the range excludes it. */
function unmetAtStart(other: DesiredSite, range: string): readonly string[] {
  const version = activeAtStart(other)
  if (version === null || satisfies(version, range) !== false) return []
  const able = other.registrations.some((each) => satisfies(each.version, range) === true)
  const there = `"${version}", which would be active on "${other.policy.site}" from an empty state, is outside "${range}"`
  return [able ? there : `${there}, and so is every other version there`]
}

/** Births of steps that are given back need a release whose code can run on the candidate's data. */
function stepFindings(
  { activate, rollbackTo, version }: Registration,
  site: DesiredSite,
): readonly Finding[] {
  if (activate.kind !== 'steps' || rollbackTo === null || site.policy.order === 'registration') return []
  const others = site.registrations.map((other) => other.version).filter((other) => other !== version)
  if (others.length === 0 || others.some((other) => compareVersions(other, rollbackTo) >= 0)) return []
  const message = `every other release is older than "${rollbackTo}", so that "activate.steps" will be refused: nothing could be given back`
  return [{ severity: 'warning', path: ['rollbackTo'], message }]
}

/** What is probably not meant about one site, seen beside all. */
export function siteWarnings(
  site: DesiredSite,
  sites: readonly DesiredSite[],
  { source, sources }: SiteSources,
): readonly ConfigProblem[] {
  const about = [...unknownVersions(site), ...legacyFindings(site)]
  const own = source === null ? [] : about.map((finding) => problemOfFinding(finding, source))
  const theirs = site.registrations.flatMap((registration) => {
    const document = sources.get(registration.file)
    if (document === undefined) return []
    const findings = [...requirementFindings(registration, site, sites), ...stepFindings(registration, site)]
    return findings.map((finding) => problemOfFinding(finding, document))
  })
  return [...own, ...theirs]
}
