// `amarre recall SITE VERSION --to VERSION`: moves everybody on a former release to another one, or ends that.
import type { OrderBody, ReleaseStatus } from '../controlplane/admin-protocol.js'
import type { AdminClient, ReleaseName } from './admin-client.js'
import { Failure } from './failure.js'
import type { ExitCode } from './failure.js'
import { orderOf } from './keys.js'
import type { Terminal } from './terminal.js'

/** Who is to move where, how fast, and why; or that it ends. */
export interface RecallOptions extends OrderBody, ReleaseName {
  readonly cancel?: boolean
  readonly json?: boolean
}

/** Orders it and says what holds now; fails with the rule where one refuses. */
export async function recall(
  client: AdminClient,
  terminal: Terminal,
  options: RecallOptions,
): Promise<ExitCode> {
  const release = await ordered(client, options)
  terminal.out.write(`${options.json === true ? JSON.stringify(release) : outcome(release)}\n`)
  return 0
}

function ordered(client: AdminClient, options: RecallOptions): Promise<ReleaseStatus> {
  if (options.cancel === true) return client.cancel('recall', options, orderOf(options))
  if (options.to === undefined)
    throw new Failure('name the version to move to by --to, or end the recall by --cancel', 2)
  return client.change('recall', options, orderOf(options))
}

function outcome({ site, version, moveOrder, sessions }: ReleaseStatus): string {
  if (moveOrder === null) return `${site} ${version} is not recalled; who is on it stays`
  const pace = moveOrder.perSecond === null ? '' : `, ${moveOrder.perSecond} a second at most`
  const moment = moveOrder.forced ? 'any safe request' : 'the next page'
  return `${site} ${version}: ${sessions.active} session${sessions.active === 1 ? ' moves' : 's move'} to ${moveOrder.to}, each at ${moment}${pace}`
}
