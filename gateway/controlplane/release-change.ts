// What the orders of the admin API have in common that concern one release: where they are found, conditions on its
// generation, their answer. Knows no order by name.
import { none, releaseAnswer, releaseOf } from './admin-lookup.js'
import type { ReleaseStatus } from './admin-protocol.js'
import { requireMatch } from './admin-requests.js'
import type { ApiRequest, ApiRoute } from './admin-route.js'
import type { GatewayView } from './gateway-view.js'

/** An order that concerns one release. */
export interface ReleaseChange {
  /** POST unless it takes something back. */
  readonly method?: 'POST' | 'DELETE'
  /** Its name in the document. */
  readonly id: string
  /** The last part of the path, where that is another word than the name. */
  readonly verb?: string
  readonly summary: string
  carryOut(release: ReleaseStatus, request: ApiRequest): Promise<ReleaseStatus>
}

/** A change of one release, which `If-Match` may make conditional on its generation. */
export function changeOf(view: GatewayView, change: ReleaseChange): ApiRoute {
  return {
    ...none,
    method: change.method ?? 'POST',
    path: `/api/v1/sites/{site}/releases/{version}/${change.verb ?? change.id}`,
    id: change.id,
    summary: change.summary,
    isChange: true,
    gives: 'ReleaseStatus',
    refusals: [400, 404, 409, 412],
    async answer(request) {
      const release = releaseOf(view, request)
      requireMatch(request.ifMatch, release.generation)
      return releaseAnswer(await change.carryOut(release, request))
    },
  }
}
