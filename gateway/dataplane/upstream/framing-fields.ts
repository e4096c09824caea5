// Reads the values of the fields that frame a message or decide the life of its connection, on bytes. Each function
// says what one value means; what follows from several together is the head's business.
import { matchesLowerCase } from './field-names.js'

const comma = 44
const semicolon = 59
const tab = 9
const space = 32
const longestLength = 15
const chunked = Buffer.from('chunked', 'latin1')
const close = Buffer.from('close', 'latin1')
const timeoutIs = Buffer.from('timeout=', 'latin1')

/** The number written by `bytes[start, end)` in one to fifteen digits and nothing else, or -1. */
export function decimal(bytes: Uint8Array, start: number, end: number): number {
  if (end === start || end - start > longestLength) return -1
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - 48
    if (digit < 0 || digit > 9) return -1
    value = value * 10 + digit
  }
  return value
}

/** Whether a Transfer-Encoding is exactly `chunked`: we announce no other coding, so no other can be meant for us. */
export function isChunkedAlone(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start === chunked.length && matchesLowerCase(bytes, start, chunked)
}

/** Whether a Connection field's list holds `close`. */
export function listsClose(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at < end) {
    const itemEnd = endOfItem(bytes, at, end)
    if (trimmedLength(bytes, at, itemEnd) === close.length && matchesLowerCase(bytes, at, close)) return true
    at = skipSeparators(bytes, itemEnd, end)
  }
  return false
}

/** The `timeout` of a Keep-Alive field in milliseconds, or -1. */
export function keepAliveTimeoutMs(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end) {
    const itemEnd = endOfItem(bytes, at, end)
    const digitsStart = at + timeoutIs.length
    if (itemEnd > digitsStart && matchesLowerCase(bytes, at, timeoutIs)) {
      const seconds = decimal(bytes, digitsStart, at + trimmedLength(bytes, at, itemEnd))
      return seconds < 0 ? -1 : seconds * 1000
    }
    at = skipSeparators(bytes, itemEnd, end)
  }
  return -1
}

function endOfItem(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && bytes[at] !== comma && bytes[at] !== semicolon) at++
  return at
}

function trimmedLength(bytes: Uint8Array, start: number, end: number): number {
  let last = end
  while (last > start && isSpace(bytes[last - 1]!)) last--
  return last - start
}

function skipSeparators(bytes: Uint8Array, start: number, end: number): number {
  let at = start
  while (at < end && (isSpace(bytes[at]!) || bytes[at] === comma || bytes[at] === semicolon)) at++
  return at
}

function isSpace(byte: number): boolean {
  return byte === space || byte === tab
}
