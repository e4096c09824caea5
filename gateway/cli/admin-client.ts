// The admin API from the command's side: one method a route, failures as sentences with a remedy. Knows of the gateway
// only what admin-protocol.ts says.
import { setTimeout as pause } from 'node:timers/promises'
import type {
  ExplainBody,
  ExplanationStatus,
  PreviewLink,
  ReleaseSessions,
} from '../controlplane/admin-protocol-desk.js'
import type {
  EventStatus,
  GatewayStatus,
  KeyRotation,
  OrderBody,
  PlanStatus,
  ProblemJson,
  ReleaseStatus,
  SiteStatus,
} from '../controlplane/admin-protocol.js'
import { Failure, NoAnswer } from './failure.js'
import { readOrNull } from './gateway-place.js'
import type { GatewayPlace } from './gateway-place.js'

const usualTimeoutMs = 10_000

/** Names one release of one site. */
export interface ReleaseName {
  readonly site: string
  readonly version: string
}

/** Orders that concern one release, as the last part of their path. */
export type ReleaseVerb = 'activate' | 'drain' | 'retire' | 'recall'

export class AdminClient {
  readonly #place: GatewayPlace
  readonly #timeoutMs: number

  /** `timeoutMs`: how long an answer may take. */
  constructor(place: GatewayPlace, timeoutMs: number = usualTimeoutMs) {
    this.#place = place
    this.#timeoutMs = timeoutMs
  }

  status(): Promise<GatewayStatus> {
    return this.#read('/api/v1/status')
  }

  sites(): Promise<readonly SiteStatus[]> {
    return this.#read('/api/v1/sites')
  }

  /** Fails with exit code 2 when there is no such release. */
  release(of: ReleaseName): Promise<ReleaseStatus> {
    return this.#read(pathOf(of))
  }

  /** What an activation would do. Fails with exit code 2 when there is no such release. */
  plan(of: ReleaseName): Promise<PlanStatus> {
    return this.#read(`${pathOf(of)}/plan`)
  }

  /** Newest first. */
  events(limit: number): Promise<readonly EventStatus[]> {
    return this.#read(`/api/v1/events?limit=${limit}`)
  }

  rotateKeys(order: OrderBody): Promise<KeyRotation> {
    return this.#order('/api/v1/keys/rotate', order)
  }

  rollback(site: string, order: OrderBody): Promise<ReleaseStatus> {
    return this.#order(`/api/v1/sites/${encodeURIComponent(site)}/rollback`, order)
  }

  /** Freezes a site, or lets it go on. */
  freeze(site: string, isFrozen: boolean, order: OrderBody): Promise<SiteStatus> {
    return this.#order(`/api/v1/sites/${encodeURIComponent(site)}/freeze`, order, isFrozen ? 'PUT' : 'DELETE')
  }

  /** Orders a change of one release; the verb is the last part of the path. */
  change(verb: ReleaseVerb, of: ReleaseName, order: OrderBody): Promise<ReleaseStatus> {
    return this.#order(`${pathOf(of)}/${verb}`, order)
  }

  preview(of: ReleaseName, order: OrderBody): Promise<PreviewLink> {
    return this.#order(`${pathOf(of)}/preview`, order)
  }

  /** At most so many. */
  sessions(of: ReleaseName, limit: number): Promise<ReleaseSessions> {
    return this.#read(`${pathOf(of)}/sessions?limit=${limit}`)
  }

  explain(site: string, request: ExplainBody): Promise<ExplanationStatus> {
    return this.#order(`/api/v1/sites/${encodeURIComponent(site)}/explain`, request)
  }

  /** Takes such an order back. */
  cancel(verb: 'retire' | 'recall', of: ReleaseName, order: OrderBody): Promise<ReleaseStatus> {
    return this.#order(`${pathOf(of)}/${verb}`, order, 'DELETE')
  }

