// Where the gateway of a command line is: its admin address, and the file with its token. Reads gateway.yaml and the
// AMARRE_* environment as the gateway itself does.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { GatewaySettings } from '../controlplane/config/gateway-settings.js'
import { Failure } from './failure.js'

/** How a command line says which gateway it means. */
export interface PlaceOptions {
  /** Address of the admin API; wins over what the configuration says. */
  readonly admin?: string
  /** Configuration directory of the gateway. */
  readonly config: string
  readonly tokenFile?: string
}

/** A gateway as a client finds it. */
export interface GatewayPlace {
  /** Without a slash at its end. */
  readonly url: string
  /** How the address was found, for a message. */
  readonly foundBy: string
  readonly tokenFile: string
}

const fileNames = ['gateway.yaml', 'gateway.yml', 'gateway.json']
const tokenFileName = 'admin-token'

/** Finds the gateway that the options mean; reads no token yet. */
export async function findGateway(
  options: PlaceOptions,
  environment: NodeJS.ProcessEnv,
): Promise<GatewayPlace> {
  const { settings, foundBy } = await settingsOf(options.config, environment)
  const tokenFile =
    options.tokenFile ?? settings.admin.tokenFile ?? join(settings.state.directory, tokenFileName)
  if (options.admin !== undefined) return { url: addressOf(options.admin), foundBy: '--admin', tokenFile }
  return { url: listenUrl(settings.admin.listen), foundBy, tokenFile }
}

async function settingsOf(
  directory: string,
  environment: NodeJS.ProcessEnv,
): Promise<{ settings: GatewaySettings; foundBy: string }> {
  // Loaded here: YAML and schemas take longer than all the rest of a command.
  const { loadConfig } = await import('../controlplane/config/load-config.js')
  const file = await readFirst(directory)
  const listing = { files: file === null ? [] : [file], directories: ['.'], unreadable: [] }
  const { gateway: settings } = loadConfig(listing, {}, environment)
  if ((environment['AMARRE_ADMIN_LISTEN'] ?? '') !== '') return { settings, foundBy: 'AMARRE_ADMIN_LISTEN' }
  if (file === null) return { settings, foundBy: `the default, as "${directory}" has no gateway.yaml` }
  return { settings, foundBy: `"${join(directory, file.path)}"` }
}

async function readFirst(directory: string): Promise<{ path: string; content: string } | null> {
  for (const path of fileNames) {
    const content = await readOrNull(join(directory, path))
    if (content !== null) return { path, content }
  }
  return null
}

/** Null for a file that is not there. */
export async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return null
    throw new Failure(`cannot read "${path}": ${error instanceof Error ? error.message : String(error)}`)
  }
}

function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return code === 'ENOENT' || code === 'ENOTDIR'
}

/** `127.0.0.1:9901` is as good as `http://127.0.0.1:9901/`. */
function addressOf(text: string): string {
  const whole = /^https?:\/\//.test(text) ? text : `http://${text}`
  if (!URL.canParse(whole))
    throw new Failure(`found --admin "${text}", allowed: an address as of "127.0.0.1:9901"`, 2)
  return whole.replace(/\/+$/, '')
}

/** A gateway that listens on all interfaces is reached by the loopback. */
function listenUrl({ host, port }: GatewaySettings['admin']['listen']): string {
  if (port === 0) {
    throw new Failure(
      '"admin.listen" asks the system for a free port, so the gateway cannot be found by it; use --admin',
      2,
    )
  }
  if (host === '0.0.0.0') return `http://127.0.0.1:${port}`
  if (host === '::') return `http://[::1]:${port}`
  return host.includes(':') ? `http://[${host}]:${port}` : `http://${host}:${port}`
}
