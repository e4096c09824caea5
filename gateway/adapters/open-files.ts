// How many files this process may have open, sockets included. Beyond that a front could accept nothing, and would be
// told of waiting connections again and again.
import { readFileSync } from 'node:fs'

/** Infinity where the system does not say. */
export function openFilesLimit(): number {
  try {
    const [, soft = ''] = /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? []
    return soft === 'unlimited' || soft === '' ? Infinity : Number(soft)
  } catch {
    return Infinity
  }
}
