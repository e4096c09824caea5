// `amarre wait SITE VERSION`: blocks until a release is retirable (or active, or retired), with a progress bar for who
// looks and an exit code for pipelines.
import { setTimeout as pause } from 'node:timers/promises'
import type { ReleaseStatus, RolloutStatus } from '../controlplane/admin-protocol.js'
import type { AdminClient, ReleaseName } from './admin-client.js'
import { Failure, NoAnswer } from './failure.js'
import type { ExitCode } from './failure.js'
import type { Terminal } from './terminal.js'

/** What can be waited for. */
export const awaitedStates = ['retirable', 'active', 'retired'] as const

export type AwaitedState = (typeof awaitedStates)[number]

export interface WaitOptions extends ReleaseName {
  readonly for: AwaitedState
  /** Infinity waits for ever. */
  readonly timeoutMs: number
}

const lookMs = 500
/** The most that one reading of the event log gives. */
const mostEvents = 1000
const barWidth = 24

/**
 * 0 reached; 4 not within the time; 3 when nothing certain can be said: not within the time, or for good where the
 * release is gone and nothing tells that it was retired; 2 no such release. A gateway that is away for a while (it is
 * restarted) is waited for.
 */
export async function wait(client: AdminClient, terminal: Terminal, options: WaitOptions): Promise<ExitCode> {
  const deadline = performance.now() + options.timeoutMs
  const progress = new Progress(terminal)
  let seen: Seen = await client.release(options)
  let wasCandidate = false
  while (!isReached(seen, options.for)) {
    if (!isRelease(seen)) progress.say(seen.away)
    else {
      wasCandidate ||= seen.rollout !== null
      if (wasCandidate && options.for === 'active' && seen.state !== 'active') throw abortedFailure(seen)
      if (seen.state === 'rejected') throw new Failure(`"${options.version}" is rejected: ${seen.rejected}`)
      progress.show(seen)
    }
    if (performance.now() >= deadline) return timedOut(seen, progress)
    await pause(Math.min(lookMs, Math.max(0, deadline - performance.now())))
    const next = await nextLook(client, options)
    if (next === 'retired') break
    seen = next
  }
  progress.end(`${options.site} ${options.version} is ${options.for}`)
  return 0
}

/** What a look finds: the release, or why nobody answers. */
type Seen = ReleaseStatus | { readonly away: string }

function isRelease(seen: Seen): seen is ReleaseStatus {
  return !('away' in seen)
}

async function nextLook(client: AdminClient, options: WaitOptions): Promise<Seen | 'retired'> {
  try {
    return await client.release(options)
  } catch (error) {
    if (error instanceof NoAnswer) return { away: error.message }
    const isGone = error instanceof Failure && error.exitCode === 2 && options.for !== 'active'
    if (isGone) return lastWords(client, options, error.message)
    throw error
  }
}

/** A release is gone when it is retired and its file too. Any other that is gone may have had sessions. */
async function lastWords(
  client: AdminClient,
  { site, version }: WaitOptions,
  gone: string,
): Promise<Seen | 'retired'> {
  try {
    const events = await client.events(mostEvents)
    const last = events.find(
      (each) => each.type === 'transition' && each.site === site && each.release === version,
    )
    if (last?.to === 'retired') return 'retired'
  } catch (error) {
    if (error instanceof NoAnswer) return { away: error.message }
    throw error
  }
  throw new Failure(`${gone} any more, and the event log does not tell that it was retired`, 3)
}

/** A candidate that lost its births gets none again by itself. */
function abortedFailure({ site, version, state }: ReleaseStatus): Failure {
  return new Failure(
    `the rollout of "${version}" was aborted, it is ${state}; see why in \`amarre events\`, and what remains in \`amarre status ${site}\``,
  )
}

/** A candidate is active in the sense of who waits when its rollout is over. */
function isReached(seen: Seen, awaited: AwaitedState): boolean {
  if (!isRelease(seen)) return false
  if (awaited === 'active' && seen.rollout !== null) return false
  return seen.state === awaited || (awaited === 'retirable' && seen.state === 'retired')
}

function timedOut(seen: Seen, progress: Progress): ExitCode {
  if (!isRelease(seen)) {
    progress.end(seen.away)
    return 3
  }
  progress.end(`${seen.site} ${seen.version} is ${seen.state}: ${seen.verdict.text}`)
  return seen.verdict.kind === 'unknown' ? 3 : 4
}

/** One line that is written over where somebody looks; else a line whenever it changes. */
class Progress {
  readonly #terminal: Terminal
  #most = 0
  #last = ''

  constructor(terminal: Terminal) {
    this.#terminal = terminal
  }

  show(release: ReleaseStatus): void {
    const text = progressText(release)
    this.say(text, `${bar(this.#done(release))} ${text}`)
  }

  say(text: string, line = text): void {
    if (!this.#terminal.isInteractive) {
      if (text !== this.#last) this.#terminal.out.write(`${text}\n`)
      this.#last = text
      return
    }
    this.#terminal.out.write(`\r\u001b[K${line.slice(0, this.#terminal.size().columns - 1)}`)
  }

  /** 0 to 1: of a rollout the time of its steps, else those who have left. */
  #done(release: ReleaseStatus): number {
    if (release.rollout !== null) return rolloutDone(release.rollout, Date.now())
    const left = release.sessions.active + release.exchangesOpen + release.websocketsOpen
    this.#most = Math.max(this.#most, left)
    return this.#most === 0 ? 1 : 1 - left / this.#most
  }

  end(text: string): void {
    this.#terminal.out.write(this.#terminal.isInteractive ? `\r\u001b[K${text}\n` : `${text}\n`)
  }
}

/** How much of the holds of a rollout has passed, at the earliest end that its steps allow. */
export function rolloutDone({ startedAt, endsBy }: RolloutStatus, now: number): number {
  const [start, end] = [Date.parse(startedAt), Date.parse(endsBy)]
  return end <= start ? 1 : Math.min(1, Math.max(0, (now - start) / (end - start)))
}

function progressText({ version, state, verdict, rollout }: ReleaseStatus): string {
  if (rollout === null) return `${version} ${state}: ${verdict.text}`
  const estimate = rollout.until === null ? '' : `; all of them at ${rollout.endsBy} at the earliest`
  return `${version} ${state}: ${rollout.text}${estimate}`
}

function bar(share: number): string {
  const full = Math.round(share * barWidth)
  return `[${'#'.repeat(full)}${'.'.repeat(barWidth - full)}]`
}
