// Listeners that do not go together, with each other or with what their engine can do. Rules over the program's values;
// knows nothing of words, files or positions.
import type { Finding } from './combinations.js'
import type { GatewaySettings, ListenAddress } from './gateway-settings.js'

const error = (path: Finding['path'], message: string): Finding => ({ severity: 'error', path, message })

function isAnyAddress({ host }: ListenAddress): boolean {
  return host === '0.0.0.0' || host === '::'
}

function clash(one: ListenAddress, other: ListenAddress): boolean {
  if (one.port === 0 || one.port !== other.port) return false
  return one.host === other.host || isAnyAddress(one) || isAnyAddress(other)
}

function portFindings({ listen, admin }: GatewaySettings): readonly Finding[] {
  const listeners = [
    { path: ['listen', 'http'], address: listen.http.address },
    ...(listen.https === null ? [] : [{ path: ['listen', 'https'], address: listen.https.address }]),
    { path: ['admin', 'listen'], address: admin.listen },
  ]
  return listeners.flatMap(({ path, address }, index) =>
    listeners
      .slice(0, index)
      .filter((other) => clash(other.address, address))
      .map((other) => {
        const names = `"${other.path.join('.')}" and "${path.join('.')}"`
        return error(path, `${names} both ask for port ${address.port}; choose another for one of them`)
      }),
  )
}

/** The header is read before the first request, and nowhere else: what a client says later convinces nobody. */
function proxyFindings({ listen, trustedProxies }: GatewaySettings): readonly Finding[] {
  return (['http', 'https'] as const).flatMap((name): readonly Finding[] => {
    const listener = listen[name]
    if (listener === null || listener.proxyProtocol === 'off') return []
    const path = ['listen', name, 'proxyProtocol']
    if (listener.engine === 'uws')
      return [error(path, '"v2" needs "engine: node": on "uws" any client could say it is another')]
    if (trustedProxies.length > 0) return []
    return [
      error(path, '"v2" needs "trustedProxies" with the addresses of the balancer: nobody else is let in'),
    ]
  })
}

function clientFindings({ listen: { https } }: GatewaySettings): readonly Finding[] {
  if (https === null || https.clientCertificates === null || https.engine === 'node') return []
  const message = 'needs "engine: node": "uws" cannot check the certificates of clients'
  return [error(['listen', 'https', 'clientCertificates'], message)]
}

/** Rules of gateway.yaml. */
export function gatewayFindings(settings: GatewaySettings): readonly Finding[] {
  return [...portFindings(settings), ...proxyFindings(settings), ...clientFindings(settings)]
}
