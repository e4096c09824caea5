// The routes of the admin API: each is one call of the gateway's view, answered as JSON. Knows nothing of the HTTP
// library, nor who may change something: an adapter serves the routes and asks for the token.
import { ApiError, jsonAnswer, textAnswer } from './admin-answers.js'
import { deskRoutes } from './admin-desk-routes.js'
import { none, releaseAnswer, releaseOf, releasesOf, siteOf } from './admin-lookup.js'
import { jsonSchemas } from './admin-schemas.js'
import { planRoute } from './admin-plan-route.js'
import { eventRange, operatorOf, orderOf, rollbackOf } from './admin-requests.js'
import type { ApiRoute } from './admin-route.js'
import { departureRoutes } from './departure-routes.js'
import type { GatewayView } from './gateway-view.js'
import { openApiDocument } from './openapi.js'
import type { Desk } from './operator-desk.js'
import { changeOf } from './release-change.js'

/** The exposition of the metrics, by whatever library. */
export interface MetricsExposition {
  expose(): Promise<string>
  readonly contentType: string
}

/** Everything that the admin address answers. */
export interface AdminApi {
  readonly routes: readonly ApiRoute[]
}

/** What the API is made of. */
export interface AdminApiParts {
  readonly view: GatewayView
  readonly desk: Desk
  readonly metrics: MetricsExposition
}

/** The admin API over a running gateway. */
export function createAdminApi({ view, desk, metrics }: AdminApiParts): AdminApi {
  const ofSessions = [
    metricsRoute(metrics),
    ...releaseRoutes(view),
    planRoute(view),
    ...orderRoutes(view),
    ...siteOrderRoutes(view),
    ...deskRoutes(view, desk),
  ]
  const routes = [
    ...probeRoutes(view),
    ...gatewayRoutes(view),
    ...ofSessions.map((route) => onceSessionsAreRead(view, route)),
  ]
  return { routes: [...routes, documentRoute(routes)] }
}

/** Until the saved sessions have been read nothing is said that counts them, and nothing is decided by them. */
function onceSessionsAreRead(view: GatewayView, route: ApiRoute): ApiRoute {
  return {
    ...route,
    refusals: [...route.refusals, 503],
    answer(request) {
      if (!view.isReadingSessions()) return route.answer(request)
      const detail = 'the saved sessions are still being read: ask again in a second'
      throw new ApiError(503, detail, { 'retry-after': '1' })
    },
  }
}

function probeRoutes(view: GatewayView): ApiRoute[] {
  return [
    {
      ...none,
      method: 'GET',
      path: '/livez',
      id: 'live',
      summary: 'whether the main process answers',
      gives: 'text',
      answer: () => textAnswer('ok\n', 'text/plain; charset=utf-8'),
    },
    {
      ...none,
      method: 'GET',
      path: '/readyz',
      id: 'ready',
      summary: 'whether traffic may be sent here, or what is waited for',
      gives: 'ReadyStatus',
      refusals: [503],
      answer() {
        const { ready, waitingFor } = view.status()
        return jsonAnswer({ ready, waitingFor }, ready ? 200 : 503)
      },
    },
  ]
}

function metricsRoute(metrics: MetricsExposition): ApiRoute {
  return {
    ...none,
    method: 'GET',
    path: '/metrics',
    id: 'metrics',
    summary: 'metrics for Prometheus',
    gives: 'text',
    answer: async () => textAnswer(await metrics.expose(), metrics.contentType),
  }
}

/** What is known without the sessions. */
function gatewayRoutes(view: GatewayView): ApiRoute[] {
  return [
    {
      ...none,
      method: 'GET',
      path: '/api/v1/status',
      id: 'status',
      summary: 'the gateway itself: readiness, workers, configuration',
      gives: 'GatewayStatus',
      answer: () => jsonAnswer(view.status()),
    },
    {
      ...none,
      method: 'GET',
      path: '/api/v1/config',
      id: 'config',
      summary: 'problems of the configuration, and files whose last good content stays in force',
      gives: 'ConfigStatus',
      answer: () => jsonAnswer(view.status().config),
    },
    {
      ...none,
      method: 'GET',
      path: '/api/v1/events',
      id: 'events',
      summary: 'the event log, newest first; "before" takes the sequence of the last one seen',
      query: ['limit', 'before'],
      gives: ['EventStatus'],
      refusals: [400],
      answer(request) {
        const { limit, before } = eventRange(request.query)
        return jsonAnswer(view.events(limit, before))
      },
    },
  ]
}

