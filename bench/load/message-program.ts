// The load of the WebSocket scenario, a process of its own: every connection sends a message and waits for its echo.
// Usage: message-program.js PORT CONNECTIONS SECONDS COOKIES, the last a JSON file. Prints one line of JSON.
import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { usualHost } from '../visits.js'
import { clientFrame, serverFrame } from './frames.js'
import { Latencies } from './latencies.js'

const [port = '', connections = '', seconds = '', file = ''] = process.argv.slice(2)
const cookies = JSON.parse(readFileSync(file, 'utf8')) as readonly string[]
const latencies = new Latencies()
let failures = 0
let isCounting = false
let isOver = false
let open = 0

/** One connection: opened, then a message after the other. */
class Talk {
  readonly #socket: Socket
  #head = ''
  #isOpen = false
  #received = 0
  #sentAt = 0

  constructor(cookie: string) {
    this.#socket = connect(Number(port), '127.0.0.1')
    this.#socket.setNoDelay(true)
    this.#socket.write(upgradeOf(cookie))
    this.#socket.on('data', (piece: Buffer) => this.#take(piece))
    this.#socket.on('error', () => failures++)
    this.#socket.on('close', () => {
      if (!isOver) failures++
    })
  }

  end(): void {
    this.#socket.destroy()
  }

  #take(piece: Buffer): void {
    if (this.#isOpen) return this.#takeMessage(piece)
    this.#head += piece.toString('latin1')
    if (!this.#head.includes('\r\n\r\n')) return
    if (!this.#head.startsWith('HTTP/1.1 101')) throw new Error(`not upgraded: ${this.#head}`)
    this.#isOpen = true
    if (++open === Number(connections)) process.send?.('open')
    this.#send()
  }

  #takeMessage(piece: Buffer): void {
    this.#check(piece)
    this.#received += piece.length
    if (this.#received < serverFrame.length) return
    if (isCounting) latencies.add(performance.now() - this.#sentAt)
    this.#send()
  }

  /** What comes must be the echo, byte for byte. */
  #check(piece: Buffer): void {
    const expected = serverFrame.subarray(this.#received, this.#received + piece.length)
    if (!piece.equals(expected)) throw new Error(`not the echo: ${piece.toString('hex')}`)
  }

  #send(): void {
    if (isOver) return
    this.#received = 0
    this.#sentAt = performance.now()
    this.#socket.write(clientFrame)
  }
}

function upgradeOf(cookie: string): string {
  const lines = [
    'GET /socket HTTP/1.1',
    `Host: ${usualHost}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
    `Cookie: ${cookie}`,
  ]
  return `${lines.join('\r\n')}\r\n\r\n`
}

const talks = Array.from(
  { length: Number(connections) },
  (_, i) => new Talk(cookies[i % cookies.length] ?? ''),
)

process.once('message', () => {
  isCounting = true
  const began = performance.now()
  setTimeout(
    () => {
      isOver = true
      const took = (performance.now() - began) / 1000
      process.send?.({ requests: latencies.count, seconds: took, failures, ...latencies.summaryUs() })
      for (const talk of talks) talk.end()
    },
    Number(seconds) * 1000,
  )
})
