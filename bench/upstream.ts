// The application behind every contender: nginx with fixed bodies, two releases of it on two ports, kept-alive
// connections, on the core of the load.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ReleaseAddress } from './contenders/contender.js'
import { freePorts, listening, loadCore, startPinned, stopProgram } from './programs.js'
import { visit } from './visits.js'

/** The fixed bodies by path. */
export const bodies: readonly { readonly path: string; readonly bytes: number }[] = [
  { path: '/0', bytes: 0 },
  { path: '/2k', bytes: 2048 },
  { path: '/16k', bytes: 16_384 },
  { path: '/256k', bytes: 262_144 },
  { path: '/8m', bytes: 8_388_608 },
]

/** The bytes that a path must answer. */
export function bodyOf(bytes: number): Buffer {
  return Buffer.from(
    'the quick brown fox jumps over the lazy dog. '.repeat(Math.ceil(bytes / 45)).slice(0, bytes),
  )
}

export interface Upstream {
  readonly releases: readonly [ReleaseAddress, ReleaseAddress, ...ReleaseAddress[]]
  /** Requests of all its releases so far, this question among them. */
  served(): Promise<number>
  stop(): Promise<void>
}

/** Starts it with so many releases, named `r1`, `r2` and so on. */
export async function startUpstream(directory: string, count = 2): Promise<Upstream> {
  const place = join(directory, 'upstream')
  mkdirSync(join(place, 'html'), { recursive: true })
  for (const { path, bytes } of bodies) writeFileSync(join(place, 'html', path), bodyOf(bytes))
  const ports = await freePorts(count)
  const releases = ports.map((port, i): ReleaseAddress => ({ name: `r${i + 1}`, port }))
  writeFileSync(join(place, 'nginx.conf'), configuration(place, releases))
  const nginx = startPinned(loadCore, ['nginx', '-p', place, '-c', join(place, 'nginx.conf')], place)
  for (const { name, port } of releases) await listening(port, name)
  const [first, second, ...others] = releases
  if (first === undefined || second === undefined) throw new Error('an upstream has two releases at least')
  return {
    releases: [first, second, ...others],
    served: () => servedBy(first.port),
    stop: () => stopProgram(nginx),
  }
}

async function servedBy(port: number): Promise<number> {
  const { body } = await visit(port, '/served')
  const [, counted] = /requests\s+\d+ \d+ (\d+)/.exec(body.toString()) ?? []
  if (counted === undefined)
    throw new Error(`the application does not tell how much it served: ${body.toString()}`)
  return Number(counted)
}

function configuration(place: string, releases: readonly ReleaseAddress[]): string {
  return `
worker_processes 1; daemon off; pid ${place}/nginx.pid; error_log ${place}/error.log;
events { worker_connections 8192; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600; sendfile on; tcp_nopush on;
  client_body_temp_path ${place}; proxy_temp_path ${place}; fastcgi_temp_path ${place};
  uwsgi_temp_path ${place}; scgi_temp_path ${place};
  default_type text/html; etag off; open_file_cache max=10; client_body_buffer_size 64k;
${releases.map((release) => serverOf(place, release)).join('\n')}
}
`
}

function serverOf(place: string, { name, port }: ReleaseAddress): string {
  return `  server {
    listen 127.0.0.1:${port} reuseport backlog=4096; root ${place}/html;
    add_header X-Release ${name}; add_header Cache-Control no-store;
    location = /seen { return 200 "$http_x_forwarded_for|$http_host|$http_cookie"; }
    location = /post { return 200 ok; }
    location = /served { stub_status; }
    location = /healthz { return 200 ok; }
    location = / { return 200 ok; }
  }`
}
