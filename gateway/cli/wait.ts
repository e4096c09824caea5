// `amarre wait SITE VERSION`: blocks until a release is retirable (or active, or retired), with a progress bar for who
// looks and an exit code for pipelines.
import { setTimeout as pause } from 'node:timers/promises'
import type { ReleaseStatus } from '../controlplane/admin-protocol.js'
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
  while (!isReached(release, options.for)) {
    progress.show(release)
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

function isReached(release: ReleaseStatus, awaited: AwaitedState): boolean {
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
    const left = release.sessions.active + release.exchangesOpen + release.websocketsOpen
    this.#most = Math.max(this.#most, left)
    const text = `${release.version} ${release.state}: ${release.verdict.text}`
    if (!this.#terminal.isInteractive) {
      if (text !== this.#last) this.#terminal.out.write(`${text}\n`)
      this.#last = text
      return
    }
    const line = `${bar(this.#most === 0 ? 1 : 1 - left / this.#most)} ${text}`
    this.#terminal.out.write(`\r\u001b[K${line.slice(0, this.#terminal.size().columns - 1)}`)
  }

  end(text: string): void {
    this.#terminal.out.write(this.#terminal.isInteractive ? `\r\u001b[K${text}\n` : `${text}\n`)
  }
}

function bar(share: number): string {
  const full = Math.round(share * barWidth)
  return `[${'#'.repeat(full)}${'.'.repeat(barWidth - full)}]`
}
