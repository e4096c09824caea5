// Posts a JSON body by Node's own fetch, within ten seconds, following no redirect.
import type { Post } from '../controlplane/webhooks.js'

const timeoutMs = 10_000

export const httpPost: Post = async (url, body, headers, calledOff) => {
  const signal = AbortSignal.any([AbortSignal.timeout(timeoutMs), calledOff])
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { ...headers },
    redirect: 'manual',
    signal,
  })
  await response.body?.cancel()
  return response.status
}
