// Whether a file can take what is about to be written. Knows nothing of what that is.
import { accessSync, constants, statfsSync } from 'node:fs'

/** So much stays free: what a commit adds to its file beside the contents is not known beforehand. */
const reserveBytes = 4 * 1024 * 1024

/** Throws where a file is gone or read-only, or its file system has no room for so many bytes, in words for an operator. */
export function requireWritable(file: string, bytes: number): void {
  // Of a file system that was made read-only (after an error of its disk) this says so, to root as well.
  accessSync(file, constants.W_OK)
  const { bavail, bsize } = statfsSync(file)
  const freeBytes = bavail * bsize
  if (freeBytes >= reserveBytes + bytes) return
  const free = `${Math.floor(freeBytes / 1024)} KiB`
  throw new Error(`only ${free} are free on the file system of "${file}": make room there`)
}
