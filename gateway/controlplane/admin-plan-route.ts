// The route that tells an activation before it is ordered. Knows nothing of the HTTP library.
import { ApiError, jsonAnswer } from './admin-answers.js'
import type { ApiRoute } from './admin-route.js'
import type { GatewayView } from './gateway-view.js'

/** `GET …/releases/{version}/plan`: reading, so no token is asked for. */
export function planRoute(view: GatewayView): ApiRoute {
  return {
    isChange: false,
    query: [],
    refusals: [404],
    method: 'GET',
    path: '/api/v1/sites/{site}/releases/{version}/plan',
    id: 'plan',
    summary: 'what an activation of the release would do, without doing it',
    gives: 'PlanStatus',
    answer({ params: { site = '', version = '' } }) {
      const plan = view.plan(site, version)
      if (plan === null) throw new ApiError(404, `no release "${version}" of site "${site}"`)
      return jsonAnswer(plan)
    },
  }
}
