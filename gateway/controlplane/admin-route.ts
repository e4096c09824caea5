// What a route of the admin API is, and what it is asked. Types only; knows nothing of the HTTP library.
import type { ApiAnswer } from './admin-answers.js'
import type { SchemaName } from './admin-schemas.js'

/** A request, taken out of whatever library received it. */
export interface ApiRequest {
  readonly params: Readonly<Record<string, string | undefined>>
  readonly query: Readonly<Record<string, string | undefined>>
  readonly ifMatch: string | undefined
  /** Parsed JSON; undefined without a body. */
  readonly body: unknown
  /** The client's address. */
  readonly from: string
}

/** One route: what it is for, and how it answers. Errors it throws are answered as problems. */
export interface ApiRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** With parameters in braces: `/api/v1/sites/{site}/releases`. */
  readonly path: string
  readonly id: string
  readonly summary: string
  /** Changes need the token and may carry a body. */
  readonly isChange: boolean
  /** What a change's body is; an order unless told otherwise. */
  readonly takes?: SchemaName
  /** Names of the query's parameters. */
  readonly query: readonly string[]
  /** What a 200 carries: a named schema, a list of it, or plain text. */
  readonly gives: SchemaName | readonly [SchemaName] | 'text'
  /** Statuses of its own beside 200, and beside 401 of each change. */
  readonly refusals: readonly number[]
  answer(request: ApiRequest): ApiAnswer | Promise<ApiAnswer>
}
