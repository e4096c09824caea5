// A connection that is neither accepted nor refused: the machine is gone, a firewall drops packets, or the process is
// stopped and its backlog is full.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { type FaultyUpstream, targetUrl } from './raw-server.js'

// The thread listens with the smallest backlog and then stands still, so that nobody accepts.
const listener = `
  const { parentPort, workerData } = require('node:worker_threads')
  const server = require('node:net').createServer().listen({ port: workerData, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port)
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })
`

/** Fills the backlog first; every further connection hangs. `at`: the port to listen on, a free one unless given. */
export async function hangingConnect(at = 0): Promise<FaultyUpstream> {
  const worker = new Worker(listener, { eval: true, workerData: at })
  const [port] = (await once(worker, 'message')) as [number]
  const fillers: Socket[] = []
  for (let i = 0; i < 2; i++) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => socket.destroy())
    fillers.push(socket)
    await once(socket, 'connect')
  }
  return {
    url: targetUrl(`http://127.0.0.1:${port}`),
    port,
    sockets: new Set(),
    accepted: 0,
    async close() {
      for (const socket of fillers) socket.destroy()
      await worker.terminate()
    },
  }
}
