// Runs one shop process for each target that a registration names, and starts those that appear later. What was
// started runs until the end, whether its file is still there or not: the gateway decides when nobody needs it.
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { wantedIn, type ShopTarget } from './sample-config.js'

const server = fileURLToPath(new URL('./server.js', import.meta.url))
const pollMs = 1000

/** The running shop processes. */
export class ShopFleet {
  readonly #directory: string
  readonly #byPort = new Map<number, { readonly target: ShopTarget; readonly child: ChildProcess }>()
  readonly #told = new Set<string>()
  #timer: NodeJS.Timeout | null = null
  #isStopped = false

  /** `directory` holds the registrations. */
  constructor(directory: string) {
    this.#directory = directory
  }

  /** Starts what is registered now, and from then on what will be. */
  async start(): Promise<void> {
    await this.#startMissing()
    this.#pollLater()
  }

  /** Resolves when the last process has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    if (this.#timer) clearTimeout(this.#timer)
    const running = [...this.#byPort.values()].map(({ child }) => child).filter(isRunning)
    await Promise.all(
      running.map(async (child) => {
        child.kill('SIGTERM')
        await once(child, 'exit')
      }),
    )
  }

  #pollLater(): void {
    if (this.#isStopped) return
    this.#timer = setTimeout(() => {
      this.#startMissing().then(
        () => this.#pollLater(),
        (error: unknown) => {
          this.#tellOnce(`"${this.#directory}" cannot be read: ${String(error)}`)
          this.#pollLater()
        },
      )
    }, pollMs)
  }

  async #startMissing(): Promise<void> {
    const { targets, problems } = await wantedIn(this.#directory)
    for (const problem of problems) this.#tellOnce(problem)
    if (this.#isStopped) return
    for (const target of targets) this.#startOne(target)
  }

  #startOne(target: ShopTarget): void {
    const running = this.#byPort.get(target.port)
    if (running && running.target.version !== target.version) {
      const { version, port } = running.target
      this.#tellOnce(`port ${port} belongs to release "${version}": "${target.version}" needs another`)
    }
    if (running) return
    const { version, name, port } = target
    const args = [server, '--version', version, '--port', String(port), '--name', name]
    // In a group of its own: Ctrl-C reaches the gateway first, which still needs the shop while it drains. The
    // channel ends the shop when this process dies in any other way.
    const child = spawn(process.execPath, args, {
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#byPort.set(port, { target, child })
    child.on('exit', (code, signal) => {
      if (!this.#isStopped) console.error(`shop ${version} ${name} ended (${signal ?? code})`)
    })
  }

  #tellOnce(sentence: string): void {
    if (this.#told.has(sentence)) return
    this.#told.add(sentence)
    console.error(sentence)
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}