  async #read<Answer>(path: string): Promise<Answer> {
    return this.#answerOf(await this.#send(path, {}))
  }

  async #order<Answer>(
    path: string,
    order: OrderBody | ExplainBody,
    method: 'POST' | 'PUT' | 'DELETE' = 'POST',
  ): Promise<Answer> {
    const headers = { authorization: `Bearer ${await this.#token()}`, 'content-type': 'application/json' }
    return this.#answerOf(await this.#send(path, { method, headers, body: JSON.stringify(order) }))
  }

  /** Asked too early (the gateway still reads its saved sessions) it asks again when it is told to. */
  async #send(path: string, request: RequestInit): Promise<Response> {
    const deadline = performance.now() + this.#timeoutMs
    for (;;) {
      const response = await this.#sendOnce(path, request)
      const waitMs = Number(response.headers.get('retry-after')) * 1000
      if (response.status !== 503 || waitMs === 0 || performance.now() + waitMs > deadline) return response
      await response.arrayBuffer()
      await pause(waitMs)
    }
  }

  async #sendOnce(path: string, request: RequestInit): Promise<Response> {
    const { url, foundBy } = this.#place
    try {
      return await fetch(url + path, { ...request, signal: AbortSignal.timeout(this.#timeoutMs) })
    } catch (error) {
      const reason = this.#reasonOf(error)
      if (request.method !== undefined && isTimeout(error)) {
        throw new Failure(
          `${reason} at "${url}": an order may have been carried out all the same, see \`amarre status\` and \`amarre events\``,
        )
      }
      throw new NoAnswer(
        `no gateway answers at "${url}" (${reason}), which ${foundBy} names; is it running? ` +
          'name another by --admin or --config',
      )
    }
  }

  /** The cause that fetch wraps: `connect ECONNREFUSED 127.0.0.1:9901`, or the time that has passed. */
  #reasonOf(error: unknown): string {
    if (!(error instanceof Error)) return String(error)
    if (isTimeout(error)) return `no answer within ${this.#timeoutMs / 1000} s`
    const { cause } = error
    if (!(cause instanceof Error)) return error.message
    const code = 'code' in cause && typeof cause.code === 'string' ? cause.code : 'unknown cause'
    return cause.message === '' ? code : cause.message
  }

  /** The path of an address that is no gateway's answers something else than JSON. */
  async #answerOf<Answer>(response: Response): Promise<Answer> {
    const content: unknown = await response.json().catch(() => null)
    if (content === null) {
      throw new Failure(
        `"${this.#place.url}" answers ${response.status} and not as a gateway's admin address does`,
      )
    }
    if (response.ok) return content as Answer
    throw failureOf(content as ProblemJson, this.#place)
  }

  async #token(): Promise<string> {
    const { tokenFile } = this.#place
    const token = (await readOrNull(tokenFile))?.trim()
    if (token === undefined) {
      throw new Failure(
        `no admin token at "${tokenFile}"; name its file by --token-file, or run this where the gateway runs`,
      )
    }
    if (!/^\S+$/.test(token)) throw new Failure(`"${tokenFile}" must hold one bare line, the admin token`)
    return token
  }
}

function failureOf(problem: ProblemJson, place: GatewayPlace): Failure {
  const detail = problem.detail ?? problem.title
  if (problem.status === 404) return new Failure(detail, 2)
  if (problem.status === 401)
    return new Failure(`"${place.url}" does not take the token of "${place.tokenFile}"`)
  if (problem.rule !== undefined) return new Failure(`refused by the rule "${problem.rule}": ${detail}`)
  const text = `${problem.title} (${problem.status}): ${detail}`
  return problem.status === 503 ? new NoAnswer(text) : new Failure(text)
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError'
}

function pathOf({ site, version }: ReleaseName): string {
  return `/api/v1/sites/${encodeURIComponent(site)}/releases/${encodeURIComponent(version)}`
}
