// Wakes the open-loop load more often than a timer can: timers of the loop know whole milliseconds only. A thread, so
// that waiting blocks nobody.
import { parentPort } from 'node:worker_threads'

const everyMs = 0.2
const never = new Int32Array(new SharedArrayBuffer(4))

for (;;) {
  Atomics.wait(never, 0, 0, everyMs)
  parentPort?.postMessage(0)
}
