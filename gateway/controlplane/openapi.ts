// The OpenAPI document of the admin API, made from the list of its routes. Knows no route of its own.
import type { ApiRoute } from './admin-route.js'
import type { JsonSchema } from './admin-schemas.js'
import { productVersion } from '../product.js'

const statusTexts: Readonly<Record<number, string>> = {
  400: 'the request is not valid',
  401: 'without the admin token',
  404: 'no such site or release',
  409: 'a rule refuses; "rule" names it',
  412: '"If-Match" does not hold',
  503: 'not ready; says what is waited for',
}

/** An OpenAPI 3.1 document of the routes. */
export function openApiDocument(
  routes: readonly ApiRoute[],
  schemas: Readonly<Record<string, JsonSchema>>,
): object {
  return {
    openapi: '3.1.0',
    info: { title: 'Amarre admin API', version: productVersion },
    paths: pathsOf(routes),
    components: { schemas, securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
  }
}

/** A path has one operation a method. */
function pathsOf(routes: readonly ApiRoute[]): object {
  const paths: Record<string, object> = {}
  for (const route of routes) paths[route.path] = { ...paths[route.path], [verb(route)]: operation(route) }
  return paths
}

function verb(route: ApiRoute): string {
  return route.method.toLowerCase()
}

function operation(route: ApiRoute): object {
  const statuses = route.isChange ? [401, ...route.refusals] : route.refusals
  return {
    operationId: route.id,
    summary: route.summary,
    ...(route.isChange && { security: [{ token: [] }], requestBody: bodyOf(route) }),
    parameters: parameters(route),
    responses: {
      200: { description: route.summary, content: content(route.gives) },
      ...Object.fromEntries(statuses.map((status) => [status, refusal(status, route)])),
    },
  }
}

function bodyOf({ takes = 'OrderBody' }: ApiRoute): object {
  return { required: false, content: { 'application/json': { schema: reference(takes) } } }
}

function parameters(route: ApiRoute): readonly object[] {
  const inPath = Array.from(route.path.matchAll(/\{(\w+)\}/g), ([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))
  const inQuery = route.query.map((name) => ({
    name,
    in: 'query',
    required: false,
    schema: { type: 'integer', minimum: 0 },
  }))
  const ifMatch = { name: 'If-Match', in: 'header', required: false, schema: { type: 'string' } }
  return [...inPath, ...inQuery, ...(route.refusals.includes(412) ? [ifMatch] : [])]
}

function content(gives: ApiRoute['gives']): object {
  if (gives === 'text') return { 'text/plain': { schema: { type: 'string' } } }
  if (typeof gives === 'string') return { 'application/json': { schema: reference(gives) } }
  return { 'application/json': { schema: { type: 'array', items: reference(gives[0]) } } }
}

/** The 503 of a question for readiness carries the same content as its 200. */
function refusal(status: number, route: ApiRoute): object {
  const description = statusTexts[status] ?? 'refused'
  if (status === 503 && route.gives === 'ReadyStatus') return { description, content: content(route.gives) }
  return { description, content: { 'application/problem+json': { schema: reference('ProblemJson') } } }
}

function reference(name: string): object {
  return { $ref: `#/components/schemas/${name}` }
}
