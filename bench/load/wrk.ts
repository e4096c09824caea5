// The load: wrk with browser-like heads and the cookies of many visitors, on kept-alive connections.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadCore, owned } from '../programs.js'
import { usualHost } from '../visits.js'

export interface Load {
  readonly port: number
  readonly path: string
  readonly method: 'GET' | 'POST'
  /** Of the request's body. */
  readonly bodyBytes: number
  readonly connections: number
  readonly seconds: number
  readonly cookies: readonly string[]
  /** The host of each of them; the usual one where there is none. */
  readonly hosts: readonly string[]
  /** For the script of this load. */
  readonly directory: string
}

/** What wrk counted; latencies in microseconds. */
export interface LoadResult {
  readonly requests: number
  readonly seconds: number
  /** Answers other than 2xx and 3xx, and broken connections. */
  readonly failures: number
  readonly p50Us: number
  readonly p99Us: number
}

/** Runs wrk to its end. */
export async function runLoad(load: Load): Promise<LoadResult> {
  const script = join(load.directory, 'load.lua')
  writeFileSync(script, scriptOf(load))
  const url = `http://127.0.0.1:${load.port}`
  const words = ['-t1', `-c${load.connections}`, `-d${load.seconds}s`, '--timeout', '30s', '-s', script, url]
  const command = ['-c', String(loadCore), 'wrk', ...words]
  const child = owned(spawn('taskset', command, { stdio: ['ignore', 'pipe', 'inherit'] }))
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (piece: string) => (text += piece))
  await once(child, 'close')
  const line = /^RESULT (.*)$/m.exec(text)?.[1]
  if (line === undefined) throw new Error(`wrk says: ${text}`)
  return JSON.parse(line) as LoadResult
}

const head = [
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
  'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'Accept-Language: en-US,en;q=0.5',
  'Accept-Encoding: gzip, deflate, br',
  'Referer: http://shop.example.com/',
  'Sec-Fetch-Dest: document',
  'Sec-Fetch-Mode: navigate',
  'Sec-Fetch-Site: same-origin',
  'Sec-Fetch-User: ?1',
  'Upgrade-Insecure-Requests: 1',
]

// Requests are made before the load begins: the script costs one look-up a request.
function scriptOf(load: Load): string {
  const lines = [`${load.method} ${load.path} HTTP/1.1`, ...head]
  if (load.method === 'POST')
    lines.push('Content-Type: application/octet-stream', `Content-Length: ${load.bodyBytes}`)
  return `
local cookies = {
${load.cookies.map((cookie) => `  [[${cookie}]],`).join('\n')}
}
local hosts = {
${load.cookies.map((_, i) => `  [[${load.hosts[i] ?? usualHost}]],`).join('\n')}
}
local body = string.rep("x", ${load.bodyBytes})
local requests = {}
for i = 1, #cookies do
  requests[i] = "${lines.join('\\r\\n')}\\r\\nHost: " .. hosts[i] .. "\\r\\nCookie: " .. cookies[i] .. "\\r\\n\\r\\n" .. body
end
local count, next = #requests, 0
request = function()
  next = next % count + 1
  return requests[next]
end
done = function(summary, latency, _)
  local e = summary.errors
  io.write(string.format('\\nRESULT {"requests":%d,"seconds":%f,"failures":%d,"p50Us":%d,"p99Us":%d}\\n',
    summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99)))
end
`
}
