// The fronts of a worker, each loaded only where its engine is used: the other one costs neither time nor memory. Knows
// nothing of what they serve.
import type { FrontPreparation } from '../plane-protocol.js'

/** Begins to load the fronts to come, under the bound on heads that the library of `uws` takes from the environment. */
export function prepareFronts({ engines, requestHeadBytes }: FrontPreparation): void {
  process.env['UWS_HTTP_MAX_HEADERS_SIZE'] = String(requestHeadBytes)
  // What cannot be loaded is told by whoever is asked to listen.
  for (const engine of engines) (engine === 'uws' ? uwsFront() : nodeFront()).catch(() => {})
}

/** The front made of uWebSockets.js; prepared before. */
export function uwsFront() {
  return import('./uws-listener.js')
}

/** The front made of Node's servers. */
export function nodeFront() {
  return import('./node-listener.js')
}
