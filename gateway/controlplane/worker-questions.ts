// Questions to a worker that wait for its answer. Each is settled once: answered, out of time, or its worker gone.
import type { ExplainedRequest, Explanation } from '../plane-protocol.js'
import { RuleRefusal } from './rule-refusal.js'
import type { WorkerKey } from './traffic.js'
import type { SupervisedWorker } from './supervised-worker.js'

/** A worker answers between two requests; one that is silent for five seconds is killed. */
const answerWithinMs = 2_000

interface Pending {
  readonly worker: WorkerKey
  readonly timer: NodeJS.Timeout
  readonly resolve: (explanation: Explanation) => void
  readonly reject: (reason: Error) => void
}

export class WorkerQuestions {
  readonly #pending = new Map<number, Pending>()
  #lastId = 0

  /** Asks that worker; rejects where there is none. */
  ask(worker: SupervisedWorker | undefined, request: ExplainedRequest): Promise<Explanation> {
    if (worker === undefined) return Promise.reject(unanswered('no worker serves yet'))
    const { key, handle } = worker
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(id, 'the worker did not answer in time'), answerWithinMs)
      this.#pending.set(id, { worker: key, timer, resolve, reject })
      handle.send({ kind: 'explain', id, request })
    })
  }

  /** An answer that comes too late is dropped. */
  answered(id: number, explanation: Explanation): void {
    this.#settled(id)?.resolve(explanation)
  }

  /** Nobody will answer what that worker was asked. */
  gone(worker: WorkerKey): void {
    for (const [id, pending] of this.#pending) {
      if (pending.worker === worker) this.#fail(id, 'the worker that was asked is gone')
    }
  }

  #fail(id: number, why: string): void {
    this.#settled(id)?.reject(unanswered(why))
  }

  #settled(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    clearTimeout(pending?.timer)
    return pending
  }
}

function unanswered(why: string): RuleRefusal {
  return new RuleRefusal('explain-needs-worker', `${why}: ask again`)
}
