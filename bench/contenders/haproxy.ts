// HAProxy: the work nearest to ours: cookie persistence, a stick table of sessions, forwarded addresses.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isInstalled, listening, startPinned, stopProgram, versionOf, workerCore } from '../programs.js'
import { boardByVisit } from '../visits.js'
import type { Contender, Place } from './contender.js'

export const haproxy: Contender = {
  name: 'haproxy',
  does: 'inserts and obeys a persistence cookie, keeps a stick table of sessions, option forwardfor',
  hasWebSockets: true,
  missing: () => (isInstalled('haproxy') ? null : 'haproxy is not installed'),
  version: () => versionOf('haproxy', '-v'),
  async start(place) {
    const file = join(place.directory, 'haproxy.cfg')
    writeFileSync(file, configuration(place))
    const child = startPinned(workerCore, ['haproxy', '-q', '-f', file], place.directory)
    await listening(place.port, 'haproxy')
    return {
      port: place.port,
      workerPids: [child.pid ?? 0],
      mainPid: null,
      board: (visitors) => boardByVisit(place.port, 0, visitors),
      stop: () => stopProgram(child),
    }
  },
}

// Its best: one thread; idle upstream connections shared by all clients and never closed for want of room; buffers of
// 64 KiB, which take a quarter less at 256 KiB and 8 MiB and nothing more at 2 KiB. (`option splice-auto` was dearer.)
function configuration({ port, releases }: Place): string {
  return `
global
  nbthread 1
  tune.bufsize 65536
  maxconn 8192
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 2s
  timeout tunnel 3600s
  timeout http-keep-alive 3600s
  option forwardfor
  http-reuse always
frontend public
  bind 127.0.0.1:${port} backlog 4096
  default_backend releases
backend releases
  balance roundrobin
  cookie visitor insert indirect nocache
  stick-table type string len 64 size 1m expire 30m
  stick on req.cook(sid)
${releases.map(({ name, port: at }) => `  server ${name} 127.0.0.1:${at} cookie ${name} pool-max-conn -1 pool-purge-delay 3600s`).join('\n')}
`
}
