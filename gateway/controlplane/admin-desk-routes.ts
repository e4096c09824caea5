// Routes of the admin API beside the state of releases: previews, sessions, explanations. Each is one call of the desk.
import { jsonAnswer } from './admin-answers.js'
import { none, releaseOf, siteOf } from './admin-lookup.js'
import { listLimit, previewOf, requireMatch } from './admin-requests.js'
import type { ApiRoute } from './admin-route.js'
import { explainOf } from './explain-body.js'
import type { GatewayView } from './gateway-view.js'
import type { Desk } from './operator-desk.js'

/** The routes of the desk. */
export function deskRoutes(view: GatewayView, desk: Desk): ApiRoute[] {
  return [
    {
      ...none,
      method: 'GET',
      path: '/api/v1/sites/{site}/releases/{version}/sessions',
      id: 'sessions',
      summary: 'who keeps a release alive: sessions by anonymous ids, ages, until when they count',
      query: ['limit'],
      gives: 'ReleaseSessions',
      refusals: [400, 404],
      async answer(request) {
        const limit = listLimit(request.query)
        const { site, version } = releaseOf(view, request)
        return jsonAnswer(await desk.sessions(site, version, limit))
      },
    },
    {
      ...none,
      method: 'POST',
      path: '/api/v1/sites/{site}/releases/{version}/preview',
      id: 'preview',
      summary: 'a signed link by which one browser sees a release before it is open to all',
      isChange: true,
      gives: 'PreviewLink',
      refusals: [400, 404, 409, 412],
      async answer(request) {
        const { site, version, generation } = releaseOf(view, request)
        requireMatch(request.ifMatch, generation)
        return jsonAnswer(await desk.preview(site, version, previewOf(request)))
      },
    },
    {
      ...none,
      method: 'POST',
      path: '/api/v1/sites/{site}/explain',
      id: 'explain',
      summary: 'where a request goes, by which rule, until when; nothing is sent and nothing changes',
      isChange: true,
      takes: 'ExplainBody',
      gives: 'ExplanationStatus',
      refusals: [400, 404, 409],
      answer: async (request) =>
        jsonAnswer(await desk.explain(siteOf(view, request), explainOf(request.body))),
    },
  ]
}
