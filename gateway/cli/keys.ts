// `amarre keys rotate`: the gateway adds a key and signs with it.
import type { OrderBody } from '../controlplane/admin-protocol.js'
import type { AdminClient } from './admin-client.js'
import type { ExitCode } from './failure.js'
import type { Terminal } from './terminal.js'

/** Rotates the token keys and says which one signs now. */
export async function rotateKeys(
  client: AdminClient,
  terminal: Terminal,
  options: OrderBody & { readonly json?: boolean },
): Promise<ExitCode> {
  const rotation = await client.rotateKeys(orderOf(options))
  const text = `tokens are signed with key ${rotation.keyId} from now on; the former keys verify until their last token has expired`
  terminal.out.write(`${options.json === true ? JSON.stringify(rotation) : text}\n`)
  return 0
}

/** The order's body out of a command line's options. */
export function orderOf({ reason, force, to, rate }: OrderBody): OrderBody {
  return {
    ...(reason === undefined ? {} : { reason }),
    ...(force === true ? { force } : {}),
    ...(to === undefined ? {} : { to }),
    ...(rate === undefined ? {} : { rate }),
  }
}
