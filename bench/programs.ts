// Child processes of the benchmark: started pinned to a core, awaited until they listen, ended whatever happens.
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'

/** The worker under test has one core; load, upstream and everything else share the other. */
export const workerCore = 0
export const loadCore = 1

/** A core that is busy for less than this part of the time is at rest. */
const restingShare = 0.1

// Debian keeps servers where an ordinary user's path does not lead.
process.env['PATH'] = `${process.env['PATH'] ?? ''}:/usr/sbin`

const running = new Set<ChildProcess>()
process.on('exit', () => running.forEach(killWhole))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))

/** Ends with this process, whatever ends that. */
export function owned<T extends ChildProcess>(child: T): T {
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** Its own children too: those of nginx outlive a master that is killed. */
function killWhole(child: ChildProcess): void {
  try {
    for (const pid of childrenOf(child.pid ?? 0)) process.kill(pid, 'SIGKILL')
  } catch {
    // It ended a moment ago.
  }
  child.kill('SIGKILL')
}

/** Whether a program of that name is installed. */
export function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

/** What every scenario needs: the application, the load, and their places on the cores. */
const tools = ['nginx', 'wrk', 'taskset', 'chrt']

/** Throws with the remedy where one of them is not there. */
export function demandTools(): void {
  const missing = tools.filter((tool) => !isInstalled(tool))
  if (missing.length > 0)
    throw new Error(`not installed: ${missing.join(', ')}; run scripts/install-contenders.sh`)
}

/** The first line of what a program says of its version. */
export function versionOf(program: string, ...words: string[]): string {
  const { stdout, stderr } = spawnSync(program, words, { encoding: 'utf8' })
  return `${stdout}${stderr}`.split('\n')[0]?.trim() ?? ''
}

/** Starts a program on one core, or on those of a list. What it says on its standard error is shown when it fails. */
export function startPinned(core: number | string, command: readonly string[], cwd: string): ChildProcess {
  const errors = join(cwd, 'stderr.log')
  const file = openSync(errors, 'w')
  const words = ['-c', String(core), ...command]
  const child = owned(spawn('taskset', words, { cwd, stdio: ['ignore', 'ignore', file] }))
  closeSync(file)
  child.once('exit', (code) => {
    if (code !== 0 && code !== null) console.error(`${command.join(' ')}: ${readFileSync(errors, 'utf8')}`)
  })
  return child
}

/** Ends a program and waits until it is gone. */
export async function stopProgram(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  const patience = setTimeout(() => child.kill('SIGKILL'), 5000)
  await gone
  clearTimeout(patience)
}

/** Moves a process with all its threads to a core. */
export function pin(pid: number, core: number): void {
  spawnSync('taskset', ['-acp', String(core), String(pid)])
}

/** The children of a process. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim()
  return text === '' ? [] : text.split(' ').map(Number)
}

/** The first child of a process that is about to have one; rejects after ten seconds. */
export async function firstChildOf(pid: number, name: string): Promise<number> {
  const deadline = performance.now() + 10_000
  for (;;) {
    const [child] = childrenOf(pid)
    if (child !== undefined) return child
    if (performance.now() > deadline) throw new Error(`${name} starts no process of its own`)
    await pause(5)
  }
}

/** CPU time of processes with all their threads since their start, in microseconds, in steps of 10 ms. */
export interface CpuTime {
  readonly userUs: number
  readonly systemUs: number
}

export function cpuTime(pids: readonly number[]): CpuTime {
  const sum = { userUs: 0, systemUs: 0 }
  for (const pid of pids) {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    sum.userUs += Number(fields[11]) * 10_000
    sum.systemUs += Number(fields[12]) * 10_000
  }
  return sum
}

/** Waits until a core has been nearly idle for a tenth of a second; not for longer than some seconds. */
export async function coreAtRest(core: number, limitMs = 5_000): Promise<void> {
  const deadline = performance.now() + limitMs
  let before = coreTime(core)
  while (performance.now() < deadline) {
    await pause(100)
    const after = coreTime(core)
    if (after.busy - before.busy <= (after.all - before.all) * restingShare) return
    before = after
  }
}

/** What a core has done since the machine started, in ticks. */
function coreTime(core: number): { readonly busy: number; readonly all: number } {
  const line = readFileSync('/proc/stat', 'latin1')
    .split('\n')
    .find((each) => each.startsWith(`cpu${core} `))
  const [user = 0, nice = 0, system = 0, idle = 0, waiting = 0, ...rest] = (line ?? '')
    .split(/\s+/)
    .slice(1)
    .map(Number)
  const busy = user + nice + system + rest.reduce((sum, each) => sum + each, 0)
  return { busy, all: busy + idle + waiting }
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1)
  return port
}

/** Several, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  for (const server of servers) server.close()
  await Promise.all(servers.map((server) => once(server, 'close')))
  return ports
}

/** Waits until somebody listens; rejects after ten seconds. */
export async function listening(port: number, name: string): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!(await accepts(port))) {
    if (performance.now() > deadline) throw new Error(`${name} does not listen on port ${port}`)
    await pause(20)
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
