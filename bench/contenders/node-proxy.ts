// Proxies made of npm packages: one Node process each, which routes by the application's cookie.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { listening, startPinned, stopProgram, workerCore } from '../programs.js'
import { boardByVisit } from '../visits.js'
import type { Contender } from './contender.js'

const installed = join(process.cwd(), 'bench', '.contenders', 'node_modules')

/** A contender made of one package, which its program imports from the folder of fetched contenders. */
export function nodeProxy(name: string, does: string, hasWebSockets = false): Contender {
  const folder = join(installed, name)
  return {
    name,
    does,
    hasWebSockets,
    missing: () => (existsSync(folder) ? null : `${name} is not fetched; run scripts/install-contenders.sh`),
    version: () => `${name} ${versionIn(folder)}`,
    async start({ directory, port, releases }) {
      const program = fileURLToPath(new URL(`./${name}-program.js`, import.meta.url))
      const ports = releases.map((release) => String(release.port))
      const child = startPinned(workerCore, ['node', program, folder, String(port), ...ports], directory)
      await listening(port, name)
      return {
        port,
        workerPids: [child.pid ?? 0],
        mainPid: null,
        board: (visitors) => boardByVisit(port, 0, visitors),
        stop: () => stopProgram(child),
      }
    },
  }
}

function versionIn(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  return manifest.version
}
