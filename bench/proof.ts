// What every contender must do right before its speed counts: whole bodies, forwarded address, and each visitor on the
// release where he began.
import type { Running } from './contenders/contender.js'
import { bodies, bodyOf } from './upstream.js'
import { visit } from './visits.js'

/** Throws with the contender's name at the first wrong answer. */
export async function prove(name: string, running: Running, cookies: readonly string[]): Promise<void> {
  const demand = (holds: boolean, what: string): void => {
    if (!holds) throw new Error(`${name} answers wrongly: ${what}`)
  }
  const [cookie = ''] = cookies
  for (const { path, bytes } of bodies) {
    const answer = await visit(running.port, path, { cookie })
    demand(answer.status === 200 && answer.body.equals(bodyOf(bytes)), `body of ${path}`)
  }
  const posted = await visit(running.port, '/post', { cookie, body: bodyOf(16_384) })
  demand(posted.status === 200 && posted.body.toString() === 'ok', 'POST of 16 KiB')
  const [address, , seenCookie = ''] = (await visit(running.port, '/seen', { cookie })).body
    .toString()
    .split('|')
  demand(address?.endsWith('127.0.0.1') === true, `X-Forwarded-For is "${address}"`)
  demand(seenCookie.includes('sid='), `the application's cookie came as "${seenCookie}"`)
  await proveStickiness(running.port, cookies, demand)
}

async function proveStickiness(
  port: number,
  cookies: readonly string[],
  demand: (holds: boolean, what: string) => void,
): Promise<void> {
  const counts = new Map<string, number>()
  for (const cookie of cookies) {
    const seen = new Set<string>()
    for (let i = 0; i < 3; i++) seen.add((await visit(port, '/2k', { cookie })).release)
    demand(seen.size === 1, `a visitor is served by ${[...seen].join(' and ')}`)
    for (const release of seen) counts.set(release, (counts.get(release) ?? 0) + 1)
  }
  const shares = [...counts].map(([release, count]) => `${release}: ${count}`).join(', ')
  demand(counts.size === 2, `visitors are not on both releases (${shares})`)
}
