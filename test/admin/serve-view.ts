// The real admin address over a view in memory, on a port of the loopback, a free one unless it is named.
import { listenAdmin } from '../../gateway/adapters/fastify-admin.js'
import { createMetrics } from '../../gateway/adapters/prom-metrics.js'
import { createAdminApi } from '../../gateway/controlplane/admin-api.js'
import type { Desk } from '../../gateway/controlplane/operator-desk.js'
import { FakeDesk } from './fake-desk.js'
import type { GatewayView } from '../../gateway/controlplane/gateway-view.js'
import { nullLog } from '../../gateway/domain/ports.js'
import type { LogFields } from '../../gateway/domain/ports.js'

export const token = 'a-token-of-the-test'

export interface ServedView {
  readonly url: string
  readonly port: number
  /** Errors that were logged. */
  readonly logged: readonly (LogFields | undefined)[]
  close(): Promise<void>
}

export async function serveView(
  view: GatewayView,
  desk: Desk = new FakeDesk(),
  wantedPort = 0,
): Promise<ServedView> {
  const logged: (LogFields | undefined)[] = []
  const log = { ...nullLog, error: (_message: string, fields?: LogFields) => void logged.push(fields) }
  const api = createAdminApi({ view, desk, metrics: createMetrics(view) })
  const listener = await listenAdmin({ host: '127.0.0.1', port: wantedPort, api, token, log })
  const { port } = listener
  return { url: `http://127.0.0.1:${port}`, port, logged, close: () => listener.close() }
}
