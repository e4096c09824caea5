// A worker as a child process: forked from its real file, spoken to in typed messages. The only importer of
// node:child_process. Knows nothing of what the messages mean.
import { fork, type SendHandle } from 'node:child_process'
import type { FromWorker, ToWorker } from '../plane-protocol.js'
import type { WorkerHandle, WorkerObserver } from '../controlplane/worker-handle.js'

export interface WorkerProcessOptions {
  /** The worker's entry, a real file beside the main one. */
  readonly entry: URL
  /** Largest request head in bytes; the front library reads it from the environment when it is loaded. */
  readonly requestHeadBytes: number
}

/** Forks one worker. Its output is ours; it leaves by itself when the channel closes. */
export function forkWorker(options: WorkerProcessOptions, observer: WorkerObserver): WorkerHandle {
  const child = fork(options.entry, [], {
    // Structured clone carries typed arrays, Infinity and NaN.
    serialization: 'advanced',
    env: {
      ...process.env,
      UWS_HTTP_MAX_HEADERS_SIZE: String(options.requestHeadBytes),
      AMARRE_PLANE: 'worker',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  child.on('message', (message) => observer.onMessage(message as FromWorker))
  child.on('error', (error) => observer.onFault(error.message))
  child.on('exit', (code, signal) => observer.onExit(signal ?? `code ${code}`))
  return {
    pid: child.pid ?? 0,
    send(message: ToWorker, socket?: object) {
      // A worker that is going has closed its channel; its exit is on the way.
      if (child.connected) child.send(message, socket as SendHandle | undefined, () => {})
    },
    kill(signal) {
      child.kill(signal)
    },
  }
}
