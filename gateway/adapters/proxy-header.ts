// The header that a load balancer of the transport layer puts before a connection's bytes: PROXY protocol, version 2
// (haproxy's proxy-protocol.txt, section 2.2). Reads bytes; knows nothing of sockets.
import { SocketAddress } from 'node:net'
import { addressText } from './connection-facts.js'

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')

/** Signature, version and command, family, length of the rest. */
export const prefixBytes = 16
/** Addresses take 36 bytes, extensions of real balancers a few hundred. */
const mostBytes = 4_096

/** The length of the whole header, by its prefix. Throws where it is none of version 2, or too long. */
export function headerBytes(prefix: Buffer): number {
  if (!prefix.subarray(0, signature.length).equals(signature)) throw new Error('no header of version 2')
  const version = (prefix[12] ?? 0) >> 4
  if (version !== 2) throw new Error(`version ${version}`)
  const bytes = prefixBytes + prefix.readUInt16BE(14)
  if (bytes > mostBytes) throw new Error(`${bytes} bytes`)
  return bytes
}

const commands = { local: 0, proxy: 1 }
/** Address family and transport, and how many bytes both addresses and ports take. */
const families = { unspecified: 0x00, tcp4: 0x11, tcp6: 0x21, unix: 0x31 }
const tcp4Bytes = 12
const tcp6Bytes = 36

/**
 * The client's address in a whole header; null where the connection is the balancer's own, or of no address. Throws
 * where it contradicts itself. Extensions behind the addresses are not looked at.
 */
export function readProxyHeader(header: Buffer): string | null {
  const command = (header[12] ?? 0) & 0x0f
  if (command === commands.local) return null
  if (command !== commands.proxy) throw new Error(`command ${command}`)
  const rest = header.subarray(prefixBytes)
  switch (header[13]) {
    case families.tcp4:
      if (rest.length < tcp4Bytes) throw new Error('an address is cut short')
      return rest.subarray(0, 4).join('.')
    case families.tcp6:
      if (rest.length < tcp6Bytes) throw new Error('an address is cut short')
      return addressText(textOfIPv6(rest))
    case families.unspecified:
    case families.unix:
      return null
    default:
      throw new Error(`family ${header[13] ?? 0}`)
  }
}

function textOfIPv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16))
  return new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address
}
