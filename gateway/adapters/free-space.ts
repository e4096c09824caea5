// Whether a file system has room for what is about to be written. Knows nothing of what that is.
import { statfsSync } from 'node:fs'

/** So much stays free: what a commit adds to its file beside the contents is not known beforehand. */
const reserveBytes = 4 * 1024 * 1024

/** Throws where the file system of a directory has no room for so many bytes, told in the words of an operator. */
export function requireSpace(directory: string, bytes: number): void {
  const { bavail, bsize } = statfsSync(directory)
  const freeBytes = bavail * bsize
  if (freeBytes >= reserveBytes + bytes) return
  const free = `${Math.floor(freeBytes / 1024)} KiB`
  throw new Error(`only ${free} are free on the file system of "${directory}": make room there`)
}
