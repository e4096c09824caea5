// Sends requests on one socket: head, body in the framing asked for, in as few writes as possible. The caller's bytes
// are never kept: he may overwrite them at once. Knows nothing of responses.
import type { Socket } from 'node:net'
import type { UpstreamRequest } from './upstream.js'

const crlfBytes = 2
const smallBytes = 4096
const scratchBytes = 64 * 1024 + 32
const lastChunk = '0\r\n\r\n'

// The copy of a piece that the kernel took whole is free again when the write returns: then this one buffer serves every
// upload of the program. A socket that did not take it whole keeps it, and the next piece gets a new one.
let scratch = Buffer.allocUnsafeSlow(scratchBytes)

export class RequestWriter {
  /** The request has been given to the socket whole. */
  isComplete = true
  /** Nothing of the request has left yet. */
  isHeld = true
  private isOpen = false
  private isChunked = false
  private isDrainOwed = false
  private readonly socket: Socket

  /** Until `open` everything waits in the socket; then it leaves in one write. */
  constructor(socket: Socket) {
    this.socket = socket
    socket.cork()
  }

  /** The socket is connected. */
  open(): void {
    this.isOpen = true
    this.release()
  }

  /** A body that is there already, as usual for small ones, leaves together with the head: one system call less. */
  begin(head: string, bodyFraming: UpstreamRequest['bodyFraming']): void {
    this.isComplete = bodyFraming === 'none'
    this.isChunked = bodyFraming === 'chunked'
    this.isDrainOwed = false
    if (!this.isComplete) this.holdHead()
    this.socket.write(head, 'latin1')
  }

  /** False: the socket holds a window full, and `takeDrain` will once be true. */
  write(piece: Uint8Array): boolean {
    if (piece.length > 0) writePiece(this.socket, piece, this.isChunked)
    this.release()
    if (this.socket.writableLength < this.socket.writableHighWaterMark) return true
    this.isDrainOwed = true
    return false
  }

  end(): void {
    if (this.isComplete) return
    this.isComplete = true
    if (this.isChunked) this.socket.write(lastChunk, 'latin1')
    this.release()
  }

  /** The body goes on, but none of it is here: its sender is slow, not the upstream. */
  get isStarved(): boolean {
    return !this.isComplete && this.socket.writableLength === 0
  }

  /** At the socket's `drain`: whether someone waits for it. */
  takeDrain(): boolean {
    const isOwed = this.isDrainOwed
    this.isDrainOwed = false
    return isOwed
  }

  /** What was held leaves now. */
  release(): void {
    if (!this.isHeld || !this.isOpen) return
    this.isHeld = false
    this.socket.uncork()
  }

  private holdHead(): void {
    if (!this.isHeld) this.socket.cork()
    this.isHeld = true
    // what came in the same read as the head has been written by then
    setImmediate(releaseLater, this)
  }
}

function releaseLater(writer: RequestWriter): void {
  writer.release()
}

/** Chunked: with its size before and CRLF after it, in the same write. */
function writePiece(socket: Socket, piece: Uint8Array, isChunked: boolean): void {
  const sizeLine = isChunked ? `${piece.length.toString(16)}\r\n` : ''
  const length = sizeLine.length + piece.length + (isChunked ? crlfBytes : 0)
  const mayKeep = length <= smallBytes || length > scratchBytes || socket.writableLength > 0
  const target = mayKeep ? Buffer.allocUnsafe(length) : scratch
  target.write(sizeLine, 0, 'latin1')
  target.set(piece, sizeLine.length)
  if (isChunked) target.write('\r\n', length - crlfBytes, 'latin1')
  socket.write(mayKeep ? target : target.subarray(0, length))
  if (!mayKeep && socket.writableLength > 0) scratch = Buffer.allocUnsafeSlow(scratchBytes)
}
