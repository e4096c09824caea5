// One visitor of a soak: pages, forms, downloads, event streams and sockets, some of them left in the middle. Expects to
// find his session where he left it, and files every deviation with the book of disturbances.
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocket } from 'ws'
import type { Gateway } from '../../test/fixtures/gateway.js'
import { Visitor, type Answer } from '../../test/fixtures/visitor.js'
import type { Troubles } from './trouble.js'

/** RFC 6455: the gateway tells a client to come back. */
const serviceRestart = 1012

/** What all visitors together did. */
export interface Deeds {
  answered: number
  failed: number
  aborted: number
  messages: number
  toldToComeBack: number
}

/** One visitor. */
export class SoakVisitor {
  readonly #gateway: Gateway
  readonly #troubles: Troubles
  readonly #deeds: Deeds
  readonly #visitor: Visitor
  #home = ''
  #session = ''
  /** When his session was last seen where it is. */
  #seenAt = Date.now()

  constructor(gateway: Gateway, troubles: Troubles, deeds: Deeds) {
    this.#gateway = gateway
    this.#troubles = troubles
    this.#deeds = deeds
    this.#visitor = new Visitor(gateway.url)
  }

  /** Loads a page and looks whether his session is there. */
  page(): Promise<void> {
    return this.#counted(async () => {
      const answer = await this.#visitor.go('/')
      if (answer.status !== 200) return `status ${answer.status}: ${answer.text.slice(0, 120)}`
      return this.#placeOf(answer)
    })
  }

  /** Does one of the many things that visitors do. */
  click(): Promise<void> {
    const dice = Math.random()
    if (dice < 0.5) return this.page()
    if (dice < 0.62) return this.#counted(() => this.#echo())
    if (dice < 0.74) return this.#counted(() => this.#download())
    if (dice < 0.86) return this.#counted(() => this.#talk())
    if (dice < 0.91) return this.#leaveInTheMiddle('/sized?bytes=5000000')
    if (dice < 0.96) return this.#leaveInTheMiddle('/events')
    return this.#giveUpUpload()
  }

  /** Logs out. */
  logOut(): Promise<void> {
    return this.#counted(async () => {
      const { status } = await this.#visitor.go('/logout')
      return status === 200 ? null : `status ${status}: at the end`
    })
  }

  leave(): Promise<void> {
    return this.#visitor.leave()
  }

  /** What is wrong with where he was served; null where nothing is. */
  #placeOf({ page }: Answer): string | null {
    const home = `${page.release} ${page.target}`
    const [before, session, seenAt] = [this.#home, this.#session, this.#seenAt]
    this.#home = home
    this.#session = page.session
    this.#seenAt = Date.now()
    if (before === '' || (before === home && session === page.session)) return null
    // It happened at some request since then, not all of which tell where they were served.
    this.#file(`moved: from ${before} to ${home}, unseen for ${Date.now() - seenAt} ms`, seenAt, before)
    return null
  }

  async #echo(): Promise<string | null> {
    const body = 'x'.repeat(20_000)
    const { status, text } = await this.#visitor.post('/echo', body)
    return status === 200 && text === body ? null : `status ${status}: a form of ${text.length} bytes`
  }

  async #download(): Promise<string | null> {
    const { status, text } = await this.#visitor.fetch('/chunked?bytes=300000')
    return status === 200 && text.length > 0 ? null : `status ${status}: a download of ${text.length}`
  }

  /** A socket that echoes, closed properly or not. */
  async #talk(): Promise<string | null> {
    const socket = new WebSocket(`${this.#gateway.url.replace('http', 'ws')}/socket`, {
      headers: { cookie: `amarre=${this.#visitor.token ?? ''}` },
    })
    const closed = new Promise<number>((resolve) => socket.once('close', resolve))
    socket.on('error', () => {})
    const isOpen = await Promise.race([once(socket, 'open').then(() => true), closed.then(() => false)])
    if (!isOpen) return 'socket: refused'
    for (let i = 0; i < 5; i++) {
      const said = Buffer.alloc(1 + Math.random() * 50_000, i)
      const heard = once(socket, 'message').then(([message]) => message as Buffer)
      socket.send(said)
      const answer = await Promise.race([heard, closed])
      if (answer === serviceRestart) {
        this.#deeds.toldToComeBack++
        return null
      }
      if (typeof answer === 'number') return `socket: closed with ${answer}`
      if (!said.equals(answer)) return 'socket: another message came back'
      this.#deeds.messages++
    }
    if (Math.random() < 0.5) socket.terminate()
    else socket.close(1000)
    await closed
    return null
  }

  async #leaveInTheMiddle(path: string): Promise<void> {
    this.#deeds.aborted++
    const answer = await this.#visitor.open(path).catch(() => null)
    const some = answer === null ? null : once(answer.body, 'readable').catch(() => {})
    if (Math.random() < 0.5) await Promise.race([some, pause(500)])
    answer?.abort()
  }

  async #giveUpUpload(): Promise<void> {
    this.#deeds.aborted++
    const socket = connect(this.#gateway.port, '127.0.0.1')
    socket.on('error', () => {})
    const fields = `Host: a\r\nCookie: amarre=${this.#visitor.token ?? ''}\r\nContent-Length: 100000`
    socket.write(`POST /echo HTTP/1.1\r\n${fields}\r\n\r\n${'x'.repeat(5_000)}`)
    await Promise.race([once(socket, 'data').catch(() => {}), pause(20)])
    socket.destroy()
  }

  async #counted(act: () => Promise<string | null>): Promise<void> {
    const from = Date.now()
    const problem = await act().catch((error: unknown) => `cut: ${String(error)}`)
    if (problem === null) this.#deeds.answered++
    else this.#file(problem, from, this.#home)
  }

  #file(what: string, from: number, home: string): void {
    this.#deeds.failed++
    this.#troubles.judge({ what, home, from, to: Date.now() })
  }
}
