// How many connections each client address has to the public ports, with all workers together, as the system's own
// tables say (proc_net_tcp of Linux). A worker sees only its own, and the library of one front does not tell who left.
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { SocketAddress } from 'node:net'
import type { Gate } from '../dataplane/gate.js'

const tables = ['/proc/net/tcp', '/proc/net/tcp6'] as const
const censusMs = 1_000
/** `ESTABLISHED`, and `CLOSE_WAIT`: the client has closed its half. */
const openStates: ReadonlySet<string> = new Set(['01', '08'])

/** Whether this system has such tables. */
export const canCount = existsSync(tables[0])

/** Counts once a second as long as somebody wants to know. */
export function takeCensus(gate: Gate, ports: () => readonly number[]): void {
  let isCounting = false
  const count = async (): Promise<void> => {
    if (isCounting || !gate.beginCensus()) return
    isCounting = true
    gate.useCensus(await connectionsByAddress(ports()))
    isCounting = false
  }
  if (canCount) setInterval(() => void count(), censusMs).unref()
}

/** Open connections to these local ports by the address of the other end. */
export async function connectionsByAddress(ports: readonly number[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  const wanted = new Set(ports.map((port) => port.toString(16).toUpperCase().padStart(4, '0')))
  for (const table of tables) {
    // IPv6 may be switched off.
    const text = await readFile(table, 'latin1').catch(() => '')
    for (const row of text.split('\n')) addRow(counts, row, wanted)
  }
  return counts
}

/** A row is `sl local remote state …`, addresses as hexadecimal words (little-endian), each with its port. */
function addRow(counts: Map<string, number>, row: string, ports: ReadonlySet<string>): void {
  const [, local = '', remote = '', state = ''] = row.trimStart().split(/ +/, 4)
  if (!openStates.has(state) || !ports.has(local.slice(local.indexOf(':') + 1))) return
  const address = addressOf(remote.slice(0, remote.indexOf(':')))
  counts.set(address, (counts.get(address) ?? 0) + 1)
}

const mapped = '0000000000000000FFFF0000'

function addressOf(words: string): string {
  if (words.startsWith(mapped)) return ipv4(words.slice(mapped.length))
  return words.length === 8 ? ipv4(words) : ipv6(words)
}

function ipv4(word: string): string {
  return [...bytesOf(word)].join('.')
}

function ipv6(words: string): string {
  const bytes = [0, 8, 16, 24].flatMap((at) => [...bytesOf(words.slice(at, at + 8))])
  const groups: string[] = []
  for (let i = 0; i < bytes.length; i += 2)
    groups.push((((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)).toString(16))
  return usualText(groups.join(':'))
}

/** One spelling for each address (RFC 5952). */
export function usualText(address: string): string {
  return address.includes(':') ? new SocketAddress({ address, family: 'ipv6' }).address : address
}

/** The bytes of one word as they are on the wire. */
function bytesOf(word: string): Buffer {
  return Buffer.from(word, 'hex').reverse()
}
