// Locks the state directory: two gateways on one state would each forget what the other promised. The lock is a
// listening unix socket in the directory; who can connect to it knows that its holder lives, whatever happened to
// process ids, and also across containers that share the volume.
import { randomBytes } from 'node:crypto'
import { link, mkdir, rename, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'

export interface StateLock {
  release(): Promise<void>
}

export class StateLockedError extends Error {}

/** Rejects with `StateLockedError` when another gateway holds the directory. */
export async function lockState(directory: string): Promise<StateLock> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, 'lock.sock')
  const own = join(directory, `lock-${randomBytes(4).toString('hex')}.sock`)
  const server = await listenOn(own)
  try {
    await claim(own, path, directory)
  } catch (error) {
    server.close()
    throw error
  }
  return {
    async release() {
      await unlink(path).catch(() => {})
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** `link` fails when the name is taken, so exactly one of several starters gets it. */
async function claim(own: string, path: string, directory: string): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      await link(own, path)
      await unlink(own)
      return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    if (await isAlive(path)) break
    await bury(path, directory)
  }
  throw new StateLockedError(`another gateway runs on the state directory "${directory}"`)
}

/** Moves a dead lock away; puts it back when it turns out to live (another starter was quicker). */
async function bury(path: string, directory: string): Promise<void> {
  const grave = join(directory, `lock-${randomBytes(4).toString('hex')}.dead`)
  try {
    await rename(path, grave)
  } catch {
    return
  }
  if (await isAlive(grave)) await link(grave, path).catch(() => {})
  await unlink(grave).catch(() => {})
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

function listenOn(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.on('error', reject)
    server.listen(path, () => {
      server.unref()
      resolve(server)
    })
  })
}
