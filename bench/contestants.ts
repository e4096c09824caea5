// Who takes part: all contenders by name, those of a run, and how each enters it: started, boarded, proved.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { amarre } from './contenders/amarre.js'
import { caddy } from './contenders/caddy.js'
import type { Contender } from './contenders/contender.js'
import { haproxy } from './contenders/haproxy.js'
import { nginx } from './contenders/nginx.js'
import { nodeProxy } from './contenders/node-proxy.js'
import { freePort } from './programs.js'
import { prove } from './proof.js'
import type { Entrant } from './rounds.js'
import type { Upstream } from './upstream.js'

export const visitors = 200
const byCookie = 'routes by cookie, sets forwarded headers; knows no session'

/** Every contender, Amarre's own builds apart. */
const others: readonly Contender[] = [
  nginx,
  haproxy,
  caddy,
  nodeProxy('undici', byCookie),
  nodeProxy('http-proxy', byCookie, true),
]

/** The names of all that there may be in a run. */
export const contenderNames: readonly string[] = [
  ...others.map(({ name }) => name),
  'amarre',
  'amarre-node',
  'amarre-before',
]

/** All that are asked for and can run here; who cannot is named. `before`: another build of Amarre. */
export function contenders(dist: string, only: readonly string[] | null, before: string | null): Contender[] {
  const own = [
    amarre('amarre', dist),
    amarre('amarre-node', dist, { engine: 'node' }),
    ...(before === null ? [] : [amarre('amarre-before', before)]),
  ]
  return [...others, ...own].filter((each) => isAskedFor(each, only) && isPresent(each))
}

function isAskedFor({ name }: Contender, only: readonly string[] | null): boolean {
  return only === null || only.includes(name)
}

function isPresent(contender: Contender): boolean {
  const missing = contender.missing()
  if (missing !== null) console.log(`skipped: ${missing}`)
  return missing === null
}

/** Starts a contender, lets visitors board, and proves that it answers correctly. */
export async function enter(contender: Contender, upstream: Upstream, root: string): Promise<Entrant> {
  const { name } = contender
  const directory = join(root, name)
  mkdirSync(directory)
  const running = await contender.start({
    directory,
    port: await freePort(),
    adminPort: await freePort(),
    releases: upstream.releases,
  })
  const cookies = await running.board(visitors)
  await prove(name, running, cookies)
  console.log(`${name}: answers correctly (${contender.version()}; ${contender.does})`)
  return { name, running, cookies, directory }
}
