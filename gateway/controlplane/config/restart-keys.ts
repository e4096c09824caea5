// Which keys of gateway.yaml take effect at once, and which need a restart.
import type { GatewaySettings } from './gateway-settings.js'

const needRestart = ['listen', 'admin', 'workers', 'state', 'keys', 'watch', 'webhooks'] as const

/** The keys whose change has no effect before a restart. */
export function keysNeedingRestart(running: GatewaySettings, wanted: GatewaySettings): string[] {
  return needRestart.filter((key) => JSON.stringify(running[key]) !== JSON.stringify(wanted[key]))
}
