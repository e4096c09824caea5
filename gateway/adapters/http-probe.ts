// One health probe of one target: a GET by node:http, or a connection where no path is given. Knows nothing of
// thresholds; it says what happened, in words an operator can act on.
import { request as httpRequest, type RequestOptions } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { connect } from 'node:net'
import type { Probe } from '../controlplane/health-prober.js'
import type { TargetUrl } from '../domain/ids.js'

/** Where a target listens, as node's clients want it. */
function placeOf(url: TargetUrl): { readonly options: RequestOptions; readonly isTls: boolean } {
  if (url.startsWith('unix:'))
    return { options: { socketPath: url.slice(5), host: 'localhost' }, isTls: false }
  const { hostname, port, protocol } = new URL(url)
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const isTls = protocol === 'https:'
  return { options: { host, port: Number(port || (isTls ? 443 : 80)) }, isTls }
}

/** Answers within `timeoutMs`, always: a failure is an answer too. 200 to 399 is healthy. */
export const httpProbe: Probe = (url, path, timeoutMs) => {
  const answer = path === null ? probeConnection(url, timeoutMs) : probePath(url, path, timeoutMs)
  return answer.catch((error: unknown) => ({ ok: false, detail: String(error) }))
}

function probePath(url: TargetUrl, path: string, timeoutMs: number): ReturnType<Probe> {
  const { options, isTls } = placeOf(url)
  return new Promise((resolve) => {
    const send = isTls ? httpsRequest : httpRequest
    const headers = { 'user-agent': 'amarre-health', connection: 'close' }
    const request = send({ ...options, path, headers, agent: false })
    const deadline = setTimeout(
      () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)),
      timeoutMs,
    )
    request.on('response', (response) => {
      const status = response.statusCode ?? 0
      clearTimeout(deadline)
      response.resume()
      response.on('error', () => {})
      request.destroy()
      resolve({
        ok: status >= 200 && status < 400,
        detail: `${status} ${response.statusMessage ?? ''}`.trim(),
      })
    })
    request.on('error', (error) => {
      clearTimeout(deadline)
      resolve({ ok: false, detail: error.message })
    })
    // Node ends a 101 that nobody asked for without any other word.
    request.on('close', () => {
      clearTimeout(deadline)
      resolve({ ok: false, detail: 'the connection was closed without an answer' })
    })
    request.end()
  })
}

function probeConnection(url: TargetUrl, timeoutMs: number): ReturnType<Probe> {
  const { options } = placeOf(url)
  return new Promise((resolve) => {
    const socket =
      options.socketPath == null
        ? connect({ host: options.host ?? 'localhost', port: Number(options.port) })
        : connect({ path: options.socketPath })
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no connection within ${timeoutMs} ms`)))
    socket.on('connect', () => {
      socket.destroy()
      resolve({ ok: true, detail: 'connected' })
    })
    socket.on('error', (error) => resolve({ ok: false, detail: error.message }))
  })
}
