// Scenario: what one WebSocket message costs through each contender that carries WebSockets: 128 bytes to the
// application and their echo back, on 64 connections.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { contenders, visitors } from './contestants.js'
import type { Running } from './contenders/contender.js'
import { ForkedProgram } from './load/forked.js'
import { cpuTime, freePort, listening, pause } from './programs.js'
import type { Figure, Finding, Scenario, Setting } from './scenario.js'
import { median } from './statistics.js'

const connections = 64

/** One contender with open connections. */
interface Talker {
  readonly name: string
  readonly running: Running
  readonly cookies: string
}

/** One round of one contender. */
interface MessageSample {
  readonly contender: string
  readonly requests: number
  readonly seconds: number
  readonly failures: number
  readonly workerUs: number
  readonly p50Us: number
  readonly p99Us: number
}

export const websocket: Scenario = {
  name: 'websocket',
  asks: 'what does one WebSocket message of 128 bytes cost, there and back?',
  run,
}

async function run(setting: Setting): Promise<Finding> {
  const { directory, dist, only, rounds } = setting
  const ports = [await freePort(), await freePort()] as const
  const application = new ForkedProgram('echo-program.js', ports)
  const [first, second] = ports
  await Promise.all([listening(first, 'r1'), listening(second, 'r2')])
  const releases = [
    { name: 'r1', port: first },
    { name: 'r2', port: second },
  ] as const
  const talkers: Talker[] = []
  try {
    for (const contender of contenders(dist, only, null)) {
      if (!contender.hasWebSockets) continue
      const folder = join(directory, contender.name)
      mkdirSync(folder)
      const place = { directory: folder, port: await freePort(), adminPort: await freePort(), releases }
      const running = await contender.start(place)
      const cookies = join(folder, 'cookies.json')
      talkers.push({ name: contender.name, running, cookies })
      writeFileSync(cookies, JSON.stringify(await running.board(visitors)))
    }
    const samples: MessageSample[] = []
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < talkers.length; i++) {
        const talker = talkers[(i + round) % talkers.length]
        if (talker !== undefined) samples.push(await measure(talker, setting.seconds))
      }
    }
    return { figures: figuresOf(samples), raw: samples }
  } finally {
    for (const { running } of talkers) await running.stop()
    await application.end()
  }
}

/** Connections open and warm first; what is counted lies between the two readings. */
async function measure({ name, running, cookies }: Talker, seconds: number): Promise<MessageSample> {
  const load = new ForkedProgram('message-program.js', [running.port, connections, seconds, cookies])
  try {
    await load.next()
    await pause(300)
    const before = cpuTime(running.workerPids)
    load.tell('go')
    const result = (await load.next()) as Omit<MessageSample, 'contender' | 'workerUs'>
    const after = cpuTime(running.workerPids)
    const spent = after.userUs + after.systemUs - before.userUs - before.systemUs
    return { ...result, contender: name, workerUs: spent / result.requests }
  } finally {
    await load.end()
  }
}

function figuresOf(samples: readonly MessageSample[]): Figure[] {
  const names = [...new Set(samples.map(({ contender }) => contender))]
  const costs = new Map(names.map((name) => [name, costsOf(samples, name)]))
  const failures = samples.reduce((sum, sample) => sum + sample.failures, 0)
  const reference = costs.get('haproxy')
  const figures = names.flatMap((name): Figure[] => {
    const of = costs.get(name) ?? []
    const cost: Figure = {
      what: `${name}: CPU of a message`,
      value: median(of),
      unit: 'µs',
      target: null,
      of,
    }
    if (reference === undefined || !name.startsWith('amarre')) return [cost]
    const value = median(of) / median(reference)
    const target = name === 'amarre' ? 'at most 1.5' : null
    return [cost, { what: `${name} / haproxy`, value, unit: '×', target }]
  })
  return [...figures, { what: 'connections that failed', value: failures, unit: '', target: null }]
}

function costsOf(samples: readonly MessageSample[], name: string): number[] {
  return samples.filter(({ contender }) => contender === name).map(({ workerUs }) => workerUs)
}
