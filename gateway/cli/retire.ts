// `amarre retire SITE VERSION`: ends the routing to a release on which nobody is left.
import type { OrderBody, ReleaseStateName } from '../controlplane/admin-protocol.js'
import type { AdminClient } from './admin-client.js'
import type { ExitCode } from './failure.js'
import { orderOf } from './keys.js'
import type { Terminal } from './terminal.js'

/** What is to be retired, and why. */
export interface RetireOptions extends OrderBody {
  readonly site: string
  readonly version: string
  readonly json?: boolean
}

/** Retires a release; fails with the rule where one refuses. */
export async function retire(
  client: AdminClient,
  terminal: Terminal,
  options: RetireOptions,
): Promise<ExitCode> {
  const release = await client.change('retire', options, orderOf(options))
  const text = `${release.site} ${release.version} ${outcome(release.state)}`
  terminal.out.write(`${options.json === true ? JSON.stringify(release) : text}\n`)
  return 0
}

/** Every worker must have stopped serving it first. */
function outcome(state: ReleaseStateName): string {
  return state === 'retired'
    ? 'is retired'
    : `is being retired, and is ${state} until every worker has let go of it`
}
