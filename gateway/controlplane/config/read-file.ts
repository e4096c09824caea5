// One file from its text to a value, or to its problems: parse, check against the schema, check combinations. Knows
// nothing of other files.
import { createHash } from 'node:crypto'
import type { z } from 'zod'
import { registrationFindings, siteFindings } from './combinations.js'
import { gatewayFindings } from './listen-rules.js'
import type { Finding } from './combinations.js'
import { parseReleaseVersion } from '../../domain/ids.js'
import type { SiteName } from '../../domain/ids.js'
import type { Registration } from '../../domain/registration.js'
import type { SitePolicy } from '../../domain/site-policy.js'
import type { ConfigProblem } from './desired-state.js'
import { roleOf } from './file-kinds.js'
import { gatewaySchema, toGatewaySettings } from './gateway-schema.js'
import type { GatewaySettings } from './gateway-settings.js'
import { allowedPhrase, problemsOf } from './problems.js'
import { registrationSchema, toRegistration } from './registration-schema.js'
import type { RegistrationWords } from './registration-schema.js'
import type { FileKind } from './schema-keys.js'
import { siteSchema, toSitePolicy } from './site-schema.js'
import type { SiteWords } from './site-schema.js'
import { pathInWords, readDocument } from './yaml-document.js'
import type { SourceDocument } from './yaml-document.js'

/** A file's value, null where it has an error, and all that is wrong with it. */
export interface FileReading<T> {
  readonly value: T | null
  readonly problems: readonly ConfigProblem[]
  /** To find the place of what only shows beside other files. */
  readonly source: SourceDocument
}

/** Places whose numbers are read as they are written. */
const textPaths: Readonly<Record<FileKind, readonly string[]>> = {
  gateway: [],
  site: ['active', 'session.legacy.release'],
  registration: ['version', 'compatibleFrom', 'rollbackTo', 'requires.*', 'notes'],
}

interface Reader<Words, T> {
  readonly kind: FileKind
  readonly schema: z.ZodType<Words>
  /** Null where a value cannot be made; the caller says why. */
  readonly toValue: (words: Words) => T | null
  readonly findings: (value: T) => readonly Finding[]
}

/** The problem of a finding in a document. */
export function problemOfFinding(
  { severity, path, message }: Finding,
  source: SourceDocument,
): ConfigProblem {
  return { severity, file: source.file, ...source.locate(path), path: pathInWords(path), message }
}

/** Whether one of them is more than a warning. */
export function hasError(problems: readonly ConfigProblem[]): boolean {
  return problems.some(({ severity }) => severity === 'error')
}

function readWith<Words, T>(reader: Reader<Words, T>, source: SourceDocument): FileReading<T> {
  if (!source.isReadable) return { value: null, problems: source.problems, source }
  const words = reader.schema.safeParse(source.value, { error: allowedPhrase })
  if (!words.success) {
    const problems = [...source.problems, ...problemsOf(words.error.issues, source, reader.kind)]
    return { value: null, problems, source }
  }
  const value = reader.toValue(words.data)
  const findings = value === null ? [] : reader.findings(value)
  const problems = [...source.problems, ...findings.map((finding) => problemOfFinding(finding, source))]
  return { value: hasError(problems) ? null : value, problems, source }
}

/** Reads the words of gateway.yaml, from the file or with the environment's words put over them. */
export function readGatewaySource(source: SourceDocument): FileReading<GatewaySettings> {
  const toValue = toGatewaySettings
  return readWith({ kind: 'gateway', schema: gatewaySchema, toValue, findings: gatewayFindings }, source)
}

/** Reads gateway.yaml by itself. */
export function readGateway(file: string, content: string): FileReading<GatewaySettings> {
  return readGatewaySource(readDocument(file, content, textPaths.gateway))
}

/** Reads a site's file. */
export function readSite(file: string, content: string, site: SiteName): FileReading<SitePolicy> {
  const source = readDocument(file, content, textPaths.site)
  const toValue = (words: SiteWords): SitePolicy => toSitePolicy(site, words)
  return readWith({ kind: 'site', schema: siteSchema, toValue, findings: siteFindings }, source)
}

function unnamed(source: SourceDocument, name: string): ConfigProblem {
  const message = `found "${name}" as the file's name, allowed: a version of up to 64 letters, digits, ".", "_", "+" or "-"; rename the file or set "version"`
  return { severity: 'error', file: source.file, line: 0, column: 0, path: 'version', message }
}

/** What a registration's file must know of its site. */
export type RegistrationSite = Pick<SitePolicy, 'site' | 'order'>

/** Reads a registration of a site. The file's name is its version unless it says otherwise. */
export function readRegistration(
  file: string,
  content: string,
  { site, order }: RegistrationSite,
): FileReading<Registration> {
  const source = readDocument(file, content, textPaths.registration)
  const hash = createHash('sha256').update(content).digest('hex')
  const role = roleOf(file)
  const name = role.role === 'registration' ? role.name : ''
  const origin = { site, version: parseReleaseVersion(name), file, hash }
  const toValue = (words: RegistrationWords): Registration | null => toRegistration(origin, words)
  const findings = (value: Registration): readonly Finding[] => registrationFindings(value, order)
  const reader = { kind: 'registration', schema: registrationSchema, toValue, findings } as const
  const reading = readWith(reader, source)
  if (reading.value !== null || hasError(reading.problems)) return reading
  return { ...reading, problems: [...reading.problems, unnamed(source, name)] }
}
