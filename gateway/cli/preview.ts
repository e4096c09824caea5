// `amarre preview SITE VERSION`: prints a link by which one browser sees a release before it is open to all.
import type { OrderBody } from '../controlplane/admin-protocol.js'
import type { AdminClient, ReleaseName } from './admin-client.js'
import type { ExitCode } from './failure.js'
import { orderOf } from './keys.js'
import type { Terminal } from './terminal.js'

/** Which release, for how long, and where the browser begins. */
export interface PreviewOptions extends OrderBody, ReleaseName {
  readonly json?: boolean
}

/** The link alone on standard output, for whoever sends it on; until when it is good beside it. */
export async function preview(
  client: AdminClient,
  terminal: Terminal,
  options: PreviewOptions,
): Promise<ExitCode> {
  const { ttl, url } = options
  const order = {
    ...orderOf(options),
    ...(ttl === undefined ? {} : { ttl }),
    ...(url === undefined ? {} : { url }),
  }
  const link = await client.preview(options, order)
  if (options.json === true) {
    terminal.out.write(`${JSON.stringify(link)}\n`)
    return 0
  }
  terminal.out.write(`${link.url}\n`)
  terminal.err.write(
    `shows "${link.version}" to whoever opens it, until ${link.until}; "?amarre-preview=off" ends it\n`,
  )
  return 0
}
