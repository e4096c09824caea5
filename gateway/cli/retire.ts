// `amarre retire SITE VERSION`: ends the routing to a release on which nobody is left, or announces its end.
import type { OrderBody, ReleaseStatus } from '../controlplane/admin-protocol.js'
import type { AdminClient } from './admin-client.js'
import type { ExitCode } from './failure.js'
import { orderOf } from './keys.js'
import type { Terminal } from './terminal.js'

/** What is to be retired, and why. */
export interface RetireOptions extends OrderBody {
  readonly site: string
  readonly version: string
  /** Call an announced end off. */
  readonly cancel?: boolean
  readonly json?: boolean
}

/** Retires a release; fails with the rule where one refuses. */
export async function retire(
  client: AdminClient,
  terminal: Terminal,
  options: RetireOptions,
): Promise<ExitCode> {
  const isCancelled = options.cancel === true
  const release = isCancelled
    ? await client.cancel('retire', options, orderOf(options))
    : await client.change('retire', options, orderOf(options))
  const text = `${release.site} ${release.version} ${isCancelled ? 'has no announced end' : outcome(release)}`
  terminal.out.write(`${options.json === true ? JSON.stringify(release) : text}\n`)
  return 0
}

/** Every worker must have stopped serving it first; whoever is on it is told in time. */
function outcome({ state, endsAt }: ReleaseStatus): string {
  if (state === 'retired') return 'is retired'
  if (endsAt !== null) return `ends with whoever is on it at ${endsAt}, as its answers announce`
  return `is being retired, and is ${state} until every worker has let go of it`
}
