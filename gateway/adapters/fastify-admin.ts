// The admin address by fastify: serves the routes of the admin API, asks for the token where something changes, and
// answers every error as a problem. Knows nothing of what a route says.
import { STATUS_CODES } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ApiError, errorAnswer } from '../controlplane/admin-answers.js'
import type { ApiAnswer } from '../controlplane/admin-answers.js'
import type { AdminApi } from '../controlplane/admin-api.js'
import type { ApiRequest, ApiRoute } from '../controlplane/admin-route.js'
import { hasToken } from '../controlplane/bearer.js'
import type { Log } from '../domain/ports.js'

/** Where the admin address listens, and what it serves. */
export interface AdminListenOptions {
  readonly host: string
  /** 0 asks the system for a free port. */
  readonly port: number
  readonly api: AdminApi
  /** What a change must present. */
  readonly token: string
  readonly log: Log
}

/** A listening admin address. */
export interface AdminListener {
  readonly port: number
  /** Ends every connection, idle or not. */
  close(): Promise<void>
}

const bodyLimitBytes = 16 * 1024
const headAndBodyTimeoutMs = 10_000
/** Longer than the usual scrape interval of a quarter of a minute, so that a scraper keeps its connection. */
const keepAliveTimeoutMs = 75_000
/** A version of 64 characters, each escaped. */
const longestParameter = 200

/** Listens; rejects when it cannot. */
export async function listenAdmin(options: AdminListenOptions): Promise<AdminListener> {
  const server = fastify({
    logger: false,
    bodyLimit: bodyLimitBytes,
    requestTimeout: headAndBodyTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: longestParameter },
    frameworkErrors: (error, request, reply) => void refuse(error, request, reply, options.log),
  })
  server.setErrorHandler((error, request, reply) => refuse(error, request, reply, options.log))
  server.setNotFoundHandler((request, reply) => send(reply, errorAnswer(unrouted(options.api, request))))
  for (const route of options.api.routes) serve(server, route, options.token)
  await server.listen({ host: options.host, port: options.port })
  return { port: (server.server.address() as AddressInfo).port, close: () => server.close() }
}

function serve(server: FastifyInstance, route: ApiRoute, token: string): void {
  server.route({
    method: route.method,
    url: route.path.replaceAll(/\{(\w+)\}/g, ':$1'),
    // Before the body is read: a stranger's is not worth parsing.
    ...(route.isChange && { onRequest: (request) => requireToken(request, token) }),
    handler: async (request, reply) => send(reply, await route.answer(requestOf(request))),
  })
}

function requireToken(request: FastifyRequest, token: string): Promise<void> {
  if (hasToken(request.headers.authorization, token)) return Promise.resolve()
  const detail =
    'send "Authorization: Bearer" with the token of the file "admin-token" in the state directory'
  return Promise.reject(new ApiError(401, detail, { 'www-authenticate': 'Bearer realm="amarre"' }))
}

function requestOf(request: FastifyRequest): ApiRequest {
  return {
    params: request.params as ApiRequest['params'],
    query: singles(request.query as Readonly<Record<string, string | string[]>>),
    ifMatch: request.headers['if-match'],
    body: request.body,
    from: request.ip,
  }
}

/** A parameter that is given twice becomes one text that no parser takes. */
function singles(query: Readonly<Record<string, string | string[]>>): ApiRequest['query'] {
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, String(value)]))
}

function unrouted(api: AdminApi, request: FastifyRequest): ApiError {
  const path = request.url.split('?', 1)[0] ?? ''
  const methods = api.routes.filter((route) => isPathOf(route, path)).map((route) => route.method)
  if (methods.length === 0) return new ApiError(404, `no such address "${path}"`)
  const allowed = methods.includes('GET') ? [...methods, 'HEAD'] : methods
  return new ApiError(405, `allowed: ${allowed.join(', ')}`, { allow: allowed.join(', ') })
}

function isPathOf(route: ApiRoute, path: string): boolean {
  const [names, parts] = [route.path.split('/'), path.split('/')]
  return names.length === parts.length && names.every((name, i) => name.startsWith('{') || name === parts[i])
}

/** Errors of fastify itself carry a status; one without is a fault of ours and goes to the log. */
function refuse(error: unknown, request: FastifyRequest, reply: FastifyReply, log: Log): FastifyReply {
  const answer = errorAnswer(asApiError(error))
  if (answer.status === 500) {
    const stack = error instanceof Error ? error.stack : String(error)
    log.error('the admin API failed to answer', { method: request.method, url: request.url, error: stack })
  }
  return send(reply, answer)
}

function asApiError(error: unknown): unknown {
  if (error instanceof ApiError || !(error instanceof Error)) return error
  const status = 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : 500
  if (status < 400 || status >= 500) return error
  return new ApiError(status, error.message === '' ? (STATUS_CODES[status] ?? 'refused') : error.message)
}

function send(reply: FastifyReply, answer: ApiAnswer): FastifyReply {
  return reply.code(answer.status).headers(answer.headers).send(answer.body)
}
