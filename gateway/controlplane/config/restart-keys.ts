// Which keys of gateway.yaml take effect at once, and which need a restart.
import type { GatewaySettings } from './gateway-settings.js'

const needRestart = ['admin', 'workers', 'state', 'keys', 'watch', 'webhooks'] as const

/** The front's head limits are read when it is loaded, the ledger's when it is made. */
const limitsThatNeedRestart = ['requestHeadBytes', 'headerTimeoutMs', 'sessions'] as const

/** Certificates are shown as soon as they change; where they are shown is settled at the start. */
function addressesOf({ listen }: GatewaySettings): string {
  const { http, https } = listen
  if (https === null) return JSON.stringify(http)
  const { address, engine, proxyProtocol, clientCertificates } = https
  return JSON.stringify([http, address, engine, proxyProtocol, clientCertificates?.required])
}

/** The keys whose change has no effect before a restart. */
export function keysNeedingRestart(running: GatewaySettings, wanted: GatewaySettings): string[] {
  const keys = needRestart.filter((key) => JSON.stringify(running[key]) !== JSON.stringify(wanted[key]))
  const limits = limitsThatNeedRestart.filter((key) => running.limits[key] !== wanted.limits[key])
  const listen = addressesOf(running) === addressesOf(wanted) ? [] : ['listen']
  return [...listen, ...keys, ...limits.map((key) => `limits.${key}`)]
}
