// A worker as a child process: forked from its real file, spoken to in typed messages. The only importer of
// node:child_process. Knows nothing of what the messages mean.
import { fork, type ChildProcess, type SendHandle } from 'node:child_process'
import type { FromWorker, FrontPreparation, ToWorker } from '../plane-protocol.js'
import type { WorkerHandle, WorkerObserver } from '../controlplane/worker-handle.js'

const entry = new URL('../worker.js', import.meta.url)

/** Forked ahead, and not yet anybody's worker. */
let ahead: ChildProcess | null = null

/**
 * Forks the first worker before anybody knows what it will serve: it reads its code while this process reads its own. It
 * keeps nobody waiting: where no gateway comes of this, the process ends and it leaves by itself. Its process id.
 */
export function forkAhead(): number {
  ahead = forkChild()
  ahead.unref()
  ahead.channel?.unref()
  // An end of it shows when it is asked for.
  ahead.on('error', () => {})
  return ahead.pid ?? 0
}

/** The worker forked ahead, or another one. Its output is ours; it leaves by itself when the channel closes. */
export function forkWorker(fronts: FrontPreparation, observer: WorkerObserver): WorkerHandle {
  const child = takeAhead() ?? tryFork(observer)
  if (child === null) return { pid: 0, send() {}, kill() {} }
  // What it has said before this is kept for the first listener.
  child.on('message', (message) => observer.onMessage(message as FromWorker))
  child.on('error', (error) => {
    // Of a process that could not be made Node tells this alone, and never an exit.
    if (child.pid === undefined) observer.onExit(error.message)
    else observer.onFault(error.message)
  })
  child.on('exit', (code, signal) => observer.onExit(signal ?? `code ${code}`))
  const handle: WorkerHandle = {
    pid: child.pid ?? 0,
    send(message: ToWorker, socket?: object) {
      // A worker that is going has closed its channel; its exit is on the way.
      if (child.connected) child.send(message, socket as SendHandle | undefined, () => {})
    },
    kill(signal) {
      child.kill(signal)
    },
  }
  handle.send({ kind: 'prepare', fronts })
  return handle
}

/** Null where there is none, or where it has died meanwhile. */
function takeAhead(): ChildProcess | null {
  const child = ahead
  ahead = null
  if (child === null || child.exitCode !== null || child.signalCode !== null || !child.connected) return null
  child.ref()
  child.channel?.ref()
  return child
}

/** Null where the system refuses at once (no memory left, for instance): its end is told as that of any other. */
function tryFork(observer: WorkerObserver): ChildProcess | null {
  try {
    return forkChild()
  } catch (error) {
    setImmediate(() => observer.onExit(error instanceof Error ? error.message : String(error)))
    return null
  }
}

function forkChild(): ChildProcess {
  return fork(entry, [], {
    // Structured clone carries typed arrays, Infinity and NaN.
    serialization: 'advanced',
    env: { ...process.env, AMARRE_PLANE: 'worker' },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}
