// Scenario: how much memory of a worker one idle connection takes, a client's and one to the application. Its share of
// what the kernel holds is not in it.
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { BenchGateway } from './gateway.js'
import { ForkedProgram } from './load/forked.js'
import { Probes, type ProbeReading } from './probe-reading.js'
import { freePort, listening, pause } from './programs.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { usualHost } from './visits.js'

const clients = 8_000
const upstreams = 800
/** So many connect at a time. */
const together = 200
const site = 'hosts: ["*"]\nhealth: { interval: 1h, healthyAfter: 1 }\n'

export const connections: Scenario = {
  name: 'connections',
  asks: 'how much memory does one idle connection take?',
  run,
}

async function run({ directory, dist }: Setting): Promise<Finding> {
  const port = await freePort()
  const application = new ForkedProgram('held-program.js', [port, upstreams])
  await listening(port, 'r1')
  const folder = join(directory, 'amarre')
  mkdirSync(folder)
  const probes = new Probes(folder)
  const gateway = new BenchGateway({ dist, directory: folder, environment: probes.environment })
  try {
    gateway.site('shop', site)
    gateway.drop('shop', '1.0.0', port)
    await gateway.start()
    await gateway.birthsOn('r1')
    const [worker = 0] = gateway.workerPids
    const now = (): Promise<ProbeReading> => probes.read(worker)
    // Code and buffers come with the first ones; few at a time: few connections to the application.
    await hold(gateway.port, '/2k', upstreams, 20)
    const atFirst = await now()
    const guests = await open(gateway.port, '/2k', clients, together)
    const withClients = await now()
    end(guests)
    await pause(1_000)
    const before = await now()
    const few = await connectionsOf(application)
    await hold(gateway.port, '/held', upstreams, upstreams)
    const withUpstreams = await now()
    const idle = (await connectionsOf(application)) - few
    const seen = { atFirst, withClients, before, withUpstreams, idle }
    return { figures: figuresOf(seen), raw: seen }
  } finally {
    await gateway.stop()
    await application.end()
  }
}

/** Opens so many connections, each with one request answered, and leaves them idle. */
async function open(port: number, path: string, count: number, atATime: number): Promise<Socket[]> {
  const sockets: Socket[] = []
  while (sockets.length < count) {
    const more = Array.from({ length: Math.min(atATime, count - sockets.length) }, () =>
      visitOnce(port, path),
    )
    sockets.push(...(await Promise.all(more)))
  }
  return sockets
}

async function visitOnce(port: number, path: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${usualHost}\r\nAccept: text/html\r\n\r\n`)
  await once(socket, 'data')
  return socket
}

/** The same, and closes them again: what the gateway opened behind them stays. */
async function hold(port: number, path: string, count: number, atATime: number): Promise<void> {
  end(await open(port, path, count, atATime))
  await pause(1_000)
}

async function connectionsOf(application: ForkedProgram): Promise<number> {
  application.tell('count')
  return Number(await application.next())
}

function end(sockets: readonly Socket[]): void {
  for (const socket of sockets) socket.destroy()
}

interface Seen {
  readonly atFirst: ProbeReading
  readonly withClients: ProbeReading
  readonly before: ProbeReading
  readonly withUpstreams: ProbeReading
  /** Connections to the application that came with them. */
  readonly idle: number
}

function figuresOf({ atFirst, withClients, before, withUpstreams, idle }: Seen): Figure[] {
  const per = (what: string, value: number): Figure => ({ what, value, unit: 'bytes', target: null })
  const client = (withClients.ownBytes - atFirst.ownBytes) / clients
  // Memory that the requests held at once does not come back: this one is told by what is in use.
  const upstream = (withUpstreams.usedBytes - before.usedBytes) / idle
  return [
    per(`one of ${clients} idle clients`, client),
    per(`one of ${idle} idle connections to the application`, upstream),
  ]
}
