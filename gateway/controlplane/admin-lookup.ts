// What routes of the admin API share: how a path's site and release are found, and how a release is answered.
import { ApiError, jsonAnswer, type ApiAnswer } from './admin-answers.js'
import type { ReleaseStatus } from './admin-protocol.js'
import type { ApiRequest } from './admin-route.js'
import type { GatewayView } from './gateway-view.js'

/** A route that only reads, asks nothing and refuses nothing. */
export const none = { isChange: false, query: [], refusals: [] } as const

/** The site that a path names; 404 without one. */
export function siteOf(view: GatewayView, request: ApiRequest): string {
  releasesOf(view, request)
  return request.params['site'] ?? ''
}

/** The releases of the site that a path names. */
export function releasesOf(view: GatewayView, { params }: ApiRequest): readonly ReleaseStatus[] {
  const releases = view.releases(params['site'] ?? '')
  if (releases === null) throw new ApiError(404, `no site "${params['site']}"`)
  return releases
}

/** The release that a path names; 404 without one. */
export function releaseOf(view: GatewayView, request: ApiRequest): ReleaseStatus {
  const { site, version } = request.params
  const found = releasesOf(view, request).find((release) => release.version === version)
  if (found === undefined) throw new ApiError(404, `no release "${version}" of site "${site}"`)
  return found
}

/** A release with its generation as ETag. */
export function releaseAnswer(release: ReleaseStatus): ApiAnswer {
  return jsonAnswer(release, 200, { etag: `"${release.generation}"` })
}
