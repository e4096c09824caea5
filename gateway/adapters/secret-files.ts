// Secrets that an operator gives as files: the keys of the tokens, the words that webhooks are signed with. Keys that are
// not given are generated once, and kept in the state directory.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { GatewaySettings } from '../controlplane/config/gateway-settings.js'
import type { SavedKeyRing } from '../controlplane/key-ring.js'
import type { WebhookTarget } from '../controlplane/webhooks.js'
import type { Log } from '../domain/ports.js'
import { generateKeyRing, readKeyFile, writeKeyFile } from './key-file.js'

/** The keys of the tokens, and where they are kept. */
export interface OpenedKeyRing {
  readonly ring: SavedKeyRing
  readonly file: string
  /** Nobody gave them: without the state directory they are lost. */
  readonly isGenerated: boolean
}

/** Opens the ring of `keys.file`, which must exist then; without one that of the state directory, made if need be. */
export async function openKeyRing(
  { keys: { file: given } }: GatewaySettings,
  stateDirectory: string,
  log: Log,
): Promise<OpenedKeyRing> {
  const isGenerated = given === null
  const file = given ?? join(stateDirectory, 'keys.json')
  const found = await readKeyFile(file)
  if (isGenerated) {
    log.warn('the token keys live in the state directory: keep it, or every session starts anew', { file })
  }
  if (found !== null) return { ring: found, file, isGenerated }
  if (!isGenerated) {
    throw new Error(
      `the key ring "${file}" does not exist: create it, or leave keys.file out to have one generated`,
    )
  }
  const ring = generateKeyRing(Date.now())
  await writeKeyFile(file, ring)
  return { ring, file, isGenerated }
}

/** The webhooks with what signs them; throws where a secret is missing or empty. */
export function readWebhooks({ webhooks }: GatewaySettings): Promise<WebhookTarget[]> {
  return Promise.all(
    webhooks.map(async ({ url, secretFile, events }) => {
      const secret = (await readFile(secretFile, 'utf8').catch(() => '')).trim()
      if (secret === '')
        throw new Error(`the secret of the webhook "${url}" cannot be read from "${secretFile}"`)
      return { url, secret, events }
    }),
  )
}
