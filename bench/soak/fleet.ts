// The releases of a soak: two targets each that also speak WebSocket, deployed by file drop, ended once retired.
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { startApplication, type Application } from '../../test/fixtures/application.js'
import type { Gateway } from '../../test/fixtures/gateway.js'
import type { Owner } from '../../test/fixtures/owner.js'
import type { Troubles } from './trouble.js'

/** One target: the test application, and `/socket` that echoes. */
interface Target {
  readonly application: Application
  readonly sockets: WebSocketServer
}

/** All releases that are not retired yet. */
export class SoakFleet {
  readonly #gateway: Gateway
  readonly #owner: Owner
  readonly #troubles: Troubles
  #live: Target[] = []
  deployments = 0
  retirements = 0
  kills = 0

  constructor(gateway: Gateway, owner: Owner, troubles: Troubles) {
    this.#gateway = gateway
    this.#owner = owner
    this.#troubles = troubles
  }

  /** Deploys the next release, and ends the targets of those that are retired. */
  async deploy(): Promise<void> {
    const release = `1.${this.deployments++}.0`
    const started = await Promise.all(['a', 'b'].map((name) => this.#start(release, name)))
    this.#live.push(...started)
    await this.#gateway.deploy(
      release,
      started.map(({ application }) => application.url),
    )
    await this.#endRetired()
  }

  /** Kills a target of the newest release and brings it back at the same address. */
  async killTarget(): Promise<void> {
    const target = this.#live.at(this.kills++ % 2 === 0 ? -1 : -2)
    if (target === undefined) return
    const { application } = target
    const port = Number(new URL(application.url).port)
    const disturbance = {
      what: 'a target was killed',
      costs: /^(cut|status 50[234]|moved|socket)/,
      home: `${application.release} ${application.target}`,
      // Health steers births, never the pinned: a session finds its target again at once.
      afterMs: 1_000,
    }
    await this.#troubles.during(disturbance, async () => {
      await application.stop()
      await pause(1_000)
      await application.listen(port)
      await pause(1_000)
    })
  }

  /** What targets hold open for visitors who have gone. */
  get held(): number {
    return this.#live.reduce(
      (sum, { application, sockets }) => sum + application.streams.size + sockets.clients.size,
      0,
    )
  }

  async #start(release: string, target: string): Promise<Target> {
    const application = await startApplication({ release, target, t: this.#owner })
    const sockets = new WebSocketServer({ server: application.server, path: '/socket' })
    sockets.on('connection', (socket) => {
      socket.on('message', (message, binary) => socket.send(message, { binary }))
      socket.on('error', () => {})
    })
    sockets.on('error', () => {})
    return { application, sockets }
  }

  async #endRetired(): Promise<void> {
    for (const { version, state } of await this.#gateway.releases()) {
      const targets = this.#live.filter(({ application }) => application.release === version)
      if (state !== 'retired' || targets.length === 0) continue
      for (const { application } of targets) await application.stop()
      this.#live = this.#live.filter((target) => !targets.includes(target))
      this.retirements++
      await this.#gateway.config.withdraw('shop', version)
    }
  }
}
