// `amarre rollback SITE`: births go back to the last good former release.
import type { OrderBody } from '../controlplane/admin-protocol.js'
import type { AdminClient } from './admin-client.js'
import type { ExitCode } from './failure.js'
import { orderOf } from './keys.js'
import type { Terminal } from './terminal.js'

export interface RollbackOptions extends OrderBody {
  readonly site: string
  readonly json?: boolean
}

/** Orders it and says what holds now; fails with the rule where one refuses. */
export async function rollback(
  client: AdminClient,
  terminal: Terminal,
  options: RollbackOptions,
): Promise<ExitCode> {
  const release = await client.rollback(options.site, orderOf(options))
  const outcome =
    release.state === 'active' ? 'accepts births again' : `is ${release.state}, and boards when it has passed`
  const text = `${release.site} ${release.version} ${outcome}`
  terminal.out.write(`${options.json === true ? JSON.stringify(release) : text}\n`)
  return 0
}
