// The orders by which sessions leave a release: retirement, an announced end, a recall, and taking those back.
import { orderOf, recallOf } from './admin-requests.js'
import type { ApiRoute } from './admin-route.js'
import type { GatewayView } from './gateway-view.js'
import { changeOf } from './release-change.js'

/** Routes of one release each. */
export function departureRoutes(view: GatewayView): ApiRoute[] {
  return [
    changeOf(view, {
      id: 'retire',
      summary: 'end the routing to a release on which nobody is left; with "force" announce its end',
      carryOut: (release, request) => view.retire(release.site, release.version, orderOf(request)),
    }),
    changeOf(view, {
      id: 'cancelEnd',
      method: 'DELETE',
      verb: 'retire',
      summary: 'call the announced end of a release off',
      carryOut: (release, request) =>
        view.cancelEnd(release.site, release.version, orderOf(request, ['reason'])),
    }),
    changeOf(view, {
      id: 'recall',
      summary: 'move everybody on a former release to the one that "to" names, "rate" sessions a second',
      carryOut: (release, request) => view.recall(release.site, release.version, recallOf(request)),
    }),
    changeOf(view, {
      id: 'cancelRecall',
      method: 'DELETE',
      verb: 'recall',
      summary: 'end a recall; who has moved has moved',
      carryOut: (release, request) =>
        view.cancelRecall(release.site, release.version, orderOf(request, ['reason'])),
    }),
  ]
}
