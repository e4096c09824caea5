// What `amarre status` shows, as lines: the gateway, each site's releases, failing probes, problems of the
// configuration. Pure; knows nothing of how it was fetched.
import type {
  ConfigStatus,
  GatewayStatus,
  ReleaseStateName,
  ReleaseStatus,
  RolloutArmStatus,
  RolloutStatus,
  SiteStatus,
  StateStatus,
  TargetStatus,
} from '../controlplane/admin-protocol.js'
import { spanText } from '../domain/instant-text.js'
import { cell, tableLines, wrapped } from './table.js'
import type { Cell } from './table.js'
import type { Paint, Tone } from './terminal.js'

/** Everything that the table shows; also what `--json` prints. */
export interface Overview {
  readonly gateway: GatewayStatus
  readonly sites: readonly SiteStatus[]
}

/** How it is shown. */
export interface Look {
  readonly paint: Paint
  readonly columns: number
  /** Wall-clock ms, for `3m` of "since". */
  readonly now: number
}

const tones: Readonly<Record<ReleaseStateName, Tone>> = {
  registered: 'faint',
  checking: 'warning',
  staged: 'plain',
  active: 'good',
  draining: 'warning',
  retirable: 'calm',
  retired: 'faint',
  rejected: 'bad',
}

const headings = ['VERSION', 'STATE', 'BIRTHS', 'SESSIONS', 'OPEN', 'TARGETS', 'VERDICT']

/** The whole page; no line ends with a space. */
export function statusLines({ gateway, sites }: Overview, look: Look): readonly string[] {
  return [
    ...gatewayLines(gateway, look),
    ...(sites.length === 0 ? ['', 'no sites yet: drop a site.yaml into sites/NAME'] : []),
    ...sites.flatMap((site) => ['', ...siteLines(site, look)]),
    ...configLines(gateway.config, look),
  ]
}

function gatewayLines(gateway: GatewayStatus, look: Look): readonly string[] {
  const { paint, now } = look
  const readiness = gateway.ready ? paint('good', 'ready') : paint('bad', 'not ready')
  const workers = `${gateway.workers.length} worker${gateway.workers.length === 1 ? '' : 's'}`
  const up = `up ${spanText(now - Date.parse(gateway.startedAt))}`
  return [
    `${paint('title', gateway.publicUrl)}  ${readiness}, ${workers}, ${up}`,
    ...gateway.waitingFor.map((cause) => `  ${paint('warning', `waiting for ${cause}`)}`),
    ...stateLines(gateway.state, look),
  ]
}

/** A state that is saved is not worth a line. */
function stateLines({ ageMs, problem }: StateStatus, look: Look): readonly string[] {
  if (problem === null) return []
  const text = `not saved for ${spanText(ageMs)}, which a crash would forget: ${problem}`
  return noteLines(text, 'bad', look)
}

function siteLines(site: SiteStatus, look: Look): readonly string[] {
  const { paint, columns } = look
  const rows = [
    headings.map((title) => cell(title, 'faint')),
    ...site.releases.map((r) => releaseRow(r, look)),
  ]
  return [
    `${paint('title', site.site)}  ${site.hosts.join(', ')}`,
    ...site.warnings.flatMap((warning) => noteLines(warning, 'warning', look)),
    ...rolloutLines(site.rollout, look),
    ...(site.releases.length === 0 ? ['  no releases yet'] : tableLines(rows, paint, columns, '  ')),
    ...site.releases.flatMap((release) => departureLines(release, look)),
    ...site.releases.flatMap((release) => failingLines(release, look)),
  ]
}

/** How a rollout stands, and both arms' figures beside each other. */
function rolloutLines(rollout: RolloutStatus | null, look: Look): readonly string[] {
  if (rollout === null) return []
  const arms = [rollout.candidate, rollout.stable].map((arm) => noteLines(armText(arm), 'plain', look))
  return [
    ...noteLines(`rollout of ${rollout.candidate.version}: ${rollout.text}`, 'calm', look),
    ...arms.flatMap((lines) => lines.map((line) => `  ${line}`)),
  ]
}

function armText({ version, share, births, requests, failed, errorRate, p95Ms }: RolloutArmStatus): string {
  const p95 = p95Ms === null ? 'no p95' : `p95 ${Math.round(p95Ms)} ms`
  const failures = `${failed} failed (${percentText(errorRate)})`
  return `${version} with ${percentText(share)}: ${births} births, ${requests} requests, ${failures}, ${p95}`
}

