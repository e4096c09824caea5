// nginx: routes by the application's cookie with `map`, and knows no session.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  firstChildOf,
  isInstalled,
  listening,
  pin,
  startPinned,
  stopProgram,
  versionOf,
} from '../programs.js'
import { loadCore, workerCore } from '../programs.js'
import { boardByVisit } from '../visits.js'
import type { Contender, Place } from './contender.js'

export const nginx: Contender = {
  name: 'nginx',
  does: 'routes by cookie with map, sets forwarded headers; knows no session',
  hasWebSockets: true,
  missing: () => (isInstalled('nginx') ? null : 'nginx is not installed'),
  version: () => versionOf('nginx', '-v'),
  async start(place) {
    const file = join(place.directory, 'nginx.conf')
    writeFileSync(file, configuration(place))
    const child = startPinned(loadCore, ['nginx', '-p', place.directory, '-c', file], place.directory)
    await listening(place.port, 'nginx')
    // The master listens before its worker is there.
    const workerPid = await firstChildOf(child.pid ?? 0, 'nginx')
    pin(workerPid, workerCore)
    return {
      port: place.port,
      workerPids: [workerPid],
      mainPid: null,
      board: (visitors) => boardByVisit(place.port, 0, visitors),
      stop: () => stopProgram(child),
    }
  },
}

// Its best: keep-alive to the upstream, no access log, buffers that hold the usual answer, no temporary files.
function configuration({ directory, port, releases }: Place): string {
  const [first, second] = releases
  return `
worker_processes 1; daemon off; pid ${directory}/nginx.pid; error_log ${directory}/error.log;
events { worker_connections 8192; multi_accept on; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600; tcp_nodelay on;
  client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory};
  uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
  client_body_buffer_size 64k; client_max_body_size 0;
  upstream r1 { server 127.0.0.1:${first.port}; keepalive 1024; keepalive_requests 1000000000; }
  upstream r2 { server 127.0.0.1:${second.port}; keepalive 1024; keepalive_requests 1000000000; }
  map $http_upgrade $onward { default upgrade; "" ""; }
  map $cookie_release $release { r1 r1; default r2; }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location / {
      proxy_pass http://$release;
      proxy_http_version 1.1;
      proxy_set_header Connection $onward;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $host;
      proxy_buffer_size 16k; proxy_buffers 16 32k; proxy_busy_buffers_size 64k; proxy_max_temp_file_size 0;
    }
  }
}
`
}
