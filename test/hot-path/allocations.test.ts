// What a request may cost on the hot path, counted and not timed: what it allocates, what it asks of both sides, what
// stays behind. Measured in a child with an exposed collector and without sockets.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { nodeAlone } from '../fixtures/node-alone.js'

/** What one request of the child cost, on average. */
interface Cost {
  readonly allocatedBytes: number
  readonly keptBytes: number
  readonly sent: number
  readonly headBytes: number
  readonly starts: number
  readonly writes: number
  readonly ends: number
  readonly flushes: number
  readonly clockReadings: number
  readonly open: number
}

function costOfRequests(): Cost {
  const child = fileURLToPath(new URL('./request-child.js', import.meta.url))
  const flags = ['--expose-gc', '--max-semi-space-size=64', '--min-semi-space-size=64']
  const { stdout, stderr, status } = spawnSync(...nodeAlone([...flags, child]), { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
  return JSON.parse(stdout) as Cost
}

t.test('the usual request costs the hot path what it did', async (t) => {
  const cost = costOfRequests()
  t.comment(JSON.stringify(cost))

  await t.test('it allocates less than 5.5 KiB, the strings of its own head left out', async (t) => {
    t.ok(cost.allocatedBytes > 0, 'something was measured')
    t.ok(cost.allocatedBytes < 5.5 * 1024, `${cost.allocatedBytes} bytes`)
  })

  await t.test('nothing of it stays behind', async (t) => {
    t.ok(cost.keptBytes < 16, `${cost.keptBytes} bytes`)
    t.equal(cost.open, 0)
  })

  await t.test('one request upstream, whose head has grown by what the gateway adds only', async (t) => {
    t.equal(cost.sent, 1)
    t.ok(cost.headBytes < 1024, `${cost.headBytes} bytes`)
  })

  await t.test('the client is called once for head, body and end, and flushed once', async (t) => {
    t.same([cost.starts, cost.writes, cost.ends, cost.flushes], [1, 1, 1, 1])
  })

  await t.test('the clock is read no more than five times', async (t) => {
    t.ok(cost.clockReadings <= 5, `${cost.clockReadings} readings`)
  })
})
