// WebSocket frames of one fixed text, as both ends of the benchmark send them (RFC 6455 section 5.2). Knows no sockets.

/** The payload of a message in bytes; more than 125, so its length takes two bytes more. */
const messageBytes = 128

const opening = [0x81, 126, messageBytes >> 8, messageBytes & 0xff] as const

/** One message as a server sends it. */
export const serverFrame = Buffer.concat([Buffer.from(opening), Buffer.alloc(messageBytes, 'm')])

/** One message as a client sends it: masked, here with zeros. */
export const clientFrame = Buffer.concat([
  Buffer.from([opening[0], opening[1] | 0x80, opening[2], opening[3], 0, 0, 0, 0]),
  Buffer.alloc(messageBytes, 'm'),
])
