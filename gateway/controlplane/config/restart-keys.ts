// Which keys of gateway.yaml take effect at once, and which need a restart.
import type { GatewaySettings } from './gateway-settings.js'

const needRestart = ['listen', 'admin', 'workers', 'state', 'keys', 'watch', 'webhooks'] as const

/** The front's head limits are read when it is loaded, the ledger's when it is made. */
const limitsThatNeedRestart = ['requestHeadBytes', 'headerTimeoutMs', 'sessions'] as const

/** The keys whose change has no effect before a restart. */
export function keysNeedingRestart(running: GatewaySettings, wanted: GatewaySettings): string[] {
  const keys = needRestart.filter((key) => JSON.stringify(running[key]) !== JSON.stringify(wanted[key]))
  const limits = limitsThatNeedRestart.filter((key) => running.limits[key] !== wanted.limits[key])
  return [...keys, ...limits.map((key) => `limits.${key}`)]
}
