// The live part: server-sent events to every open page, one at once and then one each five seconds. Knows nothing of
// the pages.
import type { ServerResponse } from 'node:http'
import type { Release } from './release.js'

const intervalMs = 5000
/** A client that reads nothing is let go. */
const backlogLimitBytes = 64 * 1024

/** All open streams of this process; one timer for all, which runs only while there is one. */
export class LiveStreams {
  readonly #release: Release
  readonly #basketCount: () => number
  readonly #open = new Set<ServerResponse>()
  #timer: NodeJS.Timeout | null = null

  constructor(release: Release, basketCount: () => number) {
    this.#release = release
    this.#basketCount = basketCount
  }

  add(response: ServerResponse): void {
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    response.write(this.#tick())
    this.#open.add(response)
    this.#timer ??= setInterval(() => this.#tellAll(), intervalMs)
    response.on('close', () => this.#remove(response))
  }

  end(): void {
    for (const response of this.#open) response.end()
  }

  #remove(response: ServerResponse): void {
    this.#open.delete(response)
    if (this.#open.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }

  #tellAll(): void {
    const tick = this.#tick()
    for (const response of this.#open) {
      if (response.writableLength > backlogLimitBytes) response.destroy()
      else response.write(tick)
    }
  }

  #tick(): string {
    const { version, name } = this.#release
    const news = { at: Date.now(), version, name, baskets: this.#basketCount() }
    return `event: tick\ndata: ${JSON.stringify(news)}\n\n`
  }
}
