// Waits for a condition that sockets bring about, turn by turn of the event loop: no time passes in a test for nothing.
import { setImmediate } from 'node:timers/promises'

const limitMs = 10_000

/** Resolves as soon as `condition` holds; fails after ten seconds. */
export async function eventually(condition: () => boolean): Promise<void> {
  const limit = performance.now() + limitMs
  while (!condition()) {
    if (performance.now() > limit) throw new Error(`never came true: ${condition.toString()}`)
    await setImmediate()
  }
}
