// Amarre itself, with one worker and everything on that is on by default. The second release is dropped while half of
// the visitors are on the first, which drains from then on.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { childrenOf, loadCore, pause, pin, startPinned, stopProgram, workerCore } from '../programs.js'
import { applicationCookies, boardByVisit, visit } from '../visits.js'
import type { Contender, Place, ReleaseAddress } from './contender.js'

/** A build of Amarre as a contender; `dist` is the folder that its compiler wrote. */
export function amarre(name: string, dist: string, nodeOptions: readonly string[] = []): Contender {
  return {
    name,
    does: 'verifies a signed token, counts the session, its release and latencies, sets forwarded headers',
    missing: () => null,
    version: () => `amarre on Node ${process.version}`,
    async start(place) {
      const config = writeConfiguration(place)
      const program = join(dist, 'gateway', 'cli', 'amarre.js')
      const command = ['node', ...nodeOptions, program, 'start', '--config', config]
      const child = startPinned(loadCore, command, place.directory)
      // Not by connecting: the main process listens for a moment itself, to see that the port is free.
      await birthsOn(place.port, 'r1')
      const mainPid = child.pid ?? 0
      const [workerPid = 0] = childrenOf(mainPid)
      pin(workerPid, workerCore)
      return {
        port: place.port,
        workerPid,
        mainPid,
        board: (visitors) => boardInTurn(place, config, visitors),
        stop: () => stopProgram(child),
      }
    },
  }
}

function writeConfiguration({ directory, port, adminPort, releases }: Place): string {
  const config = join(directory, 'config')
  mkdirSync(join(config, 'sites', 'shop', 'releases'), { recursive: true })
  const gateway = `listen: { http: 127.0.0.1:${port} }\nadmin: { listen: 127.0.0.1:${adminPort} }\nworkers: 1\n`
  writeFileSync(join(config, 'gateway.yaml'), gateway)
  writeFileSync(join(config, 'sites', 'shop', 'site.yaml'), 'hosts: ["*"]\n')
  drop(config, '1.0.0', releases[0])
  return config
}

function drop(config: string, version: string, { port }: ReleaseAddress): void {
  const file = join(config, 'sites', 'shop', 'releases', `${version}.yaml`)
  writeFileSync(file, `targets: [http://127.0.0.1:${port}]\nactivate: auto\n`)
}

async function boardInTurn(place: Place, config: string, visitors: number): Promise<string[]> {
  const half = visitors >> 1
  const early = await boardByVisit(place.port, 0, half)
  drop(config, '2.0.0', place.releases[1])
  await birthsOn(place.port, 'r2')
  return [...early, ...(await boardByVisit(place.port, half, visitors - half))]
}

async function birthsOn(port: number, release: string): Promise<void> {
  const deadline = performance.now() + 20_000
  while ((await releaseOfBirth(port)) !== release) {
    if (performance.now() > deadline) throw new Error(`no births on ${release} within 20 s`)
    await pause(50)
  }
}

/** Empty while nobody answers. */
async function releaseOfBirth(port: number): Promise<string> {
  try {
    return (await visit(port, '/2k', applicationCookies(0))).release
  } catch {
    return ''
  }
}
