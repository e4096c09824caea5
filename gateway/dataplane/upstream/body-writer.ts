// Writes the pieces of a request's body to a socket, framed. The caller's bytes are never kept: he may overwrite them at
// once. Knows nothing of what the pieces mean.
import type { Socket } from 'node:net'

const crlfBytes = 2
const smallBytes = 4096
const scratchBytes = 64 * 1024 + 32
const lastChunk = '0\r\n\r\n'

// The copy of a piece that the kernel took whole is free again when the write returns: then this one buffer serves every
// upload of the program. A socket that did not take it whole keeps it, and the next piece gets a new one.
let scratch = Buffer.allocUnsafeSlow(scratchBytes)

/** Writes a piece that is not empty; chunked: with its size before and CRLF after it, in the same write. */
export function writePiece(socket: Socket, piece: Uint8Array, isChunked: boolean): void {
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

/** Ends a chunked body, without trailers. */
export function writeLastChunk(socket: Socket): void {
  socket.write(lastChunk, 'latin1')
}
