// `amarre wait SITE VERSION`: blocks until a release is retirable (or active, or retired), with a progress bar for who
// looks and an exit code for pipelines.
import { setTimeout as pause } from 'node:timers/promises'
import type { ReleaseStatus, RolloutStatus } from '../controlplane/admin-protocol.js'
import type { AdminClient, ReleaseName } from './admin-client.js'
import { Failure } from './failure.js'
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
const barWidth = 24

/** 0 reached; 4 not within the time; 3 not within the time, and nothing certain can be said; 2 no such release. */
export async function wait(client: AdminClient, terminal: Terminal, options: WaitOptions): Promise<ExitCode> {
  const deadline = performance.now() + options.timeoutMs
  const progress = new Progress(terminal)
  let release = await client.release(options)
  let wasCandidate = false
  while (!isReached(release, options.for)) {
    progress.show(release)
    wasCandidate ||= release.rollout !== null
    if (wasCandidate && options.for === 'active' && release.state !== 'active') throw abortedFailure(release)
    if (release.state === 'rejected')
      throw new Failure(`"${options.version}" is rejected: ${release.rejected}`)
    if (performance.now() >= deadline) return timedOut(release, progress)
    await pause(Math.min(lookMs, Math.max(0, deadline - performance.now())))
    const next = await nextLook(client, options)
    // A retired release whose file is gone is forgotten: it was waited for long enough.
    if (next === null) break
    release = next
  }
  progress.end(`${options.site} ${options.version} is ${options.for}`)
  return 0
}

async function nextLook(client: AdminClient, options: WaitOptions): Promise<ReleaseStatus | null> {
  try {
    return await client.release(options)
  } catch (error) {
    const isForgotten = error instanceof Failure && error.exitCode === 2 && options.for !== 'active'
    if (isForgotten) return null
    throw error
  }
}

/** A candidate that lost its births gets none again by itself. */
function abortedFailure({ site, version, state }: ReleaseStatus): Failure {
  return new Failure(
    `the rollout of "${version}" was aborted, it is ${state}; see why in \`amarre events\`, and what remains in \`amarre status ${site}\``,
  )
}

/** A candidate is active in the sense of who waits when its rollout is over. */
function isReached(release: ReleaseStatus, awaited: AwaitedState): boolean {
  if (awaited === 'active' && release.rollout !== null) return false
  return release.state === awaited || (awaited === 'retirable' && release.state === 'retired')
}

function timedOut(release: ReleaseStatus, progress: Progress): ExitCode {
  progress.end(`${release.site} ${release.version} is ${release.state}: ${release.verdict.text}`)
  return release.verdict.kind === 'unknown' ? 3 : 4
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
    if (!this.#terminal.isInteractive) {
      if (text !== this.#last) this.#terminal.out.write(`${text}\n`)
      this.#last = text
      return
    }
    const line = `${bar(this.#done(release))} ${text}`
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
