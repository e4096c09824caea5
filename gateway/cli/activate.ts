// `amarre activate SITE VERSION`: gives births to a release, at once.
import type { OrderBody } from '../controlplane/admin-protocol.js'
import type { AdminClient, ReleaseName } from './admin-client.js'
import type { ExitCode } from './failure.js'
import { orderOf } from './keys.js'
import type { Terminal } from './terminal.js'

/** Which release, why, and whether rules that only protect data give way. */
export interface ActivateOptions extends OrderBody, ReleaseName {
  readonly json?: boolean
}

/** Orders it and says what holds now; fails with the rule where one refuses. */
export async function activate(
  client: AdminClient,
  terminal: Terminal,
  options: ActivateOptions,
): Promise<ExitCode> {
  const release = await client.change('activate', options, orderOf(options))
  const text = `${release.site} ${release.version} accepts births from now on`
  terminal.out.write(`${options.json === true ? JSON.stringify(release) : text}\n`)
  return 0
}
