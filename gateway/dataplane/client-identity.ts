// Who is asking, as far as the peers can be trusted: client address and scheme by `trustedProxies`. Everything that
// an untrusted peer says about others is ignored.
import { BlockList, isIP } from 'node:net'
import { headerOf, type RequestHead } from './request-head.js'

/** The addresses whose forwarding headers are believed. */
export class TrustedProxies {
  readonly #list = new BlockList()
  readonly #isEmpty: boolean

  /** CIDR blocks or single addresses, validated at the border of the configuration. */
  constructor(blocks: readonly string[]) {
    this.#isEmpty = blocks.length === 0
    for (const block of blocks) this.#add(block)
  }

  #add(block: string): void {
    const [address = '', prefix] = block.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (prefix === undefined) this.#list.addAddress(address, family)
    else this.#list.addSubnet(address, Number(prefix), family)
  }

  has(address: string): boolean {
    if (this.#isEmpty) return false
    const family = isIP(address)
    return family !== 0 && this.#list.check(address, family === 6 ? 'ipv6' : 'ipv4')
  }
}

export interface ClientIdentity {
  /** The nearest address that is not a trusted proxy's. */
  readonly address: string
  readonly isSecure: boolean
  /** The peer is a trusted proxy: its forwarding headers go on, with ours added. */
  readonly isForwarded: boolean
}

export function identifyClient(head: RequestHead, trusted: TrustedProxies): ClientIdentity {
  if (!trusted.has(head.remoteAddress)) {
    return { address: head.remoteAddress, isSecure: head.isSecure, isForwarded: false }
  }
  const proto = headerOf(head, 'x-forwarded-proto').split(',')[0]?.trim().toLowerCase()
  const isSecure = proto === undefined || proto === '' ? head.isSecure : proto === 'https'
  return { address: nearestUntrusted(head, trusted), isSecure, isForwarded: true }
}

/** The rightmost address of X-Forwarded-For that no trusted proxy holds; everything left of it could be invented. */
function nearestUntrusted(head: RequestHead, trusted: TrustedProxies): string {
  const chain = forwardedFor(head)
  for (let i = chain.length - 1; i >= 0; i--) {
    const address = chain[i] ?? ''
    if (isIP(address) === 0) break
    if (!trusted.has(address)) return address
  }
  return head.remoteAddress
}

function forwardedFor(head: RequestHead): string[] {
  const values: string[] = []
  head.names.forEach((name, i) => {
    if (name === 'x-forwarded-for') values.push(...(head.values[i] ?? '').split(','))
  })
  return values.map((value) => withoutPort(value.trim()))
}

/** Some balancers tell the port as well: `192.0.2.1:5000`, `[2001:db8::1]:5000`. */
const bracketed = /^\[([0-9a-f:.]+)\](?::\d{1,5})?$/i
const withPort = /^([\d.]+):\d{1,5}$/

function withoutPort(value: string): string {
  return (bracketed.exec(value) ?? withPort.exec(value))?.[1] ?? value
}
