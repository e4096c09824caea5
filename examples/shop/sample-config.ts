// What the start command needs to know of a configuration directory: which shop processes its registrations name, and
// where the gateway will listen. The gateway's own reading is far stricter; what cannot be read here is told once.
import { readFile, readdir } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { parse } from 'yaml'

/** One process to run: a release's target on this machine. */
export interface ShopTarget {
  readonly version: string
  /** `a` for the first target of a release, `b` for the second… */
  readonly name: string
  readonly port: number
}

/** What the registrations of a directory ask for, and a sentence for each file that could not be read. */
export interface Wanted {
  readonly targets: readonly ShopTarget[]
  readonly problems: readonly string[]
}

/** An address to listen on. */
export interface Address {
  readonly host: string
  readonly port: number
}

type Tree = Readonly<Record<string, unknown>>

/** All scalars as text: 2.10 is a version, not a number. */
function treeOf(text: string): Tree {
  const tree: unknown = parse(text, { schema: 'failsafe' })
  if (typeof tree !== 'object' || tree === null) throw new Error('is not a map')
  return tree as Tree
}

function targetsOf(file: string, tree: Tree): readonly ShopTarget[] {
  const version = typeof tree['version'] === 'string' ? tree['version'] : basename(file, extname(file))
  const addresses: readonly unknown[] = Array.isArray(tree['targets']) ? tree['targets'] : []
  const targets: ShopTarget[] = []
  for (const [index, address] of addresses.entries()) {
    const port = /^http:\/\/(?:127\.0\.0\.1|localhost):(\d+)\/?$/.exec(String(address))?.[1]
    if (port) targets.push({ version, name: String.fromCharCode(97 + (index % 26)), port: Number(port) })
  }
  return targets
}

/** Reads all registrations of a directory; one that does not exist holds none. */
export async function wantedIn(directory: string): Promise<Wanted> {
  const targets: ShopTarget[] = []
  const problems: string[] = []
  for (const file of (await namesIn(directory)).filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name))) {
    try {
      targets.push(...targetsOf(file, treeOf(await readFile(join(directory, file), 'utf8'))))
    } catch (error) {
      problems.push(`"${file}" cannot be read: ${firstLine(error)}`)
    }
  }
  return { targets, problems }
}

/** A YAML error goes on to draw the place. */
function firstLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  return message.split('\n')[0]?.replace(/:$/, '') ?? message
}

async function namesIn(directory: string): Promise<readonly string[]> {
  try {
    return (await readdir(directory)).sort()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

function addressOf(words: unknown, ifUnset: Address): Address {
  const [, host, port] = /^(.*):(\d+)$/.exec(typeof words === 'string' ? words : '') ?? []
  return host === undefined || port === undefined ? ifUnset : { host, port: Number(port) }
}

function inner(tree: unknown, key: string): unknown {
  return typeof tree === 'object' && tree !== null ? (tree as Tree)[key] : undefined
}

/** A file that is no YAML is the gateway's to complain of, with line and column. */
async function readTree(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8')
  try {
    return treeOf(text)
  } catch {
    return {}
  }
}

/** Where the gateway will listen: by the environment, else by gateway.yaml, else by default. */
export async function gatewayAddresses(configDirectory: string): Promise<{ http: Address; admin: Address }> {
  const names = await namesIn(configDirectory)
  const file = names.find((name) => /^gateway\.(ya?ml|json)$/.test(name))
  const tree = file === undefined ? {} : await readTree(join(configDirectory, file))
  const http = inner(inner(tree, 'listen'), 'http')
  const { AMARRE_LISTEN_HTTP, AMARRE_ADMIN_LISTEN } = process.env
  return {
    http: addressOf(AMARRE_LISTEN_HTTP ?? inner(http, 'address') ?? http, { host: '0.0.0.0', port: 8080 }),
    admin: addressOf(AMARRE_ADMIN_LISTEN ?? inner(inner(tree, 'admin'), 'listen'), {
      host: '127.0.0.1',
      port: 9901,
    }),
  }
}
