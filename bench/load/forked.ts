// A load or an application that runs as a process of its own on the core of the load, and talks by messages.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { loadCore, owned } from '../programs.js'

/** One such process. */
export class ForkedProgram {
  readonly #child: ChildProcess

  /** `program`: a file beside this one, as compiled. One that never sleeps yields to whatever else has work. */
  constructor(program: string, words: readonly (string | number)[], isSleepless = false) {
    const file = fileURLToPath(new URL(`./${program}`, import.meta.url))
    const priority = isSleepless ? ['chrt', '--idle', '0'] : []
    const command = ['-c', String(loadCore), ...priority, process.execPath, file, ...words.map(String)]
    this.#child = owned(spawn('taskset', command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
  }

  /** The next message; rejects when it ends without another. */
  async next(): Promise<unknown> {
    const ended = new AbortController()
    const gone = once(this.#child, 'exit', { signal: ended.signal }).then(() => {
      throw new Error('the program has ended without a word')
    })
    try {
      const [message] = (await Promise.race([
        once(this.#child, 'message', { signal: ended.signal }),
        gone,
      ])) as [unknown]
      return message
    } finally {
      ended.abort()
      gone.catch(() => {})
    }
  }

  tell(message: string): void {
    this.#child.send(message)
  }

  /** Ends it, in order where it listens for that. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await gone
  }
}
