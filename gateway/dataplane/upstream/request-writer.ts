// Sends requests on one socket: head, body in the framing asked for, in as few writes as possible. The caller's bytes
// are never kept: he may overwrite them at once. Knows nothing of responses.
import type { Socket } from 'node:net'
import type { UpstreamRequest } from './upstream.js'

const crlfBytes = 2
const smallBytes = 4096
const pieceBytes = 64 * 1024
/** With size line and CRLF. */
const scratchBytes = pieceBytes + 32
const lastChunk = '0\r\n\r\n'

/**
 * Room for the copy of a piece. It is used again as soon as the socket has written it: with a new one for each piece a
 * large upload keeps a hundred megabytes of garbage waiting for its collection.
 */
class Copy {
  readonly bytes = Buffer.allocUnsafeSlow(scratchBytes)
  readonly giveBack = (): void => {
    if (spare.length < mostSpare) spare.push(this)
  }
}

const spare: Copy[] = []
/**
 * A front may go on delivering what the system has received after it was paused: uWebSockets.js stops when it has read
 * faster than the client sends. A copy into memory that was never touched costs ten times one into this (0.5 ms for half
 * a mebibyte, measured), so a client on the same machine would outrun it; hence as much of it as systems keep.
 */
const mostSpare = 512

/** A piece like this comes of a client that sends as fast as it can. */
const largeBytes = 4 * pieceBytes
let isReady = false

/** Once in a worker that meets such a client: some ten milliseconds, in place of as many for each half mebibyte. */
function makeReady(): void {
  isReady = true
  while (spare.length < mostSpare) {
    const copy = new Copy()
    copy.bytes.fill(0)
    spare.push(copy)
  }
}

/** Their heads wait for their bodies: for all of them one turn of the loop, and one timer. */
const waiting: RequestWriter[] = []

/** What came in the same read as a head has been written by then. */
function releaseAll(): void {
  for (const writer of waiting.splice(0)) writer.release()
}

export class RequestWriter {
  /** The request has been given to the socket whole. */
  isComplete = true
  private isOpen = false
  private isChunked = false
  private isDrainOwed = false
  /** Leaves with the first piece of the body; empty: it has left. */
  private head = ''
  private readonly socket: Socket

  /** Until `open` everything waits in the socket; then it leaves in one write. */
  constructor(socket: Socket) {
    this.socket = socket
    socket.cork()
  }

  /** The socket is connected. */
  open(): void {
    this.isOpen = true
    this.socket.uncork()
  }

  /** Nothing of the request has left yet. */
  get isHeld(): boolean {
    return !this.isOpen || this.head !== ''
  }

  /**
   * A body that is there already, as usual for small ones, leaves together with the head: one system call less. In one
   * buffer with it, not as two that are corked: a POST of 16 KiB costs 10 % less (four starts each).
   */
  begin(head: string, bodyFraming: UpstreamRequest['bodyFraming']): void {
    this.isComplete = bodyFraming === 'none'
    this.isChunked = bodyFraming === 'chunked'
    this.isDrainOwed = false
    this.head = head
    if (this.isComplete) this.release()
    else if (waiting.push(this) === 1) setImmediate(releaseAll)
  }

  /** False: the socket holds a window full, and `takeDrain` will once be true. */
  write(piece: Uint8Array): boolean {
    if (!isReady && piece.length >= largeBytes) makeReady()
    for (let at = 0; at < piece.length; at += pieceBytes) this.writePiece(piece.subarray(at, at + pieceBytes))
    if (this.socket.writableLength < this.socket.writableHighWaterMark) return true
    this.isDrainOwed = true
    return false
  }

  end(): void {
    if (this.isComplete) return
    this.isComplete = true
    const rest = this.isChunked ? this.takeHead() + lastChunk : this.takeHead()
    if (rest !== '') this.socket.write(rest, 'latin1')
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

  /** A head that was held leaves now. */
  release(): void {
    const head = this.takeHead()
    if (head !== '' && !this.socket.destroyed) this.socket.write(head, 'latin1')
  }

  private takeHead(): string {
    const { head } = this
    this.head = ''
    return head
  }

  /** Chunked: with its size before and CRLF after it, in the same write. */
  private writePiece(piece: Uint8Array): void {
    if (this.head.length + piece.length > pieceBytes) this.release()
    const { isChunked } = this
    const before = isChunked ? `${this.takeHead()}${piece.length.toString(16)}\r\n` : this.takeHead()
    const length = before.length + piece.length + (isChunked ? crlfBytes : 0)
    const copy = length <= smallBytes ? null : (spare.pop() ?? new Copy())
    const target = copy === null ? Buffer.allocUnsafe(length) : copy.bytes.subarray(0, length)
    if (before !== '') target.write(before, 'latin1')
    target.set(piece, before.length)
    if (isChunked) target.write('\r\n', length - crlfBytes, 'latin1')
    if (copy === null) this.socket.write(target)
    else this.socket.write(target, copy.giveBack)
  }
}
