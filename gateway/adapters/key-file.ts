// The key ring's file: mode 600, written beside and renamed over, so that it is whole at every moment.
import { randomBytes } from 'node:crypto'
import { chmod, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { KeyRingError, parseKeyRing, withNewKey, type SavedKeyRing } from '../controlplane/key-ring.js'

/** Reads the ring; null when there is no file. Throws a `KeyRingError` that names the file when it is not usable. */
export async function readKeyFile(path: string): Promise<SavedKeyRing | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    return parseKeyRing(text)
  } catch (error) {
    if (error instanceof KeyRingError) throw new KeyRingError(`key ring "${path}": ${error.message}`)
    throw error
  }
}

export async function writeKeyFile(path: string, ring: SavedKeyRing): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const beside = `${path}.new`
  await writeFile(beside, `${JSON.stringify(ring, null, 2)}\n`, { mode: 0o600 })
  // The mode given above is that of a new file only.
  await chmod(beside, 0o600)
  await rename(beside, path)
}

/** A ring with one fresh key. */
export function generateKeyRing(now: number): SavedKeyRing {
  return withNewKey({ version: 1, keys: [] }, randomBytes(32), now)
}
