// The admin token's file: one bare line, mode 600, made at the first start.
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'

/** The token of the file; where there is none and `mayMake` says so, a fresh one is written. */
export async function readToken(path: string, mayMake: boolean): Promise<string> {
  try {
    const token = (await readFile(path, 'utf8')).trim()
    if (token !== '') return token
    throw new Error(`the admin token file "${path}" is empty: write one line with a token into it`)
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    if (!isMissing) throw error
    if (!mayMake) throw new Error(`the admin token file "${path}" does not exist: create it or leave it out`)
  }
  const token = randomBytes(32).toString('base64url')
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(path, `${token}\n`, { mode: 0o600, flag: 'wx' })
  return token
}
