// Asks a process that runs with the probe (bench/probe.ts) how it is.
import type { ChildProcess } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { GatewayPlan } from './gateway.js'
import { pause, startPinned } from './programs.js'

const program = fileURLToPath(new URL('./probe.js', import.meta.url))

/** Since the last reading of the same process. */
export interface ProbeReading {
  /** How late the event loop was. */
  readonly lateP99Ms: number
  readonly lateWorstMs: number
  /** CPU time of the longest stretch between two looks, 4 ms apart at least: what it did itself, however long it waited. */
  readonly turnWorstMs: number
  /** Resident after its garbage was collected, mapped files left out. */
  readonly ownBytes: number
  /** Of that what JavaScript uses, buffers included. */
  readonly usedBytes: number
}

/** The probes of one gateway's processes. */
export class Probes {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = join(directory, 'probes')
    mkdirSync(this.#directory)
  }

  /** What a gateway is started with, so that its processes can be asked. */
  get environment(): NonNullable<GatewayPlan['environment']> {
    return { NODE_OPTIONS: `--import=${program}`, PROBE_DIRECTORY: this.#directory }
  }

  /** A process that does nothing, on one core: how late that makes anybody there. */
  startIdle(core: number): ChildProcess {
    const environment = `PROBE_DIRECTORY=${this.#directory}`
    const script = ['-e', 'setInterval(() => {}, 1000)']
    const command = ['env', environment, process.execPath, `--import=${program}`, ...script]
    return startPinned(core, command, this.#directory)
  }

  async read(pid: number): Promise<ProbeReading> {
    const file = join(this.#directory, `${pid}.json`)
    rmSync(file, { force: true })
    process.kill(pid, 'SIGUSR2')
    const deadline = performance.now() + 20_000
    while (!existsSync(file)) {
      if (performance.now() > deadline) throw new Error(`process ${pid} does not answer its probe`)
      await pause(10)
    }
    return JSON.parse(readFileSync(file, 'utf8')) as ProbeReading
  }
}