function releaseRoutes(view: GatewayView): ApiRoute[] {
  return [
    {
      ...none,
      method: 'GET',
      path: '/api/v1/sites',
      id: 'sites',
      summary: 'every site with its releases',
      gives: ['SiteStatus'],
      answer: () => jsonAnswer(view.sites()),
    },
    {
      ...none,
      method: 'GET',
      path: '/api/v1/sites/{site}/releases',
      id: 'releases',
      summary: 'the releases of a site: state, health, counts, verdict',
      gives: ['ReleaseStatus'],
      refusals: [404],
      answer: (request) => jsonAnswer(releasesOf(view, request)),
    },
    {
      ...none,
      method: 'GET',
      path: '/api/v1/sites/{site}/releases/{version}',
      id: 'release',
      summary: 'one release; its ETag is the generation that "If-Match" of a change may name',
      gives: 'ReleaseStatus',
      refusals: [404],
      answer: (request) => releaseAnswer(releaseOf(view, request)),
    },
  ]
}

function orderRoutes(view: GatewayView): ApiRoute[] {
  return [
    {
      ...none,
      method: 'POST',
      path: '/api/v1/keys/rotate',
      id: 'rotateKeys',
      summary: 'add a key and sign with it; the old ones verify until their last token has expired',
      isChange: true,
      gives: 'KeyRotation',
      refusals: [400, 409],
      answer: async (request) => jsonAnswer(await view.rotateKeys(operatorOf(request))),
    },
    changeOf(view, {
      id: 'activate',
      summary: 'give births to a release at once; the active one drains',
      carryOut: (release, request) => view.activate(release.site, release.version, orderOf(request)),
    }),
    changeOf(view, {
      id: 'drain',
      summary: 'take births from a release; they go to the last good former one',
      carryOut: (release, request) => view.drain(release.site, release.version, orderOf(request)),
    }),
    ...departureRoutes(view),
  ]
}

function siteOrderRoutes(view: GatewayView): ApiRoute[] {
  const change = { ...none, isChange: true, gives: 'SiteStatus', refusals: [400, 404, 409] } as const
  return [
    {
      ...change,
      method: 'POST',
      path: '/api/v1/sites/{site}/rollback',
      id: 'rollback',
      summary: 'give births back to the last good former release, or to the one that "to" names',
      gives: 'ReleaseStatus',
      answer: async (request) =>
        releaseAnswer(await view.rollback(siteOf(view, request), rollbackOf(request))),
    },
    {
      ...change,
      method: 'PUT',
      path: '/api/v1/sites/{site}/freeze',
      id: 'freeze',
      summary: 'activate nothing by itself on this site',
      answer: async (request) =>
        jsonAnswer(await view.freeze(siteOf(view, request), orderOf(request, ['reason']))),
    },
    {
      ...change,
      method: 'DELETE',
      path: '/api/v1/sites/{site}/freeze',
      id: 'unfreeze',
      summary: 'let plans go on',
      answer: async (request) =>
        jsonAnswer(await view.unfreeze(siteOf(view, request), orderOf(request, ['reason']))),
    },
  ]
}

function documentRoute(routes: readonly ApiRoute[]): ApiRoute {
  const document = JSON.stringify(openApiDocument(routes, jsonSchemas))
  return {
    ...none,
    method: 'GET',
    path: '/api/v1/openapi.json',
    id: 'openapi',
    summary: 'this document',
    gives: 'text',
    answer: () => textAnswer(document, 'application/json'),
  }
}
