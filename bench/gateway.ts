// One Amarre under measurement: its configuration directory, its processes and the cores that they run on. Releases are
// deployed as an operator does it, by dropping files. Must not know what is measured.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import type { ChildProcess } from 'node:child_process'
import { join } from 'node:path'
import type { Running } from './contenders/contender.js'
import {
  childrenOf,
  freePort,
  loadCore,
  pause,
  pin,
  startPinned,
  stopProgram,
  workerCore,
} from './programs.js'
import { applicationCookies, visit } from './visits.js'

/** How a gateway is started. */
export interface GatewayPlan {
  /** The folder that the compiler wrote. */
  readonly dist: string
  /** For `config/`, `state/` and what it says. */
  readonly directory: string
  readonly port?: number
  readonly adminPort?: number
  readonly engine?: 'uws' | 'node'
  readonly workers?: number
  /** Its processes run where the system puts them; otherwise each has a core to itself. */
  readonly isFree?: boolean
  readonly nodeOptions?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
}

/** Where a build has its command. */
export function programIn(dist: string): string {
  return join(dist, 'gateway', 'cli', 'amarre.js')
}

/** A site's file unless told otherwise: any host, and health that the first probe proves. */
const anyHost = 'hosts: ["*"]\nhealth: { interval: 1s, healthyAfter: 1 }\n'

/** A gateway that may be stopped and started again over the same state and ports. */
export class BenchGateway {
  readonly #plan: GatewayPlan
  #child: ChildProcess | null = null
  port = 0
  adminPort = 0

  constructor(plan: GatewayPlan) {
    this.#plan = plan
    mkdirSync(join(plan.directory, 'config', 'sites'), { recursive: true })
  }

  get mainPid(): number {
    return this.#child?.pid ?? 0
  }

  get workerPids(): readonly number[] {
    return childrenOf(this.mainPid)
  }

  get stateDirectory(): string {
    return join(this.#plan.directory, 'state')
  }

  /** Writes a file of the configuration beside its place and renames it over; the instant of the rename (monotonic ms). */
  write(path: string, text: string): number {
    const place = join(this.#plan.directory, 'config', path)
    mkdirSync(join(place, '..'), { recursive: true })
    const beside = join(place, '..', '.beside')
    writeFileSync(beside, text)
    const at = performance.now()
    renameSync(beside, place)
    return at
  }

  site(name: string, text = anyHost): void {
    this.write(`sites/${name}/site.yaml`, text)
  }

  /** Drops a registration; the instant of its last byte. */
  drop(site: string, version: string, port: number): number {
    const text = `targets: [http://127.0.0.1:${port}]\nactivate: auto\n`
    return this.write(`sites/${site}/releases/${version}.yaml`, text)
  }

  remove(site: string, version: string): void {
    rmSync(join(this.#plan.directory, 'config', 'sites', site, 'releases', `${version}.yaml`))
  }

  /** Starts its processes: the main one on the core of the load, the first worker on the other, and so on in turn. */
  async start(): Promise<void> {
    this.launch(await this.prepare())
    await this.listening()
  }

  /** Chooses ports once and writes gateway.yaml; the command that starts it. */
  async prepare(): Promise<readonly string[]> {
    const plan = this.#plan
    this.port ||= plan.port ?? (await freePort())
    this.adminPort ||= plan.adminPort ?? (await freePort())
    const http = `{ address: 127.0.0.1:${this.port}, engine: ${plan.engine ?? 'uws'} }`
    const lines = [`listen: { http: ${http} }`, `admin: { listen: 127.0.0.1:${this.adminPort} }`]
    this.write('gateway.yaml', `${lines.join('\n')}\nworkers: ${plan.workers ?? 1}\n`)
    const words = Object.entries(plan.environment ?? {}).map(([name, value]) => `${name}=${value}`)
    const config = join(plan.directory, 'config')
    const program = ['node', ...(plan.nodeOptions ?? []), programIn(plan.dist)]
    return ['env', ...words, ...program, 'start', '--config', config]
  }

  launch(command: readonly string[]): void {
    const cores = this.#plan.isFree === true ? `${workerCore},${loadCore}` : loadCore
    this.#child = startPinned(cores, command, this.#plan.directory)
  }

  /** Waits until its workers answer, and moves them to their cores. */
  async listening(limitMs = 60_000): Promise<void> {
    // Not by connecting: the main process listens for a moment itself, to see that the port is free.
    const deadline = performance.now() + limitMs
    while (!(await isReady(this.adminPort))) {
      if (performance.now() > deadline) throw new Error(`the gateway is not ready within ${limitMs} ms`)
      await pause(20)
    }
    if (this.#plan.isFree === true) return
    this.workerPids.forEach((pid, i) => pin(pid, i % 2 === 0 ? workerCore : loadCore))
  }

  /** Waits until newcomers of a host are served by this release of the application. */
  async birthsOn(release: string, host?: string): Promise<void> {
    const deadline = performance.now() + 20_000
    while ((await releaseOfBirth(this.port, host)) !== release) {
      if (performance.now() > deadline) throw new Error(`no births on ${release} within 20 s`)
      await pause(20)
    }
  }

  /** What the admin API says at a path. */
  async ask(path: string): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${this.adminPort}${path}`)
    return answer.json()
  }

  async scrape(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.adminPort}/metrics`)).text()
  }

  /** What it wrote to its standard error. */
  get complaints(): string {
    return readFileSync(join(this.#plan.directory, 'stderr.log'), 'utf8')
  }

  async stop(): Promise<void> {
    if (this.#child !== null) await stopProgram(this.#child)
    this.#child = null
  }
}

/** As any proxy is measured, by visitors who have boarded; its processes may be others after a restart. */
export function runningOf(gateway: BenchGateway, cookies: readonly string[]): Running {
  return {
    get port() {
      return gateway.port
    },
    get workerPids() {
      return gateway.workerPids
    },
    get mainPid() {
      return gateway.mainPid
    },
    board: () => Promise.resolve(cookies),
    stop: () => gateway.stop(),
  }
}

/** It serves, and its saved sessions have been read. */
async function isReady(adminPort: number): Promise<boolean> {
  try {
    for (const path of ['/readyz', '/api/v1/sites']) {
      const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`)
      await answer.arrayBuffer()
      if (!answer.ok) return false
    }
    return true
  } catch {
    return false
  }
}

/** Empty while nobody answers. */
async function releaseOfBirth(port: number, host: string | undefined): Promise<string> {
  try {
    return (await visit(port, '/2k', { cookie: applicationCookies(0), host })).release
  } catch {
    return ''
  }
}
