// Caddy: cookie persistence by its load balancing policy, forwarded headers by default.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isInstalled, listening, startPinned, stopProgram, versionOf, workerCore } from '../programs.js'
import { boardByVisit } from '../visits.js'
import type { Contender, Place } from './contender.js'

export const caddy: Contender = {
  name: 'caddy',
  does: 'sets and obeys a persistence cookie, sets forwarded headers; knows no session',
  hasWebSockets: true,
  missing: () => (isInstalled('caddy') ? null : 'caddy is not installed'),
  version: () => `caddy ${versionOf('caddy', 'version')}`,
  async start(place) {
    const file = join(place.directory, 'caddy.json')
    writeFileSync(file, JSON.stringify(configuration(place)))
    const environment = ['GOMAXPROCS=1', 'GOGC=400', `HOME=${place.directory}`]
    const command = ['env', ...environment, 'caddy', 'run', '--config', file]
    const child = startPinned(workerCore, command, place.directory)
    await listening(place.port, 'caddy')
    return {
      port: place.port,
      workerPids: [child.pid ?? 0],
      mainPid: null,
      board: (visitors) => boardByVisit(place.port, 0, visitors),
      stop: () => stopProgram(child),
    }
  },
}

// Its best: one scheduler thread for its one core, garbage collected a quarter as often (an eighth less CPU at 2 KiB),
// idle connections enough for every client, no access log.
function configuration({ port, releases }: Place) {
  const proxy = {
    handler: 'reverse_proxy',
    load_balancing: { selection_policy: { policy: 'cookie', name: 'visitor' } },
    transport: {
      protocol: 'http',
      keep_alive: { max_idle_conns_per_host: 1024, idle_timeout: '1h' },
      compression: false,
    },
    upstreams: releases.map(({ port: at }) => ({ dial: `127.0.0.1:${at}` })),
  }
  const server = {
    listen: [`127.0.0.1:${port}`],
    routes: [{ handle: [proxy] }],
    automatic_https: { disable: true },
  }
  return {
    admin: { disabled: true },
    logging: { logs: { default: { level: 'ERROR' } } },
    apps: { http: { servers: { public: server } } },
  }
}
