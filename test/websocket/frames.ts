// Frames of RFC 6455 as bytes, right and wrong ones: a client that writes what no library would, and reads what comes.
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import type { Owner } from '../fixtures/owner.js'
import { until } from '../fixtures/until.js'

/** Operation codes of section 5.2. */
export const opcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** What may be otherwise than in an ordinary frame. */
export interface FrameOptions {
  readonly fin?: boolean
  /** The three reserved bits: 4, 2, 1. */
  readonly rsv?: number
}

/** A client's frame, masked. */
export function frame(opcode: number, payload: string | Buffer = '', options: FrameOptions = {}): Buffer {
  const { fin = true, rsv = 0 } = options
  const body = Buffer.from(payload)
  const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d])
  const head = Buffer.from([(fin ? 0x80 : 0) | (rsv << 4) | opcode])
  return Buffer.concat([head, lengthOf(body.length), mask, body.map((byte, i) => byte ^ (mask[i % 4] ?? 0))])
}

function lengthOf(length: number): Buffer {
  if (length < 126) return Buffer.from([0x80 | length])
  const short = Buffer.alloc(3)
  if (length < 65_536) {
    short[0] = 0x80 | 126
    short.writeUInt16BE(length, 1)
    return short
  }
  const long = Buffer.alloc(9)
  long[0] = 0x80 | 127
  long.writeBigUInt64BE(BigInt(length), 1)
  return long
}

/** A close frame with this code and reason. */
export function closeFrame(code: number, reason: string | Buffer = ''): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(code)
  return frame(opcodes.close, Buffer.concat([bytes, Buffer.from(reason)]))
}

/** A client behind a handshake of its own. */
export class FrameClient {
  /** Messages and pongs in order, each as its kind and its bytes. */
  readonly heard: string[] = []
  /** The code of the close frame that came; 1005 when it had none. */
  closeCode: number | null = null
  isClosed = false
  readonly #socket: Socket
  #bytes: Buffer = Buffer.alloc(0)
  #isOpen = false
  #pieces: Buffer[] = []

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (bytes) => this.#read(bytes))
    socket.on('error', () => {})
    socket.on('close', () => (this.isClosed = true))
  }

  /** Asks for `path` and waits for the 101. */
  static async open(t: Owner, origin: string, path: string): Promise<FrameClient> {
    const { hostname, port, host } = new URL(origin)
    const socket = connect(Number(port), hostname)
    t.teardown(() => socket.destroy())
    const client = new FrameClient(socket)
    const key = `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}`
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${key}\r\n\r\n`,
    )
    await until('the handshake is answered', () => client.#isOpen || client.isClosed)
    if (!client.#isOpen) throw new Error('the handshake was refused')
    return client
  }

  /** Writes these bytes, in one piece or byte by byte. */
  send(bytes: Buffer, isByteByByte = false): void {
    this.#socket.setNoDelay(true)
    if (!isByteByByte) this.#socket.write(bytes)
    else for (const byte of bytes) this.#socket.write(Buffer.from([byte]))
  }

  /** Waits until so much was heard, or the other side has ended it. */
  async hears(count: number): Promise<void> {
    await until(
      `${count} frames`,
      () => this.heard.length >= count || this.closeCode !== null || this.isClosed,
    )
  }

  /** Waits until the connection is gone. */
  async ends(): Promise<void> {
    await until('the connection is closed', () => this.isClosed)
  }

  #read(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes])
    if (!this.#isOpen) {
      const end = this.#bytes.indexOf('\r\n\r\n')
      if (end === -1 || !this.#bytes.toString('latin1').startsWith('HTTP/1.1 101')) return
      this.#isOpen = true
      this.#bytes = this.#bytes.subarray(end + 4)
    }
    while (this.#readFrame()) continue
  }

  /** Servers' frames are not masked. False: there is none yet. */
  #readFrame(): boolean {
    const [first = 0, second = 0] = this.#bytes
    const extra = second === 126 ? 2 : second === 127 ? 8 : 0
    if (this.#bytes.length < 2 + extra) return false
    const length =
      extra === 0
        ? second
        : extra === 2
          ? this.#bytes.readUInt16BE(2)
          : Number(this.#bytes.readBigUInt64BE(2))
    if (this.#bytes.length < 2 + extra + length) return false
    const payload = this.#bytes.subarray(2 + extra, 2 + extra + length)
    this.#bytes = this.#bytes.subarray(2 + extra + length)
    this.#take(first & 0x0f, (first & 0x80) !== 0, payload)
    return true
  }

  #take(opcode: number, isLast: boolean, payload: Buffer): void {
    if (opcode === opcodes.close) {
      this.closeCode = payload.length < 2 ? 1005 : payload.readUInt16BE(0)
      this.#socket.end()
    } else if (opcode === opcodes.pong) this.heard.push(`pong ${payload.toString('latin1')}`)
    else if (opcode < opcodes.close) {
      this.#pieces.push(payload)
      if (opcode !== opcodes.continuation) this.#kind = opcode === opcodes.text ? 'text' : 'binary'
      if (!isLast) return
      this.heard.push(`${this.#kind} ${Buffer.concat(this.#pieces).toString('latin1')}`)
      this.#pieces = []
    }
  }

  #kind = ''
}