function releaseRow(release: ReleaseStatus, { now }: Look): readonly Cell[] {
  const tone = tones[release.state]
  const mark = release.withdrawn ? ', withdrawn' : ''
  const since = spanText(now - Date.parse(release.since))
  const healthy = release.targets.filter((target) => target.healthy === true).length
  return [
    cell(release.version, tone),
    cell(`${release.state}${mark} (${since})`, tone),
    cell(release.acceptsBirths ? percentText(release.share) : '-'),
    cell(sessionsText(release)),
    cell(openText(release)),
    cell(targetsText(release.targets), healthy < release.targets.length ? 'bad' : 'plain'),
    verdictCell(release),
  ]
}

function percentText(share: number): string {
  return `${Math.round(share * 1000) / 10}%`
}

/** Active ones, and in brackets those whose token has not come back yet. */
function sessionsText({ sessions }: ReleaseStatus): string {
  return sessions.provisional === 0 ? `${sessions.active}` : `${sessions.active} (+${sessions.provisional})`
}

function openText({ exchangesOpen, websocketsOpen }: ReleaseStatus): string {
  return websocketsOpen === 0 ? `${exchangesOpen}` : `${exchangesOpen} + ${websocketsOpen} ws`
}

/** A question mark while no probe has answered yet. */
function targetsText(targets: readonly TargetStatus[]): string {
  const healthy = targets.filter((target) => target.healthy === true).length
  const isUnknown = targets.length > 0 && targets.every((target) => target.healthy === null)
  return `${isUnknown ? '?' : healthy}/${targets.length}`
}

/** The verdict where one is sought; the reason where there is none to come. */
function verdictCell({ state, verdict, rejected }: ReleaseStatus): Cell {
  switch (state) {
    case 'rejected':
      return cell(rejected ?? 'rejected', 'bad')
    case 'draining':
    case 'retirable':
      return cell(verdict.text, verdict.kind === 'unknown' ? 'bad' : 'plain')
    case 'active':
      return cell(verdict.text, 'faint')
    case 'registered':
    case 'checking':
    case 'staged':
    case 'retired':
      return cell('-', 'faint')
    default:
      return state satisfies never
  }
}

/** The last answer of each target that fails, so that an application without a health page is no riddle. */
function failingLines(release: ReleaseStatus, look: Look): readonly string[] {
  return release.targets.flatMap(({ url, lastProbe }) => {
    if (lastProbe === null || lastProbe.ok) return []
    const ago = spanText(look.now - Date.parse(lastProbe.at))
    return noteLines(`${release.version} ${url}: ${lastProbe.detail} (${ago} ago)`, 'bad', look)
  })
}

/** What makes sessions leave a release before their time. */
function departureLines({ version, endsAt, moves, moveOrder }: ReleaseStatus, look: Look): readonly string[] {
  const lines: string[] = []
  if (endsAt !== null)
    lines.push(`${version} ends in ${spanText(Date.parse(endsAt) - look.now)}, at ${endsAt}`)
  if (moves !== null) {
    const pace = moveOrder?.perSecond ?? null
    const moment = moves.at === 'safe' ? 'any request' : 'the next page'
    const limit = pace === null ? '' : `, ${pace} a second at most`
    lines.push(`${version}: sessions move to ${moves.to} at ${moment} (${moves.because}${limit})`)
  } else if (moveOrder !== null) {
    lines.push(`${version}: its ${moveOrder.because} to ${moveOrder.to} waits until that can take sessions`)
  }
  return lines.flatMap((line) => noteLines(line, 'calm', look))
}

function configLines({ problems, keptFiles }: ConfigStatus, look: Look): readonly string[] {
  if (problems.length === 0 && keptFiles.length === 0) return []
  return [
    '',
    look.paint('title', 'configuration'),
    ...problems.flatMap((problem) =>
      noteLines(problemText(problem), problem.severity === 'error' ? 'bad' : 'warning', look),
    ),
    ...keptFiles.flatMap((file) =>
      noteLines(`${file}: its last good content stays in force`, 'warning', look),
    ),
  ]
}

function problemText({
  severity,
  file,
  line,
  column,
  path,
  message,
}: ConfigStatus['problems'][number]): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`
  const told = severity === 'warning' ? `warning: ${message}` : message
  return [place, path, told].filter((part) => part !== '').join(': ')
}

function noteLines(text: string, tone: Tone, { paint, columns }: Look): readonly string[] {
  return wrapped(text, columns - 4).map((line, i) => `${i === 0 ? '  ' : '    '}${paint(tone, line)}`)
}
