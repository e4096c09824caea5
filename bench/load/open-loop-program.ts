// An open-loop load, a process of its own: requests come by chance at a given rate whether or not answers do, so what a
// pause costs is counted for everybody who would have come in it. Visitors keep their tokens as browsers do; some leave
// and newcomers take their places. Usage: open-loop-program.js PLAN, a JSON file. `go` begins; the result is a message.
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { Latencies, SteadyLatencies } from './latencies.js'
import type { OpenLoopPlan, OpenLoopResult } from './open-loop.js'
import { JarVisitor, newcomer } from './visitor-jar.js'

const plan = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as OpenLoopPlan
const visitors = plan.visitors.map((known) => new JarVisitor(plan.path, known))
const latencies = new Latencies()
const steady = new SteadyLatencies()
const ownLateness = new Latencies()
const failures: Record<string, number> = {}
let strayed = 0
let newcomers = 0
let turn = 0
let isOver = false
/** Until then this program's own compiler settles. */
let countsFrom = 0
const settlingMs = 1_000

/** A request that is due, and since when. */
interface Due {
  readonly visitor: JarVisitor
  readonly at: number
}

const idle: Line[] = []
const waiting: Due[] = []

/** One connection: a request at a time. */
class Line {
  #socket!: Socket
  #due: Due | null = null
  #left = -1
  #head = ''

  constructor() {
    this.#open()
  }

  send(due: Due): void {
    this.#due = due
    this.#left = -1
    this.#head = ''
    this.#socket.write(due.visitor.request, 'latin1')
  }

  end(): void {
    this.#socket.removeAllListeners('close')
    this.#socket.destroy()
  }

  #open(): void {
    this.#socket = connect(plan.port, '127.0.0.1')
    this.#socket.setNoDelay(true)
    this.#socket.on('data', (piece: Buffer) => this.#take(piece))
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => this.#lose())
  }

  /** Closed while idle is nobody's fault; a request that was under way has failed. */
  #lose(): void {
    const at = idle.indexOf(this)
    if (at >= 0) idle.splice(at, 1)
    const wasBusy = this.#due !== null
    if (wasBusy) fail('connection lost')
    this.#due = null
    if (isOver) return
    this.#open()
    next(this)
  }

  #take(piece: Buffer): void {
    if (this.#left < 0) {
      this.#head += piece.toString('latin1')
      const end = this.#head.indexOf('\r\n\r\n')
      if (end < 0) return
      this.#left = this.#readHead(this.#head.slice(0, end)) - (this.#head.length - end - 4)
    } else this.#left -= piece.length
    if (this.#left <= 0) this.#finish()
  }

  /** How long the body is. */
  #readHead(head: string): number {
    const status = head.slice(9, 12)
    if (status !== '200') fail(`status ${status}`)
    else this.#judge(head)
    return Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
  }

  #judge(head: string): void {
    const visitor = this.#due?.visitor
    const release = /\r\nx-release: (\S+)/i.exec(head)?.[1] ?? ''
    if (visitor === undefined) return
    if (visitor.home === '') visitor.home = release
    else if (visitor.home !== release) strayed++
    const setCookie = /\r\nset-cookie: ([^\r]+)/i.exec(head)?.[1]
    if (setCookie !== undefined) visitor.keep(setCookie)
  }

  #finish(): void {
    if (this.#due !== null && this.#due.at >= countsFrom) count(this.#due.at)
    this.#due = null
    next(this)
  }
}

function count(dueAt: number): void {
  const now = performance.now()
  latencies.add(now - dueAt)
  steady.add(now - dueAt, now)
}

function fail(how: string): void {
  failures[how] = (failures[how] ?? 0) + 1
}

/** A connection is free: whoever waits the longest has it. */
function next(line: Line): void {
  const due = waiting.shift()
  if (due === undefined) idle.push(line)
  else line.send(due)
}

function arrive(dueAt: number, now: number): void {
  if (now >= countsFrom) ownLateness.add(now - dueAt)
  const at = turn++ % visitors.length
  if (Math.random() < plan.churn) visitors[at] = newcomer(plan.path, newcomers++)
  const visitor = visitors[at]
  if (visitor === undefined) return
  const line = idle.pop()
  if (line === undefined) waiting.push({ visitor, at: dueAt })
  else line.send({ visitor, at: dueAt })
}

const lines = Array.from({ length: plan.connections }, () => new Line())
idle.push(...lines)

/** Never sleeps, as timers know whole milliseconds only: it has the lowest priority of the system instead. */
function begin(): void {
  let nextAt = performance.now()
  countsFrom = nextAt + settlingMs
  const turnOver = (): void => {
    const now = performance.now()
    if (now - countsFrom > plan.seconds * 1000) return finish(now - countsFrom)
    for (; nextAt <= now; nextAt -= Math.log(1 - Math.random()) * (1000 / plan.rate)) arrive(nextAt, now)
    setImmediate(turnOver)
  }
  turnOver()
}

function finish(tookMs: number): void {
  if (isOver) return
  isOver = true
  // What is still under way gets a moment; after it, it has failed.
  setTimeout(() => {
    const open = lines.length - idle.length + waiting.length
    if (open > 0) failures['unanswered'] = open
    const result: OpenLoopResult = {
      requests: latencies.count,
      seconds: tookMs / 1000,
      ownLateP99Us: ownLateness.percentileUs(0.99),
      newcomers,
      strayed,
      failures,
      ...latencies.summaryUs(),
      ...steady.summaryUs(),
    }
    for (const line of lines) line.end()
    process.send?.(result, () => process.exit(0))
  }, 1000)
}

process.once('message', begin)
process.send?.('ready')
