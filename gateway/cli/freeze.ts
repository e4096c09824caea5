// `amarre freeze SITE [off]`: nothing is activated by itself on a site, until it is let go on.
import type { OrderBody } from '../controlplane/admin-protocol.js'
import type { AdminClient } from './admin-client.js'
import type { ExitCode } from './failure.js'
import { orderOf } from './keys.js'
import type { Terminal } from './terminal.js'

export interface FreezeOptions extends OrderBody {
  readonly site: string
  readonly isFrozen: boolean
  readonly json?: boolean
}

/** Freezes or unfreezes; fails where the site's file says otherwise. */
export async function freeze(
  client: AdminClient,
  terminal: Terminal,
  options: FreezeOptions,
): Promise<ExitCode> {
  const site = await client.freeze(options.site, options.isFrozen, orderOf(options))
  const text = `${site.site} ${site.frozen ? 'is frozen: nothing is activated by itself' : 'is not frozen any more'}`
  terminal.out.write(`${options.json === true ? JSON.stringify(site) : text}\n`)
  return 0
}
