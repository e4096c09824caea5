// What workers need of the gateway's own settings. Knows nothing of sites.
import type { WorkerLimits } from '../plane-protocol.js'
import type { GatewaySettings } from './config/gateway-settings.js'

/** What is published beside the sites; changes rarely. */
export interface PublishedSettings {
  readonly issuer: string
  readonly limits: WorkerLimits
  readonly trustedProxies: readonly string[]
  readonly via: string
  readonly access: { readonly share: number; readonly errors: boolean }
}

/** The settings as one of so many workers gets them: of what the gateway may take as a whole, its part. */
export function publishedSettings(
  issuer: string,
  { limits, trustedProxies, via, log }: GatewaySettings,
  workers: number,
): PublishedSettings {
  const access =
    log.access.kind === 'errors'
      ? { share: 0, errors: true }
      : { share: log.access.share, errors: log.access.share > 0 }
  const partOf = (whole: number): number => Math.ceil(whole / workers)
  const own = {
    ...limits,
    connections: partOf(limits.connections),
    exchanges: partOf(limits.exchanges),
  }
  return { issuer, limits: own, trustedProxies, via: via ?? '', access }
}
